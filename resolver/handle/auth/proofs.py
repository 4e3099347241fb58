"""Checking who somebody is: proofs with secrets and keys, passwords and certificates, within bounds (handle wire 13).

The order is that of 13.2: what the user may do is asked before anything costly is computed, and whoever may not is told
the same whether the user exists or not.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from secrets import token_bytes
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_rights import folded_name
from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.codes import PUBLIC_KEY, SECRET_KEY, SHA256, ResponseCode
from identifiers.handle_wire.digests import SIZES, Digest
from identifiers.handle_wire.keys import KeyUnusable, UsablePublicKey, load_public_key
from identifiers.handle_wire.proofs import (
    PBKDF2,
    KeyProof,
    SecretProof,
    encode_secret_proof,
    is_right_key,
    is_right_secret,
    parse_key_proof,
    parse_secret_proof,
    prove_secret,
)
from identifiers.octets import WireError
from identifiers.values import Reference, Value
from resolver.handle.auth.keys import Keys
from resolver.handle.auth.limits import PBKDF2_WAIT_S, AuthLimits
from resolver.handle.auth.rates import Events
from resolver.handle.exchange import Refused

Permits = Callable[[Reference], Awaitable[bool]]
"""Says whether a user may do what was asked."""

_WRONG: Final = "The proof is wrong, or the key is not there"
_NOT_YOURS: Final = "No such administrator, or not enough rights"
_TOO_MANY: Final = "Too many proofs at once; try again in a second"
_MINUTE_S: Final = 60.0
_TYPES: Final = (SECRET_KEY, PUBLIC_KEY)
_OCTETS: Final = 16
_NOBODYS: Final = (token_bytes(_OCTETS),)
"""What proofs of users without a secret are computed with."""


async def anything(user: Reference) -> bool:  # noqa: ARG001 - whoever it is
    """Permit everyone: a login only says who one is."""
    return True


class Proofs:
    """Checks proofs, for every face of a worker. `clock` is monotonic, in seconds."""

    def __init__(
        self, keys: Keys, clock: Callable[[], float], limits: AuthLimits | None = None, *, weak_hashes: bool = True
    ) -> None:
        self._keys = keys
        self._weak_hashes = weak_hashes
        self._limits = limits or AuthLimits()
        self._failed = Events(self._limits.failed_per_minute, _MINUTE_S, clock)
        self._costly = Events(self._limits.pbkdf2_per_s, 1.0, clock)
        self._slots = asyncio.Semaphore(self._limits.pbkdf2_at_once)
        self.threads = ThreadPoolExecutor(self._limits.pbkdf2_at_once, thread_name_prefix="handle-proofs")

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
            await self._check_permitted([user], permits)
            return await self._check_secret(user, proof, challenge, address, has_algorithm=has_algorithm)
        return await self.check_key(
            user,
            lambda: parse_key_proof(proof, allow_weak_hashes=self._weak_hashes),
            challenge,
            address=address,
            permits=permits,
        )

    async def _check_secret(
        self, user: Reference, octets: bytes, challenge: Challenge, address: str, *, has_algorithm: bool
    ) -> Reference:
        """Check a proof with a secret that is kept here, or ask the server that keeps it."""
        secrets = [value.data for value in await self._keys.of(user, SECRET_KEY)]
        is_elsewhere = not secrets and self._keys.are_asked_elsewhere(user.handle)
        if not secrets and not is_elsewhere:
            raise await self._absent(user, octets, challenge, address, has_algorithm=has_algorithm)
        proof = self._parsed(octets, has_algorithm=has_algorithm)
        self._check_failures(user, address)
        if is_elsewhere:
            right = await self._is_right_elsewhere(user, encode_secret_proof(proof), challenge, address)
        else:
            right = await self._is_any(proof, secrets, challenge, address)
        if not right:
            raise self._wrong(user, address)
        return user

    async def _absent(
        self, user: Reference, octets: bytes, challenge: Challenge, address: str, *, has_algorithm: bool
    ) -> Refused:
        """Refuse a user without a secret as late, and as often, as one whose proof is wrong: who exists is not said."""
        self._check_failures(user, address)
        with suppress(WireError):  # which users with a secret are told of
            await self._is_any(self._parsed(octets, has_algorithm=has_algorithm), _NOBODYS, challenge, address)
        return self._wrong(user, address)

    def _parsed(self, octets: bytes, *, has_algorithm: bool = True) -> SecretProof:
        proof = parse_secret_proof(octets, has_algorithm=has_algorithm)
        if proof.iterations > self._limits.pbkdf2_iterations:
            raise WireError("The proof takes too long to check", 0, ResponseCode.AUTHENTICATION_ERROR)
        return proof

    async def _is_right_elsewhere(self, user: Reference, proof: bytes, challenge: Challenge, address: str) -> bool:
        self._count_costly(address)
        return await self._keys.is_right_elsewhere(user, proof, challenge)

    async def is_right(self, user: Reference, octets: bytes, challenge: Challenge, *, address: str) -> bool:
        """Say whether a proof with a secret kept here is right, for other servers (op 201).

        Raises Refused (3), and WireError (406).
        """
        proof = self._parsed(octets)
        self._check_failures(user, address)
        secrets = [value.data for value in await self._keys.of(user, SECRET_KEY)]
        right = await self._is_any(proof, secrets or _NOBODYS, challenge, address) and bool(secrets)
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
            await self._check_permitted([user], permits)
        values = await self._keys.of(user, PUBLIC_KEY, address)
        if not user.index:
            await self._check_permitted([Reference(user.handle, value.index) for value in values], permits)
        if not values:
            raise self._wrong(user, address)
        proof = parse()
        loop = asyncio.get_running_loop()
        for at, value in enumerate(values):
            if at:  # one key is what everyone may have checked; a record full of them would cost seconds
                self._count_costly(address)
            if await loop.run_in_executor(self.threads, self._is_made_with, value, proof, challenge, user.handle):
                proved = Reference(user.handle, value.index)
                await self._check_permitted([proved], permits)
                return proved
        raise self._wrong(user, address)

    async def check_password(self, user: Reference, password: bytes, *, address: str) -> Reference:
        """Check a password against the HS_SECKEY value, octet for octet. Raises Refused (3, 403).

        The server that keeps the secret of a user elsewhere is asked with a proof; no password leaves the node.
        """
        self._check_failures(user, address)
        values = await self._keys.of(user, SECRET_KEY)
        for value in values:
            if hmac.compare_digest(value.data, password):
                return Reference(user.handle, value.index)
        if not values and user.index and self._keys.are_asked_elsewhere(user.handle):
            challenge = Challenge(Digest(SHA256, token_bytes(SIZES[SHA256])), token_bytes(_OCTETS))
            loop, salt = asyncio.get_running_loop(), token_bytes(_OCTETS)
            proof = await loop.run_in_executor(self.threads, prove_secret, password, challenge, PBKDF2, salt)
            if await self._is_right_elsewhere(user, proof, challenge, address):
                return user
        raise self._wrong(user, address)

    async def check_certificate(self, user: Reference, public_key: object, *, address: str) -> Reference:
        """Check that a certificate's key (of `cryptography`, or `sm2`) is an HS_PUBKEY of the user's.

        Raises Refused (3, 403).
        """
        self._check_failures(user, address)
        for value in await self._keys.of(user, PUBLIC_KEY, address):
            try:
                if self._key(value) == public_key:
                    return Reference(user.handle, value.index)
            except KeyUnusable:
                continue
        raise self._wrong(user, address)

    async def _is_any(self, proof: SecretProof, secrets: Sequence[bytes], challenge: Challenge, address: str) -> bool:
        if not proof.is_costly:
            return any(is_right_secret(proof, secret, challenge) for secret in secrets)
        for secret in secrets:
            self._count_costly(address)
            if await self._is_derived(proof, secret, challenge):
                return True
        return False

    async def _is_derived(self, proof: SecretProof, secret: bytes, challenge: Challenge) -> bool:
        """Compute when a slot is free; a pool of clients that log in together waits for each other."""
        try:
            async with asyncio.timeout(PBKDF2_WAIT_S):
                await self._slots.acquire()
        except TimeoutError:
            raise Refused(ResponseCode.SERVER_TOO_BUSY, _TOO_MANY) from None
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.threads, is_right_secret, proof, secret, challenge)
        finally:
            self._slots.release()

    def _is_made_with(self, value: Value, proof: KeyProof, challenge: Challenge, user: str) -> bool:
        try:
            return is_right_key(proof, self._key(value), challenge, user)
        except (KeyUnusable, ValueError):
            return False

    def _key(self, value: Value) -> UsablePublicKey:
        key = load_public_key(value.data)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size not in self._limits.key_bits:
            raise KeyUnusable("RSA keys of this length prove nobody here")
        return key

    def _count_costly(self, address: str) -> None:
        if self._costly.is_over(address):
            raise Refused(ResponseCode.SERVER_TOO_BUSY, _TOO_MANY)
        self._costly.note(address)

    async def _check_permitted(self, candidates: Sequence[Reference], permits: Permits) -> None:
        for candidate in candidates:
            if await permits(candidate):
                return
        raise Refused(ResponseCode.INVALID_ADMIN, _NOT_YOURS)

    def _check_failures(self, user: Reference, address: str) -> None:
        if self._failed.is_over(_who(user, address)):
            raise Refused(ResponseCode.SERVER_TOO_BUSY, "Too many wrong proofs; try again in a minute")

    def _wrong(self, user: Reference, address: str) -> Refused:
        self._failed.note(_who(user, address))
        return Refused(ResponseCode.AUTHENTICATION_FAILED, _WRONG)


def _who(user: Reference, address: str) -> tuple[str, str]:
    return address, folded_name(user.handle)
