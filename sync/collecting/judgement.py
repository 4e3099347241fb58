"""Judging rows one by one (docking contract 4, 5, 9.5): pure, given what is held and what is known of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from sync.collecting.conditions import check_conditions
from sync.collecting.header import EVENTS, FACTS, Handed
from sync.collecting.row_keys import key_field, owner_of, row_key
from sync.tables.fields import check_row
from sync.tables.table import Operation, Problem

Data = Mapping[str, Any]

ACTIVE: Final = 1
"""`object_type` of a template for active identifier carriers."""
REQUIRED_OF_ACTIVE: Final = ("terminal_type", "owner", "purpose", "serial_or_imei")


class Held(NamedTuple):
    """What the collector holds of a key; deleted keys keep their version. `parts`: a fact's data, in parts or whole."""

    ver: int
    deleted: bool
    parts: tuple[Data, ...] = ()


class Template(NamedTuple):
    """What rows of T9 need to know of a template."""

    object_type: int


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was told earlier."""

    prefix: str
    event_type: str


class Known(Protocol):
    """What is held of other rows than the one judged."""

    @property
    def checks_references(self) -> bool:
        """Whether a row whose references are missing is rejected; if not, only what it says of itself counts."""
        ...

    def node(self) -> bool:
        """Whether the operator of the node was told (T1)."""
        ...

    def enterprise(self, prefix: str) -> bool:
        """Whether an enterprise with this prefix was told (T6)."""
        ...

    def template(self, metadata_id: str) -> Template | None:
        """Return a template of T4 or T11."""
        ...

    def scope_of(self, key: str) -> tuple[str, str] | None:
        """Return the reporter and scope that hold this table's key, if it is another stream than the row's."""
        ...

    def enterprise_with(self, org_id_type: int, org_id_number: str) -> str | None:
        """Return the enterprise_id that holds an organisation's number."""
        ...

    def event(self, event_no: str) -> Event | None:
        """Return an event of this table."""
        ...

    def recovery_of(self, event_no: str) -> str | None:
        """Return the number of the event that ended an abnormal one."""
        ...


def judge(row: Mapping[str, Any], header: Handed, held: Held | None, known: Known) -> Problem | None:
    """Return why a row is rejected, or None if it is to be stored."""
    table, data = header.table, row.get("data")
    if data is None:
        return _deletion(table, held, row["ver"])
    faults = check_row(table, data)
    if faults:
        return faults[0]
    if table == "T9" and (row["op"] == "delete") != (data["operation_type"] == Operation.DELETE):
        return Problem("schema", "operation_type", f"does not go with op {row['op']}")
    return (
        check_conditions(table, data, header)
        or _belongs(table, row, header)
        or (_fact(row, data, header, held) if table in FACTS else _state(table, row, data, header, held))
        or _references(table, row, data, header, known)
    )


def _deletion(table: str, held: Held | None, ver: int) -> Problem | None:
    if table in FACTS or table in EVENTS:
        return Problem("schema", "", f"rows of {table} are never deleted")
    if held is not None and held.ver >= ver:
        return Problem("stale", "ver", f"version {held.ver} is held already")
    if held is None or held.deleted:
        return Problem("unknown_identifier", "", "was never told, or is deleted")
    return None


def _belongs(table: str, row: Mapping[str, Any], header: Handed) -> Problem | None:
    """Check that the row is the one its key says, and is this stream's to tell."""
    data, scope = row["data"], header.scope
    if row_key(table, data) != row["key"]:
        return Problem("schema", key_field(table), "is not what the row's key says")
    owner = owner_of(table, data)
    if owner is not None and owner != scope:
        return Problem("forbidden", "enterprise_prefix" if "enterprise_prefix" in data else "prefix", f"not {scope}")
    if table == "T6":
        prefixes = [one["prefix"] for one in data["enterprise_prefixes"]]
        if any(not prefix.startswith(f"{header.reporter}.") for prefix in prefixes):
            return Problem("forbidden", "enterprise_prefixes", f"one does not lie below {header.reporter}")
        if scope not in prefixes:
            return Problem("forbidden", "enterprise_prefixes", f"the batch is for {scope}")
    if table == "T9" and not data["identifier"].upper().startswith(f"{scope.upper()}/"):
        return Problem("unknown_prefix", "identifier", f"does not lie below {scope}")
    return None


