"""Who asks: the place of a key, and the key or secret out of a file, never out of an argument."""

from pathlib import Path
from typing import Final

from identifiers.handle_wire.client import User
from identifiers.handle_wire.keys import KeyUnusable, UsablePublicKey, load_public_key, load_user_key
from identifiers.values import HANDLE_OCTETS_MAX, U4_MAX
from node.client.errors import UsageError

FILE_OCTETS_MAX: Final = 65_536


def read_user(
    auth: str | None, key_file: Path | None, secret_file: Path | None, password_file: Path | None = None
) -> User | None:
    """Return who asks, None for anybody; raise UsageError.

    ``auth`` is ``INDEX:HANDLE``. A key file holds a private key: PEM, DER, or the form of the classic software; a
    password file opens it. A secret file holds the octets of an HS_SECKEY value; one line feed at its end is not
    counted.
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
    try:
        return User(handle, index, load_user_key(_read(key_file), password))
    except (KeyUnusable, ValueError, TypeError) as error:
        reason = str(error) if isinstance(error, KeyUnusable) else "it cannot be read"
        raise UsageError(f"{key_file} is no private key for this: {reason}") from None


def read_server_key(path: Path | None) -> UsablePublicKey | None:
    """Return the public key that answers must be signed with, out of a PEM file or HS_PUBKEY data; raise UsageError."""
    if path is None:
        return None
    try:
        return load_public_key(_read(path))
    except KeyUnusable as error:
        raise UsageError(f"{path}: {error}") from None


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
