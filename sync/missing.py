"""What a collector says it misses: it is told once more, and before what refers to it (docking contract 9.5, 9.7)."""

from collections.abc import Iterable, Sequence

from sync.batch import Batch, Requirement
from sync.database import Connection
from sync.outbox import streams, told_rows
from sync.outbox.open_rows import OpenRow
from sync.rejections import MISSING
from sync.tables.t9 import metadata_id_of
from sync.template_gate import TABLES


async def told_first(connection: Connection, batch: Batch, opened: Iterable[OpenRow]) -> list[OpenRow]:
    """Have told what refused rows refer to, and return the rows; one whose reference is not ours to tell stays open."""
    return [
        row._replace(resend=None, resend_behind_row=None)
        if row.code in MISSING and row.resend is not None and not await _tell(connection, batch, row)
        else row
        for row in opened
    ]


async def streams_named(connection: Connection, reporter: str, missing: Sequence[Requirement]) -> int:
    """Have the streams that a collector misses compared at once, and so sent again; return how many are known."""
    return await streams.compare_again(connection, reporter, [(one.table, one.scope) for one in missing])


async def _tell(connection: Connection, batch: Batch, row: OpenRow) -> bool:
    if row.code == "unknown_template":
        assert row.resend is not None  # noqa: S101 - the caller asks for such rows only
        template = metadata_id_of(row.resend)
        return template is not None and await told_rows.tell_again(connection, batch.reporter, TABLES, [template]) > 0
    if batch.scope == batch.reporter:
        return await told_rows.tell_again(connection, batch.reporter, ["T1"], [batch.reporter]) > 0
    return await told_rows.tell_enterprise_again(connection, batch.reporter, batch.scope) > 0
