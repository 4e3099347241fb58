"""The cryptography of sessions: key agreement, encryption, counters (handle wire 14.3, 14.4, 15).

Randomness comes in as an argument. Nothing here knows which sessions exist.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from identifiers import sm2
from identifiers.handle_wire.codes import AES, SM4, ResponseCode
from identifiers.handle_wire.groups import GENERATOR, PRIMES
from identifiers.handle_wire.keys import UsablePublicKey, UserPrivateKey
from identifiers.hs_key import big_number
from identifiers.octets import OctetReader, WireError, string

SESSION_KEY_OCTETS: Final = 32
CIPHER_KEY_OCTETS: Final = 16
PRIVATE_OCTETS: Final = 40
"""Random octets behind one Diffie-Hellman number: 320 bits, more than any of the groups is worth."""
COUNTER_WINDOW: Final = 200

_BLOCK: Final = 16
_DH_KEY: Final = b"DH_PUB_KEY"

Random = Callable[[int], bytes]


class DHKey(msgspec.Struct, frozen=True, gc=False):
    """A public number in one of the known groups."""

    y: int
    p: int


class AESCipher:
    """AES-128-CBC with PKCS#5 padding, a fresh IV before each ciphertext; the key is the first 16 octets given."""

    __slots__ = ("_key", "_random")
    number: Final = AES

    def __init__(self, key: bytes, random: Random) -> None:
        self._key = algorithms.AES(key[:CIPHER_KEY_OCTETS])
        self._random = random

    def encrypt(self, plain: bytes) -> bytes:
        """Return IV and ciphertext."""
        iv = self._random(_BLOCK)
        encryptor = BlockCipher(self._key, modes.CBC(iv)).encryptor()
        return iv + encryptor.update(_pad(plain)) + encryptor.finalize()

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Return the plain text; raise WireError with INVALID_SESSION_KEY, always with the same text."""
        if len(ciphertext) % _BLOCK or len(ciphertext) < 2 * _BLOCK:
            raise undecipherable()
        decryptor = BlockCipher(self._key, modes.CBC(ciphertext[:_BLOCK])).decryptor()
        return _unpad(decryptor.update(ciphertext[_BLOCK:]) + decryptor.finalize())


class SM4Cipher:
    """SM4-CBC with PKCS#5 padding, the key as IV, as the industrial-internet client does it."""

    __slots__ = ("_cipher",)
    number: Final = SM4

    def __init__(self, key: bytes) -> None:
        short = key[:CIPHER_KEY_OCTETS]
        self._cipher = BlockCipher(algorithms.SM4(short), modes.CBC(short))

    def encrypt(self, plain: bytes) -> bytes:
        """Return the ciphertext."""
        encryptor = self._cipher.encryptor()
        return encryptor.update(_pad(plain)) + encryptor.finalize()

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Return the plain text; raise WireError with INVALID_SESSION_KEY, always with the same text."""
        if len(ciphertext) % _BLOCK or not ciphertext:
            raise undecipherable()
        decryptor = self._cipher.decryptor()
        return _unpad(decryptor.update(ciphertext) + decryptor.finalize())


def private_number(random: Random) -> int:
    """Return a private Diffie-Hellman number for one session."""
    return int.from_bytes(random(PRIVATE_OCTETS), "big") | 1 << (8 * PRIVATE_OCTETS - 1)


def public_key(private: int, prime: int) -> DHKey:
    """Return the public key that belongs to a private number in the group of a known prime. Takes some milliseconds."""
    return DHKey(pow(GENERATOR, private, prime), prime)


def parse_dh_key(octets: bytes) -> DHKey:
    """Parse a peer's public key; raise WireError with SESSION_FAILED for unknown groups and for bad numbers."""
    try:
        reader = OctetReader(octets)
        kind, _ = reader.octets(), reader.u2()
        y, p, g = (int.from_bytes(reader.octets(), "big") for _ in range(3))
    except WireError as error:
        raise WireError("this is no Diffie-Hellman key", error.offset, ResponseCode.SESSION_FAILED) from None
    if kind != _DH_KEY or p not in PRIMES or g != GENERATOR or not 1 < y < p - 1:
        message = "a Diffie-Hellman key belongs to a group of RFC 2409 or RFC 3526, and is neither 0, 1 nor p - 1"
        raise WireError(message, 0, ResponseCode.SESSION_FAILED)
    return DHKey(y, p)


