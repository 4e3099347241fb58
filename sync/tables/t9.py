"""T9 下属企业节点主数据: every identifier created, changed or deleted (docking contract 4.9)."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from identifiers.changes import KIND_IDENTIFIER, KIND_TEMPLATE, Change, IdentifierState
from sync.batch import Period, Row
from sync.calendar_time import beijing_day, day_period, instant
from sync.database import Connection
from sync.tables.collapse import collapse
from sync.tables.metadata_ids import TEMPLATE_SUFFIX, metadata_id
from sync.tables.t9_fields import MAPPED, REQUIRED_OF_ACTIVE, check, check_column
from sync.tables.table import Draft, Operation, Problem, Reported, Standing
from sync.templates import OBJECT_TYPE_ACTIVE, Template, Templates

_PREFIX_RECORDS = "hdl:0.NA/"
"""Keys of records of prefixes, which are told of in other tables."""
_state_decoder = msgspec.json.Decoder(IdentifierState)


class _Data(msgspec.Struct, frozen=True):
    format: str
    value: Any


class _Value(msgspec.Struct, frozen=True):
    """The part of a Handle value's JSON that master data are taken from."""

    type: str
    data: _Data
    permissions: str = "1110"

    @property
    def is_reported(self) -> bool:
        """Whether the value has a read bit; one of grade 3 leaves with a grant only, and reports have none."""
        return "1" in (self.permissions[0], self.permissions[2])


_values_decoder = msgspec.json.Decoder(list[_Value])
_NO_TEMPLATE: Final = Template()


class T9:
    """Identifiers as rows. `default_template`, a template's code or identifier, is told where there is none.

    A template is told by its own identifier. One without is told by its code: below the identifier's prefix, or below
    the reporter's if it is the node's own.
    """

    name: Final = "T9"
    schema: Final = 1

    def __init__(self, reporter: str, default_template: str | None = None) -> None:
        self._reporter = reporter
        self._default_template = default_template
        if default_template is not None and "/" not in default_template:
            self._default_template = f"{reporter}/{TEMPLATE_SUFFIX}{default_template}"

    def period(self, at: datetime) -> Period:
        """Return the Beijing day."""
        return day_period(beijing_day(at))

    async def read(self, changes: Sequence[Change], templates: Templates, connection: Connection) -> list[Reported]:
        """Return the identifier changes among these journal rows as T9 tells of them."""
        states: list[tuple[Change, IdentifierState]] = []
        for change in changes:
            if change.kind == KIND_TEMPLATE:
                templates.learn(change)
            elif change.kind == KIND_IDENTIFIER and not change.key.startswith(_PREFIX_RECORDS):
                state = _state_decoder.decode(change.after)
                # Below the node's own prefix are no enterprise's identifiers, such as that of its own probes.
                if state.prefix != self._reporter:
                    states.append((change, state))
        await templates.load(connection, (state.template for _, state in states if state.template is not None))
        return [self._reported(change, state, templates) for change, state in states]

    def collapse(self, changes: Sequence[Reported], standing: Standing) -> tuple[Draft, ...]:
        """Return the rows for one identifier's changes of a day."""
        return collapse(changes, standing)

    def row(self, draft: Draft) -> Row:
        """Return the row; a deletion carries columns 1 and 4 and the prefix only."""
        change, data = draft.change, {**draft.change.data, "operation_type": int(draft.operation)}
        if draft.operation is Operation.DELETE:
            data = {name: data[name] for name in ("enterprise_prefix", "identifier", "operation_type")}
        return Row(
            n=0,
            key=change.key,
            op="delete" if draft.operation is Operation.DELETE else "upsert",
            ver=change.ver,
            at=instant(change.at),
            data=msgspec.Raw(msgspec.json.encode(data)),
        )

    def operation(self, row: Row) -> Operation:
        """Return what a row of this table tells of."""
        return Operation(_data_of(row)["operation_type"])

    def as_addition(self, row: Row) -> Row:
        """Return the row with `operation_type` 1; a modification carries the whole state, so nothing else changes."""
        data = {**_data_of(row), "operation_type": int(Operation.ADD)}
        return msgspec.structs.replace(row, data=msgspec.Raw(msgspec.json.encode(data)))

    def _reported(self, change: Change, state: IdentifierState, templates: Templates) -> Reported:
        template = _NO_TEMPLATE if state.template is None else templates.get(state.template)
        data: dict[str, Any] = {
            "enterprise_prefix": state.prefix,
            "identifier": state.identifier,
            "created_on": beijing_day(datetime.fromisoformat(state.created_at)).isoformat(),
            "metadata_id": self._metadata_id(state, template),
            "operation_type": 0,  # takes its place in the order of members; the draft decides its value
        }
        if state.state == "withdrawn":
            return Reported(state.prefix, state.identifier, state.version, change.at, "withdraw", data)
        problem = _add_master_data(data, state, template) or _unfit(data, template)
        return Reported(state.prefix, state.identifier, state.version, change.at, change.op, data, problem)

    def _metadata_id(self, state: IdentifierState, template: Template) -> str | None:
        if state.template is None:
            return self._default_template
        prefix = self._reporter if template.enterprise is None else state.prefix
        return metadata_id(template.handle, prefix, state.template)


class _Reference(msgspec.Struct, frozen=True):
    metadata_id: str | None = None


_reference_decoder = msgspec.json.Decoder(_Reference)


def metadata_id_of(row: Row) -> str | None:
    """Return the template that a row refers to; a deletion refers to none."""
    return None if row.data is msgspec.UNSET else _reference_decoder.decode(row.data).metadata_id


def metadata_ids(rows: Iterable[Row]) -> list[str]:
    """Return the templates that rows refer to, each once."""
    return sorted({found for row in rows if (found := metadata_id_of(row)) is not None})


def _data_of(row: Row) -> dict[str, Any]:
    """Return the row's data; a row of T9 always has some."""
    return {} if row.data is msgspec.UNSET else msgspec.json.decode(row.data, type=dict[str, Any])


def _add_master_data(data: dict[str, Any], state: IdentifierState, template: Template) -> Problem | None:
    """Fill the mapped columns from the identifier's text values; the first value of a type counts."""
    mapping = template.master_data
    if mapping.keys().isdisjoint(MAPPED):
        return None
    texts: dict[str, str] = {}
    for value in _values_decoder.decode(state.values):
        if value.is_reported and value.data.format == "string" and isinstance(value.data.value, str):
            texts.setdefault(value.type, value.data.value)
    for column in MAPPED:
        text = unicodedata.normalize("NFC", texts.get(mapping.get(column, ""), "")).strip()
        if not text:
            continue
        problem = check_column(column, text)
        if problem:
            return problem
        data[column] = text
    return None


def _unfit(data: Mapping[str, Any], template: Template) -> Problem | None:
    if data["metadata_id"] is None:
        return Problem(
            "required",
            "metadata_id",
            "the identifier has no template; register it with one, or set a default template for reports",
        )
    if template.object_type == OBJECT_TYPE_ACTIVE:
        for column in REQUIRED_OF_ACTIVE:
            if column not in data:
                return Problem("required", column, "is required of active identifiers and absent or not mapped")
    return check({**data, "operation_type": int(Operation.ADD)})
