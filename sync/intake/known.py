"""What the judgement of a batch needs to know of other rows, read at once: templates, keys held elsewhere, events."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from sync.collecting.batch_check import Delivered
from sync.collecting.header import EVENTS
from sync.collecting.judgement import Event, Template
from sync.database import Connection
from sync.tables.metadata_ids import TEMPLATE_SUFFIX

_ELSEWHERE: Final = {
    "T11": "SELECT handle AS key FROM templates WHERE handle = ANY($1::text[]) AND state <> 'draft'",
    "T10": "SELECT id AS key FROM applications WHERE id = ANY($1::text[])",
}
"""Keys that the registry itself tells of: an enterprise cannot tell otherwise."""
_OTHERS: Final = (
    "SELECT key, reporter FROM intake_rows WHERE table_id = $2 AND key = ANY($1::text[]) AND reporter <> $3 "
    "AND NOT deleted"
)
_TEMPLATES: Final = (
    "SELECT key, data FROM intake_rows WHERE table_id = 'T11' AND reporter = $2 AND key = ANY($1::text[])"
)
_NODES_TEMPLATES: Final = """
SELECT code, handle, object_type FROM templates
WHERE enterprise_id IS NULL AND state <> 'draft' AND (handle = ANY($1::text[]) OR code = ANY($2::text[]))"""
_EVENTS: Final = "SELECT data FROM intake_rows WHERE table_id = 'E2' AND reporter = $1 AND key = ANY($2::text[])"
_RECOVERIES: Final = """
SELECT data FROM intake_rows WHERE table_id = 'E2' AND reporter = $1
AND data::json -> 0 ->> 'related_event_no' = ANY($2::text[])"""


class KnownHere:
    """Answers for one batch, of one reporter, whose prefix and enterprise the node knows."""

    def __init__(self) -> None:
        self._templates: dict[str, Template] = {}
        self._elsewhere: dict[str, str] = {}
        self._events: dict[str, Event] = {}
        self._recoveries: dict[str, str] = {}

    @property
    def checks_references(self) -> bool:
        """Missing references always reject a row."""
        return True

    def node(self) -> bool:
        """Whether the node is known: it is this one."""
        return True

    def enterprise(self, prefix: str) -> bool:  # noqa: ARG002 - the gate has looked at it
        """Whether the enterprise is known."""
        return True

    def template(self, metadata_id: str) -> Template | None:
        """Return a template of the reporter's own, or of the node's."""
        return self._templates.get(metadata_id)

    def scope_of(self, key: str) -> tuple[str, str] | None:
        """Return who else holds a key of this table."""
        holder = self._elsewhere.get(key)
        return None if holder is None else (holder, holder)

    def enterprise_with(self, org_id_type: int, org_id_number: str) -> str | None:  # noqa: ARG002 - T6 is not taken
        """Return the enterprise with a number; no row that is taken here names one."""
        return None

    def event(self, event_no: str) -> Event | None:
        """Return an event."""
        return self._events.get(event_no)

    def recovery_of(self, event_no: str) -> str | None:
        """Return the recovery of an abnormal event."""
        return self._recoveries.get(event_no)

    def learn(self, table: str, row: Mapping[str, Any]) -> None:
        """Note what a row that was taken says for later ones of its batch."""
        data = row.get("data")
        if table in EVENTS and data is not None:
            self._note_event(data)

    async def read(self, connection: Connection, delivered: Delivered, node: str) -> None:
        """Read what this batch asks for."""
        header = delivered.header
        keys = [row["key"] for row in delivered.rows]
        if header.table != "T9":
            for row in await connection.fetch(_OTHERS, keys, header.table, header.reporter):
                self._elsewhere[row["key"]] = row["reporter"]
        if (query := _ELSEWHERE.get(header.table)) is not None:
            self._elsewhere |= dict.fromkeys((row["key"] for row in await connection.fetch(query, keys)), node)
        data = [row["data"] for row in delivered.rows if isinstance(row.get("data"), dict)]
        if header.table == "T9":
            await self._read_templates(connection, header.reporter, _texts(data, "metadata_id"), node)
        if header.table in EVENTS:
            await self._read_events(connection, header.reporter, _texts(data, "related_event_no"))

    async def _read_templates(self, connection: Connection, reporter: str, wanted: list[str], node: str) -> None:
        begins = f"{node}/{TEMPLATE_SUFFIX}"
        codes = [one.removeprefix(begins) for one in wanted if one.startswith(begins)]
        for row in await connection.fetch(_NODES_TEMPLATES, wanted, codes):
            self._templates[row["handle"] or begins + row["code"]] = Template(row["object_type"])
        for row in await connection.fetch(_TEMPLATES, wanted, reporter):
            (data,) = msgspec.json.decode(row["data"])
            self._templates[row["key"]] = Template(data.get("object_type", 0))

    async def _read_events(self, connection: Connection, reporter: str, wanted: list[str]) -> None:
        rows = await connection.fetch(_EVENTS, reporter, wanted)
        for row in (*rows, *await connection.fetch(_RECOVERIES, reporter, wanted)):
            (data,) = msgspec.json.decode(row["data"])
            self._note_event(data)

    def _note_event(self, data: Mapping[str, Any]) -> None:
        self._events[data["event_no"]] = Event(data["prefix"], data["event_type"])
        if data["event_type"] == "recovered":
            self._recoveries[data["related_event_no"]] = data["event_no"]


def _texts(data: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    return sorted({value for one in data if isinstance(value := one.get(name), str) and "\x00" not in value})
