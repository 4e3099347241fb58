"""Keys that sign requests (docking contract 9.11): Ed25519, ECDSA with P-256, and SM2; no file is touched here."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from identifiers import sm2

Algorithm = Literal["ed25519", "ecdsa-p256-sha256", "sm2-sm3"]

ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)
SM2_USER_ID: Final = b"1234567812345678"
SIGNATURE_OCTETS: Final = 64
"""All three algorithms: R and S, or r and s, of 32 octets each."""
PEM_CHARACTERS_MAX: Final = 8_192
KEY_ID_CHARACTERS_MAX: Final = 300

_SM2_CURVE: Final = bytes.fromhex("06082a811ccf5501822d")  # the object identifier 1.2.156.10197.1.301 in DER
_CURVE_WITHIN: Final = 64
"""The curve stands at the beginning of both key forms."""
_COORDINATE_OCTETS: Final = 32
_PEM: Final = re.compile(
    r"-----BEGIN (?P<kind>PRIVATE|PUBLIC) KEY-----(?P<content>[A-Za-z0-9+/=\s]+)-----END (?P=kind) KEY-----"
)
_KEY_ID: Final = re.compile(r"[0-9]+(\.[0-9]+)*#[A-Za-z0-9._-]{1,64}")

_Material: TypeAlias = Any
"""What the library of the algorithm holds; three libraries, no common type."""


class KeyUnusable(Exception):  # noqa: N818 - says what is wrong with the key, as its name does
    """The key cannot be used for signing requests; the message says why and what is needed."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key as a collector knows it. Outside [`not_before`, `not_after`) it is no key; None leaves that side open."""

    key_id: str
    algorithm: Algorithm
    material: _Material
    not_before: datetime | None = None
    not_after: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether the key counts at this moment."""
        begun = self.not_before is None or self.not_before <= now
        return begun and (self.not_after is None or now < self.not_after)

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Whether this is the key's signature of `content`; one of another length never is."""
        if len(signature) != SIGNATURE_OCTETS:
            return False
        try:
            return self._verifies(signature, content)
        except InvalidSignature:
            return False

    def pem(self) -> str:
        """Return the key as SubjectPublicKeyInfo in PEM, the form in which keys are exchanged."""
        if self.algorithm == "sm2-sm3":
            return as_pem(self.material.to_der(), "PUBLIC")
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return str(self.material.public_bytes(serialization.Encoding.PEM, form), "ascii")

    def _verifies(self, signature: bytes, content: bytes) -> bool:
        if self.algorithm == "sm2-sm3":
            return sm2.verify(content, signature, self.material, SM2_USER_ID)
        if self.algorithm == "ed25519":
            self.material.verify(signature, content)
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            self.material.verify(encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs. Its representation never shows the secret."""

    key_id: str
    algorithm: Algorithm
    material: _Material

    def __repr__(self) -> str:
        return f"PrivateKey({self.key_id!r}, {self.algorithm!r})"

    def sign(self, content: bytes) -> bytes:
        """Return the signature of `content`, 64 octets."""
        if self.algorithm == "sm2-sm3":
            return sm2.sign(content, self.material, SM2_USER_ID)
        if self.algorithm == "ed25519":
            return bytes(self.material.sign(content))
        r, s = decode_dss_signature(self.material.sign(content, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE_OCTETS, "big") + s.to_bytes(_COORDINATE_OCTETS, "big")

    def public(self) -> PublicKey:
        """Return the other half."""
        material = self.material.public if self.algorithm == "sm2-sm3" else self.material.public_key()
        return PublicKey(self.key_id, self.algorithm, material)

    def pem(self) -> str:
        """Return the key as PKCS#8 in PEM, not encrypted: the file's mode guards it."""
        if self.algorithm == "sm2-sm3":
            return as_pem(self.material.to_der(), "PRIVATE")
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return str(self.material.private_bytes(encoding, form, serialization.NoEncryption()), "ascii")


def generate(key_id: str, algorithm: Algorithm = "ed25519") -> PrivateKey:
    """Make a new key; raises KeyUnusable for a key id that is not `<prefix>#<label>`."""
    check_key_id(key_id)
    if algorithm == "sm2-sm3":
        return PrivateKey(key_id, algorithm, sm2.generate())
    if algorithm == "ed25519":
        return PrivateKey(key_id, algorithm, ed25519.Ed25519PrivateKey.generate())
    return PrivateKey(key_id, algorithm, ec.generate_private_key(ec.SECP256R1()))


def read_private(key_id: str, pem: str) -> PrivateKey:
    """Read a private key, PKCS#8 in PEM without a password; raises KeyUnusable, which never quotes the content."""
    check_key_id(key_id)
    der = _from_pem(pem, "PRIVATE")
    try:
        if _SM2_CURVE in der[:_CURVE_WITHIN]:
            return PrivateKey(key_id, "sm2-sm3", sm2.load_private(der))
        material = serialization.load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable("the private key cannot be read; it must be PKCS#8 without a password") from error
    if isinstance(material, ed25519.Ed25519PrivateKey):
        return PrivateKey(key_id, "ed25519", material)
    if isinstance(material, ec.EllipticCurvePrivateKey) and isinstance(material.curve, ec.SECP256R1):
        return PrivateKey(key_id, "ecdsa-p256-sha256", material)
    raise KeyUnusable("the private key must be one for Ed25519, ECDSA with P-256, or SM2")


def read_public(
    key_id: str, pem: str, *, not_before: datetime | None = None, not_after: datetime | None = None
) -> PublicKey:
    """Read a public key, SubjectPublicKeyInfo in PEM; raises KeyUnusable."""
    check_key_id(key_id)
    der = _from_pem(pem, "PUBLIC")
    try:
        if _SM2_CURVE in der[:_CURVE_WITHIN]:
            return PublicKey(key_id, "sm2-sm3", sm2.load_public(der), not_before, not_after)
        material = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable("the public key cannot be read; it must be SubjectPublicKeyInfo") from error
    if isinstance(material, ed25519.Ed25519PublicKey):
        return PublicKey(key_id, "ed25519", material, not_before, not_after)
    if isinstance(material, ec.EllipticCurvePublicKey) and isinstance(material.curve, ec.SECP256R1):
        return PublicKey(key_id, "ecdsa-p256-sha256", material, not_before, not_after)
    raise KeyUnusable("the public key must be one for Ed25519, ECDSA with P-256, or SM2")


def check_key_id(key_id: str) -> None:
    """Raise KeyUnusable unless the key id is `<prefix>#<label>`, the label of letters, digits, `.`, `_` and `-`."""
    if len(key_id) > KEY_ID_CHARACTERS_MAX or not _KEY_ID.fullmatch(key_id):
        raise KeyUnusable("the key id must be <prefix>#<label>, such as 88.118#2031a")


def _from_pem(pem: str, kind: str) -> bytes:
    found = _PEM.search(pem) if len(pem) <= PEM_CHARACTERS_MAX else None
    if found is None or found["kind"] != kind:
        raise KeyUnusable(f"there is no PEM block 'BEGIN {kind} KEY'")
    try:
        return base64.b64decode("".join(found["content"].split()), validate=True)
    except binascii.Error as error:
        raise KeyUnusable(f"the PEM block 'BEGIN {kind} KEY' is damaged") from error


def as_pem(der: bytes, kind: str) -> str:
    """Return a key in PEM; `kind` is PUBLIC or PRIVATE."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {kind} KEY-----", *lines, f"-----END {kind} KEY-----", ""])
