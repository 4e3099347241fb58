"""One line of a batch: read, checked as far as it can be without the database, or rejected with its reason."""

from typing import TYPE_CHECKING, Final

import msgspec

from identifiers.handle import check_new_handle
from identifiers.identifier import HandleParts, Invalid
from identifiers.value_json import decode_row, render_row, values_to_json
from identifiers.values import ValuesError
from registry.service.batch_answers import Rejection
from registry.service.template_rules import template_faults
from registry.tables.templates import Template

if TYPE_CHECKING:
    from registry.errors import FieldError

LINE_OCTETS_MAX: Final = 2**20

_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct, frozen=True, gc=False):
    """A well-formed line. `key` is folded, whatever its prefix says; `shown` is the spelling as JSON."""

    line: int
    prefix: str
    key: str
    spelling: str
    shown: bytes
    values: bytes


class _Named(msgspec.Struct):
    identifier: str


_decode_name = msgspec.json.Decoder(_Named).decode


def read_line(number: int, line: bytes, timestamp_s: int, template: Template | None) -> Row | Rejection:
    """Read `{"identifier":…,"values":[…]}` by every rule that needs no database. Line numbers count from 1."""
    faults: list[FieldError] = []
    try:
        if template is None:
            name, values = render_row(line, timestamp=timestamp_s)
        else:
            name, decoded = decode_row(line, timestamp=timestamp_s)
            faults, values = template_faults(template, decoded), values_to_json(decoded)
    except ValuesError as error:
        code = "bad_values" if error.field.startswith("values") else "bad_row"
        return Rejection(number, _name_of(line), code, error.field, error.message)
    found = check_new_handle(name)
    if isinstance(found, Invalid):
        return Rejection(number, name, found.code, "identifier", found.message)
    if faults:
        reasons = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        return Rejection(number, name, "template_violated", faults[0].field, reasons)
    assert isinstance(found.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    return Row(number, found.parts.prefix, found.key, name, _encode(name), values)


def too_long(number: int) -> Rejection:
    """Reject a line that was not even read."""
    return Rejection(number, None, "row_too_long", "", f"the line has more than {LINE_OCTETS_MAX:,} octets: shorten it")


def _name_of(line: bytes) -> str | None:
    """Find the name in a line that is bad elsewhere, so that its owner recognises it."""
    try:
        return _decode_name(line).identifier
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
