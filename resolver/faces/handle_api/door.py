"""Who asks: from credentials, a session or a client certificate to a user of the Handle system (7.1 to 7.5).

Over plain HTTP all of these are ignored, but for Basic from this host itself where a setting says so. Node tokens
(`Bearer`) keep rules of their own; see `reading_rights`.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final, Protocol

from aiohttp.web import BaseRequest
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from identifiers.handle_wire.keys import UsablePrivateKey
from identifiers.values import Reference
from resolver.faces import handle_answer as form
from resolver.faces.client import Client
from resolver.faces.desk import Desk, LookupsUnavailable
from resolver.faces.handle_api.authorization import (
    BadAuthorization,
    HandleCredential,
    basic_credentials,
    handle_credential,
    handle_fields,
    scheme_of,
)
from resolver.faces.handle_api.challenge import BASIC_LINE, SiteSignature, challenge_lines, site_signature
from resolver.faces.handle_api.client_certificate import client_certificate
from resolver.faces.handle_api.sessions import Session, Sessions, SessionsUnavailable
from resolver.faces.handle_api.wire_proof import UnknownAlgorithm, wire_proof
from resolver.faces.reading_rights import Rights, rights_of
from resolver.record import Record

HANDLE: Final = "handle"
BASIC: Final = "basic"
BEARER: Final = "bearer"
PROOF_UNUSABLE: Final = 406
"""The code of a proof whose algorithm or parameters are not accepted. On this face nobody is told more than 401."""

log = logging.getLogger(__name__)

_NOT_VERIFIED: Final = "Identity not verified"
SESSION_LOST: Final = "The session is unknown or has expired"


class ProofRefused(Exception):  # noqa: N818 - names what happened to it
    """A proof is not accepted: the Handle response code, and a text for people."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Prover(Protocol):
    """What verifies proofs, for this face and the others alike. Returns whose key it was. Raises ProofRefused."""

    async def prove(
        self, user: Reference, type_: str, proof: bytes, nonce: bytes, cnonce: bytes, address: str
    ) -> Reference:
        """Verify an answer to a challenge, over nonce and cnonce; `proof` as Handle messages carry it."""

    async def basic(self, user: Reference, secret: bytes, address: str) -> Reference:
        """Compare a secret with the user's HS_SECKEY."""

    async def certificate(self, user: Reference, public_key: PublicKeyTypes, address: str) -> Reference:
        """Compare a certificate's key with the user's HS_PUBKEY."""

    async def may_read(self, user: Reference, record: Record) -> bool:
        """Say whether a proven user may read the private values of a record."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `user` is proven; `rights` are those of a node token. Both None: anybody.

    `session` is the one the request names. `cnonce`: the client wants it signed.
    """

    client: Client
    user: Reference | None = None
    rights: Rights | None = None
    session: Session | None = None
    cnonce: bytes | None = None

    @property
    def is_known(self) -> bool:
        """Whether a credential counted: then nobody else may keep the answer."""
        return self.user is not None or self.rights is not None


class Turned(Exception):  # noqa: N818 - names what happened to the request
    """A credential proves nothing: 401 with a challenge, or 503 when too much was tried. The text is for people.

    Without TLS there is never a 401: it would invite to send a credential again.
    """

    def __init__(self, asker: Asker, text: str, code: int = form.AUTHENTICATION_FAILED) -> None:
        super().__init__(text)
        self.asker = asker
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        if self.code in (2, form.TRY_AGAIN, 7):
            return form.status_of(self.code)
        return 401 if self.asker.client.secure else 403


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """`basic_on_loopback`: take Basic over plain HTTP from this host. `site_key`: what the site proves itself with."""

    basic_on_loopback: bool = False
    site_key: UsablePrivateKey | None = field(default=None, repr=False)


