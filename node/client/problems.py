"""Problem bodies (RFC 9457) turned into one readable line."""

import unicodedata
from typing import Any

import msgspec
import orjson

MESSAGE_CHARS_MAX = 2_000
FIELDS_SHOWN_MAX = 5
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that move the cursor, turn the writing direction, or are no characters at all."""


class _Field(msgspec.Struct):
    field: str = ""
    message: str = ""


class _Problem(msgspec.Struct):
    """The members of a problem that a person needs; all optional, for a proxy may have written the body."""

    title: str = ""
    detail: str = ""
    code: str = ""
    remedy: str = ""
    message: str = ""  # the Handle JSON error form has this instead of title and detail
    errors: list[_Field] = []


def describe_problem(status: int, body: bytes) -> tuple[str, str]:
    """Return (one line for a person, the problem's code or "") for an error answer with this status and body."""
    problem = _decode(body)
    if problem is None:
        text = printable(body[:200].decode("utf-8", "replace").strip())
        return f"HTTP status {status}" + (f": {text}" if text else ""), ""
    what = ": ".join(part.rstrip(".") for part in (problem.title, problem.detail or problem.message) if part)
    unsaid = [error for error in problem.errors if error.message not in what]
    fields = "; ".join(f"{error.field}: {error.message}" for error in unsaid[:FIELDS_SHOWN_MAX])
    line = (what or f"HTTP status {status}") + (f" ({fields})" if fields else "")
    if problem.remedy:
        line += f". {problem.remedy}"
    return printable(line)[:MESSAGE_CHARS_MAX], problem.code


def printable(text: str) -> str:
    """Return `text` with control characters shown as escapes: foreign text must not steer the reader's terminal."""
    if text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _STEERING else c for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _decode(body: bytes) -> _Problem | None:
    try:
        members: Any = orjson.loads(body)
        return msgspec.convert(members, _Problem)
    except (orjson.JSONDecodeError, msgspec.ValidationError):
        return None
