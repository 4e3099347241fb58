"""What the simulator knows of other rows than the one it judges: nodes, enterprises, templates, events."""

import json
from functools import cached_property
from typing import Any

from sync.collecting.header import EVENTS, Handed
from sync.collecting.judgement import Event, Template
from sync.top_node.book import Book


class KnownRows:
    """Answers for one batch; what cannot change while it is judged is asked once.

    Without `strict`, references are checked from the moment on at which the reporter told of its node (T1).
    """

    def __init__(self, book: Book, header: Handed, *, strict: bool) -> None:
        self._book = book
        self._header = header
        self._strict = strict
        self._templates: dict[str, Template | None] = {}
        self._enterprises: dict[str, bool] = {}

    @property
    def checks_references(self) -> bool:
        """Whether missing references reject a row."""
        return self._strict or self._node

    def node(self) -> bool:
        """Whether T1 was told."""
        return self._node

    def enterprise(self, prefix: str) -> bool:
        """Whether T6 named the prefix."""
        if prefix not in self._enterprises:
            query = "SELECT 1 FROM enterprise_prefixes WHERE reporter = ? AND prefix = ?"
            self._enterprises[prefix] = self._book.one(query, self._header.reporter, prefix) is not None
        return self._enterprises[prefix]

    def template(self, metadata_id: str) -> Template | None:
        """Return a template, also one that was deleted since: identifiers outlive it."""
        if metadata_id not in self._templates:
            row = self._book.one(
                "SELECT data FROM held_rows WHERE table_id IN ('T4', 'T11') AND key = ? AND reporter = ? "
                "AND table_id <> 'T9' ORDER BY deleted",
                metadata_id,
                self._header.reporter,
            )
            found = None if row is None else Template(json.loads(row["data"]).get("object_type", 0))
            self._templates[metadata_id] = found
        return self._templates[metadata_id]

    def scope_of(self, key: str) -> tuple[str, str] | None:
        """Return who else holds a key of this table."""
        header = self._header
        row = self._book.one(
            "SELECT reporter, scope FROM held_rows WHERE table_id = ? AND key = ? AND table_id <> 'T9' "
            "AND NOT deleted AND (reporter, scope) <> (?, ?)",
            header.table,
            key,
            header.reporter,
            header.scope,
        )
        return None if row is None else (row["reporter"], row["scope"])

    def enterprise_with(self, org_id_type: int, org_id_number: str) -> str | None:
        """Return the enterprise with this number."""
        row = self._book.one(
            "SELECT enterprise_id FROM organisations WHERE org_id = ? AND reporter = ?",
            f"{org_id_type}:{org_id_number}",
            self._header.reporter,
        )
        return None if row is None else str(row["enterprise_id"])

    def event(self, event_no: str) -> Event | None:
        """Return an event."""
        row = self._book.one(
            "SELECT data FROM held_rows WHERE table_id = ? AND key = ? AND table_id <> 'T9'",
            self._header.table,
            event_no,
        )
        if row is None:
            return None
        data = json.loads(row["data"])
        return Event(data["prefix"], data["event_type"])

    def recovery_of(self, event_no: str) -> str | None:
        """Return the recovery of an abnormal event."""
        row = self._book.one("SELECT event_no FROM recoveries WHERE abnormal_event_no = ?", event_no)
        return None if row is None else str(row["event_no"])

    def learn(self, row: dict[str, Any]) -> None:
        """Note what a row that was taken says for others."""
        header, data = self._header, row.get("data")
        if header.table == "T6":
            self._forget_enterprise(row["key"])
            if data is not None:
                self._learn_enterprise(row["key"], data)
        elif header.table in EVENTS and data is not None and data["event_type"] == "recovered":
            self._book.db.execute(
                "INSERT OR REPLACE INTO recoveries VALUES (?, ?)", (data["related_event_no"], data["event_no"])
            )

    def _forget_enterprise(self, enterprise_id: str) -> None:
        for table in ("enterprise_prefixes", "organisations"):
            self._book.db.execute(
                f"DELETE FROM {table} WHERE reporter = ? AND enterprise_id = ?",  # noqa: S608 - two names, above
                (self._header.reporter, enterprise_id),
            )

    def _learn_enterprise(self, enterprise_id: str, data: dict[str, Any]) -> None:
        reporter = self._header.reporter
        self._book.db.execute(
            "INSERT INTO organisations VALUES (?, ?, ?)",
            (f"{data['org_id_type']}:{data['org_id_number']}", enterprise_id, reporter),
        )
        self._book.db.executemany(
            "INSERT OR IGNORE INTO enterprise_prefixes VALUES (?, ?, ?)",
            [(reporter, one["prefix"], enterprise_id) for one in data["enterprise_prefixes"]],
        )

    @cached_property
    def _node(self) -> bool:
        row = self._book.one(
            "SELECT 1 FROM held_rows WHERE table_id = 'T1' AND reporter = ? AND NOT deleted", self._header.reporter
        )
        return row is not None
