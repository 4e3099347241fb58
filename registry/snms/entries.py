"""Reading registrations: one by one with the fault named, or at once where all of them are well formed."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from registry.snms.envelope import Refusal
from registry.snms.members import Members
from registry.snms.values import VALUE_CHARACTERS_MAX, Sent

HANDLE_CHARACTERS_MAX: Final = 255
VERSION_CHARACTERS_MAX: Final = 128
TYPE_CHARACTERS_MAX: Final = 128
INDEX_MAX: Final = 2**31 - 1
VALUES_MAX: Final = 2_000


class Registration(NamedTuple):
    """A registration as it was sent."""

    handle: str
    version: str
    values: list[Sent]


class _Data(msgspec.Struct, gc=False):
    format: str
    value: str


class _Value(msgspec.Struct, gc=False):
    index: int
    type: str
    data: _Data


class _Entry(msgspec.Struct, gc=False):
    handle: str
    templateVersion: str  # noqa: N815 - the member's name
    value: list[_Value]


def read_registration(body: Members) -> Registration:
    """Read one registration member by member. Raises the refusal that names the first fault."""
    handle = body.text("handle", limit=HANDLE_CHARACTERS_MAX)
    version = body.text("templateVersion", limit=VERSION_CHARACTERS_MAX)
    if "value" not in body:
        raise body.lacks("value")
    return Registration(handle, version, [_read_value(one) for one in body.list_of_members("value", limit=VALUES_MAX)])


def read_entries(entries: Sequence[Any]) -> list[Registration | Refusal]:
    """Read the entries of a batch; a malformed one becomes its refusal."""
    try:
        return [_plain(entry) for entry in msgspec.convert(entries, list[_Entry])]
    except (msgspec.ValidationError, _Unusual):
        return [_read_entry(entry) for entry in entries]


def handle_of(entry: Any) -> str:
    """Return the name an entry gives itself, for its result; empty if it gives none."""
    handle = entry.get("handle") if isinstance(entry, dict) else entry
    return handle[:HANDLE_CHARACTERS_MAX] if isinstance(handle, str) else ""


class _Unusual(Exception):  # noqa: N818 - sends the whole list the slow way, which names the fault
    pass


def _plain(entry: _Entry) -> Registration:
    if not (
        0 < len(entry.handle) <= HANDLE_CHARACTERS_MAX and 0 < len(entry.templateVersion) <= VERSION_CHARACTERS_MAX
    ):
        raise _Unusual
    return Registration(entry.handle, entry.templateVersion, [_plain_value(value) for value in entry.value])


def _plain_value(value: _Value) -> Sent:
    text = value.data.value
    if not 0 <= value.index <= INDEX_MAX or len(text) > VALUE_CHARACTERS_MAX or not text.isprintable():
        raise _Unusual
    return Sent(value.index, value.type, value.data.format, text)


def _read_entry(entry: Any) -> Registration | Refusal:
    try:
        return read_registration(Members(entry if isinstance(entry, dict) else {}))
    except Refusal as refusal:
        return refusal


def _read_value(value: Members) -> Sent:
    index = value.integer("index", high=INDEX_MAX)
    type_ = value.text("type", limit=TYPE_CHARACTERS_MAX)
    data = value.members("data")
    format_ = data.text("format", limit=32)
    return Sent(index, type_, format_, data.optional_text("value", "vlaue", limit=VALUE_CHARACTERS_MAX) or "")
