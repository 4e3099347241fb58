"""The files that a row refers to: objects with a digest, a media type and a length (docking contract 3.1)."""

import re
from collections.abc import Iterator
from typing import Any, Final

_MEMBERS: Final = ("sha256", "media_type", "bytes")
_DIGEST: Final = re.compile("[0-9a-f]{64}")


def files_named(value: Any) -> Iterator[str]:
    """Yield the digest of every file reference anywhere in a row's data; broken ones are the row's own fault."""
    if isinstance(value, dict):
        if all(name in value for name in _MEMBERS) and _DIGEST.fullmatch(str(value["sha256"])):
            yield value["sha256"]
        for member in value.values():
            yield from files_named(member)
    elif isinstance(value, list):
        for member in value:
            yield from files_named(member)
