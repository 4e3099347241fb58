"""Key files of deposits: SM2 in PEM, or in bare Base64 as the platform's client keeps them (docking contract 7.2)."""

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Final

from identifiers import sm2
from identifiers.signing_keys import PEM_CHARACTERS_MAX, KeyUnusable, as_pem
from sync.escrow.errors import ConfigurationUnusable
from sync.escrow.packaging import Keys
from sync.escrow.settings import EscrowSettings
from sync.key_files import read_secret

_PEM: Final = re.compile(
    r"-----BEGIN (?:PRIVATE|PUBLIC) KEY-----([A-Za-z0-9+/=\s]+)-----END (?:PRIVATE|PUBLIC) KEY-----"
)


def keys_of(settings: EscrowSettings) -> Keys:
    """Read the keys that a deposit needs; raises ConfigurationUnusable."""
    if settings.platform_key_file is None:
        raise ConfigurationUnusable("escrow.platform_key_file is not set: name the file with the platform's public key")
    own = own_key(settings.private_key_file)
    return Keys(read_public(settings.platform_key_file), own, settings.own_copy)


def own_key(file: Path | None) -> sm2.PrivateKey:
    """Read the node's own key; raises ConfigurationUnusable."""
    if file is None:
        raise ConfigurationUnusable("escrow.private_key_file is not set: `idnode escrow keygen FILE` makes a key")
    return read_private(file)


def read_private(file: Path) -> sm2.PrivateKey:
    """Read an SM2 private key, PKCS#8, from a file of its owner only; raises ConfigurationUnusable."""
    try:
        return sm2.load_private(_der(read_secret(file), file))
    except (KeyUnusable, sm2.SM2Error) as error:
        raise ConfigurationUnusable(f"{file}: {error}") from None


def read_public(file: Path) -> sm2.PublicKey:
    """Read an SM2 public key, SubjectPublicKeyInfo; raises ConfigurationUnusable."""
    try:
        with file.open("r", encoding="ascii") as opened:
            return sm2.load_public(_der(opened.read(PEM_CHARACTERS_MAX + 1), file))
    except (OSError, UnicodeDecodeError, sm2.SM2Error) as error:
        raise ConfigurationUnusable(f"the public key {file} cannot be used: {error}") from None


def write_pair(file: Path, key: sm2.PrivateKey) -> Path:
    """Write a key to a new file of mode 0600 and its public half beside it; raises ConfigurationUnusable."""
    public = file.with_name(file.name + ".pub")
    try:
        for path, content, mode in ((file, as_pem(key.to_der(), "PRIVATE"), 0o600), (public, public_pem(key), 0o644)):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as opened:
                opened.write(content)
    except FileExistsError as error:
        raise ConfigurationUnusable(f"{error.filename} exists; a key is never overwritten: choose another") from None
    except OSError as error:
        raise ConfigurationUnusable(f"{error.filename} cannot be written: {error.strerror}") from None
    return public


def public_pem(key: sm2.PrivateKey) -> str:
    """Return the public half in PEM."""
    return as_pem(key.public.to_der(), "PUBLIC")


def _der(text: str, file: Path) -> bytes:
    found = _PEM.search(text)
    try:
        return base64.b64decode("".join((found[1] if found else text).split()), validate=True)
    except binascii.Error:
        raise ConfigurationUnusable(f"the key file {file} is neither PEM nor Base64") from None
