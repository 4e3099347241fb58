"""Checking who somebody is: proofs with secrets and keys, passwords and certificates, within bounds (handle wire 13).

The order is that of 13.2: what the user may do is asked before anything costly is computed, and whoever may not is told
the same whether the user exists or not.
"""

import asyncio
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from identifiers.handle_rights import folded_name
from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.codes import PUBLIC_KEY, SECRET_KEY, ResponseCode
from identifiers.handle_wire.keys import KeyUnusable, load_public_key
from identifiers.handle_wire.proofs import (
    KeyProof,
    SecretProof,
    is_right_key,
    is_right_secret,
    parse_key_proof,
    parse_secret_proof,
)
from identifiers.values import Reference, Value
from resolver.handle.auth.keys import Keys
from resolver.handle.auth.limits import FAILED_PER_MINUTE, PBKDF2_AT_ONCE, PBKDF2_PER_S
from resolver.handle.auth.rates import Events
from resolver.handle.exchange import Refused

Permits = Callable[[Reference], bool]
"""Says whether a user may do what was asked."""

_WRONG: Final = "The proof is wrong, or the key is not there"
_NOT_YOURS: Final = "No such administrator, or not enough rights"
_MINUTE_S: Final = 60.0
_TYPES: Final = (SECRET_KEY, PUBLIC_KEY)


def anything(user: Reference) -> bool:  # noqa: ARG001 - whoever it is
    """Permit everyone: a login only says who one is."""
    return True


