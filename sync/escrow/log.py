"""The table `escrow_record_log`: one row a run (docking contract 7.2 and 7.4)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from identifiers.changes import Cursor
from registry import journal
from sync.database import Connection
from sync.escrow.reading import Base
from sync.escrow.shape import Kind, Package

REMARK_CHARACTERS_MAX: Final = 255
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('escrow', 0))"
_BEGIN: Final = """
INSERT INTO escrow_record_log (prefix, data_type, start_time) VALUES ($1, $2, $3) RETURNING id"""
_BEGIN_AGAIN: Final = """
INSERT INTO escrow_record_log (prefix, watermark, rev, data_type, start_time, deposit_id, cursor_token)
SELECT prefix, watermark, rev, data_type, $2, deposit_id, cursor_token FROM escrow_record_log WHERE id = $1
RETURNING id"""
_TAKEN: Final = """
UPDATE escrow_record_log SET watermark = $2, deposit_id = $3, cursor_token = $4, data_type = $5 WHERE id = $1"""
_END: Final = """
UPDATE escrow_record_log SET end_time = $2, status = $3, remark = $4, bytes = $5, files = $6, verdict = $7
WHERE id = $1"""
_LAST: Final = "SELECT * FROM escrow_record_log WHERE prefix = $1 ORDER BY id DESC LIMIT 1"
_LAST_SUCCESS: Final = """
SELECT watermark FROM escrow_record_log WHERE prefix = $1 AND status = 'SUCCESS' ORDER BY id DESC LIMIT 1"""
_NEWEST: Final = "SELECT * FROM escrow_record_log ORDER BY id DESC LIMIT $1"
_JUDGE: Final = """
UPDATE escrow_record_log SET verdict = $2, verdict_at = now(), verdict_text = $3
WHERE deposit_id = $1 AND status = 'SUCCESS'"""
# A take-over that has ended asks for a FULL deposit, and so does a rejected one that a DIFF would stand upon.
_FULL_WANTED: Final = """
SELECT EXISTS (
    SELECT FROM takeovers WHERE ended_at > $2
) OR EXISTS (
    SELECT FROM escrow_record_log WHERE prefix = $1 AND verdict = 'rejected' AND id >= (
        SELECT max(id) FROM escrow_record_log WHERE prefix = $1 AND data_type = 'FULL' AND status = 'SUCCESS')
)"""
_ID_TAKEN: Final = "SELECT EXISTS (SELECT FROM escrow_record_log WHERE deposit_id = $1)"


class Run(NamedTuple):
    """The last run for a prefix."""

    id: int
    kind: Kind
    status: str | None
    deposit_id: str | None
    base: Base | None
    epoch: str
    started_at: datetime


async def alone(connection: Connection) -> bool:
    """Take the lock that lets one deposit be made at a time, for as long as the connection lasts."""
    return bool(await connection.fetchval(_LOCK))


async def begin(connection: Connection, prefix: str, kind: Kind, now: datetime) -> int:
    """Note that a run has begun."""
    return int(await connection.fetchval(_BEGIN, prefix, kind, now))


async def begin_again(connection: Connection, run: Run, now: datetime) -> int:
    """Note that a run goes on with the files of an earlier one."""
    return int(await connection.fetchval(_BEGIN_AGAIN, run.id, now))


async def taken(
    connection: Connection, run: int, kind: Kind, watermark: datetime, deposit_id: str, cursor: Cursor, epoch: str
) -> None:
    """Note the snapshot of a run."""
    token = f"{cursor.xid}:{cursor.seq}:{epoch}"
    await connection.execute(_TAKEN, run, watermark, deposit_id, token, kind)


async def end(connection: Connection, run: int, now: datetime, package: Package | None, fault: str = "") -> None:
    """Note how a run ended: handed in, or why not."""
    octets = package.octets if package else None
    files = len(package.files) if package else None
    status, verdict = ("FAIL", None) if fault else ("SUCCESS", "pending")
    remark = fault.replace("\x00", "")[:REMARK_CHARACTERS_MAX]
    await connection.execute(_END, run, now, status, remark, octets, files, verdict)


async def last(connection: Connection, prefix: str) -> Run | None:
    """Return the last run for a prefix."""
    row = await connection.fetchrow(_LAST, prefix)
    if row is None:
        return None
    base, epoch = None, ""
    if row["cursor_token"] is not None:
        xid, seq, epoch = row["cursor_token"].split(":", 2)
        base = Base(row["deposit_id"], row["watermark"], Cursor(int(xid), int(seq)))
    return Run(row["id"], row["data_type"], row["status"], row["deposit_id"], base, epoch, row["start_time"])


async def last_success(connection: Connection, prefix: str) -> datetime | None:
    """Return the watermark of the last deposit that was handed in."""
    found: datetime | None = await connection.fetchval(_LAST_SUCCESS, prefix)
    return found


async def newest(connection: Connection, limit: int) -> Sequence[dict[str, Any]]:
    """Return the newest runs."""
    return [dict(row) for row in await connection.fetch(_NEWEST, limit)]


async def new_id(connection: Connection, prefix: str, watermark: datetime) -> str:
    """Return the id of a deposit: to the minute, finer where another one of that minute has it."""
    for form in ("%Y%m%dT%H%MZ", "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S%fZ"):
        found = f"{watermark.strftime(form)}-{prefix}-0"
        if not await connection.fetchval(_ID_TAKEN, found):
            break
    return found


async def judge(connection: Connection, deposit_id: str, verdict: str, text: str) -> bool:
    """Note what the platform says of a deposit, accepted or rejected; False if none of this id was handed in here."""
    done = await connection.execute(_JUDGE, deposit_id, verdict, text.replace("\x00", ""))
    return bool(done != "UPDATE 0")


async def can_go_on(connection: Connection, prefix: str, base: Base, epoch: str) -> bool:
    """Whether a DIFF may follow: the journal still tells of everything since, and nothing asks for a FULL deposit."""
    if epoch != await journal.epoch(connection) or base.cursor < await journal.oldest(connection):
        return False
    return not await connection.fetchval(_FULL_WANTED, prefix, base.watermark)
