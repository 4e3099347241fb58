"""Who asks: the place of a key, and the key or secret out of a file, never out of an argument."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from identifiers.handle_wire.client import User
from identifiers.handle_wire.keys import (
    KeyUnusable,
    PasswordMissing,
    UsablePublicKey,
    UserPrivateKey,
    load_public_key,
    load_user_key,
)
from identifiers.values import HANDLE_OCTETS_MAX, U4_MAX
from node.client.errors import UsageError

FILE_OCTETS_MAX: Final = 65_536


Ask = Callable[[Path], bytes | None]
"""Returns what opens an encrypted key file; None where that is not known."""


def read_user(
    auth: str | None,
    key_file: Path | None,
    secret_file: Path | None,
    password_file: Path | None = None,
    *,
    ask: Ask | None = None,
) -> User | None:
    """Return who asks, None for anybody; raise UsageError.

    ``auth`` is ``INDEX:HANDLE``. A key file holds a private key: PEM, DER, or the form of the classic software; if it
    is encrypted, the password file opens it, or what ``ask`` returns. A secret file holds the octets of an HS_SECKEY
    value. Of a file with a secret or password one line feed at the end is not counted.
    """
    if auth is None:
        if key_file or secret_file:
            raise UsageError("a key alone says nothing: name its place with --auth INDEX:HANDLE")
        return None
    index, handle = _place(auth)
    if (key_file is None) == (secret_file is None):
        raise UsageError("--auth goes with one of --key-file and --secret-file")
    if secret_file is not None:
        secret = _text_line(secret_file)
        if not secret:
            raise UsageError(f"{secret_file} is empty; put the secret there")
        return User(handle, index, secret)
    assert key_file is not None  # noqa: S101 - one of the two is there
    password = None if password_file is None else _text_line(password_file)
    return User(handle, index, _private_key(key_file, password, ask))


def read_server_key(path: Path | None) -> UsablePublicKey | None:
    """Return the public key that answers must be signed with, out of a PEM file or HS_PUBKEY data; raise UsageError."""
    if path is None:
        return None
    try:
        return load_public_key(_read(path))
    except KeyUnusable as error:
        raise UsageError(f"{path}: {error}") from None


def _private_key(path: Path, password: bytes | None, ask: Ask | None) -> UserPrivateKey:
    octets = _read(path)
    try:
        try:
            return load_user_key(octets, password)
        except PasswordMissing:
            if ask is None or (asked := ask(path)) is None:
                raise
            return load_user_key(octets, asked)
    except PasswordMissing:
        raise UsageError(f"{path} is encrypted: give --key-password-file, or IDNODE_HANDLE_KEY_PASSWORD") from None
    except KeyUnusable as error:
        raise UsageError(f"{path} is no private key for this: {error}") from None


def _place(auth: str) -> tuple[int, str]:
    index, _, handle = auth.partition(":")
    if not (index.isascii() and index.isdigit() and handle) or int(index) > U4_MAX:
        raise UsageError(f"{auth!r} names no key: give INDEX:HANDLE, such as 300:88.118.8/ADMIN")
    if len(handle.encode(errors="replace")) > HANDLE_OCTETS_MAX:
        raise UsageError(f"the handle of a key has at most {HANDLE_OCTETS_MAX:,} octets")
    return int(index), handle


def _text_line(path: Path) -> bytes:
    return _read(path).removesuffix(b"\n").removesuffix(b"\r")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(octets) > FILE_OCTETS_MAX:
        raise UsageError(f"{path} is too long to be a key")
    return octets
