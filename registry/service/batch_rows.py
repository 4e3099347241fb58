"""One line of a batch: read, checked as far as it can be without the database, or rejected with its reason."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from identifiers.grading import GRADE_GRANTED, apply_grades
from identifiers.handle import check_new_handle
from identifiers.identifier import HandleParts, Invalid
from identifiers.value_json import decode_row, render_row, render_texts, values_to_json
from identifiers.values import PlainText, Value, ValuesError
from registry.errors import FieldError
from registry.service.batch_answers import Rejection
from registry.service.indexed_values import NOTHING_INDEXED, Indexed, index_values, needs_indexing
from registry.service.template_rules import ITEM_INDEX_MIN, template_faults
from registry.tables.templates import Template

if TYPE_CHECKING:
    from identifiers.identifier import Identifier

LINE_OCTETS_MAX: Final = 2**20

_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct, frozen=True, gc=False):
    """A well-formed line. `key` is folded, whatever its prefix says; `shown` is the spelling as JSON.

    `faults` are what its template has against it; some may be forgiven for what is stored. `indexed` is what its values
    lead to beside the record.
    """

    line: int
    prefix: str
    key: str
    spelling: str
    shown: bytes
    values: bytes
    template: Template | None = None
    indexed: Indexed = NOTHING_INDEXED
    faults: tuple[FieldError, ...] = ()


class _Named(msgspec.Struct):
    identifier: str


_decode_name = msgspec.json.Decoder(_Named).decode


def read_line(number: int, line: bytes, timestamp_s: int, template: Template | None) -> Row | Rejection:
    """Read `{"identifier":…,"values":[…]}` by every rule that needs no database. Line numbers count from 1."""
    decoded: Sequence[Value] = ()
    try:
        if template is None:
            name, values = render_row(line, timestamp=timestamp_s)
        else:
            name, decoded = decode_row(line, timestamp=timestamp_s)
            values = b""
    except ValuesError as error:
        code = "bad_values" if error.field.startswith("values") else "bad_row"
        return Rejection(number, _name_of(line), code, error.field, error.message)
    found = check_new_handle(name)
    if isinstance(found, Invalid):
        return Rejection(number, name, found.code, "identifier", found.message)
    if template is None:
        return plain_row(number, found, values, None)
    row = templated_row(number, found, decoded, template)
    if row.faults and not forgives(template):
        reasons = "; ".join(f"{fault.field}: {fault.message}" for fault in row.faults)
        return Rejection(number, name, "template_violated", row.faults[0].field, reasons)
    return row


def templated_row(number: int, found: "Identifier", values: Sequence[Value], template: Template | None) -> Row:
    """Make a row of checked, stamped values in ascending order of their indexes."""
    assert isinstance(found.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    faults = template_faults(template, values) if template is not None else ()
    graded = apply_grades(template, values)
    return Row(
        number,
        found.parts.prefix,
        found.key,
        found.spelling,
        _encode(found.spelling),
        values_to_json(graded),
        template,
        index_values(template, graded),
        tuple(faults),
    )


def plain_values(template: Template, texts: Sequence[PlainText], timestamp_s: int) -> bytes | None:
    """Return plain texts as `templated_row` would have them, without making values of them first.

    None where it has to look closer: the template grades or indexes something, or has anything against a text.
    """
    if template.grades or needs_indexing(template):
        return None
    if template.required and not template.required_indexes.issubset([index for index, _, _ in texts]):
        return None
    return render_texts(texts, timestamp=timestamp_s, rules=template.plain, ruled_from=ITEM_INDEX_MIN)


def plain_row(number: int, found: "Identifier", rendered: bytes, template: Template | None) -> Row:
    """Make a row of what is settled: the values as `plain_values` gives them, or none."""
    assert isinstance(found.parts, HandleParts)  # noqa: S101 - as above
    return Row(number, found.parts.prefix, found.key, found.spelling, _encode(found.spelling), rendered, template)


def forgives(template: Template) -> bool:
    """Say whether a row may pass for what is stored.

    A disabled item's value may be repeated, and a required one that only a grant opens stays without being sent.
    """
    return any(not item.enabled or (item.required and item.grade == GRADE_GRANTED) for item in template.items)


def too_long(number: int) -> Rejection:
    """Reject a line that was not even read."""
    return Rejection(number, None, "row_too_long", "", f"the line has more than {LINE_OCTETS_MAX:,} octets: shorten it")


def _name_of(line: bytes) -> str | None:
    """Find the name in a line that is bad elsewhere, so that its owner recognises it."""
    try:
        return _decode_name(line).identifier
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
