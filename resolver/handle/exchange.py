"""One request and its answer, as everything behind the transports sees them (handle wire 3, 11, 13.1).

A request is whole and decrypted, its session and MAC are checked. An answer says what is to be said; version, request
id, flags, digest, expiration, signature and encryption are put around it where it is sent.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from identifiers.handle_wire.answers import Answer as Body
from identifiers.handle_wire.answers import Done, Failure
from identifiers.handle_wire.codes import KEEP_CONNECTION
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.versions import Version
from identifiers.values import Reference

DONE: Final = Done()
Transport = Literal["tcp", "udp", "http"]
Face = Literal["handle_tcp", "handle_udp", "handle_http"]


def _always() -> bool:
    return True


@dataclass(slots=True, eq=False)
class Peer:
    """Who sent a request: one TCP connection until it closes, or the sender of one datagram.

    `bound` is for what belongs to the pair of connection and session id (logins, keys of mode 3; handle wire 20.3).
    `signs` takes one signed answer for this peer; False: it has had enough of them, and is sent to TCP.
    `administers`: whether administration is served where the request came in.
    """

    transport: Transport
    address: str
    bound: dict[int, Any] = field(default_factory=dict)
    signs: Callable[[], bool] = field(default=_always, repr=False)
    administers: bool = True

    @property
    def face(self) -> Face:
        """What lookups of this peer are counted under."""
        return "handle_udp" if self.transport == "udp" else "handle_http" if self.transport == "http" else "handle_tcp"


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `version` is what its answer is written in; `started` is the moment it was whole, by perf_counter."""

    peer: Peer
    message: Message
    version: Version
    started: float = 0.0

    @property
    def op(self) -> int:
        """The operation."""
        return self.message.header.op

    @property
    def session_id(self) -> int:
        """The session id of the envelope; 0 for none."""
        return self.message.envelope.session_id

    @property
    def keeps_connection(self) -> bool:
        """Whether its connection stays open because it asks for that."""
        return self.peer.transport == "tcp" and self.has(KEEP_CONNECTION)

    def has(self, flag: int) -> bool:
        """Say whether a flag of the header is set."""
        return bool(self.message.header.flags & flag)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered; `body` is of handle_wire.answers. Everything the protocol puts around it is not said here.

    `original`: for op 200, the request that was challenged; op code, flags, digest and session id of the answer follow
    it. `session_id`: instead of the request's, for challenges and new sessions. `overwrote`: something that existed was
    replaced (OWE). `private`: it holds values that are not public, and is encrypted inside a session. `more`: another
    part of the same list follows (CN). `close`: the connection ends after it. `certified` False clears CT, which sends
    a client that asked for a signature to TCP.
    """

    rc: int
    body: Body = DONE
    original: Message | None = None
    session_id: int | None = None
    overwrote: bool = False
    private: bool = False
    more: bool = False
    close: bool = False
    certified: bool = True


Answers = Answer | AsyncIterator[Answer]
"""One message, or the parts of a list in order; the next part is asked for when the one before it was written."""

Handler = Callable[[Request], Awaitable[Answers]]


class Refused(Exception):  # noqa: N818 - names what happened to the request
    """The request ends here with a response code of handle wire 7; the text is for people, one short line."""

    def __init__(self, rc: int, text: str = "") -> None:
        super().__init__(text)
        self.rc = rc
        self.text = text

    def answer(self, original: Message | None = None) -> Answer:
        """Return the answer that says so."""
        return error(self.rc, self.text, original)


def error(rc: int, text: str = "", original: Message | None = None) -> Answer:
    """Return an answer that says no."""
    return Answer(rc, Failure(text), original)


User = Reference
"""Who proved to be the holder of a key: handle and index of the key's value."""
