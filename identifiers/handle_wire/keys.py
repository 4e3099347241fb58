"""Public and private keys as the protocol stores them, bounded before they are used (handle wire 10.5, 4, 13.4)."""

import base64
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from identifiers import pkcs8, sm2
from identifiers.handle_wire.classic_ciphers import PassphraseMissing
from identifiers.handle_wire.classic_keys import is_classic_file, read_classic_key
from identifiers.hs_key import DSAKey, RSAKey, SM2Key, encode_key, parse_key
from identifiers.octets import WireError

RSA_BITS: Final = range(1_024, 4_097)
RSA_EXPONENT_MAX: Final = 2**33 - 1
DSA_BITS_MAX: Final = 3_072
_DSA_Q_BITS: Final = (160, 224, 256)
_DSA_P_BITS: Final = (1_024, 2_048, DSA_BITS_MAX)
_SM2_HALF: Final = 32
_PEM_OCTETS_MAX: Final = 4_096
_PEM_HEAD_OCTETS: Final = 256
_NO_KEY: Final = "this is no private key for RSA, DSA, SM2 or a NIST curve, or it is cut"
_NOT_OPENED: Final = "this passphrase does not open the key, or the key is damaged; SM2 keys are opened as PKCS#8"
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")

UsablePublicKey = rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey | sm2.PublicKey
UsablePrivateKey = rsa.RSAPrivateKey | dsa.DSAPrivateKey | sm2.PrivateKey
"""What servers sign with: the kinds that have a form in a site record."""
UserPrivateKey = UsablePrivateKey | ec.EllipticCurvePrivateKey

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA-256": hashes.SHA256(),
    "SHA256": hashes.SHA256(),
    "SHA-1": hashes.SHA1(),  # noqa: S303 - the protocol's older algorithm; the nonce is ours
    "SHA1": hashes.SHA1(),  # noqa: S303 - as above
    "SHA": hashes.SHA1(),  # noqa: S303 - as above
    "MD5": hashes.MD5(),  # noqa: S303 - as above
}
WEAK_HASHES: Final = frozenset({"SHA-1", "SHA1", "SHA", "MD5"})


class KeyUnusable(ValueError):  # noqa: N818 - the state of a key, answered with AUTHENTICATION_FAILED
    """A key of a kind or size that is not used here, or octets that are no key."""


class PasswordMissing(KeyUnusable):
    """The key is encrypted, and no password was given."""


def load_public_key(octets: bytes) -> UsablePublicKey:
    """Return the key in the data of an HS_PUBKEY value, in any of its encodings; raise KeyUnusable.

    RSA: 1,024 to 4,096 bits, odd exponents below 2^33. DSA: up to 3,072 bits. SM2. NIST's curves, as PEM text. Others
    cannot be used.
    """
    try:
        if (elliptic := _elliptic_key(octets)) is not None:
            return elliptic
        key = parse_key(octets)
        if isinstance(key, SM2Key):
            return sm2.load_public(key.der)
        usable = _rsa_key(key) if isinstance(key, RSAKey) else _dsa_key(key)
    except (WireError, ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("these octets are no public key that is known here") from None
    if usable is None:
        raise KeyUnusable("RSA keys have 1,024 to 4,096 bits and an odd exponent below 2^33, DSA keys up to 3,072 bits")
    return usable


def load_private_key(octets: bytes, password: bytes | None = None) -> UsablePrivateKey:
    """Return the private key of a server; see ``load_user_key``. Keys on NIST's curves are refused as well."""
    key = load_user_key(octets, password)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyUnusable("a server signs with RSA, DSA or SM2: clients read no other key in a site record")
    return key


def load_user_key(octets: bytes, password: bytes | None = None) -> UserPrivateKey:
    """Return a private key from PEM or DER, PKCS#8 and older forms, or from a file of the classic software.

    A password for a key that is not encrypted is ignored. Raises KeyUnusable, and of these PasswordMissing.
    """
    try:
        if is_classic_file(octets):
            return read_classic_key(octets, password)
        der = _pem_octets(octets, password) if octets.lstrip().startswith(b"-----BEGIN") else octets
        return _from_der(_opened(der, password) if pkcs8.is_encrypted(der) else der)
    except PassphraseMissing:
        raise PasswordMissing("the key is encrypted: its passphrase is needed") from None
    except UnsupportedAlgorithm:
        raise KeyUnusable("a key signs with RSA, DSA, SM2 or on a NIST curve") from None
    except ValueError as error:
        raise KeyUnusable(str(error)) from None


def public_octets(key: UserPrivateKey) -> bytes:
    """Return the data of an HS_PUBKEY value, and of a server in HS_SITE, in the form of the classic software.

    Keys on NIST's curves have none, and are PEM text.
    """
    match key:
        case rsa.RSAPrivateKey():
            numbers = key.public_key().public_numbers()
            return encode_key(RSAKey(numbers.n, numbers.e))
        case dsa.DSAPrivateKey():
            public = key.public_key().public_numbers()
            parameters = public.parameter_numbers
            return encode_key(DSAKey(public.y, parameters.p, parameters.q, parameters.g))
        case sm2.PrivateKey():
            return encode_key(SM2Key(key.public.to_der()))
        case ec.EllipticCurvePrivateKey():
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def sign(data: bytes, key: UserPrivateKey, hash_name: str, user: str = "") -> bytes:
    """Return the signature: PKCS#1 v1.5 for RSA, DER for the others.

    ``user`` is the user id of SM2, whose hash always is SM3.
    """
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), HASHES[hash_name.upper()])
        case dsa.DSAPrivateKey():
            return key.sign(data, HASHES[hash_name.upper()])
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(HASHES[hash_name.upper()]))
        case sm2.PrivateKey():
            signature = sm2.sign(data, key, user.encode() or sm2.USER_ID)
            r, s = signature[:_SM2_HALF], signature[_SM2_HALF:]
            return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def verify(data: bytes, signature: bytes, key: UsablePublicKey, hash_name: str, user: str = "") -> bool:
    """Say whether a signature made as ``sign`` does is right; False for a hash that does not belong to the key."""
    if isinstance(key, sm2.PublicKey):
        raw = _raw_signature(signature) if hash_name.upper() == "SM3" else None
        return raw is not None and sm2.verify(data, raw, key, user.encode() or sm2.USER_ID)
    algorithm = HASHES.get(hash_name.upper())
    if algorithm is None:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
        else:
            key.verify(signature, data, algorithm)
    except (InvalidSignature, ValueError):  # DSA parameters that make no group are found out only now
        return False
    return True


