"""`PUT` and `DELETE /api/handles/{handle}`: records and single values made, replaced and removed (3.2 to 3.4).

This node checks who asks and what the request says; everything else, in the order of Handle wire 17.3, is decided by
the registry, which is asked even when nobody is known: it says whether somebody has to be.
"""

import re
from typing import Any, Final, Protocol

import orjson
from aiohttp.web import BaseRequest, Response

from identifiers.changes import PrefixState
from identifiers.entity_tags import tags_shown
from identifiers.handle import fold, parse_handle
from identifiers.handle_requests import ANY_TAG, Add, Create, Delete, Face, HandleAnswer, Operation, Remove
from identifiers.identifier import HandleParts, Invalid
from identifiers.json_text import decode_json
from identifiers.value_reading import read_values
from identifiers.values import INDEX_MAX, Reference, Value, ValuesError
from resolver.faces import handle_answer as form
from resolver.faces.desk import Desk
from resolver.faces.handle_api.door import Asker
from resolver.faces.handle_query import SELECTIONS_MAX
from resolver.faces.handle_reply import (
    NOT_SERVED,
    ApiRefused,
    bad_request,
    body_of,
    checked_name,
    json_reply,
    media_type_of,
    query_of,
    shown,
)
from resolver.faces.request_target import Parameters, Target
from resolver.lookup import Found

FACE: Final[Face] = "handle_http"
VARIOUS: Final = "various"
QUOTAS: Final = (603, 604, 605)
"""Codes for logins of the IDIS client only; everybody else is told to try again."""
_DIGITS: Final = re.compile("[0-9]{1,10}")
_ETAG: Final = re.compile(r'(W/)?"([0-9a-f]{16})(?:-pretty)?(?:-gzip)?"')
_RECORD_CHANGED: Final = "Record changed"
_TEXTS: Final = {
    form.VALUES_NOT_FOUND: "There is no value with this index",
    form.HANDLE_ALREADY_EXISTS: "The handle exists already",
    form.VALUE_ALREADY_EXISTS: "A value with this index exists already",
    form.LACKS_RIGHT: "Not enough rights",
    form.ACCESS_DENIED: "A value does not allow it",
}
"""Where the registry says no more than a code."""


class Writer(Protocol):
    """The way to the registry."""

    async def execute(
        self, operation: Operation, *, user: Reference | None, face: Face, address: str = "unknown"
    ) -> HandleAnswer:
        """Have an operation carried out."""


