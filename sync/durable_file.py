"""Files that are written whole and put in the place of what was there: either is found, whenever the machine stops."""

import os
from pathlib import Path


def replace_durably(file: Path, content: bytes, *, mode: int = 0o666, part: str = ".new") -> None:
    """Write a file beside its place, sync it, put it there, and sync the directory, which must exist. Raises OSError.

    `mode` are its permissions, less the process's mask; `part` ends the name it has meanwhile.
    """
    fresh = file.with_name(file.name + part)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
