"""SM2 and SM3: signatures and encryption of the national standards (GB/T 32918.2, 32918.4, 32905).

Point arithmetic comes from gmssl (about 5 ms a multiplication), SM3 from OpenSSL: long messages cost what hashing
them costs. Private keys are for this node's own signatures; gmssl's arithmetic does not run in constant time, so do not
sign for strangers who can measure.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gmssl.sm2 import CryptSM2, default_ecc_table

from identifiers import der
from identifiers.octets import OctetReader, WireError

USER_ID: Final = b"1234567812345678"
"""The user id of signatures whose parties have agreed on no other (GM/T 0009, section 10)."""
SIGNATURE_OCTETS: Final = 64
CIPHERTEXT_OVERHEAD_OCTETS: Final = 97
"""By how much a ciphertext is longer: an uncompressed point (65) and a hash (32)."""
MESSAGE_OCTETS_MAX: Final = 1 << 30
"""Longest message that is encrypted or decrypted at once."""
BLOCK_OCTETS: Final = 65_536
"""How long messages are read."""

_P: Final = int(default_ecc_table["p"], 16)
_N: Final = int(default_ecc_table["n"], 16)
_A: Final = int(default_ecc_table["a"], 16)
_B: Final = int(default_ecc_table["b"], 16)
_G: Final = bytes.fromhex(default_ecc_table["g"])
_CURVE: Final = bytes.fromhex(default_ecc_table["a"] + default_ecc_table["b"])

_SCALAR_OCTETS: Final = 32
_POINT_OCTETS: Final = 64
_HASH_OCTETS: Final = 32
_USER_ID_OCTETS_MAX: Final = 8_191  # its length in bits has 16 bits
_UNCOMPRESSED: Final = b"\x04"
_CHUNK_OCTETS: Final = BLOCK_OCTETS

_OID_EC: Final = bytes.fromhex("2a8648ce3d0201")
_CURVE_PARAMETERS: Final = bytes.fromhex("06082a811ccf5501822d")
_SPKI: Final = bytes.fromhex("3059301306072a8648ce3d0201") + _CURVE_PARAMETERS + bytes.fromhex("034200")
_PKCS8: Final = bytes.fromhex("308187020100301306072a8648ce3d0201") + _CURVE_PARAMETERS
_EC_PRIVATE: Final = bytes.fromhex("046d306b0201010420")
_EC_PUBLIC: Final = bytes.fromhex("a144034200")


class SM2Error(ValueError):
    """A key or ciphertext that cannot be used. The text says which of the two, and nothing about the secret."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point on the curve: the two coordinates, 32 octets each."""

    point: bytes

    def to_der(self) -> bytes:
        """Return the key as DER SubjectPublicKeyInfo (RFC 5280)."""
        return _SPKI + _UNCOMPRESSED + self.point


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A secret number, and the public key that belongs to it. It shows nothing of itself."""

    secret: int
    public: PublicKey

    def to_der(self) -> bytes:
        """Return the key as unencrypted DER PKCS#8 (RFC 5958, RFC 5915)."""
        secret = self.secret.to_bytes(_SCALAR_OCTETS, "big")
        return _PKCS8 + _EC_PRIVATE + secret + _EC_PUBLIC + _UNCOMPRESSED + self.public.point


def generate() -> PrivateKey:
    """Return a new key pair from the system's secure random source."""
    return _private_key(1 + secrets.randbelow(_N - 2))


def load_private(pkcs8_der: bytes) -> PrivateKey:
    """Read an unencrypted DER PKCS#8 key; raise SM2Error if it is none on the SM2 curve."""
    try:
        info = OctetReader(der.read(OctetReader(pkcs8_der), der.SEQUENCE))
        der.read(info, der.INTEGER)
        algorithm = OctetReader(der.read(info, der.SEQUENCE))
        identifier = der.read(algorithm, der.OBJECT_IDENTIFIER)
        parameters = algorithm.take(algorithm.left)
        key = OctetReader(der.read(OctetReader(der.read(info, der.OCTET_STRING)), der.SEQUENCE))
        der.read(key, der.INTEGER)
        secret = int.from_bytes(der.read(key, der.OCTET_STRING), "big")
    except WireError:
        raise SM2Error("this is no DER PKCS#8 private key: write the key unencrypted, in DER") from None
    if identifier != _OID_EC or parameters != _CURVE_PARAMETERS or not 1 <= secret <= _N - 2:
        raise SM2Error("this private key is none on the SM2 curve")
    return _private_key(secret)


