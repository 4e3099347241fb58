"""Reading the members of a request: required, length, kind and enumeration, in the words clients know.

Numbers may come as strings, because the public documents' own examples mix both; null and absent are equal, and an
empty optional string counts as absent. Unknown members are ignored.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from registry.snms import beijing_time
from registry.snms.envelope import Refusal, refused

LONG_MAX: Final = 2**63 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BOOLEANS: Final = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}


def missing(name: str, field: str | None = None) -> Refusal:
    """Make the refusal of a call without a required member."""
    return refused(f"缺少必要的请求参数: {name}", "missing_parameter", field or name)


def too_long(name: str, limit: int, field: str | None = None) -> Refusal:
    """Make the refusal of a text over its limit."""
    return refused(f"参数{name}长度超过{limit}", "parameter_too_long", field or name)


def not_acceptable(name: str, field: str | None = None) -> Refusal:
    """Make the refusal of a member of a wrong kind or outside its enumeration."""
    return refused(f"参数{name}取值不合法", "bad_parameter", field or name)


class Members:
    """The members of one object. `where` is the path before its members' names, for the refusal's `field`."""

    def __init__(self, given: Mapping[str, Any], where: str = "") -> None:
        self._given = given
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._value((name,)) is not None

    def text(self, *names: str, limit: int) -> str:
        """Return a required text of at most `limit` code points, under any of its spellings."""
        value = self.optional_text(*names, limit=limit)
        if value is None:
            raise missing(names[0], self._field(names[0]))
        return value

    def optional_text(self, *names: str, limit: int) -> str | None:
        """Return a text, or None if it is absent or empty. A number is taken as its digits."""
        value = self._value(names)
        if value is None or value == "":
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or _CONTROLS.search(value) or not _is_unicode(value):
            raise not_acceptable(names[0], self._field(names[0]))
        if len(value) > limit:
            raise too_long(names[0], limit, self._field(names[0]))
        return value

    def integer(self, name: str, *, low: int = 0, high: int = LONG_MAX) -> int:
        """Return a required whole number, which may be written as a string."""
        value = self.optional_integer(name, low=low, high=high)
        if value is None:
            raise missing(name, self._field(name))
        return value

    def optional_integer(self, name: str, *, low: int = 0, high: int = LONG_MAX) -> int | None:
        """Return a whole number, or None."""
        value = self._value((name,))
        if value is None or value == "":
            return None
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise not_acceptable(name, self._field(name))
        return value

    def optional_boolean(self, name: str) -> bool | None:
        """Return a truth value, or None."""
        value = self._value((name,))
        if value is None or value == "":
            return None
        if not isinstance(value, bool | int | str) or value not in _BOOLEANS:
            raise not_acceptable(name, self._field(name))
        return _BOOLEANS[value]

    def choice(self, name: str, allowed: Collection[int]) -> int:
        """Return a required code of an enumeration, as a number."""
        value = self.integer(name, low=-LONG_MAX)
        if value not in allowed:
            raise not_acceptable(name, self._field(name))
        return value

    def optional_choice(self, name: str, allowed: Collection[int]) -> int | None:
        """Return a code of an enumeration, or None."""
        return self.choice(name, allowed) if self._value((name,)) not in (None, "") else None

    def optional_date(self, name: str) -> date | None:
        """Return a calendar date written `yyyy-MM-dd`, or None."""
        text = self.optional_text(name, limit=32)
        if text is None:
            return None
        found = beijing_time.read_date(text)
        if found is None:
            raise not_acceptable(name, self._field(name))
        return found

    def optional_datetime(self, name: str) -> datetime | None:
        """Return an instant written `yyyy-MM-dd HH:mm:ss` in Beijing time, or None."""
        text = self.optional_text(name, limit=32)
        if text is None:
            return None
        found = beijing_time.read_datetime(text)
        if found is None:
            raise not_acceptable(name, self._field(name))
        return found

    def members(self, name: str) -> "Members":
        """Return a required object."""
        found = self.optional_members(name)
        if found is None:
            raise missing(name, self._field(name))
        return found

    def optional_members(self, name: str) -> "Members | None":
        """Return an object, or None. An array of exactly one object stands for the object."""
        value = self._value((name,))
        if value is None:
            return None
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            raise not_acceptable(name, self._field(name))
        return Members(value, self._field(name) + ".")

    def list_of_members(self, name: str, *, limit: int) -> list["Members"]:
        """Return a list of objects, empty if it is absent."""
        value = self._value((name,))
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise not_acceptable(name, self._field(name))
        if len(value) > limit:
            raise too_long(name, limit, self._field(name))
        return [Members(one, f"{self._field(name)}[{at}].") for at, one in enumerate(value)]

    def refuse(self, name: str) -> Refusal:
        """Make the refusal of a member whose value breaks a rule beyond its kind."""
        return not_acceptable(name, self._field(name))

    def lacks(self, name: str) -> Refusal:
        """Make the refusal of a member that is required here."""
        return missing(name, self._field(name))

    def field(self, name: str) -> str:
        """Return where a member stands in the request."""
        return self._field(name)

    def _field(self, name: str) -> str:
        return self._where + name

    def _value(self, names: Sequence[str]) -> Any:
        for name in names:
            if (value := self._given.get(name)) is not None:
                return value
        return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
