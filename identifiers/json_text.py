"""Strict JSON: what RFC 8259 calls interoperable, and nothing a second reader could understand differently."""

import json
from typing import Any, Final

import orjson

from identifiers.values import ValuesError

JSON_DEPTH_MAX: Final = 32


class _DuplicateMemberError(Exception):
    """Carries the name of the member that occurs twice."""


def decode_json(body: bytes) -> Any:
    """Decode one JSON text; raise ValuesError (code 4) for anything else.

    Refused besides syntax errors: duplicate members, depth over 32, trailing text, NaN and infinities, unpaired
    surrogates. The caller bounds the length.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Python's recursion limit does not matter here: orjson stops at a depth of its own.
        raise ValuesError(f"this is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    quotes = _count_quotes(parsed)
    # A backslash written twice makes it unsure which quotation marks are escaped.
    certain = b"\\\\" not in body and body.count(b'"') - body.count(b'\\"') == quotes
    if not certain and (name := _duplicate(body)) is not None:
        raise ValuesError(f"the member {name!r} occurs twice: keep one")
    return parsed


def _count_quotes(parsed: Any) -> int:
    """Return how many quotation marks a text for ``parsed`` has if no member was dropped; raise if it is too deep.

    A decoder keeps one of two equal members, so a text with duplicates has more quotation marks than this.
    """
    quotes = 0
    level = [parsed]
    for _ in range(JSON_DEPTH_MAX + 1):
        containers = [item for item in level if type(item) in {dict, list}]
        quotes += 2 * sum(type(item) is str for item in level)
        quotes += 2 * sum(len(item) for item in containers if type(item) is dict)
        if not containers:
            return quotes
        level = [child for item in containers for child in (item.values() if type(item) is dict else item)]
    raise ValuesError(f"JSON nested deeper than {JSON_DEPTH_MAX} levels is refused")


def _duplicate(body: bytes) -> str | None:
    try:
        json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    except _DuplicateMemberError as found:
        return str(found)
    return None


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _DuplicateMemberError(name)
        seen.add(name)
