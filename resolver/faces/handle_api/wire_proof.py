"""An answer to a challenge over HTTP, in the form that Handle messages carry it (Handle wire, 13.3 and 13.4).

There is one place that verifies proofs, and it reads this form; only the names of algorithms differ here.
"""

from typing import Final

from identifiers.octets import string
from resolver.faces.handle_api.authorization import Proof

SECRET: Final = "HS_SECKEY"  # noqa: S105 - the name of a value type
PUBLIC: Final = "HS_PUBKEY"

_PLAIN: Final = {
    "MD5": b"\x01",
    "SHA": b"\x02",
    "SHA1": b"\x02",
    "SHA2": b"\x03",
    "SHA256": b"\x03",
    "HMACSHA1": b"\x12",
    "HMACSHA256": b"\x13",
}
_PBKDF2: Final = ("PBKDF2HMACSHA1", "PBKDF2WITHHMACSHA1")
_HASHES: Final = {
    "MD5": b"MD5",
    "SHA": b"SHA1",
    "SHA1": b"SHA1",
    "SHA2": b"SHA-256",
    "SHA256": b"SHA-256",
    "SM3": b"SM3",
}


class UnknownAlgorithm(ValueError):  # noqa: N818 - names what was sent
    """The algorithm is not known, or not for this type of key."""


def wire_proof(proof: Proof) -> bytes:
    """Return the octets of a proof. Raises UnknownAlgorithm."""
    if proof.type == PUBLIC and (name := _HASHES.get(proof.alg)) is not None:
        return string(name) + string(proof.signature)
    if proof.type == SECRET and (octet := _PLAIN.get(proof.alg)) is not None:
        return octet + proof.signature
    if proof.type == SECRET and proof.alg in _PBKDF2:
        numbers = proof.iterations.to_bytes(4, "big") + proof.length.to_bytes(4, "big")
        return b"\x22" + string(proof.salt) + numbers + string(proof.signature)
    raise UnknownAlgorithm(f"The algorithm is not known for {proof.type[:20]}")
