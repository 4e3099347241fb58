"""Passwords as hashes, and the few secrets that must be readable again as ciphertext.

A password is kept as Argon2id over hex(sha256(password)), because some clients send only that. What must be readable
again is sealed with AES-256-GCM and the account's id as associated data, so that a sealed text put into another
account's row opens nothing.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from registry.errors import Conflict, FieldError, InvalidFields, one_field

T = TypeVar("T")

PASSWORD_CHARACTERS_MIN: Final = 10
PASSWORD_CHARACTERS_MAX: Final = 64
LONG_PASSWORD_CHARACTERS: Final = 16
"""From this length on, any characters will do."""
KINDS_OF_CHARACTERS_MIN: Final = 3
HASHES_AT_ONCE: Final = 2
"""Each takes about 20 ms of a core and 19 MiB; more wait."""

_NONCE_OCTETS: Final = 12
_SHA256_HEX: Final = re.compile(r"[0-9a-f]{64}")
_KINDS: Final = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]")))
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
_NOBODYS: Final = _hasher.hash(secrets.token_hex(32))
"""Compared where there is no such account, so that the time taken does not tell."""


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password about to be stored: its hash, and what the hashed form of signing in needs."""

    hash: str = field(repr=False)
    sha256_hex: str = field(repr=False)


def sha256_hex(password: str) -> str:
    """Return hex(sha256(password)), the form in which a password is compared."""
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()


async def new_password(password: str, username: str, *, member: str = "password") -> NewPassword:
    """Check a password against the rules, and hash it. Raises `InvalidFields` with everything wrong with it."""
    faults = password_faults(password, username)
    if faults:
        errors = tuple(FieldError(member, fault) for fault in faults)
        raise InvalidFields("weak_password", f"{member}: {faults[0]}", remedy="choose another password", errors=errors)
    return await hashed_password(sha256_hex(password))


async def password_from_sha256(text: str, *, member: str = "password") -> NewPassword:
    """Take over a password of which only hex(sha256(password)) is known. Raises `InvalidFields` for other text."""
    if _SHA256_HEX.fullmatch(text.lower()) is None:
        raise one_field("bad_fields", member, "this is the SHA-256 of a password: 64 hexadecimal digits")
    return await hashed_password(text.lower())


async def hashed_password(digest: str) -> NewPassword:
    """Hash hex(sha256(password))."""
    return NewPassword(await _off_the_loop(_hasher.hash, digest), digest)


def password_faults(password: str, username: str) -> list[str]:
    """Say everything that is wrong with a password."""
    faults = []
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        faults.append(f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")
    kinds = sum(kind.search(password) is not None for kind in _KINDS)
    if len(password) < LONG_PASSWORD_CHARACTERS and kinds < KINDS_OF_CHARACTERS_MIN:
        faults.append(
            f"a password under {LONG_PASSWORD_CHARACTERS} characters has three of: small letters, capitals, digits, "
            "other characters"
        )
    if len(set(password)) < PASSWORD_CHARACTERS_MIN // 2:
        faults.append("this password has too few different characters")
    if username and username.lower() in password.lower():
        faults.append("a password does not hold the user name")
    return faults


async def matches(stored_hash: str | None, digest: str) -> bool:
    """Compare hex(sha256(password)) with a stored hash; for None, as long as with one, and False."""
    return await _off_the_loop(_verify, stored_hash or _NOBODYS, digest) and stored_hash is not None


def _verify(stored_hash: str, digest: str) -> bool:
    try:
        return _hasher.verify(stored_hash, digest)
    except (VerificationError, InvalidHashError):
        return False


class _Places:
    """As many hashes at once as `HASHES_AT_ONCE`, in each event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(HASHES_AT_ONCE)

    def here(self) -> asyncio.Semaphore:
        """Return the places of the running loop; a semaphore belongs to one loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._places = loop, asyncio.Semaphore(HASHES_AT_ONCE)
        return self._places


_places = _Places()


async def _off_the_loop(work: Callable[..., T], *arguments: str) -> T:
    async with _places.here():
        return await asyncio.to_thread(work, *arguments)


def seal(secret: bytes, account: str, plain: str) -> bytes:
    """Encrypt a text with the node's secret for an account's row."""
    nonce = secrets.token_bytes(_NONCE_OCTETS)
    return nonce + AESGCM(_key(secret, b"sealing")).encrypt(nonce, plain.encode(), account.encode())


def unseal(secret: bytes, account: str, sealed: bytes) -> str:
    """Read what `seal` made. Raises `Conflict` where it was sealed with another secret or for another account."""
    nonce, ciphertext = sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:]
    try:
        return AESGCM(_key(secret, b"sealing")).decrypt(nonce, ciphertext, account.encode()).decode()
    except (InvalidTag, ValueError) as error:  # the latter for what is too short to be sealed
        raise Conflict(
            "secret_replaced",
            "what is kept of this account was sealed with another secret of the node",
            remedy="an administrator puts the node's secret file back, or resets the account's password and codes",
        ) from error


def session_key(secret: bytes) -> bytes:
    """Return the key with which session tokens are signed."""
    return _key(secret, b"sessions")


def request_digest(secret: bytes, *parts: bytes) -> hmac.HMAC:
    """Begin the keyed SHA-256 of a request that may be repeated.

    Its body may hold a password, and a plain hash, kept for a day, would let it be guessed quickly.
    """
    digest = hmac.new(_key(secret, b"requests"), digestmod=hashlib.sha256)
    for part in parts:
        digest.update(part + b"\x00")
    return digest


@lru_cache(maxsize=8)
def _key(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"idnode " + purpose).derive(secret)