def encode_dh_key(key: DHKey) -> bytes:
    """Return a public key as session set-ups carry it."""
    return string(_DH_KEY) + b"\0\0" + b"".join([big_number(number) for number in (key.y, key.p, GENERATOR)])


def encode_dh_offer(key: DHKey, algorithm: int = AES) -> bytes:
    """Return the data of the server's answer in mode 4: the algorithm of encryption, and its public key."""
    return algorithm.to_bytes(4, "big") + encode_dh_key(key)


def parse_dh_offer(data: bytes) -> tuple[int, DHKey]:
    """Return algorithm and public key of a server's answer in mode 4; raise WireError."""
    return OctetReader(data).u4(), parse_dh_key(data[4:])


def session_key(private: int, peer: DHKey) -> bytes:
    """Return K, the 32 octets both sides have now: key of the MACs, and its first half of AES (handle wire 14.3)."""
    shared = pow(peer.y, private, peer.p).to_bytes((peer.p.bit_length() + 7) // 8, "big")
    stripped = shared.lstrip(b"\0")
    return (stripped if len(stripped) >= SESSION_KEY_OCTETS else shared[-SESSION_KEY_OCTETS:])[:SESSION_KEY_OCTETS]


def take_counter(highest: int, seen: int, counter: int, window: int = COUNTER_WINDOW) -> tuple[int, int] | None:
    """Return what is known of a peer's counters after this one, None if it counts no more.

    Each counter counts once, and none that lies more than ``window`` below the highest. Bit n of ``seen`` stands for
    the counter n below ``highest``; a session begins with -1 and 0.
    """
    ahead = counter - highest
    if ahead > 0:
        kept = seen << ahead if ahead <= window and highest >= 0 else 0
        return counter, (kept | 1) & ((1 << (window + 1)) - 1)
    if -ahead > window or seen >> -ahead & 1:
        return None
    return highest, seen | 1 << -ahead


def encrypt_session_key(key: bytes, algorithm: int, public: UsablePublicKey) -> bytes:
    """Return the data of the server's answer in mode 3: algorithm and key (16 octets), for the client's public key.

    Raises WireError with SESSION_FAILED for keys that cannot encrypt.
    """
    plain = algorithm.to_bytes(4, "big") + key
    if isinstance(public, rsa.RSAPublicKey):
        return public.encrypt(plain, padding.PKCS1v15())
    if isinstance(public, sm2.PublicKey):
        return sm2.encrypt(plain, public)
    raise WireError("this key cannot encrypt: use RSA or SM2", 0, ResponseCode.SESSION_FAILED)


def decrypt_session_key(data: bytes, private: UserPrivateKey) -> tuple[int, bytes]:
    """Return algorithm and key from the data of a mode 3 answer, on the client's side; raise WireError."""
    fault = WireError("the session key cannot be decrypted", 0, ResponseCode.SESSION_FAILED)
    try:
        if isinstance(private, rsa.RSAPrivateKey):
            plain = private.decrypt(data, padding.PKCS1v15())
        elif isinstance(private, sm2.PrivateKey):
            plain = sm2.decrypt(data, private)
        else:
            raise fault
    except ValueError:
        raise fault from None
    if len(plain) != 4 + CIPHER_KEY_OCTETS:
        raise fault
    return int.from_bytes(plain[:4], "big"), plain[4:]


def undecipherable() -> WireError:
    """Return the one answer to everything that goes wrong in decrypting."""
    return WireError("the message cannot be decrypted", 0, ResponseCode.INVALID_SESSION_KEY)


def _pad(plain: bytes) -> bytes:
    count = _BLOCK - len(plain) % _BLOCK
    return plain + bytes((count,)) * count


def _unpad(padded: bytes) -> bytes:
    count = padded[-1]
    if not 1 <= count <= _BLOCK or padded[-count:] != bytes((count,)) * count:
        raise undecipherable()
    return padded[:-count]