def load_public(spki_der: bytes) -> PublicKey:
    """Read a DER SubjectPublicKeyInfo; raise SM2Error if it is no point of the SM2 curve, uncompressed."""
    try:
        info = der.parse_subject_public_key(spki_der)
    except WireError:
        raise SM2Error("this is no DER SubjectPublicKeyInfo") from None
    if info.algorithm != _OID_EC or info.parameters != _CURVE_PARAMETERS:
        raise SM2Error("this public key is none on the SM2 curve")
    return PublicKey(_point(info.key))


def sm3(data: bytes) -> bytes:
    """Return the SM3 hash, 32 octets."""
    return hashlib.new("sm3", data).digest()


def sign(data: bytes, key: PrivateKey, user_id: bytes = USER_ID) -> bytes:
    """Return the signature r ‖ s, 64 octets. Raises ValueError for a user id over 8,191 octets."""
    hashed = signature_hash(key.public, user_id)
    hashed.update(data)
    return sign_hash(hashed.digest(), key)


def sign_hash(hashed: bytes, key: PrivateKey) -> bytes:
    """Return the signature of a message too long to be held at once, whose hash `signature_hash` has begun."""
    signer = _curve()
    signer.private_key = format(key.secret, "064x")
    while True:
        nonce = 1 + secrets.randbelow(_N - 1)
        signature: str | None = signer.sign(hashed, format(nonce, "064x"))
        if signature is not None:
            return bytes.fromhex(signature)


def verify(data: bytes, signature: bytes, key: PublicKey, user_id: bytes = USER_ID) -> bool:
    """Say whether ``signature`` (r ‖ s, 64 octets) is right. About 10 ms, and the hashing of ``data``.

    Raises ValueError for a user id over 8,191 octets.
    """
    hashed = signature_hash(key, user_id)
    hashed.update(data)
    return verify_hash(hashed.digest(), signature, key)


def verify_hash(hashed: bytes, signature: bytes, key: PublicKey) -> bool:
    """Do as `verify` for a message whose hash was begun by `signature_hash`."""
    r, s = int.from_bytes(signature[:_SCALAR_OCTETS], "big"), int.from_bytes(signature[_SCALAR_OCTETS:], "big")
    if len(signature) != SIGNATURE_OCTETS or not (0 < r < _N and 0 < s < _N):
        return False
    verifier = _curve()
    verifier.public_key = key.point.hex()
    try:
        return bool(verifier.verify(signature.hex(), hashed))
    except TypeError:  # the two points cancel out: gmssl has no point at infinity
        return False


def encrypt(data: bytes, key: PublicKey) -> bytes:
    """Return the ciphertext C1 ‖ C3 ‖ C2: uncompressed point (65 octets), SM3 hash (32), as many octets as ``data``.

    Raises SM2Error for an empty message and for more than MESSAGE_OCTETS_MAX octets.
    """
    if not 0 < len(data) <= MESSAGE_OCTETS_MAX:
        raise SM2Error("a message to encrypt has 1 to 1,073,741,824 octets")
    while True:
        nonce = 1 + secrets.randbelow(_N - 1)
        shared = _multiply(nonce, key.point)
        hidden = _mask(data, shared)
        if hidden != data:  # a mask of zeros, one in 2^256 for keys: the standard wants another nonce
            return _UNCOMPRESSED + _multiply(nonce, _G) + _check_hash(data, shared) + hidden


def decrypt(ciphertext: bytes, key: PrivateKey) -> bytes:
    """Return the message of a ciphertext C1 ‖ C3 ‖ C2; raise SM2Error, always with the same text, if there is none."""
    fault = SM2Error("this ciphertext was not made for this key")
    if not CIPHERTEXT_OVERHEAD_OCTETS < len(ciphertext) <= CIPHERTEXT_OVERHEAD_OCTETS + MESSAGE_OCTETS_MAX:
        raise fault
    start = 1 + _POINT_OCTETS
    try:
        point = _point(ciphertext[:start])
    except SM2Error:
        raise fault from None
    shared = _multiply(key.secret, point)
    data = _mask(ciphertext[start + _HASH_OCTETS :], shared)
    if not hmac.compare_digest(_check_hash(data, shared), ciphertext[start : start + _HASH_OCTETS]):
        raise fault
    return data


