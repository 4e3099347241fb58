"""The classic Java client as a server meets it: how it finds a server, takes a transport, and proves who it is.

Blocking, as that client is. `Classic.process` is its way of one request: the site of a server, UDP before TCP before
HTTP, a session before it administers, challenges, and what makes it throw or begin again.
"""

import secrets
import time
from dataclasses import dataclass, field

from tests.interop.classic_octets import (
    AUTHORITATIVE,
    CERTIFY,
    CONTINUES,
    DIGEST,
    ENCRYPT,
    PUBLIC_ONLY,
    Answer,
    NotAccepted,
    Server,
    Site,
    digest_of,
    read_answer,
    read_site,
    resolution,
    text,
    u4,
)
from tests.interop.classic_session import PRIME, Session, User, agreed_key, check_credential, dh_key
from tests.interop.classic_transports import (
    BLANK,
    HTTP,
    HTTPS,
    TCP,
    UDP,
    VERSION,
    Request,
    exchanged,
    interface,
)

SITE_TYPES = ("HS_SITE", "HS_SITE.6", "HS_SERV", "HS_NAMESPACE")
_ENCRYPTED = 0x40


@dataclass
class Classic:
    """A client. `known` is the site it begins at; `sessions` says whether it sets sessions up, as it does by itself.

    `encrypts` and `certifies` are the options of its sessions, `transports` the protocols it takes, in their order.
    """

    known: Site
    sessions: bool = True
    encrypts: bool = False
    certifies: bool = False
    transports: tuple[int, ...] = (UDP, TCP, HTTP, HTTPS)
    held: dict[object, Session] = field(default_factory=dict)
    log: list[tuple[int, int, int]] = field(default_factory=list)
    """Operation, transport and response code of every answer."""

    def resolve(self, name: str, *, user: User | None = None, certified: bool = False, **how: object) -> Answer:
        """Look a name up: its prefix first, then at the site that serves it."""
        site = self.site_for(name)
        return self.process(self.asking(name, user, certified=certified, **how), site)

    def site_for(self, name: str) -> Site:
        """Return the site that the record of a name's prefix tells."""
        if "/" not in name or name.upper().startswith("0."):
            return self.known
        answer = self.process(self.asking(f"0.NA/{name.partition('/')[0]}", types=SITE_TYPES), self.known)
        if answer.rc == 302:
            raise NotAccepted("a referral for the record of a prefix")
        sites = [read_site(value.data) for value in answer.values if value.type in ("HS_SITE", "HS_SITE.6")]
        if answer.rc != 1 or not sites:
            raise NotAccepted(f"no service for {name}: {answer.rc}")
        return sites[0]

    @staticmethod
    def asking(
        name: str,
        user: User | None = None,
        *,
        indexes: tuple[int, ...] = (),
        types: tuple[str, ...] = (),
        certified: bool = False,
        restricted: bool = False,
        authoritative: bool = False,
    ) -> Request:
        flags = CERTIFY * certified | AUTHORITATIVE * authoritative
        return Request(1, name, resolution(name, indexes, types), user, flags, PUBLIC_ONLY * restricted)

    def process(self, request: Request, site: Site | None = None) -> Answer:
        """Return the last answer to a request."""
        return self.all(request, site)[-1]

    def all(self, request: Request, site: Site | None = None) -> list[Answer]:
        """Send a request by the first transport that works, and return every message that answers it."""
        site = site or self.known
        request.serial, request.version = site.serial, min(site.version, VERSION)
        failed: Exception | None = None
        for transport in self.transports:
            try:
                answers = self._by(transport, request, site.servers[0])
            except (NotAccepted, OSError) as error:
                failed = error
                continue
            if answers is not None:
                return answers
        raise NotAccepted("no acceptable interface") from failed

    def end(self, session: Session) -> None:
        """Have a session ended at the server, without taking notice of it."""
        request = Request(401, BLANK, text(BLANK), version=session.version, session=session, session_id=session.id)
        (server,) = self.known.servers
        self._exchanged(TCP, interface(server, TCP, request) or 0, request, server)

    def _by(
        self, transport: int, request: Request, server: Server, *, again: bool = False, opens: bool = False
    ) -> list[Answer] | None:
        port = interface(server, transport, request)
        if port is None:
            return None
        wants = self.sessions and (request.is_administrative or not request.all_flags & PUBLIC_ONLY)
        session, is_new = (
            self._session(server, request, opens=opens or request.is_administrative) if wants else (None, False)
        )
        self._enter(request, session)
        answers = self._exchanged(transport, port, request, server)
        if session is not None and is_new and answers[-1].rc != 402:
            self.held[server, None] = session
        for _ in range(2):
            if answers[-1].rc != 402:
                break
            if request.user is None:
                raise NotAccepted("no authentication info provided")
            if wants and session is None:
                return self._by(transport, request, server, opens=True)
            answers = self._proved(transport, port, request, answers[-1], server)
            if session is not None and answers[-1].rc < 400:
                self.held[server, request.user.handle, request.user.index] = session
        if answers[-1].rc >= 500 and session is not None:
            self.held = {key: one for key, one in self.held.items() if one is not session}
            if not is_new and not again:
                return self._by(transport, request, server, again=True)
        return answers

    def _enter(self, request: Request, session: Session | None) -> None:
        request.session, request.session_id = session, session.id if session else 0
        if session is not None:
            request.version = session.version
            request.flags |= CERTIFY * session.certifies | ENCRYPT * session.encrypts

    def _proved(self, transport: int, port: int, request: Request, challenge: Answer, server: Server) -> list[Answer]:
        """Answer a challenge, having seen that it is one to what was sent."""
        user = request.user
        assert user is not None
        digest = _check_digest(request, challenge, "asked to sign an unidentified request")
        proof = user.proof(challenge.nonce + digest)
        body = text(user.type) + text(user.handle) + u4(user.index) + text(proof)
        response = Request(200, BLANK, body, user, request.flags, request.without)
        response.session, response.session_id = request.session, challenge.session_id
        response.version = (challenge.envelope[0], challenge.envelope[1])
        answers = self._exchanged(transport, port, response, server)
        if any(answer.op != request.op for answer in answers):
            raise NotAccepted("the answer is to another operation")
        return answers

    def _session(self, server: Server, request: Request, *, opens: bool) -> tuple[Session | None, bool]:
        user = request.user
        identity = None if user is None else (user.handle, user.index)
        held = self.held.get((server, *identity)) if identity else None
        held = held or self.held.pop((server, None), None)
        if held is not None:
            return held, False
        return (self._set_up(server, identity), True) if opens else (None, False)

    def _set_up(self, server: Server, identity: tuple[str, int] | None) -> Session:
        """Agree on a key by Diffie-Hellman; the answer has to be signed, over whichever transport comes first."""
        private = secrets.randbits(1_023)
        ours = dh_key(pow(2, private, PRIME))
        who = text(identity[0]) + u4(identity[1]) if identity else text("") + u4(0xFFFFFFFF)
        body = b"\0\x04" + u4(86_400) + who + text(ours) + bytes(2)
        request = Request(400, BLANK, body, flags=CERTIFY | DIGEST, version=VERSION)
        failed: Exception | None = None
        for transport in self.transports:
            port = interface(server, transport, request)
            if port is None:
                continue
            try:
                answer = self._exchanged(transport, port, request, server)[-1]
            except (NotAccepted, OSError) as error:
                failed = error
                continue
            if answer.rc != 1:
                raise NotAccepted(f"the server cannot process sessions: {answer.rc}")
            return self._agreed(answer, private, identity)
        raise NotAccepted("no session") from failed

    def _agreed(self, answer: Answer, private: int, identity: tuple[str, int] | None) -> Session:
        if answer.session_id <= 0:
            raise NotAccepted("a session without an id")
        key, version = agreed_key(answer.body, private), (answer.envelope[0], answer.envelope[1])
        return Session(answer.session_id, key, version, self.encrypts, self.certifies, identity)

    def _exchanged(self, transport: int, port: int, request: Request, server: Server) -> list[Answer]:
        """Send a message, read what answers it, and check it as the client does."""
        answers = []
        for message in exchanged(transport, request, server, port):
            envelope, part = _opened(request, *message)
            answer = read_answer(envelope, part)
            self.log.append((request.op, transport, answer.rc))
            self._check(request, answer, server)
            answers.append(answer)
            if not answer.flags & CONTINUES:
                break
        if not answers:
            raise NotAccepted("connection closed without response")
        if answers[-1].rc == 2:
            raise NotAccepted(f"server error: {answers[-1].message}")
        if answers[-1].expires < time.time():
            raise NotAccepted("an expired message")
        return answers

    def _check(self, request: Request, answer: Answer, server: Server) -> None:
        if request.all_flags & DIGEST:
            _check_digest(request, answer, "another request was answered")
        if request.all_flags & CERTIFY:
            check_credential(answer, request.session, server.key)


def _opened(request: Request, envelope: bytes, part: bytes) -> tuple[bytes, bytes]:
    if not envelope[2] & _ENCRYPTED:
        return envelope, part
    if request.session is None:
        raise NotAccepted("an encrypted answer without a session")
    return envelope[:2] + bytes((envelope[2] & ~_ENCRYPTED,)) + envelope[3:], request.session.opened(part)


def _check_digest(request: Request, answer: Answer, said: str) -> bytes:
    if answer.digest is None or answer.digest[1] != digest_of(answer.digest[0], request.content):
        raise NotAccepted(said)
    return answer.digest[1]
