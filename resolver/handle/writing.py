"""Putting an answer into octets: signed or with a MAC, and encrypted, where it has to be (handle wire 4, 14.4, 15)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import Final

from identifiers.handle_wire import codes
from identifiers.handle_wire.codes import Op, ResponseCode
from identifiers.handle_wire.credential import NO_CREDENTIAL, Credential
from identifiers.handle_wire.envelope import encode_envelope
from identifiers.handle_wire.keys import UsablePrivateKey
from identifiers.handle_wire.message import Message, encode_message
from identifiers.handle_wire.replies import Replying, Site, reply, replying_through, replying_to
from identifiers.handle_wire.signing import signed
from identifiers.handle_wire.versions import encrypts_private
from identifiers.hs_site import parse_site
from resolver.handle.answering import Authentication
from resolver.handle.exchange import Answer, Request, error

SIGNING_THREADS: Final = 2


class Writing:
    """Makes the octets of answers. `site` is the data of our HS_SITE; without a key nothing is signed."""

    def __init__(
        self,
        site: bytes,
        key: UsablePrivateKey | None,
        authentication: Authentication,
        clock: Callable[[], float] = time,
    ) -> None:
        self.site = Site(parse_site(site).serial)
        self._key = key
        self._authentication = authentication
        self._clock = clock
        self._threads = ThreadPoolExecutor(SIGNING_THREADS, thread_name_prefix="handle-signing")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def at_once(self, request: Request, answer: Answer) -> bytes | None:
        """Return the octets of an answer that is neither signed nor encrypted; None for one that `sealed` must make."""
        made = self._unsealed(request, answer)
        if made.header.flags & codes.CERTIFY or _is_for_encryption(request, answer, made):
            return None
        return _plain(made)

    def in_the_clear(self, request: Request, answer: Answer) -> bytes:
        """Return the octets of an answer that must be sent whether it can be sealed or not: it says nothing."""
        return _plain(self._unsealed(request, answer, certified=False))

    def refusal(self, to: Replying, answer: Answer) -> bytes:
        """Return an unsigned answer to what could not be decoded."""
        made = reply(to, answer.body, answer.rc, now_s=int(self._clock()), site=self.site, certified=False)
        return _plain(made)

    async def sealed(self, request: Request, answer: Answer) -> bytes:
        """Return the octets of any answer."""
        made, credential = self._unsealed(request, answer), None
        if made.header.flags & codes.CERTIFY:
            credential = await self._authentication.mac(request, made.envelope, made.content)
            if credential is None and self._key is None:
                refused = error(ResponseCode.OPERATION_NOT_SUPPORTED, "Answers are not signed here", answer.original)
                made = self._unsealed(request, refused, certified=False)
            elif credential is None and self._key is not None and request.peer.signs():
                credential = await self._signed(made, self._key)
            elif credential is None:
                made = self._unsealed(request, error(ResponseCode.ERROR, "", answer.original), certified=False)
        cipher = None
        if _is_for_encryption(request, answer, made):
            cipher = await self._authentication.cipher(request.peer, made.envelope.session_id)
        octets = encode_message(made, credential, cipher)
        return octets[:_LENGTH_AT] + (len(octets) - _ENVELOPE).to_bytes(4, "big") + octets[_ENVELOPE:]

    async def _signed(self, made: Message, key: UsablePrivateKey) -> Credential:
        return await asyncio.get_running_loop().run_in_executor(self._threads, signed, made, key, 0)

    def _unsealed(self, request: Request, answer: Answer, *, certified: bool = True) -> Message:
        message = request.message
        original = answer.original
        return reply(
            replying_to(message) if original is None else replying_through(message, original),
            answer.body,
            answer.rc,
            now_s=int(self._clock()),
            site=self.site,
            session_id=answer.session_id,
            more=answer.more,
            overwrote=answer.overwrote,
            keeps_connection=request.keeps_connection and not answer.close,
            certified=certified and answer.certified,
        )


def _plain(made: Message) -> bytes:
    length = len(made.content) + len(NO_CREDENTIAL)
    return encode_envelope(made.envelope._replace(length=length)) + made.content + NO_CREDENTIAL


def _is_for_encryption(request: Request, answer: Answer, made: Message) -> bool:
    """Say whether an answer must be encrypted if it belongs to a session."""
    if not made.envelope.session_id or request.op == Op.SESSION_SETUP:  # whose answer tells how to read the others
        return False
    return bool(made.header.flags & codes.ENCRYPT) or (answer.private and encrypts_private(request.version))


_LENGTH_AT: Final = 16
_ENVELOPE: Final = 20
