"""A directory of this machine, for reports that people or other programs hand over."""

import asyncio
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sync.durable_file import replace_durably
from sync.transport import TransportError
from sync.transports.files import NAMES_MAX

T = TypeVar("T")


class LocalDirectory:
    """Files below `base`, which is made if it is not there."""

    def __init__(self, base: Path) -> None:
        self._base = base

    async def read(self, path: str, octets_max: int) -> bytes | None:
        """Return a file's content, None if there is none."""
        return await _done(path, lambda: _read(self._base / path, octets_max))

    async def write(self, path: str, content: bytes) -> None:
        """Write a file through a second name, and to the disk before it gets its own."""
        await _done(path, lambda: _write(self._base / path, content))

    async def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return await _done(path, (self._base / path).is_file)

    async def remove(self, path: str) -> None:
        """Remove a file; that there is none is no error."""
        await _done(path, lambda: (self._base / path).unlink(missing_ok=True))

    async def names(self, path: str) -> list[str]:
        """Return the names in a directory; none if there is no such directory."""
        return await _done(path, lambda: _names(self._base / path))

    async def aclose(self) -> None:
        """Nothing is open between two calls."""


async def _done(path: str, step: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(step)
    except OSError as error:
        raise TransportError(f"{path}: {error.strerror or error}", kind="retry") from error


def _read(file: Path, octets_max: int) -> bytes | None:
    try:
        with file.open("rb") as opened:
            content = opened.read(octets_max + 1)
    except FileNotFoundError:
        return None
    if len(content) > octets_max:
        raise OSError(f"is longer than {octets_max} octets")
    return content


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(file, content, part=".part")


def _names(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in islice(entries, NAMES_MAX)]
    except FileNotFoundError:
        return []
