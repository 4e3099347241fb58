"""What the change feed tells of the journal, and to whom: its rows, and what each reader may see of them.

Tables of the feed: `PFX` prefixes, `REC` identifiers and aliases, and the tables of the national reports where the node
makes them (docking contract 10). Accounts, tokens, grants and enterprises are in none of them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

import msgspec

from identifiers import changes
from identifiers.changes import (
    AliasState,
    Change,
    IdentifierState,
    PrefixState,
)
from identifiers.value_json import decode_stored, values_to_json
from identifiers.visibility import readable
from registry.authority import Action, Principal, Reach, authorise
from registry.database import Connection
from registry.journal import LAST_SEQ
from registry.service.records import may_be_restricted
from registry.states import to_second

PREFIXES: Final = "PFX"
RECORDS: Final = "REC"
OWN_TABLES: Final = (PREFIXES, RECORDS)
PERSONAL_TABLES: Final = frozenset({"T1", "T6"})
"""Tables with personal data: only readers of everything see all of their rows."""
MIRROR_TABLES: Final = frozenset({*OWN_TABLES, "T2", "T4", "T7", "T9", "T11"})
"""What a mirror sees (docking contract 10)."""

_PERSONAL: Final = ("legal_rep_", "contact_")
_IMAGES: Final = "_id_images"


class FeedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `c` is the cursor behind it, absent in snapshots; `data` is the whole new state."""

    c: str | msgspec.UnsetType = msgspec.UNSET
    at: str
    table: str
    scope: str
    key: str
    op: Literal["upsert", "delete"]
    ver: int
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class View:
    """Who reads. `everything`: every table and prefix; `admin`: also values that are for administrators and owners.

    `own` are the prefixes of the reader's `enterprise`.
    """

    everything: bool
    admin: bool
    enterprise: str | None
    own: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What two readers that see the same have in common."""
        if self.everything:
            return "national" if self.admin else "auditor"
        return self.enterprise or "mirror"

    def admits(self, table: str, scope: str) -> bool:
        """Whether the reader may see rows of a table below a prefix."""
        if self.everything:
            return True
        if self.enterprise is None:
            return table in MIRROR_TABLES
        return scope in self.own

    def shown(self, row: "FeedRow") -> "FeedRow":
        """Return a row without the personal data that only readers of everything see."""
        if self.everything or row.table not in PERSONAL_TABLES or row.data is msgspec.UNSET:
            return row
        data = msgspec.json.decode(row.data, type=dict[str, Any])
        seen = {name: value for name, value in data.items() if not _is_personal(name)}
        return msgspec.structs.replace(row, data=msgspec.Raw(msgspec.json.encode(seen)))


class ReportRows(Protocol):
    """Makes the rows of the reports' tables out of journal changes. The node brings it, where it reports."""

    @property
    def tables(self) -> Sequence[str]:
        """The tables, such as T7."""

    async def rows(
        self, connection: Connection, changes: Sequence[Change], view: View, wanted: frozenset[str]
    ) -> Mapping[int, Sequence[FeedRow]]:
        """Return the rows of each change by its place in `changes`, made of what the reader may see.

        Those of the tables wanted, and maybe of others.
        """

    def everything(
        self, connection: Connection, taken_at: datetime, view: View, wanted: frozenset[str]
    ) -> AsyncIterator[Sequence[FeedRow]]:
        """Yield the rows of the tables wanted, and maybe of others, as they are now.

        Those that `rows` makes of each identifier's state are not among them.
        """


def view_of(principal: Principal, own: frozenset[str]) -> View:
    """Return what a principal may see; `own` are the prefixes of its enterprise."""
    reach = authorise(principal, Action.READ_FEED)
    everything = reach is Reach.EVERYTHING
    return View(everything, principal.role == "administrator", None if everything else principal.enterprise, own)


def rows_of(change: Change, view: View) -> FeedRow | None:
    """Return the row of a change for a reader; None for what is in no table of the feed's own."""
    match change.kind:
        case changes.KIND_IDENTIFIER:
            return _record(change, _identifier_state(change.after), view)
        case changes.KIND_ALIAS:
            return _alias(change, _alias_state(change.after))
        case changes.KIND_PREFIX:
            return _prefix(change, _prefix_state(change.after), view)
    return None


_identifier_state: Final = msgspec.json.Decoder(IdentifierState).decode
_alias_state: Final = msgspec.json.Decoder(AliasState).decode
_prefix_state: Final = msgspec.json.Decoder(PrefixState).decode


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    spelling: str
    state: Literal["active", "withdrawn", "alias"]
    values: msgspec.Raw
    created_at: str
    updated_at: str
    primary: str | None = None
    template: str | None = None
    successor: str | None = None
    x_alias: str | None = None


def _prefix(change: Change, state: PrefixState, view: View) -> FeedRow | None:
    if not state.exists:
        return None
    shown = state if view.everything else msgspec.structs.replace(state, reason="")
    # A prefix has no version of its own. In a snapshot it is older than every change that follows.
    version = change.seq if 0 < change.seq < LAST_SEQ else 1
    return _row(change, PREFIXES, state.prefix, msgspec.json.encode(shown), version)


def _record(change: Change, state: IdentifierState, view: View) -> FeedRow:
    values = state.values
    if may_be_restricted(bytes(values)):
        owner = view.enterprise is not None and state.prefix in view.own
        seen = readable(decode_stored(bytes(values)), admin=view.admin, owner=owner)
        values = msgspec.Raw(values_to_json(seen))
    data = _Record(
        spelling=state.identifier,
        state=state.state,
        values=values,
        created_at=state.created_at,
        updated_at=state.updated_at,
        template=state.template,
        successor=state.successor,
    )
    return _row(change, RECORDS, state.prefix, msgspec.json.encode(data), state.version)


def _alias(change: Change, state: AliasState) -> FeedRow:
    data = _Record(
        spelling=state.alias,
        state="alias" if state.state == "active" else "withdrawn",
        values=msgspec.Raw(b"[]"),
        created_at=state.created_at,
        updated_at=state.updated_at,
        primary=state.target,
        x_alias=state.kind,
    )
    return _row(change, RECORDS, state.prefix, msgspec.json.encode(data), state.version)


def _row(change: Change, table: str, scope: str, data: bytes, version: int) -> FeedRow:
    return FeedRow(
        at=to_second(change.at),
        table=table,
        scope=scope,
        key=change.key,
        op="upsert",
        ver=version,
        data=msgspec.Raw(data),
    )


def _is_personal(name: str) -> bool:
    return name.startswith(_PERSONAL) or name.endswith(_IMAGES)
