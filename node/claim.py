"""One node per data directory: locks that end with the processes that hold them.

The supervisor locks the data directory itself. Its children inherit a lock on `run/`, so that the successor of a killed
supervisor knows when the last of them has gone.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from node.errors import DataDirectoryError
from node.paths import DataPaths

_LEFT_CHILDREN_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.05


@asynccontextmanager
async def claimed(paths: DataPaths) -> AsyncIterator[int]:
    """Hold the data directory; gives the file descriptor that the children must inherit.

    Raises `DataDirectoryError` when another node runs on it, or the processes of a killed one do not end.
    """
    own = _open(paths.data_dir)
    shared = _open(paths.run)
    try:
        if not _locks(own):
            raise DataDirectoryError(
                f"another node runs on {paths.data_dir}; stop it first, or choose another directory with --data-dir"
            )
        await _until_children_ended(shared, paths)
        yield shared
    finally:
        os.close(shared)
        os.close(own)


async def _until_children_ended(shared: int, paths: DataPaths) -> None:
    deadline = time.monotonic() + _LEFT_CHILDREN_SECONDS_MAX
    while not _locks(shared):
        if time.monotonic() > deadline:
            raise DataDirectoryError(
                f"processes of a node that was killed still work on {paths.data_dir}; "
                f"end them (see `fuser {paths.run}`) and start again"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _open(directory: Path) -> int:
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be opened: {error.strerror}") from error


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise DataDirectoryError(
            f"the data directory cannot be locked: {error.strerror}; use a local file system"
        ) from error
    return True
