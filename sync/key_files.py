"""Key files: private keys that only their owner may read, and the collector's public key (docking contract 9.11)."""

import os
import stat
from pathlib import Path
from typing import Final

from identifiers.signing_keys import PEM_CHARACTERS_MAX, KeyUnusable, PrivateKey, PublicKey, read_private, read_public

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077


def load_private(file: Path, key_id: str) -> PrivateKey:
    """Read a private key, PKCS#8 in PEM; raises KeyUnusable, also for a file that others may read."""
    return read_private(key_id, _read(file, secret=True))


def load_public(file: Path, key_id: str) -> PublicKey:
    """Read a public key, SubjectPublicKeyInfo in PEM; raises KeyUnusable."""
    return read_public(key_id, _read(file, secret=False))


def read_secret(file: Path) -> str:
    """Return the text of a file that only its owner may read; raises KeyUnusable."""
    return _read(file, secret=True)


def write_new(file: Path, key: PrivateKey) -> None:
    """Write a key to a new file of mode 0600; raises KeyUnusable if it exists or cannot be written."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(key.pem())
            opened.flush()
            os.fsync(opened.fileno())
    except FileExistsError as error:
        raise KeyUnusable(f"{file} exists; a key is never overwritten: choose another name") from error
    except OSError as error:
        raise KeyUnusable(f"{file} cannot be written: {error.strerror}") from error


def _read(file: Path, *, secret: bool) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(PEM_CHARACTERS_MAX + 1)
    except OSError as error:
        raise KeyUnusable(f"the key file {file} cannot be read: {error.strerror}") from error
    if secret and stat.S_IMODE(mode) & _OTHERS:
        raise KeyUnusable(f"the key file {file} can be read by others; `chmod 600 {file}`, or make a new key")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise KeyUnusable(f"the key file {file} is not PEM") from None
    if len(text) > PEM_CHARACTERS_MAX:
        raise KeyUnusable(f"the key file {file} is longer than {PEM_CHARACTERS_MAX} characters")
    return text
