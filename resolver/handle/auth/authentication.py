"""Authentication as the server asks for it: sessions, logins and challenges, with a handler for each operation."""

from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import Final

from identifiers.handle_rights import GroupBounds
from identifiers.handle_wire import codes
from identifiers.handle_wire.codes import Op
from identifiers.handle_wire.credential import MAC, Credential
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import HEADER_OCTETS, parse_header
from identifiers.handle_wire.message import Cipher, Message
from identifiers.handle_wire.requests import Resolution, decode_request
from identifiers.wire import decode_values
from resolver.faces.desk import Desk
from resolver.handle.auth.asking import Place
from resolver.handle.auth.bound import bind, bound_to, has_login
from resolver.handle.auth.challenges import Challenges
from resolver.handle.auth.keys import Elsewhere, Keys
from resolver.handle.auth.limits import AuthSettings
from resolver.handle.auth.proofs import Proofs
from resolver.handle.auth.rights import Rights
from resolver.handle.auth.sessions import Sessions
from resolver.handle.auth.shared_table import SharedState
from resolver.handle.auth.upstream import Upstream
from resolver.handle.exchange import Answer, Handler, Peer, Refused, Request, User

_WITHOUT_MAC: Final = (Op.CHALLENGE_RESPONSE, Op.SESSION_SETUP)
_UNSIGNED_BY_SESSIONS: Final = (Op.SESSION_SETUP, Op.SESSION_EXCHANGE_KEY)


class HandleAuthentication:
    """Who speaks, and what they may do, for one worker. `state` is what it shares with the other workers of its host.

    `clock` counts seconds since 1970, `ticks` seconds of a clock that is never set.
    """

    def __init__(
        self,
        desk: Desk,
        state: SharedState,
        settings: AuthSettings | None = None,
        *,
        elsewhere: Elsewhere | None = None,
        clock: Callable[[], float] = time,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self.settings = settings or AuthSettings()
        self._state = state
        limits, administrators = self.settings.limits, self.settings.administrators
        if elsewhere is None and self.settings.upstream is not None:
            place = Place(*self.settings.upstream, self.settings.upstream_key)
            elsewhere = Upstream(place, ticks, limits, self.settings.upstream_networks)
        bounds = GroupBounds(limits.vlist_depth, limits.vlist_references)
        self.keys = Keys(desk, elsewhere, administrators, bounds)
        self.rights = Rights(desk, self.keys, administrators, bounds)
        self.proofs = Proofs(self.keys, ticks, limits, weak_hashes=self.settings.weak_hashes)
        self.sessions = Sessions(state, clock, limits)
        self.challenges = Challenges(state, self.settings.challenge_s, clock, limits)
        self.ticks = ticks
        self._handlers: dict[int, Handler] = {}

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """Handlers by op code; see `handling.add_handlers`."""
        return self._handlers

    def add_handlers(self, handlers: Mapping[int, Handler]) -> None:
        """Let operations be handled."""
        self._handlers.update(handlers)

    def close(self) -> None:
        """End the threads, and release what is shared."""
        self.proofs.close()
        self._state.close()

    async def cipher(self, peer: Peer, session_id: int) -> Cipher | None:
        """Return what a session's messages are encrypted with; None where there is no such session."""
        bound = bound_to(peer, session_id)
        return bound.cipher if bound is not None and bound.cipher is not None else self.sessions.cipher(session_id)

    async def admit(self, request: Request) -> None:
        """Check session id and MAC (handle wire 14.1, 14.4). Raises Refused (404, 500, 502, 505)."""
        message = request.message
        if message.credential is not None and message.credential.type == MAC:
            self.sessions.check(message)
            return
        if bound_to(request.peer, request.session_id) is not None or request.op in _WITHOUT_MAC:
            return
        if self.sessions.get(request.session_id) is not None:
            # A decrypted message without MAC is refused like one that does not decrypt, or its code would tell which.
            if request.op == Op.SESSION_TERMINATE or message.envelope.is_encrypted:
                raise Refused(502, "The message does not belong to the session")
            if request.op != Op.RESOLUTION or not request.has(codes.PUBLIC_ONLY):
                raise Refused(404, "Requests inside a session carry a MAC")
        elif message.envelope.is_encrypted:
            raise Refused(500, "This session is unknown or has ended")

    def reader(self, request: Request) -> User | None:
        """Return who is authenticated for this request: by its session, or by a login on its connection."""
        bound = bound_to(request.peer, request.session_id)
        if bound is not None and bound.user is not None:
            return bound.user
        if has_mac(request.message):
            session = self.sessions.get(request.session_id)
            return None if session is None else session.user
        return None

    def is_login(self, request: Request) -> bool:
        """Say whether `reader` knows the user by an IDIS login on this connection (handle wire 20.3)."""
        bound = bound_to(request.peer, request.session_id)
        return bound is not None and bound.user is not None

    async def may_read(self, request: Request, user: User, prefix: str, wire_values: bytes) -> bool:  # noqa: ARG002 - the name says which prefix
        """Say whether a user may read private values of a record (Authorized_Read, or service administrator)."""
        asked = decode_request(Op.RESOLUTION, request.message.body)
        return isinstance(asked, Resolution) and await self.rights.may_read(
            user, asked.name, decode_values(wire_values)
        )

    def challenge(self, request: Request) -> Answer:
        """Return the challenge, or what stands for it (handle wire 13.1, 20.4). Raises Refused (3, 400, 500)."""
        number = request.session_id
        if number and has_mac(request.message):
            issued = self.challenges.issue(request, session_id=number)
            return Answer(codes.ResponseCode.AUTHENTICATION_NEEDED, issued.challenge, session_id=number)
        if number or has_login(request.peer):
            # A client that makes its ids up takes a challenge for success, and drops its session at 500.
            raise Refused(500, "Nobody has logged in under this session id")
        if self.settings.anonymous_admin == "refuse":
            raise Refused(400, "Log in first")
        issued = self.challenges.issue(request)
        return Answer(codes.ResponseCode.AUTHENTICATION_NEEDED, issued.challenge, session_id=issued.session_id)

    def challenge_login(self, request: Request) -> Answer:
        """Return the challenge of a login: under the client's own id, for this connection alone."""
        pending, challenge = self.challenges.pending(request)
        bind(request.peer, request.session_id).challenge = pending
        return Answer(codes.ResponseCode.AUTHENTICATION_NEEDED, challenge)

    async def mac(self, request: Request, envelope: Envelope, content: bytes) -> Credential | None:
        """Return the HS_MAC credential of an answer inside a session, with our next counter; None outside of sessions.

        Set-ups are signed with the server's key, whatever session their answer opens.
        """
        if request.op in _UNSIGNED_BY_SESSIONS or not envelope.session_id:
            return None
        return self.sessions.mac(envelope.session_id, Message(envelope, parse_header(content[:HEADER_OCTETS]), content))

    def left(self, peer: Peer) -> None:
        """Forget what is bound to a connection that is gone."""
        peer.bound.clear()


def has_mac(message: Message) -> bool:
    """Say whether a message carries a MAC; one that was admitted carries the right one."""
    return message.credential is not None and message.credential.type == MAC
