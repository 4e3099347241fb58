"""What has to be at the collector before what (docking contract 9.6).

A row counts as known there when the newest version that was queued of it is accepted (`report_rows`): a row that is
refused, or still under way, holds back what depends on it. A table that the collector does not take holds nothing back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sync.database import Connection

AFTER_OPERATOR: Final = ("T2", "T3", "T4", "T5", "M1", "E1", "T6")
"""Tables of the node, and the enterprises: the node must be known before."""
AFTER_ENTERPRISE: Final = ("T7", "T8", "T10", "T11", "M2", "E2")
"""Tables of an enterprise: the enterprise must be known before, with the prefix that is the stream's scope."""


def _listed(tables: tuple[str, ...]) -> str:
    return ", ".join(f"'{table}'" for table in tables)


def _known(table: str, scope: str, taken: str) -> str:
    """Return the condition that a table's newest row for a scope is accepted, or that the collector takes no such."""
    return (
        f"('{table}' <> ALL({taken}::text[]) OR EXISTS (SELECT FROM report_rows r JOIN report_streams a "
        f"USING (stream_id) WHERE a.reporter = s.reporter AND a.table_id = '{table}' "
        f'AND r.covers @> ARRAY[{scope}] COLLATE "C" AND r.accepted_ver = r.ver AND NOT r.again))'
    )


def _templates_settled(taken: str) -> str:
    """Return the condition that no template the next batch refers to is under way; refused ones are the gate's."""
    return (
        "NOT EXISTS (SELECT FROM report_rows r JOIN report_streams a USING (stream_id) WHERE a.reporter = s.reporter "  # noqa: S608 - constants and a placeholder
        f"AND a.table_id IN ('T4', 'T11') AND a.table_id = ANY({taken}::text[]) AND r.key = ANY(("
        "  SELECT b.metadata_ids FROM report_batches b WHERE b.stream_id = s.stream_id AND b.state <> 'acknowledged' "
        "  ORDER BY b.first_row LIMIT 1)::text[]) AND (r.accepted_ver < r.ver OR r.again) AND NOT EXISTS ("
        "  SELECT FROM report_rejections x WHERE x.stream_id = r.stream_id AND x.key = r.key AND x.ver = r.ver "
        "  AND x.batch_id IS NOT NULL AND x.resend_row IS NULL))"
    )


def preceded(taken: str) -> str:
    """Return the SQL condition that the stream `s` may send; `taken` stands for the tables that the collector takes."""
    # Statements about enterprises that speak for all of them have the node's own prefix as their scope (9.4).
    return (
        f"CASE WHEN s.table_id IN ({_listed(AFTER_OPERATOR)}) "
        f"OR (s.scope = s.reporter AND s.table_id IN ({_listed(AFTER_ENTERPRISE)})) "
        f"THEN {_known('T1', 's.reporter', taken)} "
        f"WHEN s.table_id IN ({_listed(AFTER_ENTERPRISE)}) THEN {_known('T6', 's.scope', taken)} "
        f"WHEN s.table_id = 'T9' THEN {_templates_settled(taken)} ELSE true END"
    )


_MAY_GO: Final = f"SELECT {preceded('$2')} FROM report_streams s WHERE s.stream_id = $1"  # noqa: S608 - constants


_HELD_BACK: Final = f"""
SELECT s.table_id, count(DISTINCT s.stream_id) AS streams, min(s.scope) AS example, min(b.created_at) AS since
FROM report_streams s JOIN report_batches b USING (stream_id)
WHERE s.reporter = $1 AND b.state = 'queued' AND s.halted_reason IS NULL AND NOT {preceded("$2")}
GROUP BY s.table_id ORDER BY since"""  # noqa: S608 - constants


class HeldBack(NamedTuple):
    """Streams of a table that wait for what goes before them: how many, one of their scopes, and since when."""

    table: str
    streams: int
    example: str
    since: datetime

    @property
    def waits_for(self) -> str:
        """What has to be accepted first, for people."""
        if self.table in AFTER_OPERATOR:
            return "the operator of the node (T1)"
        return "their templates (T4, T11)" if self.table == "T9" else "their enterprises (T6)"


async def held_back(connection: Connection, reporter: str, taken: Sequence[str]) -> list[HeldBack]:
    """Return what waits for something else to be accepted, the oldest first."""
    return [HeldBack(*row) for row in await connection.fetch(_HELD_BACK, reporter, list(taken))]


async def may_go(connection: Connection, stream_id: int, taken: Sequence[str]) -> bool:
    """Whether a stream may send now, asked again within its turn: what it depends on may have changed meanwhile."""
    return bool(await connection.fetchval(_MAY_GO, stream_id, list(taken)))