class Proofs:
    """Checks proofs, for every face of a worker. `clock` is monotonic, in seconds."""

    def __init__(self, keys: Keys, clock: Callable[[], float], *, weak_hashes: bool = True) -> None:
        self._keys = keys
        self._weak_hashes = weak_hashes
        self._failed = Events(FAILED_PER_MINUTE, _MINUTE_S, clock)
        self._costly = Events(PBKDF2_PER_S, 1.0, clock)
        self._at_work = 0
        self.threads = ThreadPoolExecutor(PBKDF2_AT_ONCE, thread_name_prefix="handle-proofs")

    def close(self) -> None:
        """End the threads."""
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def check(
        self,
        user: Reference,
        type_: str,
        proof: bytes,
        challenge: Challenge,
        *,
        address: str,
        permits: Permits = anything,
        has_algorithm: bool = True,
    ) -> Reference:
        """Return who a user proved to be: with index 0 and a public key, the index of the key that matched.

        `has_algorithm` is False for peers below 2.1. Raises Refused (3, 400, 403, 404, 406).
        """
        if type_ not in _TYPES:
            raise Refused(ResponseCode.INVALID_CREDENTIAL, "Users prove with HS_SECKEY or HS_PUBKEY")
        if type_ == SECRET_KEY:
            self._check_permitted([user], permits)
            await self._keys_or_refused(user, type_)
            parsed = parse_secret_proof(proof, has_algorithm=has_algorithm)
            return await self.check_secret(user, parsed, challenge, address=address)
        return await self.check_key(
            user,
            lambda: parse_key_proof(proof, allow_weak_hashes=self._weak_hashes),
            challenge,
            address=address,
            permits=permits,
        )

    async def check_secret(
        self, user: Reference, proof: SecretProof, challenge: Challenge, *, address: str
    ) -> Reference:
        """Check a proof with a secret. Raises Refused (3, 403)."""
        self._check_failures(user, address)
        secrets = [value.data for value in await self._keys.of(user, SECRET_KEY)]
        if not secrets:
            raise self._wrong(user, address)
        if not await self._is_any(proof, secrets, challenge, address):
            raise self._wrong(user, address)
        return user

    async def is_right(self, user: Reference, proof: SecretProof, challenge: Challenge, *, address: str) -> bool:
        """Say whether a proof with a secret is right, for other servers and faces (op 201). Raises Refused (3)."""
        self._check_failures(user, address)
        secrets = [value.data for value in await self._keys.of(user, SECRET_KEY)]
        right = bool(secrets) and await self._is_any(proof, secrets, challenge, address)
        if not right:
            self._failed.note(_who(user, address))
        return right

    async def check_key(
        self,
        user: Reference,
        parse: Callable[[], KeyProof],
        challenge: Challenge,
        *,
        address: str,
        permits: Permits = anything,
    ) -> Reference:
        """Check a proof with a private key; `parse` makes it once the user may do what was asked.

        Raises Refused (3, 400, 403), and WireError (406) from `parse`.
        """
        self._check_failures(user, address)
        if user.index:
            self._check_permitted([user], permits)
        values = await self._keys.of(user, PUBLIC_KEY)
        if not user.index:
            self._check_permitted([Reference(user.handle, value.index) for value in values], permits)
        if not values:
            raise self._wrong(user, address)
        proof = parse()
        loop = asyncio.get_running_loop()
        for value in values:
            if await loop.run_in_executor(self.threads, _is_made_with, value, proof, challenge, user.handle):
                proved = Reference(user.handle, value.index)
                self._check_permitted([proved], permits)
                return proved
        raise self._wrong(user, address)

    async def check_password(self, user: Reference, password: bytes, *, address: str) -> Reference:
        """Check a password against the HS_SECKEY value, octet for octet. Raises Refused (3, 403)."""
        self._check_failures(user, address)
        for value in await self._keys.of(user, SECRET_KEY):
            if hmac.compare_digest(value.data, password):
                return Reference(user.handle, value.index)
        raise self._wrong(user, address)

    async def check_certificate(self, user: Reference, public_key: object, *, address: str) -> Reference:
        """Check that a certificate's key (of `cryptography`, or `sm2`) is an HS_PUBKEY of the user's.

        Raises Refused (3, 403).
        """
        self._check_failures(user, address)
        for value in await self._keys.of(user, PUBLIC_KEY):
            try:
                if load_public_key(value.data) == public_key:
                    return Reference(user.handle, value.index)
            except KeyUnusable:
                continue
        raise self._wrong(user, address)

    async def _keys_or_refused(self, user: Reference, type_: str) -> None:
        if not await self._keys.of(user, type_):
            raise Refused(ResponseCode.AUTHENTICATION_FAILED, _WRONG)

    async def _is_any(self, proof: SecretProof, secrets: Sequence[bytes], challenge: Challenge, address: str) -> bool:
        if not proof.is_costly:
            return any(is_right_secret(proof, secret, challenge) for secret in secrets)
        for secret in secrets:
            if self._at_work >= PBKDF2_AT_ONCE or self._costly.is_over(address):
                raise Refused(ResponseCode.SERVER_TOO_BUSY, "Too many proofs at once; try again in a second")
            self._costly.note(address)
            self._at_work += 1
            try:
                loop = asyncio.get_running_loop()
                if await loop.run_in_executor(self.threads, is_right_secret, proof, secret, challenge):
                    return True
            finally:
                self._at_work -= 1
        return False

    def _check_permitted(self, candidates: Sequence[Reference], permits: Permits) -> None:
        if not any(permits(candidate) for candidate in candidates):
            raise Refused(ResponseCode.INVALID_ADMIN, _NOT_YOURS)

    def _check_failures(self, user: Reference, address: str) -> None:
        if self._failed.is_over(_who(user, address)):
            raise Refused(ResponseCode.SERVER_TOO_BUSY, "Too many wrong proofs; try again in a minute")

    def _wrong(self, user: Reference, address: str) -> Refused:
        self._failed.note(_who(user, address))
        return Refused(ResponseCode.AUTHENTICATION_FAILED, _WRONG)


def _who(user: Reference, address: str) -> tuple[str, str]:
    return address, folded_name(user.handle)


def _is_made_with(value: Value, proof: KeyProof, challenge: Challenge, user: str) -> bool:
    try:
        return is_right_key(proof, load_public_key(value.data), challenge, user)
    except (KeyUnusable, ValueError):
        return False
