"""Keys of users elsewhere, from one configured Handle server (handle wire 13.6).

It is asked over TCP for public keys, recursion wanted, and never sends us on: no address from a message is ever called.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from identifiers.handle_rights import folded_name
from identifiers.handle_wire.answers import Resolved, decode_answer
from identifiers.handle_wire.codes import PUBLIC_KEY, REQUEST_FLAGS, ResponseCode
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, check_envelope, parse_envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.message import encode_message, make_message, parse_message
from identifiers.handle_wire.requests import Resolution, encode_request
from identifiers.handle_wire.versions import OURS
from identifiers.octets import WireError
from identifiers.values import PUBLIC_READ, Reference, Value

TIMEOUT_S: Final = 5.0
KEPT_S_MAX: Final = 3_600.0
MISSED_S: Final = 10.0
"""How long it counts that a user's keys could not be had."""
USERS_KEPT_MAX: Final = 1_000
AT_ONCE: Final = 8

log = logging.getLogger(__name__)


class UpstreamKeys:
    """Looks keys up at a host and port. `ticks` counts seconds."""

    def __init__(self, address: tuple[str, int], ticks: Callable[[], float]) -> None:
        self._address = address
        self._ticks = ticks
        self._kept: OrderedDict[str, tuple[Sequence[Value], float]] = OrderedDict()
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def public_keys(self, user: Reference) -> Sequence[Value]:
        """Return the HS_PUBKEY values of a user's record, none if they cannot be had within five seconds."""
        name = folded_name(user.handle)
        kept = self._kept.get(name)
        if kept is not None and self._ticks() < kept[1]:
            return kept[0]
        values: Sequence[Value] = ()
        try:
            async with asyncio.timeout(TIMEOUT_S), self._asking:
                values = await self._ask(user.handle)
        except (OSError, WireError, asyncio.IncompleteReadError) as error:  # OSError includes the time-out
            log.info("a key elsewhere could not be looked up: %s", type(error).__name__)
        self._keep(name, values)
        return values

    def _keep(self, name: str, values: Sequence[Value]) -> None:
        lives_s = min((float(value.ttl) for value in values if not value.ttl_absolute), default=MISSED_S)
        self._kept[name] = values, self._ticks() + min(lives_s, KEPT_S_MAX)
        self._kept.move_to_end(name)
        if len(self._kept) > USERS_KEPT_MAX:
            self._kept.popitem(last=False)

    async def _ask(self, handle: str) -> Sequence[Value]:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            number = secrets.randbits(31)
            asked = Resolution(handle, types=(PUBLIC_KEY,))
            envelope = Envelope(OURS, 0, OURS, 0, number, 0, 0)
            message = make_message(envelope, Header(asked.op, 0, REQUEST_FLAGS), encode_request(asked))
            writer.write(encode_message(message))
            return await _answered(reader, number)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _answered(reader: asyncio.StreamReader, number: int) -> Sequence[Value]:
    envelope = parse_envelope(await reader.readexactly(ENVELOPE_OCTETS))
    check_envelope(envelope)
    if envelope.request_id != number or envelope.is_encrypted:
        raise WireError("this is the answer to another request", 8)
    message = parse_message(envelope, await reader.readexactly(envelope.length))
    if message.header.rc != ResponseCode.SUCCESS:
        return ()
    body = decode_answer(message.header, message.body).body
    values = body.values if isinstance(body, Resolved) else ()
    return tuple(value for value in values if value.permissions & PUBLIC_READ)
