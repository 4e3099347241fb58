"""Op 400 to 402: sessions with a key agreed by Diffie-Hellman, or sent encrypted for a key in a handle (14.2, 14.3)."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final

from identifiers.handle_wire.answers import SessionOffer
from identifiers.handle_wire.codes import (
    AES,
    MODE_DIFFIE_HELLMAN,
    MODE_KEY_IN_HANDLE,
    PUBLIC_KEY,
    SM4,
    Op,
    ResponseCode,
)
from identifiers.handle_wire.keys import KeyUnusable, load_public_key
from identifiers.handle_wire.requests import INDEX_NONE, SessionSetup, decode_request
from identifiers.handle_wire.sessions import (
    CIPHER_KEY_OCTETS,
    AESCipher,
    DHKey,
    SM4Cipher,
    encode_dh_offer,
    encrypt_session_key,
    parse_dh_key,
    private_number,
    public_key,
    session_key,
)
from identifiers.handle_wire.versions import knows_sessions
from identifiers.octets import WireError
from identifiers.sm2 import PublicKey as SM2PublicKey
from identifiers.values import Reference
from resolver.handle.auth.authentication import HandleAuthentication, has_mac
from resolver.handle.auth.bound import bind
from resolver.handle.exchange import Answer, Handler, Refused, Request

_NOT_OFFERED: Final = "Sessions are set up with Diffie-Hellman, or a key in a handle"


class SessionSetups:
    """The handlers of op 400, 401 and 402."""

    def __init__(self, authentication: HandleAuthentication) -> None:
        self._authentication = authentication

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """The handlers by op code."""
        return {
            Op.SESSION_SETUP: self.set_up,
            Op.SESSION_TERMINATE: self.terminate,
            Op.SESSION_EXCHANGE_KEY: self.exchange_key,
        }

    async def set_up(self, request: Request) -> Answer:
        """Set a session up. Raises Refused or WireError (501), Refused (3)."""
        if not knows_sessions(request.version):
            raise Refused(ResponseCode.SESSION_FAILED, "Sessions need version 2.7")
        asked = decode_request(Op.SESSION_SETUP, request.message.body)
        assert isinstance(asked, SessionSetup)  # noqa: S101 - what this operation decodes to
        if asked.mode == MODE_DIFFIE_HELLMAN:
            return await self._agree(request, asked)
        if asked.mode == MODE_KEY_IN_HANDLE:
            return await self._send_key(request, asked)
        raise Refused(ResponseCode.SESSION_FAILED, _NOT_OFFERED)

    async def terminate(self, request: Request) -> Answer:
        """End a session; `admit` has checked the MAC. Raises Refused (500)."""
        if not has_mac(request.message):
            raise Refused(ResponseCode.SESSION_TIMEOUT, "There is no session")
        self._authentication.sessions.end(request.session_id)
        return Answer(ResponseCode.SUCCESS)

    async def exchange_key(self, request: Request) -> Answer:  # noqa: ARG002 - refused whatever it says
        """Refuse: we decrypt nothing for strangers."""
        raise Refused(ResponseCode.SESSION_FAILED, _NOT_OFFERED)

    async def _agree(self, request: Request, asked: SessionSetup) -> Answer:
        peer = parse_dh_key(asked.public_key)
        loop = asyncio.get_running_loop()
        ours, key = await loop.run_in_executor(self._authentication.proofs.threads, _agreed, peer)
        number = self._authentication.sessions.begin(
            key, identity=_identity(asked), timeout_s=asked.timeout_s, address=request.peer.address
        )
        return Answer(ResponseCode.SUCCESS, SessionOffer(asked.mode, encode_dh_offer(ours)), session_id=number)

    async def _send_key(self, request: Request, asked: SessionSetup) -> Answer:
        """Send a key that only the holder of a private key can read. It belongs to this connection and its id."""
        if request.peer.transport != "tcp" or not request.session_id:
            raise Refused(ResponseCode.SESSION_FAILED, "This mode needs a connection and a session id")
        named = Reference(asked.key_handle, asked.key_index)
        values = await self._authentication.keys.of(named, PUBLIC_KEY, request.peer.address)
        key = secrets.token_bytes(CIPHER_KEY_OCTETS)
        for value in values:
            try:
                public = load_public_key(value.data)
            except KeyUnusable:
                continue
            is_sm2 = isinstance(public, SM2PublicKey)
            loop = asyncio.get_running_loop()
            threads = self._authentication.proofs.threads
            try:
                data = await loop.run_in_executor(threads, encrypt_session_key, key, SM4 if is_sm2 else AES, public)
            except WireError:
                continue
            answer = Answer(ResponseCode.SUCCESS, SessionOffer(asked.mode, data))
            bind(request.peer, request.session_id).cipher = (
                SM4Cipher(key) if is_sm2 else AESCipher(key, secrets.token_bytes)
            )
            return answer
        raise Refused(ResponseCode.SESSION_FAILED, "The handle has no key that can encrypt")


def _agreed(peer: DHKey) -> tuple[DHKey, bytes]:
    private = private_number(secrets.token_bytes)
    return public_key(private, peer.p), session_key(private, peer)


def _identity(asked: SessionSetup) -> Reference | None:
    """Return whom a session is set up for; None for nobody."""
    if not asked.identity or asked.identity_index == INDEX_NONE:
        return None
    return Reference(asked.identity, asked.identity_index)
