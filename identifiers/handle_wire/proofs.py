"""Proofs: how a user answers a challenge with a secret or a private key (handle wire 13.3, 13.4).

Every parameter comes from the peer and is checked before anything is computed. PBKDF2 takes up to some 60 ms: run
``is_right_secret`` outside the event loop.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

import msgspec

from identifiers import sm2
from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.classic_ciphers import java_octets
from identifiers.handle_wire.codes import ResponseCode
from identifiers.handle_wire.keys import HASHES, WEAK_HASHES, UsablePublicKey, UserPrivateKey, sign, verify
from identifiers.octets import OctetReader, WireError, string

SALT_OCTETS_MAX: Final = 64
ITERATIONS_MAX: Final = 100_000
KEY_BITS: Final = range(64, 513, 8)
CLIENT_ITERATIONS: Final = 10_000
"""What clients use, with 16 octets of salt and 160 bits."""

HASH_MD5: Final = 0x01
HASH_SHA1: Final = 0x02
HASH_SHA256: Final = 0x03
HMAC_SHA1: Final = 0x12
HMAC_SHA256: Final = 0x13
PBKDF2: Final = 0x22

_HASHED: Final[dict[int, Callable[[bytes], Any]]] = {
    HASH_MD5: hashlib.md5,
    HASH_SHA1: hashlib.sha1,
    HASH_SHA256: hashlib.sha256,
}
_KEYED: Final = {HMAC_SHA1: "sha1", HMAC_SHA256: "sha256"}
_MD5_OCTETS: Final = 16
_KEY_BITS_DEFAULT: Final = 160


class SecretProof(msgspec.Struct, frozen=True, gc=False):
    """A proof with a secret. Salt, iterations and bits belong to PBKDF2."""

    algorithm: int
    mac: bytes
    salt: bytes = b""
    iterations: int = 0
    bits: int = 0

    @property
    def is_costly(self) -> bool:
        """Whether checking it takes longer than an event loop may stand still."""
        return self.algorithm == PBKDF2


class KeyProof(msgspec.Struct, frozen=True, gc=False):
    """A proof with a private key: the name of the hash, and the signature."""

    hash_name: str
    signature: bytes


def parse_secret_proof(proof: bytes, *, has_algorithm: bool = True) -> SecretProof:
    """Parse the proof of an HS_SECKEY user; raise WireError with AUTHENTICATION_ERROR for what is not accepted.

    ``has_algorithm`` is False for peers below version 2.1, whose proof is a bare MD5.
    """
    if not has_algorithm and len(proof) == _MD5_OCTETS:
        return SecretProof(HASH_MD5, proof)
    if not proof:
        raise _unacceptable("the proof is empty")
    algorithm = proof[0]
    if algorithm in _HASHED or algorithm in _KEYED:
        return SecretProof(algorithm, proof[1:])
    if algorithm != PBKDF2:
        raise _unacceptable("the algorithm of the proof is not known")
    try:
        reader = OctetReader(proof, 1)
        salt, iterations, bits, mac = reader.octets(), reader.u4(), reader.u4(), reader.octets()
    except WireError:
        raise _unacceptable("the proof is too short") from None
    if len(salt) > SALT_OCTETS_MAX or not 1 <= iterations <= ITERATIONS_MAX or bits not in KEY_BITS:
        raise _unacceptable("the parameters of the proof are out of bounds")
    return SecretProof(PBKDF2, mac, salt, iterations, bits)


def is_right_secret(proof: SecretProof, secret: bytes, challenge: Challenge) -> bool:
    """Say whether a proof was made with this secret over this challenge; compared in constant time.

    With PBKDF2 a secret beyond ASCII counts as Java clients derive from it, and as it is.
    """
    if hmac.compare_digest(_mac(proof, secret, challenge), proof.mac):
        return True
    others = proof.algorithm == PBKDF2 and not secret.isascii()
    return others and hmac.compare_digest(_derived_mac(proof, secret, challenge), proof.mac)


def prove_secret(secret: bytes, challenge: Challenge, algorithm: int = HASH_SHA256, salt: bytes = b"") -> bytes:
    """Return the proof a client sends; ``salt`` (16 random octets) belongs to PBKDF2."""
    if algorithm != PBKDF2:
        return bytes((algorithm,)) + _mac(SecretProof(algorithm, b""), secret, challenge)
    blank = SecretProof(PBKDF2, b"", salt, CLIENT_ITERATIONS, _KEY_BITS_DEFAULT)
    return encode_secret_proof(msgspec.structs.replace(blank, mac=_mac(blank, secret, challenge)))


def encode_secret_proof(proof: SecretProof) -> bytes:
    """Return the octets of a proof, the algorithm's first: what ``parse_secret_proof`` reads."""
    if proof.algorithm != PBKDF2:
        return bytes((proof.algorithm,)) + proof.mac
    parameters = proof.iterations.to_bytes(4, "big") + proof.bits.to_bytes(4, "big")
    return bytes((PBKDF2,)) + string(proof.salt) + parameters + string(proof.mac)


def parse_key_proof(proof: bytes, *, allow_weak_hashes: bool = True) -> KeyProof:
    """Parse the proof of an HS_PUBKEY user; raise WireError with AUTHENTICATION_ERROR for what is not accepted."""
    if not proof:
        raise _unacceptable("the proof is empty")
    try:
        reader = OctetReader(proof)
        found = KeyProof(reader.text(), reader.octets())
    except WireError:
        raise _unacceptable("the proof is too short") from None
    name = found.hash_name.upper()
    if name not in HASHES and name != "SM3":
        raise _unacceptable("the hash of the proof is not known")
    if name in WEAK_HASHES and not allow_weak_hashes:
        raise _unacceptable("this hash is too weak here: use SHA-256")
    return found


def is_right_key(proof: KeyProof, key: UsablePublicKey, challenge: Challenge, user: str) -> bool:
    """Say whether a proof was made with the key's private half; ``user`` is the handle as the response names it."""
    return verify(_signed_octets(key, challenge), proof.signature, key, proof.hash_name, user)


def prove_key(key: UserPrivateKey, challenge: Challenge, user: str, hash_name: str = "SHA-256") -> bytes:
    """Return the proof a client sends; SM2 keys always use SM3."""
    name = "SM3" if isinstance(key, sm2.PrivateKey) else hash_name
    return string(name.encode()) + string(sign(_signed_octets(key, challenge), key, name, user))


def _signed_octets(key: UsablePublicKey | UserPrivateKey, challenge: Challenge) -> bytes:
    octets = challenge.nonce + challenge.digest.octets
    return sm2.sm3(octets) if isinstance(key, sm2.PublicKey | sm2.PrivateKey) else octets


def _mac(proof: SecretProof, secret: bytes, challenge: Challenge) -> bytes:
    octets = challenge.nonce + challenge.digest.octets
    if (hashing := _HASHED.get(proof.algorithm)) is not None:
        made: bytes = hashing(secret + octets + secret).digest()
        return made
    if (keyed := _KEYED.get(proof.algorithm)) is not None:
        return hmac.digest(secret, octets, keyed)
    return _derived_mac(proof, java_octets(secret), challenge)


def _derived_mac(proof: SecretProof, secret: bytes, challenge: Challenge) -> bytes:
    derived = hashlib.pbkdf2_hmac("sha1", secret, proof.salt, proof.iterations, proof.bits // 8)
    return hmac.digest(derived, challenge.nonce + challenge.digest.octets, "sha1")


def _unacceptable(message: str) -> WireError:
    return WireError(message, 0, ResponseCode.AUTHENTICATION_ERROR)
