"""The key that answers are signed with: in a file of its own, made at a node's first start (handle wire 4)."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from identifiers.handle_wire.keys import RSA_BITS, KeyUnusable, UsablePrivateKey, load_private_key

MADE_BITS: Final = 2_048
_FILE_OCTETS_MAX: Final = 65_536
_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class ServerKeyUnusable(Exception):  # noqa: N818 - a state of the world
    """The key file is not what it should be. The text says what to do, and nothing of the key."""


def read_server_key(path: Path) -> UsablePrivateKey:
    """Return the key in a file: RSA, DSA or SM2, not encrypted, its owner's alone. Raises ServerKeyUnusable.

    Other keys have no form in a site record that clients could read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(_FILE_OCTETS_MAX)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    if mode & _FOR_OTHERS:
        raise _unusable(path, f"can be read by others: chmod 600 {path}")
    try:
        key = load_private_key(octets)
    except KeyUnusable as error:
        raise _unusable(path, f"will not do: {error}") from None
    if isinstance(key, rsa.RSAPrivateKey | dsa.DSAPrivateKey) and key.key_size not in RSA_BITS:
        raise _unusable(path, f"has {key.key_size:,} bits; {RSA_BITS.start:,} to {RSA_BITS.stop - 1:,} are usable")
    return key


def ensure_server_key(path: Path) -> UsablePrivateKey:
    """Return the key in a file, made (RSA) if there is none. Raises ServerKeyUnusable.

    The file appears whole or not at all, and where two nodes begin at once, with one of the two keys for both.
    """
    if not path.exists():
        key = rsa.generate_private_key(65_537, MADE_BITS)
        try:
            _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        except OSError as error:
            raise _unusable(path, f"cannot be made: {error.strerror}") from error
    return read_server_key(path)


def _write(path: Path, octets: bytes) -> None:
    fresh = path.with_name(f"{path.name}.{token_hex(8)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # never over a key that another start has just made
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _unusable(path: Path, what: str) -> ServerKeyUnusable:
    return ServerKeyUnusable(f"the key {path} {what}; correct it, or name another file in handle.key_file")
