"""What load over the Handle protocol asks for: prepared look-ups, and creates in a session."""

from __future__ import annotations

import secrets
import socket
import time
from itertools import count
from typing import TYPE_CHECKING, Final

from identifiers.handle_wire.answers import Failure
from identifiers.handle_wire.client import (
    ClientSession,
    Exchange,
    Received,
    Respond,
    SessionOpening,
    UntrustedAnswer,
    User,
)
from identifiers.handle_wire.codes import CACHE_CERTIFY, KEEP_CONNECTION, RECURSIVE, ResponseCode
from identifiers.handle_wire.quick_asking import Asker
from identifiers.handle_wire.requests import CreateHandle
from identifiers.handle_wire.tcp import Refused, StreamFramer
from identifiers.octets import WireError
from identifiers.values import Value
from loadtest.scenarios import PREPARED_MAX, product_values
from loadtest.target import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from identifiers.handle_wire.requests import Request
    from loadtest.target import Target

FOUND: Final = frozenset({int(ResponseCode.SUCCESS)})
ABSENT: Final = frozenset({int(ResponseCode.HANDLE_NOT_FOUND)})
ACCEPTED: Final = frozenset({int(ResponseCode.SUCCESS)})
TIMEOUT_S: Final = 10.0
_ID_MAX: Final = 2**31 - 1
_FLAGS: Final = RECURSIVE | CACHE_CERTIFY | KEEP_CONNECTION
_READ_OCTETS: Final = 65_536


def read_messages(
    keys: Sequence[str], place: Callable[[], int], *, absent: bool, limit: int, keeps: bool
) -> list[bytes]:
    """Return `limit` (at most PREPARED_MAX) prepared look-ups, each with a request id of its own."""
    ask = Asker(now_s=int(time.time()), keeps=keeps).ask
    ending = "-absent" if absent else ""
    return [ask(number, (keys[place()] + ending).encode()) for number in range(1, min(limit, PREPARED_MAX) + 1)]


def parse_user(user: str, secret: str) -> User:
    """Return who creates records, from INDEX:HANDLE and the secret there."""
    index, _, handle = user.partition(":")
    return User(handle, int(index), secret.encode())


def creations(prefix: str, target: Target, user: User, *, run: str) -> Iterator[bytes]:
    """Return endless creates of new identifiers below `prefix`, in one authenticated session; raise TargetError.

    The first is made at once, alone: the server's challenge to it authenticates the session.
    """
    session, ids = None, _request_ids()
    opening = SessionOpening(secrets.token_bytes, user)
    offered = _asked(target, _exchange(opening.request, ids, None, None))
    try:
        session = opening.open(offered)
    except (UntrustedAnswer, WireError) as error:
        raise TargetError(f"{target.host} makes no session: {error}") from error
    _asked(target, _exchange(_creation(prefix, f"{run}-first"), ids, user, session))
    return (_exchange(_creation(prefix, f"{run}-{number:09d}"), ids, None, session).message() for number in count())


def _creation(prefix: str, serial: str) -> CreateHandle:
    values = [Value(one["index"], one["type"], one["data"]["value"].encode()) for one in product_values(serial)]
    return CreateHandle(f"{prefix}/LOAD-{serial}", tuple(values))


def _request_ids() -> Iterator[int]:
    while True:
        yield from range(1, _ID_MAX)


def _exchange(request: Request, ids: Iterator[int], user: User | None, session: ClientSession | None) -> Exchange:
    return Exchange(
        request,
        new_request_id=ids.__next__,
        random=secrets.token_bytes,
        now_s=int(time.time()),
        flags=_FLAGS,
        user=user,
        session=session,
    )


def _asked(target: Target, exchange: Exchange) -> Received:
    """Return the answer to one request, asked before the run begins, so without the loop; raise TargetError."""
    try:
        with socket.create_connection((target.address, target.port), TIMEOUT_S) as connection:
            answer = _answer(connection, exchange, exchange.message())
    except (OSError, WireError, UntrustedAnswer) as error:
        raise TargetError(f"{target.host} cannot be asked to create records ({error})") from error
    if not answer.is_success:
        said = f": {answer.answer.text}" if isinstance(answer.answer, Failure) and answer.answer.text else ""
        raise TargetError(f"{target.host} refuses to create records with response code {answer.header.rc}{said}")
    return answer


def _answer(connection: socket.socket, exchange: Exchange, octets: bytes) -> Received:
    framer = StreamFramer()
    connection.sendall(octets)
    while data := connection.recv(_READ_OCTETS):
        framer.feed(data)
        for event in framer.events():
            if isinstance(event, Refused):
                raise event.error
            answer = exchange.receive(event)
            if isinstance(answer, Received):
                return answer
            if isinstance(answer, Respond):
                connection.sendall(answer.octets)
    raise ConnectionError("the server closed the connection")
