"""Private keys encrypted under a passphrase: PKCS#8 with PBES2 (RFC 5958, RFC 8018), with AES, 3DES and SM4.

Only for keys whose curve the library does not know: it opens all others by itself.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from identifiers import der
from identifiers.octets import OctetReader, WireError

ITERATIONS_MAX: Final = 1_000_000
_PBES2: Final = bytes.fromhex("2a864886f70d01050d")
_PBKDF2: Final = bytes.fromhex("2a864886f70d01050c")
_HASHES: Final = {
    bytes.fromhex("2a864886f70d0207"): "sha1",
    bytes.fromhex("2a864886f70d0209"): "sha256",
    bytes.fromhex("2a864886f70d020a"): "sha384",
    bytes.fromhex("2a864886f70d020b"): "sha512",
    bytes.fromhex("2a811ccf5501831102"): "sm3",  # written so by some
    bytes.fromhex("2a811ccf550183110301"): "sm3",
}
_CIPHERS: Final[dict[bytes, tuple[Callable[[bytes], BlockCipherAlgorithm], int]]] = {
    bytes.fromhex("608648016503040102"): (algorithms.AES, 16),
    bytes.fromhex("608648016503040116"): (algorithms.AES, 24),
    bytes.fromhex("60864801650304012a"): (algorithms.AES, 32),
    bytes.fromhex("2a864886f70d0307"): (TripleDES, 24),
    bytes.fromhex("2a811ccf55016802"): (algorithms.SM4, 16),
}
"""By object identifier, encoded: the cipher, all of them in CBC mode, and the octets of its key."""


class WrongPassphrase(ValueError):  # noqa: N818 - what is wrong is the passphrase
    """The passphrase does not open the key, or the key is damaged."""


def is_encrypted(key: bytes) -> bool:
    """Say whether DER octets are an encrypted PKCS#8 key, as far as their beginning tells."""
    try:
        info = OctetReader(der.read(OctetReader(key), der.SEQUENCE))
        algorithm = OctetReader(der.read(info, der.SEQUENCE))
        der.read(algorithm, der.OBJECT_IDENTIFIER)
        return info.all[info.offset : info.offset + 1] == bytes((der.OCTET_STRING,))
    except WireError:
        return False


def decrypted(key: bytes, passphrase: bytes) -> bytes:
    """Return the DER PKCS#8 key inside; raise WrongPassphrase, or ValueError for a way of encryption not known here."""
    try:
        info = OctetReader(der.read(OctetReader(key), der.SEQUENCE))
        algorithm = OctetReader(der.read(info, der.SEQUENCE))
        ciphertext = der.read(info, der.OCTET_STRING)
        if der.read(algorithm, der.OBJECT_IDENTIFIER) != _PBES2:
            raise ValueError("the key is encrypted in a way that is not known here: use PBES2")
        cipher = _cipher(OctetReader(der.read(algorithm, der.SEQUENCE)), passphrase)
    except WireError:
        raise ValueError("the key is damaged, or cut") from None
    try:
        decryptor, unpadder = cipher.decryptor(), PKCS7(cipher.algorithm.block_size).unpadder()  # type: ignore[attr-defined] # of block ciphers
        plain = decryptor.update(ciphertext) + decryptor.finalize()
        return bytes(unpadder.update(plain) + unpadder.finalize())
    except ValueError:
        raise WrongPassphrase("this passphrase does not open the key, or the key is damaged") from None


def _cipher(parameters: OctetReader, passphrase: bytes) -> Cipher[modes.CBC]:
    derivation = OctetReader(der.read(parameters, der.SEQUENCE))
    scheme = OctetReader(der.read(parameters, der.SEQUENCE))
    if der.read(derivation, der.OBJECT_IDENTIFIER) != _PBKDF2:
        raise ValueError("the key of the encryption is derived in a way that is not known here: use PBKDF2")
    numbers = OctetReader(der.read(derivation, der.SEQUENCE))
    salt = der.read(numbers, der.OCTET_STRING)
    iterations = int.from_bytes(der.read(numbers, der.INTEGER), "big")
    if numbers.left and numbers.all[numbers.offset] == der.INTEGER:
        der.read(numbers, der.INTEGER)  # the length of the key, which the cipher says too
    hash_name = _HASHES.get(_identifier(numbers)) if numbers.left else "sha1"
    found = _CIPHERS.get(der.read(scheme, der.OBJECT_IDENTIFIER))
    if found is None or hash_name is None or hash_name not in hashlib.algorithms_available:
        raise ValueError("the key is encrypted with a cipher or hash that is not known here: use AES and SHA-256")
    iv = der.read(scheme, der.OCTET_STRING)
    if not 1 <= iterations <= ITERATIONS_MAX:
        raise WireError("the parameters of the encryption are out of bounds")
    made, octets = found
    algorithm = made(hashlib.pbkdf2_hmac(hash_name, passphrase, salt, iterations, octets))
    if len(iv) * 8 != algorithm.block_size:
        raise WireError("the parameters of the encryption are out of bounds")
    return Cipher(algorithm, modes.CBC(iv))


def _identifier(reader: OctetReader) -> bytes:
    return der.read(OctetReader(der.read(reader, der.SEQUENCE)), der.OBJECT_IDENTIFIER)