def _state(table: str, row: Mapping[str, Any], data: Data, header: Handed, held: Held | None) -> Problem | None:
    # What a full set deleted, by not naming it, kept its version: a later set may bring the same version back.
    brings_back = header.mode == "full" and held is not None and held.deleted and held.ver == row["ver"]
    if held is not None and held.ver >= row["ver"] and not brings_back:
        return Problem("stale", "ver", f"version {held.ver} is held already")
    gone = held is None or held.deleted
    if table == "T9" and gone and data["operation_type"] != Operation.ADD:
        return Problem("unknown_identifier", "identifier", "was never added, or is deleted")
    if table in EVENTS and not gone:
        return Problem("duplicate", "event_no", "an event is told once and never changed")
    return None


def _fact(row: Mapping[str, Any], data: Data, header: Handed, held: Held | None) -> Problem | None:
    """Check that a closed day is told once, that a correction says so, and that parts follow each other."""
    ver, part = row["ver"], data.get("part") or 1
    told = held.parts if held is not None and held.ver == ver else ()
    if held is not None and (held.ver > ver or part <= len(told)):
        return Problem("stale", "ver", f"version {held.ver} is held already")
    if part != len(told) + 1:
        return Problem("format", "part", f"part {part} came, {len(told) + 1} is the next of version {ver}")
    if part == 1 and held is not None and header.mode == "delta":
        return Problem("period_closed", "stat_date", "this day was told already: correct it with mode revision")
    if told and _scalars(told[0]) != _scalars(data):
        return Problem("format", "part", "the parts of a fact differ in more than their sources")
    if "sources" in data and part == (data.get("parts") or 1):
        counted = sum(one["count"] for slice_ in (*told, data) for one in slice_["sources"])
        if counted != data["resolution_requests"]:
            return Problem("format", "sources", f"count {counted} requests, {data['resolution_requests']} are told")
    return None


def _scalars(data: Data) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in ("sources", "part") and value is not None}


def _references(table: str, row: Mapping[str, Any], data: Data, header: Handed, known: Known) -> Problem | None:
    elsewhere = known.scope_of(row["key"]) if table != "T9" else None
    if elsewhere is not None:
        return Problem("duplicate", key_field(table), f"{elsewhere[1]} holds this key")
    if table == "T6" and (problem := _organisation_twice(row, data, known)):
        return problem
    if table in EVENTS and (problem := _pair(data, known)):
        return problem
    if not known.checks_references or table == "T1":
        return None
    if not known.node():
        return Problem("unknown_prefix", "", f"the node {header.reporter} was never told (T1)")
    is_enterprises = table in ("T7", "T8", "T9", "T10", "T11", "M2", "E2") and header.scope != header.reporter
    if is_enterprises and not known.enterprise(header.scope):
        return Problem("unknown_enterprise", "", f"no enterprise with the prefix {header.scope} was told (T6)")
    return _template(data, known) if table == "T9" and row["op"] == "upsert" else None


def _organisation_twice(row: Mapping[str, Any], data: Data, known: Known) -> Problem | None:
    holder = known.enterprise_with(data["org_id_type"], data["org_id_number"])
    if holder is None or holder == row["key"]:
        return None
    return Problem("duplicate", "org_id_number", f"the enterprise {holder} has this number")


def _pair(data: Data, known: Known) -> Problem | None:
    if data["event_type"] != "recovered":
        return None
    number = data["related_event_no"]
    abnormal = known.event(number)
    if abnormal is None or abnormal.event_type != "abnormal" or abnormal.prefix != data["prefix"]:
        return Problem("unknown_identifier", "related_event_no", f"no abnormal event {number} was told")
    if known.recovery_of(number) not in (None, data["event_no"]):
        return Problem("duplicate", "related_event_no", f"{number} has recovered already")
    return None


def _template(data: Data, known: Known) -> Problem | None:
    template = known.template(data["metadata_id"])
    if template is None:
        return Problem("unknown_template", "metadata_id", f"template {data['metadata_id']} is not known")
    if template.object_type == ACTIVE:
        for name in REQUIRED_OF_ACTIVE:
            if data.get(name) is None:
                return Problem("required", name, "is required of active identifiers")
    return None
