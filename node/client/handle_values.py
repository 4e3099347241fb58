"""Values as arguments and files give them to a command."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from identifiers.json_text import decode_json
from identifiers.value_json import decode_values
from identifiers.values import INDEX_MAX, RECORD_OCTETS_MAX, Value, ValuesError, check_values
from node.client.errors import UsageError

FILE_OCTETS_MAX: Final = 8 * RECORD_OCTETS_MAX
"""JSON of the largest record, escaped throughout."""
STANDARD_INPUT: Final = Path("-")


def read_values(texts: Sequence[str], path: Path | None) -> tuple[Value, ...]:
    """Return the values of ``INDEX:TYPE=DATA`` texts and of a JSON file, by index; raise UsageError.

    The file is an array of values, or an object with the member ``values``; ``-`` is standard input.
    """
    values = [_value(text) for text in texts] + (list(_values_in(path)) if path is not None else [])
    try:
        check_values(values)
    except ValuesError as error:
        raise UsageError(str(error)) from None
    return tuple(sorted(values, key=lambda value: value.index))


def _value(text: str) -> Value:
    index, colon, rest = text.partition(":")
    kind, sign, data = rest.partition("=")
    if not (colon and sign and kind and index.isascii() and index.isdigit()) or int(index) > INDEX_MAX:
        raise UsageError(f"{text!r} is no value: give INDEX:TYPE=DATA, such as 1:URL=https://example.com/")
    return Value(int(index), kind, data.encode(errors="replace"))


def _values_in(path: Path) -> tuple[Value, ...]:
    try:
        if path == STANDARD_INPUT:
            octets = sys.stdin.buffer.read(FILE_OCTETS_MAX + 1)
        else:
            with path.open("rb") as file:
                octets = file.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(octets) > FILE_OCTETS_MAX:
        raise UsageError(f"{path} is longer than any record")
    try:
        found = decode_json(octets)
        return decode_values(found.get("values") if isinstance(found, dict) else found)
    except ValuesError as error:
        raise UsageError(f"{path}: {error}") from None
