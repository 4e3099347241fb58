"""Which identifiers a run asks for: numbered below a prefix, or listed in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated, overload

import msgspec

KEYS_MAX = 100_000_000
FILE_LINES_MAX = 5_000_000
IDENTIFIER_OCTETS_MAX = 2048
DEFAULT_FORMAT = "{prefix}/SN{n:07d}"

_NUMBER_FORMAT = re.compile(r"(0?[1-9][0-9]?)?[dxX]?")


class KeysError(Exception):
    """The identifiers to ask for cannot be made or read; the message says what to change."""


class KeyPattern(msgspec.Struct, frozen=True, tag="pattern", forbid_unknown_fields=True):
    """`count` identifiers, numbered n = 0 … count - 1 by a format with the fields {prefix} and {n}."""

    prefix: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    count: Annotated[int, msgspec.Meta(ge=1, le=KEYS_MAX)]
    format: Annotated[str, msgspec.Meta(max_length=255)] = DEFAULT_FORMAT


class KeyFile(msgspec.Struct, frozen=True, tag="file", forbid_unknown_fields=True):
    """The identifiers in a UTF-8 text file, one a line; blank lines are passed over."""

    path: str


class NumberedKeys(Sequence[str]):
    """The identifiers of a pattern, made when asked for: five million cost no memory."""

    def __init__(self, pattern: KeyPattern) -> None:
        _check_format(pattern.format)
        self._pattern = pattern

    def __len__(self) -> int:
        return self._pattern.count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        numbers = range(self._pattern.count)[place]
        return self._nth(numbers) if isinstance(numbers, int) else [self._nth(n) for n in numbers]

    def _nth(self, n: int) -> str:
        return self._pattern.format.format(prefix=self._pattern.prefix, n=n)


def open_keys(source: KeyPattern | KeyFile) -> Sequence[str]:
    """Return the identifiers that `source` describes; raise KeysError when there are none or too many."""
    return NumberedKeys(source) if isinstance(source, KeyPattern) else _read(Path(source.path))


def _check_format(text: str) -> None:
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise KeysError(f"the format {text!r} is not valid: {error}") from error
    numbers = [spec or "" for name, spec, conversion in fields if name == "n" and not conversion]
    others = [field for field in fields if field != ("prefix", "", None)]
    if len(numbers) != 1 or len(others) != 1 or not _NUMBER_FORMAT.fullmatch(numbers[0]):
        raise KeysError(f"the format {text!r} must have one {{n}} (such as {{n:07d}}) and may have {{prefix}}")


def _read(path: Path) -> list[str]:
    keys: list[str] = []
    try:
        with path.open(encoding="utf-8") as lines:
            while line := lines.readline(IDENTIFIER_OCTETS_MAX + 2):
                if key := line.strip():
                    keys.append(_bounded(key, len(keys) + 1, path))
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"the identifiers in {path} cannot be read: {error}") from error
    if not keys:
        raise KeysError(f"{path} has no identifiers; write one a line")
    return keys


def _bounded(key: str, place: int, path: Path) -> str:
    if len(key.encode()) > IDENTIFIER_OCTETS_MAX:
        raise KeysError(f"identifier {place} in {path} is longer than {IDENTIFIER_OCTETS_MAX} octets")
    if place > FILE_LINES_MAX:
        raise KeysError(f"{path} has more than {FILE_LINES_MAX} identifiers; split it")
    return key
