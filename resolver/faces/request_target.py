"""The request target as it was sent: cut into path and query, decoded exactly once, never normalised.

Handles contain `%2F`, `//`, `..`, `;` and `+` with a meaning of their own, so no framework may touch the path
(Handle over HTTP, path to handle).
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_ABSOLUTE_FORM: Final = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_TRUE: Final = frozenset(("", "yes", "true"))


class BadTarget(ValueError):  # noqa: N818 - names what was sent
    """The target has an escape that is no escape, or octets that are no UTF-8."""


@dataclass(frozen=True, slots=True)
class Target:
    """A request target: raw path and raw query, without the question mark."""

    path: str
    query: str

    @classmethod
    def of(cls, raw: str) -> "Target":
        """Cut a target in origin or absolute form at its first question mark."""
        if not raw.startswith("/") and (authority := _ABSOLUTE_FORM.match(raw)):
            raw = raw[authority.end() :]
            raw = raw if raw.startswith("/") else "/" + raw
        path, _, query = raw.partition("?")
        return cls(path, query)

    def below(self, root: str) -> str | None:
        """Return the raw rest of the path behind `root`, or None when it does not begin with it."""
        return self.path[len(root) :] if self.path.startswith(root) else None


def decode_once(raw: str) -> str:
    """Percent-decode as UTF-8, once; `+` stays. Raises BadTarget."""
    if _BROKEN_ESCAPE.search(raw):
        raise BadTarget("a percent sign is not followed by two hexadecimal digits: write it as %25")
    try:
        # Octets outside ASCII arrive as surrogates or characters; both go back to what was on the wire.
        return unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError as error:
        raise BadTarget("the name is not valid UTF-8 after percent-decoding") from error


class Parameters:
    """Query or form parameters in order. Bounded by whoever bounded the text they came from."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @classmethod
    def of(cls, raw: str, separators: str = "&") -> "Parameters":
        """Parse `a=1&b=2`, where `+` is a blank. Raises BadTarget."""
        fields = re.split(f"[{re.escape(separators)}]", raw)
        pairs = (field.replace("+", " ").partition("=") for field in fields if field)
        return cls([(decode_once(name), decode_once(value)) for name, _, value in pairs])

    def __contains__(self, name: str) -> bool:
        return any(name == known for known, _ in self._pairs)

    def __add__(self, other: "Parameters") -> "Parameters":
        return Parameters(self._pairs + other._pairs)

    def all(self, name: str) -> list[str]:
        """Return every value of a repeatable parameter."""
        return [value for known, value in self._pairs if known == name]

    def first(self, name: str) -> str | None:
        """Return the first value, which wins where a parameter does not repeat."""
        return next((value for known, value in self._pairs if known == name), None)

    def flag(self, name: str) -> bool | None:
        """Return a boolean parameter, None when absent: empty, `yes` and `true` in any case are true, others false."""
        value = self.first(name)
        return None if value is None else value.lower() in _TRUE
