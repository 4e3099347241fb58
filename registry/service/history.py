"""The history of an identifier: every version that the journal still holds, with who wrote it and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import KIND_IDENTIFIER, Change, Cursor, IdentifierState, Op
from identifiers.grading import apply_grades
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import Value
from identifiers.visibility import NOTHING_GRANTED, Granted, is_readable, readable
from registry import journal, origin
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.service import grants, templates
from registry.service.records import is_noted, may_be_restricted, standing
from registry.service.targets import find_record, unknown_identifier
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template

NEWEST: Final = Cursor(2**63 - 1, 0)
"""Behind every position: where a history, newest first, begins."""

_decode = msgspec.json.Decoder(IdentifierState).decode


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record, with the values the reader may see. `withheld` are the indexes of the others."""

    state: IdentifierState
    op: Op
    actor: str
    at: datetime
    cursor: Cursor
    values: bytes
    withheld: tuple[int, ...] = ()


async def page(connection: Connection, principal: Principal, name: str, before: Cursor, limit: int) -> list[Version]:
    """Return versions of a record, newest first, from behind `before`. Raises `NotFound` for what has none.

    An alias shows the history of the record it leads to. The journal is kept for `journal.keep_days`, so the first
    versions of a record may be missing: the last one shown then is not version 1.
    """
    authorise(principal, Action.READ_HISTORY)
    target, record = await find_record(connection, name)
    check_reaches(principal, Action.READ_HISTORY, target.prefix.enterprise)
    if record is None:
        raise unknown_identifier(name)
    entries = await journal.of_key(connection, KIND_IDENTIFIER, record.key, before, limit)
    viewer = _Viewer(connection, principal, target.prefix, record.key)
    return [await viewer.see(change, actor) for change, actor in entries]


class _Viewer:
    """Shows one reader the versions of one record. Items have their present grade in all of them."""

    def __init__(self, connection: Connection, principal: Principal, prefix: Prefix, key: str) -> None:
        self._connection = connection
        self._principal = principal
        self._prefix = prefix
        self._key = key
        self._admin, self._owner = standing(principal, prefix)
        self._templates: dict[str, Template | None] = {}
        self._granted: dict[str | None, Granted] = {}

    async def see(self, change: Change, actor: str) -> Version:
        state = _decode(change.after)
        op: Op = change.op  # type: ignore[assignment] # the journal holds no other
        octets = bytes(state.values)
        template = await self._template(state.template)
        if not may_be_restricted(octets) and not (template and template.grades):
            return Version(state, op, actor, change.at, change.cursor, octets)
        values = apply_grades(template, decode_stored(octets))
        granted = await self._grants_on(state.template, values)
        shown = readable(values, admin=self._admin, owner=self._owner, granted=granted)
        if any(is_noted(value, owner=self._owner) for value in shown):
            origin.note_restricted_read(f"{KIND_IDENTIFIER} {state.identifier}")
        indexes = {value.index for value in shown}
        withheld = tuple(sorted(value.index for value in values if value.index not in indexes))
        return Version(state, op, actor, change.at, change.cursor, values_to_json(shown), withheld)

    async def _template(self, code: str | None) -> Template | None:
        if code is None:
            return None
        if code not in self._templates:
            self._templates[code] = await templates.stored(self._connection, code)
        return self._templates[code]

    async def _grants_on(self, template: str | None, values: tuple[Value, ...]) -> Granted:
        """Return what is granted on a version that followed `template`, asked for where it can make a difference."""
        if all(is_readable(value, admin=self._admin, owner=self._owner) for value in values):
            return NOTHING_GRANTED
        if template not in self._granted:
            self._granted[template] = await grants.may_read(
                self._connection, self._principal, self._prefix, self._key, template
            )
        return self._granted[template]