def _elliptic_key(octets: bytes) -> ec.EllipticCurvePublicKey | None:
    if not octets.lstrip().startswith(b"-----BEGIN PUBLIC KEY-----") or len(octets) > _PEM_OCTETS_MAX:
        return None
    try:
        key = serialization.load_pem_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES else None


def _raw_signature(signature: bytes) -> bytes | None:
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(_SM2_HALF, "big") + s.to_bytes(_SM2_HALF, "big")
    except (ValueError, OverflowError):
        return None


def _pem_octets(pem: bytes, password: bytes | None) -> bytes:
    """Return the DER of a PEM key; of PKCS#8 as it is, encrypted or not, of older forms decrypted."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    if lines[0] in (b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN ENCRYPTED PRIVATE KEY-----"):
        try:
            return base64.b64decode(b"".join(lines[1:-1]), validate=True)
        except ValueError:
            raise KeyUnusable(_NO_KEY) from None
    is_encrypted = b"ENCRYPTED" in pem[:_PEM_HEAD_OCTETS]
    if is_encrypted and password is None:
        raise PassphraseMissing
    try:
        key = serialization.load_pem_private_key(pem, password if is_encrypted else None)
    except ValueError:
        raise KeyUnusable(_NOT_OPENED if is_encrypted else _NO_KEY) from None
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _opened(der: bytes, password: bytes | None) -> bytes:
    """Return the DER PKCS#8 key in an encrypted one; by the library, which does not know the curve of SM2."""
    if password is None:
        raise PassphraseMissing
    try:
        key = serialization.load_der_private_key(der, password)
    except (ValueError, UnsupportedAlgorithm):
        return pkcs8.decrypted(der, password)
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _from_der(der: bytes) -> UserPrivateKey:
    try:
        return sm2.load_private(der)
    except sm2.SM2Error:
        pass
    try:
        key = serialization.load_der_private_key(der, None)
    except (ValueError, TypeError):
        raise KeyUnusable(_NO_KEY) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if not isinstance(key, rsa.RSAPrivateKey | dsa.DSAPrivateKey):
        raise KeyUnusable("a key signs with RSA, DSA, SM2 or on a NIST curve")
    return key


def _rsa_key(key: RSAKey) -> rsa.RSAPublicKey | None:
    """Return the key, None if checking a signature with it would cost too much or mean nothing."""
    n, e = key.n, key.e
    if n.bit_length() not in RSA_BITS or not n & e & 1 or not 1 < e <= RSA_EXPONENT_MAX:
        return None
    return rsa.RSAPublicNumbers(e, n).public_key()


def _dsa_key(key: DSAKey) -> dsa.DSAPublicKey | None:
    if key.p.bit_length() not in _DSA_P_BITS or key.q.bit_length() not in _DSA_Q_BITS:
        return None
    return dsa.DSAPublicNumbers(key.y, dsa.DSAParameterNumbers(key.p, key.q, key.g)).public_key()
