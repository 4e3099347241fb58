"""What reports need to know of templates: their kind of object and their master-data mapping (docking contract 4.9).

Learned from the journal, where a template always stands before the identifiers that use it, and kept in
`report_templates`, so that reporting reads no table of the registry.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from identifiers.changes import Change, Cursor
from sync.database import Connection

OBJECT_TYPE_ACTIVE: Final = 1
KNOWN_MAX: Final = 1_000
"""Templates kept in memory between two rounds; more are read again when needed."""


class _Item(msgspec.Struct, frozen=True):
    type: str


class _State(msgspec.Struct, frozen=True):
    """A template's state in the journal; members that reports do not use are ignored."""

    enterprise: str | None = None
    handle: str | None = None
    object_type: int | None = None
    items: tuple[_Item, ...] = ()
    master_data: dict[str, str] | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """What reports keep of a template. Without an `enterprise` it is the node's own; `handle` is its own identifier.

    `master_data` maps T9 columns to the type of the value that fills them. A template that names no such map fills
    the columns that items of its own are named after.
    """

    enterprise: str | None = None
    handle: str | None = None
    object_type: int | None = None
    master_data: dict[str, str] = {}


UNKNOWN: Final = Template()
"""Stands for a template that the journal has not told of: nothing is mapped, nothing further is required."""

_state_decoder = msgspec.json.Decoder(_State)
_template_decoder = msgspec.json.Decoder(Template)


class Templates:
    """The templates seen so far: those of this round's journal rows over those stored earlier."""

    def __init__(self) -> None:
        self._known: dict[str, Template] = {}
        self._learned: dict[str, tuple[Template, Cursor]] = {}

    def learn(self, change: Change) -> None:
        """Take over a template's new state from the journal."""
        state = _state_decoder.decode(change.after)
        named = {item.type: item.type for item in state.items} if state.master_data is None else state.master_data
        self._known[change.key] = template = Template(
            enterprise=state.enterprise, handle=state.handle, object_type=state.object_type, master_data=named
        )
        self._learned[change.key] = (template, change.cursor)

    async def load(self, connection: Connection, codes: Iterable[str]) -> None:
        """Make sure that `get` knows these templates."""
        missing = [code for code in set(codes) if code not in self._known]
        if not missing:
            return
        rows = await connection.fetch("SELECT code, state FROM report_templates WHERE code = ANY($1::text[])", missing)
        self._known.update(dict.fromkeys(missing, UNKNOWN))
        self._known.update((row["code"], _template_decoder.decode(row["state"])) for row in rows)

    def get(self, code: str) -> Template:
        """Return a template that was learned or loaded."""
        return self._known.get(code, UNKNOWN)

    async def save(self, connection: Connection) -> None:
        """Store what was learned, in the caller's transaction."""
        await connection.executemany(
            "INSERT INTO report_templates (code, state, xid, seq) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (code) DO UPDATE SET state = excluded.state, xid = excluded.xid, seq = excluded.seq",
            [
                (code, msgspec.json.encode(template).decode(), *cursor)
                for code, (template, cursor) in sorted(self._learned.items())
            ],
        )

    def settle(self) -> None:
        """After the transaction: forget what need not be saved again, and some of the rest if it is too much."""
        self._learned.clear()
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