class Door:
    """Identifies who asks, and challenges who has to say."""

    def __init__(
        self, desk: Desk, prover: Prover, sessions: Sessions | None, options: DoorOptions | None = None
    ) -> None:
        self._desk = desk
        self._prover = prover
        self._sessions = sessions
        self._options = options or DoorOptions()

    @property
    def sessions(self) -> Sessions:
        """The sessions. Raises LookupsUnavailable where there are none."""
        if self._sessions is None:
            raise LookupsUnavailable("sessions are switched off")
        return self._sessions

    @property
    def now_s(self) -> int:
        """The present second."""
        return int(self._desk.clock())

    async def identify(self, request: BaseRequest, client: Client) -> Asker:
        """Tell who asks. Raises Turned, CredentialRefused (a node token) and LookupsUnavailable."""
        asker = Asker(client)
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return await self.by_certificate(request, asker)
        scheme, rest = scheme_of(authorization)
        if scheme == BASIC and self.takes_basic(client):
            return replace(asker, user=await self.by_basic(asker, rest))
        if scheme == HANDLE and client.secure:
            return await self._in_handle_scheme(request, asker, authorization, rest)
        if scheme == BEARER:
            rights = rights_of(authorization, client, self._desk.open_reader(), self._desk.clock())
            return replace(asker, rights=rights)
        if client.secure:
            raise Turned(asker, "This node takes credentials of the schemes Basic, Handle and Bearer")
        return asker

    def takes_basic(self, client: Client) -> bool:
        """Say whether a secret may be taken from a client."""
        return client.secure or (self._options.basic_on_loopback and _is_loopback(client.address))

    async def by_basic(self, asker: Asker, text: str) -> Reference:
        """Return the user of a Basic credential. Raises Turned and LookupsUnavailable."""
        self._desk.open_reader()  # without it no key is known, and nobody's secret is wrong for that
        try:
            meant = basic_credentials(text)
        except BadAuthorization as error:
            raise Turned(asker, str(error)) from error
        refused = ProofRefused(form.AUTHENTICATION_FAILED, _NOT_VERIFIED)
        for credential in meant:
            try:
                return await self._prover.basic(credential.user, credential.secret, asker.client.address)
            except ProofRefused as error:
                refused = error
        raise _turned(asker, refused)

    async def by_certificate(self, request: BaseRequest, asker: Asker) -> Asker:
        """Return the asker with the user of the connection's certificate, whose the session is from now on.

        Raises Turned for a certificate that proves nothing; without one nobody is known.
        """
        if not asker.client.secure or self._desk.proxies.is_behind(request):
            return asker  # a proxy's certificate is not its client's
        try:
            certificate = client_certificate(request)
            if certificate is None:
                return asker
            self._desk.open_reader()
            user, address = certificate.user, asker.client.address
            proven = await self._prover.certificate(user, certificate.public_key, address)
        except BadAuthorization as error:
            raise Turned(asker, str(error)) from error
        except ProofRefused as error:
            raise _turned(asker, error) from error
        if asker.session is not None:
            self.sessions.authenticate(asker.session.id, proven, b"", self.now_s)
        return replace(asker, user=proven)

    async def in_session(self, asker: Asker, credential: HandleCredential, said: bytes) -> Asker:
        """Carry out what a client says in the Handle scheme. `said` are the octets it said it with.

        Raises Turned, LookupsUnavailable and SessionsUnavailable.
        """
        session = None
        if credential.session_id is not None:
            session = self.sessions.find(credential.session_id, self.now_s)
            if session is None:
                raise Turned(asker, SESSION_LOST, form.AUTHENTICATION_NEEDED)
        asker = replace(asker, session=session, cnonce=credential.cnonce)
        if credential.proof is None:
            return replace(asker, user=session.user if session is not None else None)
        if session is None:
            raise Turned(asker, "Missing fields in authentication data")
        digest = hashlib.sha256(said).digest()
        if session.user is not None and session.proof == digest:
            return replace(asker, user=session.user)
        proof = credential.proof
        self._desk.open_reader()
        try:
            octets, address = wire_proof(proof), asker.client.address
            user = await self.prove(proof.user, proof.type, octets, session.nonce, proof.cnonce, address)
        except UnknownAlgorithm as error:
            raise Turned(asker, str(error)) from error
        except ProofRefused as error:
            raise _turned(asker, error) from error
        self.sessions.authenticate(session.id, user, digest, self.now_s)
        return replace(asker, user=user)

    async def prove(
        self, user: Reference, type_: str, proof: bytes, nonce: bytes, cnonce: bytes, address: str
    ) -> Reference:
        """Verify a proof. Raises ProofRefused."""
        return await self._prover.prove(user, type_, proof, nonce, cnonce, address)

    async def may_read(self, user: Reference, record: Record) -> bool:
        """Say whether a proven user may read the private values of a record."""
        return await self._prover.may_read(user, record)

    async def challenge(self, request: BaseRequest, asker: Asker, error: str = "") -> list[tuple[str, str]]:
        """Return the `WWW-Authenticate` headers of a 401; a session is opened unless the request has one.

        Who uses the Handle scheme, and a script, for which browsers would open a window, is not offered Basic.
        """
        if not asker.client.secure or self._sessions is None:
            return []
        try:
            session = asker.session or self.sessions.open(asker.client.address, self.now_s, bare=True)
        except SessionsUnavailable as unavailable:
            log.error("clients are offered no challenge: %s", unavailable)  # noqa: TRY400 - what is wrong is in the text
            return [("WWW-Authenticate", BASIC_LINE)]
        signature = await self.signature(session, asker.cnonce)
        by_script = request.headers.get("X-Requested-With", "").lower() == "xmlhttprequest"
        in_handle_scheme = scheme_of(request.headers.get("Authorization", ""))[0] == HANDLE
        lines = challenge_lines(session, signature, error, offers_basic=not (by_script or in_handle_scheme))
        return [("WWW-Authenticate", line) for line in lines]

    async def signature(self, session: Session, cnonce: bytes | None) -> SiteSignature | None:
        """Return the site's signature over nonce and cnonce, where one is wanted and there is a key."""
        if cnonce is None or self._options.site_key is None:
            return None
        return await asyncio.to_thread(site_signature, self._options.site_key, session.nonce, cnonce)

    async def _in_handle_scheme(self, request: BaseRequest, asker: Asker, authorization: str, rest: str) -> Asker:
        try:
            fields = handle_fields(rest)
            credential = handle_credential(fields)
        except BadAuthorization as error:
            raise Turned(self._in_its_session(asker, rest), str(error)) from error
        if credential.session_id is None and credential.proof is None and credential.cnonce is None:
            return await self.by_certificate(request, asker)  # `clientCert="true"`, or nothing at all
        asker = await self.in_session(asker, credential, authorization.encode("utf-8", "surrogateescape"))
        if asker.user is None and credential.shows_certificate:
            return await self.by_certificate(request, asker)
        return asker

    def _in_its_session(self, asker: Asker, rest: str) -> Asker:
        """Keep the session of a request whose other fields are wrong, so that its next try has the same nonce."""
        try:
            fields = handle_fields(rest)
        except BadAuthorization:
            return asker
        session_id = fields.get("sessionid")
        session = None if session_id is None else self.sessions.find(session_id, self.now_s)
        return asker if session is None else replace(asker, session=session)


def _turned(asker: Asker, refused: ProofRefused) -> Turned:
    """Tell nobody whether a user, a key or a secret was wrong; only that too much was tried, or nothing can be."""
    if refused.code in (2, form.TRY_AGAIN, 7):
        return Turned(asker, str(refused), refused.code)
    return Turned(asker, _NOT_VERIFIED)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
