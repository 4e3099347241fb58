"""What decides about a request that is not answered on the fast path: sessions, handlers by op code, resolution.

Everything about keys, sessions and rights is behind `Authentication`; without one nobody is ever authenticated.
"""

from collections.abc import Mapping
from typing import Protocol

from identifiers.handle_wire.credential import Credential
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.message import Cipher
from resolver.handle.exchange import Answer, Handler, Peer, Refused, Request, User


class Authentication(Protocol):
    """What the server asks of authentication, sessions and administration. All of it on the event loop.

    `admit` is asked only about messages with a session id or a credential.
    """

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """Handlers by op code: 100 to 106, 200, 201, 300 to 302, 400 to 402, 2001. They may raise Refused."""

    async def cipher(self, peer: Peer, session_id: int) -> Cipher | None:
        """Return what a session's messages are encrypted with; None where there is no such session."""

    async def admit(self, request: Request) -> None:
        """Check session id and MAC (handle wire 14.1, 14.4). Raises Refused (404, 500, 502, 505)."""

    def reader(self, request: Request) -> User | None:
        """Return who is authenticated for this request: by its session, or by a login on its connection."""

    def is_login(self, request: Request) -> bool:
        """Say whether `reader` knows the user by an IDIS login on this connection (handle wire 20.3)."""

    async def may_read(self, request: Request, user: User, prefix: str, wire_values: bytes) -> bool:
        """Say whether a user may read private values of a record (Authorized_Read, or service administrator)."""

    def challenge(self, request: Request) -> Answer:
        """Return the challenge, or what stands for it (handle wire 13.1, 20.4). Raises Refused (3)."""

    async def mac(self, request: Request, envelope: Envelope, content: bytes) -> Credential | None:
        """Return the HS_MAC credential of an answer inside a session, with our next counter; None outside of sessions.

        `envelope` is the answer's, `content` its header and body.
        """

    def left(self, peer: Peer) -> None:
        """Forget what is bound to a connection that is gone."""


class NoAuthentication:
    """Nobody is authenticated: encrypted requests and sessions are unknown, and what needs a user is refused."""

    handlers: Mapping[int, Handler] = {}

    async def cipher(self, peer: Peer, session_id: int) -> Cipher | None:  # noqa: ARG002 - no session is known
        """No session."""
        return None

    async def admit(self, request: Request) -> None:
        """Take every request as one without a session."""

    def reader(self, request: Request) -> User | None:  # noqa: ARG002 - nobody is known
        """Nobody."""
        return None

    def is_login(self, request: Request) -> bool:  # noqa: ARG002 - nobody is known
        """Nobody."""
        return False

    async def may_read(self, request: Request, user: User, prefix: str, wire_values: bytes) -> bool:  # noqa: ARG002 - nobody is known
        """Nobody."""
        return False

    def challenge(self, request: Request) -> Answer:  # noqa: ARG002 - the same for everyone
        """Refuse."""
        raise Refused(400, "Nobody can be authenticated here")

    async def mac(self, request: Request, envelope: Envelope, content: bytes) -> Credential | None:  # noqa: ARG002 - no session is known
        """No session."""
        return None

    def left(self, peer: Peer) -> None:
        """Nothing is bound."""
