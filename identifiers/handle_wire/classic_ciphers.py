"""How the classic software encrypts its key files under a passphrase: a scheme's number, then what it takes (10.5).

The newest scheme is AES; the older ones, with DES, are only read, so that old keys can move on.
"""

import hashlib
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from identifiers.octets import OctetReader, WireError

DES_ECB: Final = 0
IN_THE_CLEAR: Final = 1
DES_CBC: Final = 2
DESEDE_CBC: Final = 3
"""The key is derived with PBKDF2-HMAC-SHA1, as for AES."""
AES_CBC: Final = 4

SCHEMES: Final = range(10)
"""Numbers that the classic software keeps for schemes."""
ITERATIONS_MAX: Final = 1_000_000
_SALT_OCTETS_MAX: Final = 64
_BITS: Final = {DESEDE_CBC: (192,), AES_CBC: (128, 192, 256)}
_DES_OCTETS: Final = 8


class PassphraseMissing(ValueError):  # noqa: N818 - what is missing, not what failed
    """The file is encrypted, and no passphrase was given."""


class PassphraseWrong(ValueError):  # noqa: N818 - as above
    """The file does not open: another passphrase, or a damaged file."""


def opened(octets: bytes, passphrase: bytes | None) -> bytes:
    """Return what follows the scheme, decrypted; raise ValueError, whose text says what was wrong, and WireError."""
    reader = OctetReader(octets)
    scheme = reader.u4()
    if scheme == IN_THE_CLEAR:
        return octets[reader.offset :]
    if scheme not in (DES_ECB, DES_CBC, DESEDE_CBC, AES_CBC):
        raise ValueError(f"this file is encrypted in a way that is not known here (scheme {scheme})")
    if passphrase is None:
        raise PassphraseMissing("this file is encrypted: its passphrase is needed")
    cipher, ciphertext = _derived(reader, scheme, passphrase) if scheme in _BITS else _des(reader, scheme, passphrase)
    try:
        decryptor = cipher.decryptor()
        unpadder = PKCS7(cipher.algorithm.block_size).unpadder()  # type: ignore[attr-defined] # of block ciphers
        plain = decryptor.update(ciphertext) + decryptor.finalize()
        return bytes(unpadder.update(plain) + unpadder.finalize())
    except ValueError:
        raise PassphraseWrong("this passphrase does not open the file, or the file is damaged") from None


def java_octets(passphrase: bytes) -> bytes:
    """Return the octets from which Java's PBKDF2 derives: each octet is a character for it, written as UTF-8."""
    return passphrase.decode("latin-1").encode()


def _derived(reader: OctetReader, scheme: int, passphrase: bytes) -> tuple[Cipher[modes.CBC], bytes]:
    """Read ``bytes`` salt, u4 iterations, u4 bits, ``bytes`` IV, ``bytes`` ciphertext."""
    salt, iterations, bits = reader.octets(), reader.u4(), reader.u4()
    iv, ciphertext = reader.octets(), reader.octets()
    algorithm = TripleDES if scheme == DESEDE_CBC else algorithms.AES
    if len(salt) > _SALT_OCTETS_MAX or not 1 <= iterations <= ITERATIONS_MAX or bits not in _BITS[scheme]:
        raise WireError("the parameters of the encryption are out of bounds")
    if len(iv) * 8 != algorithm.block_size:
        raise WireError("the parameters of the encryption are out of bounds")
    key = hashlib.pbkdf2_hmac("sha1", java_octets(passphrase), salt, iterations, bits // 8)
    return Cipher(algorithm(key), modes.CBC(iv)), ciphertext


def _des(reader: OctetReader, scheme: int, passphrase: bytes) -> tuple[Cipher[modes.CBC | modes.ECB], bytes]:
    """Read the IV, for CBC, and the ciphertext; both without a length. The key is half of the passphrase's MD5."""
    key = hashlib.md5(passphrase, usedforsecurity=False).digest()[:_DES_OCTETS]
    mode = modes.ECB() if scheme == DES_ECB else modes.CBC(reader.take(_DES_OCTETS))  # noqa: S305 - old files
    return Cipher(TripleDES(key * 3), mode), reader.all[reader.offset :]
