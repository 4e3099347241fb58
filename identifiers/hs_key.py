"""HS_PUBKEY: public keys in every encoding the field uses, and their JSON form (JWK, RFC 7517)."""

import base64
import binascii
import re
from typing import Any, Final

import msgspec

from identifiers import der
from identifiers.json_shape import as_base64, as_object, as_text, member
from identifiers.octets import OctetReader, WireError, string
from identifiers.values import INVALID_VALUE, ValuesError


class RSAKey(msgspec.Struct, frozen=True, gc=False):
    """Modulus and exponent."""

    n: int
    e: int


class DSAKey(msgspec.Struct, frozen=True, gc=False):
    """Public number and the three parameters."""

    y: int
    p: int
    q: int
    g: int


class SM2Key(msgspec.Struct, frozen=True, gc=False):
    """A DER SubjectPublicKeyInfo on the curve SM2 (GB/T 32918)."""

    der: bytes


PublicKey = RSAKey | DSAKey | SM2Key

_RSA: Final = b"RSA_PUB_KEY"
_DSA: Final = b"DSA_PUB_KEY"
_SM2: Final = b"SM2_PUB_KEY"
_OID_RSA: Final = bytes.fromhex("2a864886f70d010101")
_OID_EC: Final = bytes.fromhex("2a8648ce3d0201")
_OID_SM2_CURVE: Final = bytes.fromhex("06082a811ccf5501822d")
_PEM: Final = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----([0-9A-Za-z+/=\s]*)-----END PUBLIC KEY-----\s*")
_PEM_BEGIN: Final = b"-----BEGIN"
_PRIVATE_MEMBERS: Final = {
    "RSA": ("d", "p", "q", "dp", "dq", "qi", "oth"),
    "DSA": ("d", "x"),
    "SM2": (),
}


def parse_key(octets: bytes) -> PublicKey:
    """Parse a public key: classic binary forms, PEM text, SM2 in a binary wrapper; raise WireError for others."""
    if octets.lstrip().startswith(_PEM_BEGIN):
        return _from_der(_unwrap_pem(octets))
    reader = OctetReader(octets)
    kind, _flags = reader.octets(), reader.u2()
    if kind == _RSA:
        exponent, modulus = _number(reader), _number(reader)
        return RSAKey(modulus, exponent)
    if kind == _DSA:
        q, p, g, y = (_number(reader) for _ in range(4))
        return DSAKey(y, p, q, g)
    if kind == _SM2:
        wrapped = reader.octets()
        return _from_der(_unwrap_pem(wrapped) if wrapped.lstrip().startswith(_PEM_BEGIN) else wrapped)
    raise WireError("this is no kind of public key that is known here")


def encode_key(key: PublicKey) -> bytes:
    """Return the binary form of a key, as the classic software writes it."""
    match key:
        case RSAKey():
            return string(_RSA) + b"\0\0" + big_number(key.e) + big_number(key.n) + bytes(4)
        case DSAKey():
            return (
                string(_DSA) + b"\0\0" + big_number(key.q) + big_number(key.p) + big_number(key.g) + big_number(key.y)
            )
        case SM2Key():
            return string(_SM2) + b"\0\0" + string(key.der)


def key_to_json(octets: bytes) -> dict[str, str]:
    """Return what the JSON format ``key`` shows; raise WireError if the octets are no key that can be shown."""
    match parse_key(octets):
        case RSAKey(n=n, e=e):
            return {"kty": "RSA", "n": _text(n), "e": _text(e)}
        case DSAKey(y=y, p=p, q=q, g=g):
            return {"kty": "DSA", "y": _text(y), "p": _text(p), "q": _text(q), "g": _text(g)}
        case SM2Key(der=encoded):
            return {"kty": "SM2", "d": _base64url(encoded)}


def key_from_json(raw: Any, field: str) -> bytes:
    """Return the binary form of a JWK; raise ValuesError.

    Private keys are refused (code 202), so that nobody publishes one.
    """
    jwk = as_object(raw, field)
    kind = as_text(member(jwk, "kty", field), f"{field}.kty")
    if kind not in _PRIVATE_MEMBERS:
        raise ValuesError("kty is RSA, DSA or SM2", f"{field}.kty", INVALID_VALUE)
    for name in _PRIVATE_MEMBERS[kind]:
        if name in jwk:
            raise ValuesError(f"{name!r} belongs to a private key: send the public part only", field, INVALID_VALUE)
    if kind == "RSA":
        return encode_key(RSAKey(_member(jwk, "n", field), _member(jwk, "e", field)))
    if kind == "DSA":
        y, p, q, g = (_member(jwk, name, field) for name in ("y", "p", "q", "g"))
        return encode_key(DSAKey(y, p, q, g))
    try:
        return encode_key(_from_der(as_base64(member(jwk, "d", field), f"{field}.d")))
    except WireError as error:
        raise ValuesError(f"this is no SM2 key: {error}", f"{field}.d", INVALID_VALUE) from error


def _from_der(encoded: bytes) -> PublicKey:
    info = der.parse_subject_public_key(encoded)
    if info.algorithm == _OID_RSA:
        numbers = OctetReader(der.read(OctetReader(info.key), der.SEQUENCE))
        modulus, exponent = der.read(numbers, der.INTEGER), der.read(numbers, der.INTEGER)
        return RSAKey(int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"))
    if info.algorithm == _OID_EC and info.parameters == _OID_SM2_CURVE:
        return SM2Key(encoded)
    raise WireError("the key is neither RSA nor SM2")


def _unwrap_pem(octets: bytes) -> bytes:
    match = _PEM.fullmatch(octets)
    if match is None:
        raise WireError("this is no PEM public key")
    try:
        return base64.b64decode(b"".join(match[1].split()), validate=True)
    except binascii.Error as error:
        raise WireError(f"the PEM text is not Base64: {error}") from None


def _number(reader: OctetReader) -> int:
    return int.from_bytes(reader.octets(), "big")


def big_number(number: int) -> bytes:
    """Return a number as two's complement: one octet more than needed if the top bit is set."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _text(number: int) -> str:
    return _base64url(number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big"))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _member(jwk: dict[str, Any], name: str, field: str) -> int:
    return int.from_bytes(as_base64(member(jwk, name, field), f"{field}.{name}"), "big")
