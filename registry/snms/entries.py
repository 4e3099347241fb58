"""Reading registrations: one by one with the fault named, or at once where all of them are well formed."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from registry.snms.envelope import Refusal
from registry.snms.members import Members
from registry.snms.values import VALUE_CHARACTERS_MAX, Data, Sent

HANDLE_CHARACTERS_MAX: Final = 255
VERSION_CHARACTERS_MAX: Final = 128
TYPE_CHARACTERS_MAX: Final = 128
INDEX_MAX: Final = 2**31 - 1
VALUES_MAX: Final = 2_000


class Registration(msgspec.Struct, gc=False):
    """A registration as it was sent."""

    handle: str
    version: str = msgspec.field(name="templateVersion")
    values: list[Sent] = msgspec.field(name="value")


# Quotation marks of the members above and of their texts, without those that a text itself holds.
_ENTRY_QUOTES: Final = 3 * 2 + 2 * 2
_VALUE_QUOTES: Final = 5 * 2 + 3 * 2


def read_registration(body: Members) -> Registration:
    """Read one registration member by member. Raises the refusal that names the first fault."""
    handle = body.text("handle", limit=HANDLE_CHARACTERS_MAX)
    version = body.text("templateVersion", limit=VERSION_CHARACTERS_MAX)
    if "value" not in body:
        raise body.lacks("value")
    return Registration(handle, version, [_read_value(one) for one in body.list_of_members("value", limit=VALUES_MAX)])


def plain_entries(body: bytes) -> list[Registration] | None:
    """Read the body of a batch at once if all of its entries have the plain shape, and no other members; else None.

    Nothing of what the members hold is checked: that is for `plain_record` or `read_again`.
    """
    if b"\\\\" in body:
        return None
    try:
        entries = _decode_entries(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    values = sum([len(entry.values) for entry in entries])
    # As many quotation marks as the plain shape has: no other members, and none that occurs twice.
    quotes = body.count(b'"') - (body.count(b'\\"') if b"\\" in body else 0)
    return entries if quotes == _ENTRY_QUOTES * len(entries) + _VALUE_QUOTES * values else None


def read_again(entry: Registration) -> Registration:
    """Read an entry of the plain shape with care. Raises the refusal that names its first fault."""
    return entry if _is_well_formed(entry) else read_registration(Members(msgspec.to_builtins(entry)))


def read_entries(entries: Sequence[Any]) -> list[Registration | Refusal]:
    """Read the decoded entries of a batch one by one; a malformed one becomes its refusal."""
    return [_read_entry(entry) for entry in entries]


def handle_of(entry: Any) -> str:
    """Return the name an entry, read or as JSON, gives itself, for its result; empty if it gives none."""
    if isinstance(entry, Registration):
        handle: Any = entry.handle
    else:
        handle = entry.get("handle") if isinstance(entry, dict) else entry
    return handle[:HANDLE_CHARACTERS_MAX] if isinstance(handle, str) else ""


def is_name(handle: str) -> bool:
    """Whether a text is taken as a name at all."""
    return 0 < len(handle) <= HANDLE_CHARACTERS_MAX and handle.isprintable()


def _is_well_formed(entry: Registration) -> bool:
    """Whether an entry surely is as `read_registration` would read it; it decides where this is False."""
    if not (is_name(entry.handle) and 0 < len(entry.version) <= VERSION_CHARACTERS_MAX and entry.version.isprintable()):
        return False
    if len(entry.values) > VALUES_MAX:
        return False
    for value in entry.values:
        type_, text = value.type, value.data.value
        if not 0 <= value.index <= INDEX_MAX or len(text) > VALUE_CHARACTERS_MAX or not text.isprintable():
            return False
        if not 0 < len(type_) <= TYPE_CHARACTERS_MAX or not type_.isprintable() or not value.data.format.isalnum():
            return False
    return True


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
    if "value" not in data and "vlaue" not in data:
        raise data.lacks("value")
    text = data.optional_text("value", "vlaue", limit=VALUE_CHARACTERS_MAX) or ""
    return Sent(index, type_, Data(format_, text))


_decode_entries: Final = msgspec.json.Decoder(list[Registration]).decode