class Writing:
    """Serves both methods."""

    def __init__(self, desk: Desk, writer: Writer | None) -> None:
        self._desk = desk
        self._writer = writer

    async def put(self, request: BaseRequest, target: Target, raw_name: str, asker: Asker) -> Response:
        """Create or replace a record, or, with `index`, values of one."""
        name = checked_name(raw_name)
        parameters = query_of(target, name)
        indexes = _indexes(parameters, name)
        various = VARIOUS in parameters.all("index")
        if media_type_of(request) != "application/json":
            media_type = shown(request.headers.get("Content-Type", ""))[:100]
            raise bad_request(f"Unsupported media type {media_type}".rstrip(), name)
        values = self._values(await body_of(request, name), name)
        if indexes and not various and indexes != {value.index for value in values}:
            raise bad_request("Mismatched indexes in PUT request", name)
        overwrite = parameters.first("overwrite")
        overwrites = (overwrite is None or overwrite.lower() == "true") and not _only_new(request)
        tag = self._entity_tag(request, name, indexes)
        operation: Operation
        if indexes or various:
            operation = Add(name, values, overwrites, tag)
        else:
            mints = (parameters.first("mintNewSuffix") or "").lower() == "true"
            operation = Create(name, values, overwrites, mints, tag)
        return await self._execute(request, operation, name, asker, created=201)

    async def delete(self, request: BaseRequest, target: Target, raw_name: str, asker: Asker) -> Response:
        """Delete a record, or, with `index`, values of one."""
        name = checked_name(raw_name)
        parameters = query_of(target, name)
        if VARIOUS in parameters.all("index"):
            raise bad_request("Indexes to delete have to be named", name)
        indexes = _indexes(parameters, name)
        tag = self._entity_tag(request, name, indexes)
        operation = Remove(name, tuple(sorted(indexes)), tag) if indexes else Delete(name, tag)
        return await self._execute(request, operation, name, asker, created=200)

    async def _execute(
        self, request: BaseRequest, operation: Operation, name: str, asker: Asker, *, created: int
    ) -> Response:
        answer = await executed(self._writer, operation, asker, name)
        if answer.stale:
            raise ApiRefused(412, form.VALUE_ALREADY_EXISTS, _RECORD_CHANGED, name)
        check_success(answer, asker, name)
        handle = answer.name if isinstance(operation, Create) and operation.mint else name
        body = orjson.dumps({"responseCode": form.SUCCESS, "handle": handle})
        return await json_reply(request, 200 if answer.existed else created, body, private=asker.is_known)

    def _values(self, body: bytes, name: str) -> tuple[Value, ...]:
        try:
            return read_values(self._array(decode_json(body), name))
        except ValuesError as error:
            if error.code != form.PROTOCOL_ERROR:
                self._check_homed(name)
            raise ApiRefused(form.write_status_of(error.code), error.code, str(error), name) from error

    def _array(self, parsed: Any, name: str) -> Any:
        """Return the array of values in a body, in whichever of its forms."""
        if isinstance(parsed, list):
            return parsed
        if isinstance(parsed, dict) and "values" in parsed:
            handle = parsed.get("handle", name)
            if not isinstance(handle, str) or not self._is_same(handle, name):
                raise bad_request("Mismatched handle in PUT request", name)
            return parsed["values"]
        if isinstance(parsed, dict) and {"index", "type", "data"} <= parsed.keys():
            return [parsed]
        raise bad_request("Invalid JSON in PUT request", name)

    def _is_same(self, one: str, other: str) -> bool:
        """Say whether two spellings name the same record, by the case rule of their prefix."""
        exact = (state := self._prefix(other)) is not None and state.exact_case
        mine, others = parse_handle(one, exact_case=exact), parse_handle(other, exact_case=exact)
        return not isinstance(mine, Invalid) and not isinstance(others, Invalid) and mine.key == others.key

    def _check_homed(self, name: str) -> None:
        """Say first that a name is not served here: its values are nobody's concern then."""
        if self._prefix(name) is None:
            raise ApiRefused(400, form.NOT_RESPONSIBLE, NOT_SERVED, name)

    def _prefix(self, name: str) -> PrefixState | None:
        """Return the prefix of a name if it is hosted here."""
        parsed = parse_handle(name)
        if isinstance(parsed, Invalid) or not isinstance(parsed.parts, HandleParts):
            return None
        return prefix_here(self._desk, parsed.parts.named_prefix or fold(parsed.parts.prefix))

    def _entity_tag(self, request: BaseRequest, name: str, indexes: set[int]) -> str | None:
        """Return the tag that the record must still have, an empty one where none of the request's can be meant.

        Of several the one that the record has is chosen; the registry compares it in the change's own transaction.
        """
        condition = ",".join(request.headers.getall("If-Match", ())).strip()
        if condition in ("", ANY_TAG):
            return condition or None
        tags = [tag for weak, tag in _ETAG.findall(condition) if not weak]
        found = self._desk.find(name) if len(tags) > 1 else None
        if isinstance(found, Found):
            shown = tags_shown(found.record.values(), indexes)
            tags = [tag for tag in tags if tag in shown] or tags
        return tags[0] if tags else ""


def prefix_here(desk: Desk, prefix: str) -> PrefixState | None:
    """Return a prefix, in capitals, if it is hosted here."""
    reader = desk.open_reader()
    transaction = reader.begin()
    try:
        state = reader.prefix(transaction, prefix)
    finally:
        transaction.abort()
    return state if state is not None and state.hosting == "here" else None


async def executed(writer: Writer | None, operation: Operation, asker: Asker, name: str | None = None) -> HandleAnswer:
    """Have an operation carried out. Raises ApiRefused where nobody does."""
    if writer is None:
        raise ApiRefused(503, form.READ_ONLY, "This node takes no changes now", name)
    return await writer.execute(operation, user=asker.user, face=FACE, address=asker.client.address)


def check_success(answer: HandleAnswer, asker: Asker, name: str | None = None) -> None:
    """Raise ApiRefused unless an answer is of success."""
    if answer.code == form.SUCCESS:
        return
    code = form.TRY_AGAIN if answer.code in QUOTAS else answer.code
    text = answer.text or _TEXTS.get(code, "")
    if code == form.AUTHENTICATION_NEEDED:
        text = "Authentication is needed" if asker.client.secure else "Authentication is needed, over TLS"
    raise ApiRefused(form.write_status_of(code, secure=asker.client.secure), code, text, name)


def _indexes(parameters: Parameters, name: str) -> set[int]:
    texts = parameters.all("index")
    if len(texts) > SELECTIONS_MAX:
        raise bad_request(f"At most {SELECTIONS_MAX:,} indexes are taken", name)
    numbers = [text for text in texts if text != VARIOUS]
    for text in numbers:
        if not _DIGITS.fullmatch(text):
            raise bad_request(f"The index {text[:20]!r} is not a number", name)
        if not 1 <= int(text) <= INDEX_MAX:
            raise bad_request(f"{int(text)} is no index: 1 to {INDEX_MAX} are", name, form.INVALID_VALUE)
    return set(map(int, numbers))


def _only_new(request: BaseRequest) -> bool:
    return request.headers.get("If-None-Match", "").strip() == "*"