def encrypt_long(blocks: Callable[[], Iterable[bytes]], octets: int, key: PublicKey) -> Iterator[bytes]:
    """Yield what `encrypt` returns, for a message that is read twice in blocks of BLOCK_OCTETS, the last one shorter.

    Memory holds one block. Raises SM2Error for an empty message and for more than MESSAGE_OCTETS_MAX octets.
    """
    if not 0 < octets <= MESSAGE_OCTETS_MAX:
        raise SM2Error("a message to encrypt has 1 to 1,073,741,824 octets")
    nonce = 1 + secrets.randbelow(_N - 1)
    shared = _multiply(nonce, key.point)
    yield _UNCOMPRESSED + _multiply(nonce, _G)
    hashed = hashlib.new("sm3", shared[:_SCALAR_OCTETS])
    for block in blocks():
        hashed.update(block)
    hashed.update(shared[_SCALAR_OCTETS:])
    yield hashed.digest()
    for block, mask in zip(blocks(), _key_stream(shared, octets), strict=True):
        yield _xor(block, mask)


def decrypt_long(head: bytes, blocks: Iterable[bytes], octets: int, key: PrivateKey) -> Iterator[bytes]:
    """Yield the message of a ciphertext: `head` are its first 97 octets, `blocks` the rest as for `encrypt_long`.

    Raises SM2Error, always with the same text, at the end too: nothing yielded counts before the end is reached.
    """
    fault = SM2Error("this ciphertext was not made for this key")
    start = 1 + _POINT_OCTETS
    try:
        point = _point(head[:start])
    except SM2Error:
        raise fault from None
    shared = _multiply(key.secret, point)
    hashed = hashlib.new("sm3", shared[:_SCALAR_OCTETS])
    for block, mask in zip(blocks, _key_stream(shared, octets), strict=False):
        data = _xor(block, mask)
        hashed.update(data)
        yield data
    hashed.update(shared[_SCALAR_OCTETS:])
    if not hmac.compare_digest(hashed.digest(), head[start:]):
        raise fault


def _private_key(secret: int) -> PrivateKey:
    return PrivateKey(secret, PublicKey(_multiply(secret, _G)))


def _point(octets: bytes) -> bytes:
    """Return the coordinates of an uncompressed point, or raise SM2Error unless it is one of the curve."""
    x, y = int.from_bytes(octets[1:33], "big"), int.from_bytes(octets[33:], "big")
    whole = len(octets) == 1 + _POINT_OCTETS and octets[:1] == _UNCOMPRESSED
    if not whole or x >= _P or y >= _P or (y * y - (x * x + _A) * x - _B) % _P:
        raise SM2Error("this is no uncompressed point of the SM2 curve")
    return octets[1:]


def _curve() -> CryptSM2:
    # Its constructor strips every leading 0 and 4 of a public key, so keys are set afterwards.
    return CryptSM2("", "")


def _multiply(scalar: int, point: bytes) -> bytes:
    product: str = _curve()._kg(scalar, point.hex())  # noqa: SLF001 - gmssl's multiplication has no public name
    return bytes.fromhex(product)


def signature_hash(key: PublicKey, user_id: bytes = USER_ID) -> "hashlib._Hash":
    """Return the hash that a signature is made of, to be updated with the message; ValueError for a long user id."""
    if len(user_id) > _USER_ID_OCTETS_MAX:
        raise ValueError(f"a user id has at most {_USER_ID_OCTETS_MAX} octets")
    user = (8 * len(user_id)).to_bytes(2, "big") + user_id
    return hashlib.new("sm3", sm3(user + _CURVE + _G + key.point))


def _check_hash(data: bytes, shared: bytes) -> bytes:
    hashed = hashlib.new("sm3", shared[:_SCALAR_OCTETS])
    hashed.update(data)
    hashed.update(shared[_SCALAR_OCTETS:])
    return hashed.digest()


def _mask(data: bytes, shared: bytes) -> bytes:
    """Return ``data`` XOR the key stream that the shared point gives; its own inverse."""
    stream = _key_stream(shared, len(data))
    return b"".join(
        _xor(data[at : at + _CHUNK_OCTETS], mask)
        for at, mask in zip(range(0, len(data), _CHUNK_OCTETS), stream, strict=False)
    )


def _key_stream(shared: bytes, octets: int) -> Iterator[bytes]:
    """Yield chunks of the key derivation function of GB/T 32918.4, section 5.4.3."""
    seed = hashlib.new("sm3", shared)
    blocks_per_chunk = _CHUNK_OCTETS // _HASH_OCTETS
    blocks = -(-octets // _HASH_OCTETS)
    for first in range(1, blocks + 1, blocks_per_chunk):
        hashes = []
        for counter in range(first, min(first + blocks_per_chunk, blocks + 1)):
            block = seed.copy()
            block.update(counter.to_bytes(4, "big"))
            hashes.append(block.digest())
        yield b"".join(hashes)


def _xor(data: bytes, mask: bytes) -> bytes:
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(mask[: len(data)], "big")
    return mixed.to_bytes(len(data), "big")
