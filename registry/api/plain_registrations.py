"""Single registrations that workers hand in without HTTP: carried out as by `PUT /api/v1/identifiers/…`, or not at all.

Only what the API would answer with 201 or 202 is answered here. Everything else the worker sends to the API, which
decides anew and refuses in its own words; so this one need not know its rules.
"""

from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

from identifiers.plain_registration import PlainRegistration
from identifiers.value_json import decode_plain_body
from registry.api.call import ALWAYS, JSON, Answer, concluded, rest_of
from registry.api.identifiers import PATH, made
from registry.api.on_record import REQUEST_ID, object_of
from registry.authority import Action, Principal, authorise
from registry.context import RegistryContext
from registry.errors import RegistryError
from registry.ids import new_request_id
from registry.origin import Origin, acting
from registry.quota_memo import MEMO

ACTION: Final = f"PUT {PATH}{{identifier}}"
"""As the audit log names the route."""


class PlainRegistrations:
    """Carries them out."""

    def __init__(self, context: RegistryContext) -> None:
        self._context = context
        self._second = -1
        self._date = ""

    async def answer(self, asked: PlainRegistration) -> bytes | None:
        """Return the whole HTTP answer to a registration; None where nothing was done."""
        context = self._context
        now = context.clock()
        principal = context.tokens.recall(asked.token, now)
        name, plain = rest_of(asked.target, PATH), decode_plain_body(asked.body)
        if principal is None or name is None or plain is None or not self._lets_in(principal, now):
            return None
        origin = Origin(asked.address, ACTION, object_of(asked.target), new_request_id(), principal.account)
        values, template = plain
        with acting(origin):
            written = await context.registrar.register(principal, now, name, values=values, template=template)
            if written is None:
                return None
            answer = await concluded(context, made(written), report=True)
        ended = context.clock()
        context.samples.take(origin, ended.timestamp())
        return self._octets(answer, origin.request_id, ended)

    def _lets_in(self, principal: Principal, now: datetime) -> bool:
        """Whether the API would let the sender in without counting: nobody is counted twice."""
        try:
            authorise(principal, Action.WRITE_IDENTIFIER)
        except RegistryError:
            return False
        enterprise = principal.enterprise
        return enterprise is None or (MEMO.fresh(now) and not self._context.rates.counts(MEMO.recall(enterprise)))

    def _octets(self, answer: Answer, request_id: str, now: datetime) -> bytes:
        if (second := int(now.timestamp())) != self._second:
            self._second, self._date = second, format_datetime(now, usegmt=True)
        headers = (
            ALWAYS
            | answer.headers
            | {
                "Content-Type": JSON,
                "Content-Length": str(len(answer.body)),
                "Date": self._date,
                REQUEST_ID: request_id,
            }
        )
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + answer.body
