"""One Handle server as commands use it: ask it something, as somebody; get a typed answer, or an error in our words."""

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

from identifiers.handle_wire.answers import Failure
from identifiers.handle_wire.client import ClientSession, Exchange, Received, SessionOpening, UntrustedAnswer, User
from identifiers.handle_wire.codes import CERTIFY, NOT_OVER_UDP, PUBLIC_ONLY, REQUEST_FLAGS, Op, ResponseCode
from identifiers.handle_wire.keys import UsablePublicKey
from identifiers.handle_wire.requests import Request
from identifiers.octets import WireError
from node.client.errors import UnavailableError, UsageError
from node.client.handle_address import HandlePlace
from node.client.handle_errors import HandleRefusedError, UntrustedError
from node.client.handle_tcp import Patience, TcpAsker
from node.client.handle_udp import UdpAsker

_REQUEST_ID_BITS: Final = 31
_REPEATABLE: Final = frozenset({Op.RESOLUTION, Op.GET_SITE_INFO})


@dataclass(frozen=True, slots=True)
class Manner:
    """How a server is asked.

    ``way`` is the transport tried first; UDP gives way to TCP where it must. ``in_session``: messages carry MACs of a
    session. ``server_key``: answers without its signature, or the session's MAC, are not believed.
    """

    way: Literal["tcp", "udp"] = "tcp"
    user: User | None = None
    in_session: bool = False
    server_key: UsablePublicKey | None = None
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = time.time


class HandleServer:
    """A server at one place; to be closed."""

    def __init__(self, place: HandlePlace, manner: Manner) -> None:
        self._place = place
        self._manner = manner
        self._tcp = TcpAsker(place.tcp, manner.patience) if place.tcp else None
        self._udp = (
            UdpAsker(place.udp, manner.patience) if place.udp and (manner.way == "udp" or not place.tcp) else None
        )
        self._session: ClientSession | None = None

    def __str__(self) -> str:
        return str(self._place)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connection and socket."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            await self._tcp.close()

    @property
    def look_up_flags(self) -> int:
        """The flags of a look-up: who says who he is wants to see what is not public, too."""
        return REQUEST_FLAGS if self._manner.user is None else REQUEST_FLAGS & ~PUBLIC_ONLY

    async def ask(self, request: Request, flags: int = REQUEST_FLAGS) -> Received:
        """Return the answer, whatever it says; raise UnavailableError, UntrustedError, UsageError."""
        found: Received | None = None
        async with aclosing(self.answers(request, flags)) as answers:
            async for found in answers:
                if not found.is_last:
                    raise UntrustedError(f"the Handle server at {self} gave more than one answer")
        if found is None:
            raise UntrustedError(f"the Handle server at {self} gave no answer")
        return found

    async def do(self, request: Request, flags: int = REQUEST_FLAGS) -> Received:
        """Return the answer if it is a success; raise HandleRefusedError too."""
        return accepted(await self.ask(request, flags))

    async def answers(self, request: Request, flags: int = REQUEST_FLAGS) -> AsyncGenerator[Received]:
        """Yield the answers in their order: several only for lists."""
        if self._manner.in_session and self._session is None:
            self._session = await self._opened_session()
        try:
            async with aclosing(self._answers(request, flags, self._session)) as answers:
                async for answer in answers:
                    yield answer
        except (WireError, UntrustedAnswer) as error:
            raise self._unreadable(error) from error

    async def _answers(self, request: Request, flags: int, session: ClientSession | None) -> AsyncGenerator[Received]:
        if self._udp is not None and request.op not in NOT_OVER_UDP:
            answer = await self._udp.answer(self._exchange(request, flags, session))
            if answer is not None:
                yield answer
                return
        if self._tcp is None:
            raise UnavailableError(f"the Handle server at {self} does not answer over UDP, and has no TCP port")
        exchange = self._exchange(request, flags, session)
        async with aclosing(self._tcp.answers(exchange, shared=request.op in _REPEATABLE)) as answers:
            async for answer in answers:
                yield answer

    def _exchange(self, request: Request, flags: int, session: ClientSession | None) -> Exchange:
        manner = self._manner
        certified = CERTIFY if manner.server_key is not None or session is not None else 0
        try:
            return Exchange(
                request,
                new_request_id=lambda: secrets.randbits(_REQUEST_ID_BITS),
                random=secrets.token_bytes,
                now_s=int(manner.clock()),
                flags=flags | certified,
                user=manner.user,
                session=session,
                server_key=manner.server_key,
            )
        except WireError as error:
            raise UsageError(error.message) from error

    async def _opened_session(self) -> ClientSession:
        opening = SessionOpening(secrets.token_bytes, self._manner.user)
        try:
            async with aclosing(self._answers(opening.request, REQUEST_FLAGS, None)) as answers:
                async for answer in answers:
                    return opening.open(accepted(answer))
        except (WireError, UntrustedAnswer) as error:
            raise self._unreadable(error) from error
        raise UntrustedError(f"the Handle server at {self} made no session")

    def _unreadable(self, error: Exception) -> UntrustedError:
        said = error.message if isinstance(error, WireError) else str(error)
        return UntrustedError(f"the answer of the Handle server at {self} is not to be trusted: {said}")


def accepted(answer: Received, about: str = "") -> Received:
    """Return an answer if it is a success; raise HandleRefusedError if it is not."""
    if answer.header.rc == ResponseCode.SUCCESS:
        return answer
    text = answer.answer.text if isinstance(answer.answer, Failure) else ""
    raise HandleRefusedError(answer.header.rc, text, about=about)
