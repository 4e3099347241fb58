"""The node's secret: 32 random octets in a file of its own, made at the first start and never shown.

Sessions are signed, and secret keys and one-time-code secrets sealed, with keys made from it. Hosts that share a
database need the same file, and a backup of the database is whole only with it.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from node.errors import DataDirectoryError

OCTETS: Final = 32
_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def ensure_secret(path: Path) -> bytes:
    """Return the secret in `path`, made if there is no such file. Raises `DataDirectoryError`.

    The file appears whole or not at all, and where two nodes begin at once, with one of the two secrets for both.
    """
    if not path.exists():
        _make(path)
    return read_secret(path)


def read_secret(path: Path) -> bytes:
    """Return the secret in `path`. Raises `DataDirectoryError` unless it is whole and its owner's alone."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(OCTETS + 1)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}", "correct its permissions") from error
    if mode & _FOR_OTHERS:
        raise _unusable(path, "can be read by others", f"chmod 600 {path}")
    if len(secret) != OCTETS:
        raise _unusable(path, f"has not {OCTETS} octets", "put the file from a backup in its place")
    return secret


def _make(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(OCTETS))
                file.flush()
                os.fsync(file.fileno())
            _publish(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, f"cannot be made: {error.strerror}", "make its directory writable") from error


def _publish(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)  # unlike a rename, never over a file that another start has just made
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unusable(path: Path, what: str, remedy: str) -> DataDirectoryError:
    return DataDirectoryError(
        f"the node's secret {path} {what}; {remedy}, or name another file in registry.secret_file"
    )
