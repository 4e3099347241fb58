"""What becomes of a row whose identifier is there already, or is not: the rules of batches and of lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import Value, ValuesError, check_values
from identifiers.visibility import Granted, keep_unreadable
from registry.service.batch_part import Part
from registry.service.batch_rows import Row
from registry.service.identifiers import may_be_revived, with_system_values
from registry.service.records import may_be_restricted
from registry.service.template_rules import template_faults
from registry.tables.identifiers import Record
from registry.tables.templates import Template

OnConflict = Literal["skip", "replace", "fail"]
ListOp = Literal["create", "update", "delete"]

_TIMESTAMP: Final = b',"timestamp":"'


@dataclass(frozen=True, slots=True)
class Reader:
    """How far the writer sees into the records of a prefix: its own standing, and what is granted to it by key."""

    admin: bool
    owner: bool
    granted: Mapping[str, Granted]

    def completed(self, key: str, sent: tuple[Value, ...], stored: Record) -> tuple[Value, ...]:
        """Return the values sent with those stored that the writer cannot see and does not send."""
        if not may_be_restricted(stored.values):
            return sent
        granted = self.granted.get(key, Granted())
        return keep_unreadable(sent, decode_stored(stored.values), admin=self.admin, owner=self.owner, granted=granted)


class Policy(Protocol):
    """Decides about each row of a part."""

    @property
    def may_create(self) -> bool:
        """Whether rows of unknown identifiers are created, so that this may be tried before asking."""

    def judge(self, part: Part, row: Row, stored: Record | None, reader: Reader) -> None:
        """Tell `part` what becomes of a row."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Batches create what is new; what exists with other values they leave, replace or reject."""

    on_conflict: OnConflict
    may_create: bool = True

    def judge(self, part: Part, row: Row, stored: Record | None, reader: Reader) -> None:
        """Tell `part` what becomes of a row."""
        if stored is None:
            create(part, row)
        elif stored.state == "withdrawn":
            part.reject(row, "identifier_withdrawn", "it was withdrawn, and is never given again")
        elif stored.state == "alias":
            part.reject(row, "identifier_is_alias", f"it is another name of {stored.successor}")
        elif not row.faults and same(row, stored, reader):
            part.leave(row, "unchanged")
        elif self.on_conflict == "replace":
            replace(part, row, stored, reader)
        elif self.on_conflict == "skip":
            part.leave(row, "skipped")
        else:
            part.reject(row, "identifier_exists", f"it exists with other values, as version {stored.version}")


@dataclass(frozen=True, slots=True)
class ListPolicy:
    """Lists create, update or withdraw, and say where that does not fit what is stored."""

    op: ListOp
    repeated: set[int] = field(default_factory=set)
    """Lines that name an identifier which a line before names too: that tells them from a repeated call."""

    @property
    def may_create(self) -> bool:
        """Whether rows of unknown identifiers are created."""
        return self.op == "create"

    def judge(self, part: Part, row: Row, stored: Record | None, reader: Reader) -> None:
        """Tell `part` what becomes of a row."""
        if stored is not None and stored.state == "alias":
            part.reject(row, "identifier_is_alias", f"it is another name of {stored.successor}")
        elif self.op == "create":
            self._create(part, row, stored, reader)
        elif stored is None:
            part.reject(row, "unknown_identifier", "it is not registered")
        elif stored.state == "withdrawn":
            part.reject(row, "identifier_withdrawn", "it was withdrawn")
        elif self.op == "update":
            replace(part, row, stored, reader, merge=True)
        else:
            part.withdraw(row, stored)

    def _create(self, part: Part, row: Row, stored: Record | None, reader: Reader) -> None:
        if stored is None:
            create(part, row)
        elif stored.state == "withdrawn" and not may_be_revived(stored):
            instead = f": use {stored.successor}" if stored.successor else ", and is never given again"
            part.reject(row, "identifier_withdrawn", f"it was withdrawn{instead}")
        elif stored.state == "withdrawn" and not row.faults:
            part.revive(row, stored)
        elif stored.state == "withdrawn":
            part.reject_violation(row)
        elif row.line not in self.repeated and not row.faults and same(row, stored, reader):
            part.leave(row, "unchanged")
        else:
            part.reject(row, "identifier_exists", f"it exists with other values, as version {stored.version}")


def create(part: Part, row: Row) -> None:
    """Create a record, unless its template has something against it."""
    if row.faults:
        part.reject_violation(row)
    else:
        part.create(row)


def replace(part: Part, row: Row, stored: Record, reader: Reader, *, merge: bool = False) -> None:
    """Replace a record by a row; what the writer cannot see stays, with `merge` the system's own values too."""
    sent = decode_stored(row.values)
    previous = decode_stored(stored.values)
    merged = reader.completed(row.key, sent, stored)
    if merge:
        merged = with_system_values(merged, previous)
    faults = row.faults
    if row.template is not None and (faults or len(merged) > len(sent)):
        faults = tuple(template_faults(row.template, merged, before=previous))
    if faults:
        reasons = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        part.reject(row, "template_violated", reasons, faults[0].field)
        return
    if len(merged) > len(sent):
        try:
            check_values(merged)
        except ValuesError as error:
            part.reject(row, "bad_values", error.message, error.field or "values")
            return
    part.replace(row, stored, merged)


def same(row: Row, stored: Record, reader: Reader) -> bool:
    """Say whether a row is what is stored, as far as its writer sees it, whenever its values were written."""
    if (row.template.code if row.template else None) != stored.template:
        return False
    before = without_timestamps(stored.values)
    if without_timestamps(row.values) == before:
        return True
    sent = decode_stored(row.values) if may_be_restricted(stored.values) else ()
    completed = reader.completed(row.key, sent, stored)
    return len(completed) > len(sent) and without_timestamps(values_to_json(completed)) == before


def without_timestamps(values: bytes) -> bytes:
    """Return stored values without their timestamps; inside a JSON string the quotation marks would be escaped."""
    first, *rest = values.split(_TIMESTAMP)
    return b"".join([first, *(part.partition(b'"')[2] for part in rest)])


def template_codes(records: Mapping[str, Record], brought: Mapping[str, Template | None]) -> set[str]:
    """Return the codes of the templates of stored records that are not at hand."""
    return {record.template for record in records.values() if record.template is not None} - set(brought)
