"""How one reporter stands, in one piece: what `idnode status` shows of reporting."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from sync.status import HaltedStream, ReporterStatus, reporter_status
from tests.support import eventually
from tests.sync_reporting import REPORTER, Source, reporting, reporting_settings, top_node

SCOPE = f"{REPORTER}.8"


async def status_of(dsn: str, *, now: datetime | None = None, halted_max: int = 5) -> ReporterStatus:
    connection = await asyncpg.connect(dsn)
    try:
        return await reporter_status(connection, REPORTER, now or datetime.now(UTC), halted_max)
    finally:
        await connection.close()


async def test_before_the_first_report_nothing_waits(registry_database: str) -> None:
    async with Source(registry_database):
        assert await status_of(registry_database) == ReporterStatus(REPORTER, None, 0, None, None, 0, 0, [])


async def test_what_no_process_has_read_yet_is_shown_with_its_age(registry_database: str) -> None:
    async with Source(registry_database) as source:
        await source.write(("create", f"{SCOPE}/A", ""))
        status = await status_of(registry_database, now=datetime.now(UTC) + timedelta(hours=1))
    assert status.oldest_unread is not None
    assert status.oldest_unread.age_s == pytest.approx(3_600, abs=60)
    assert status.oldest_unacknowledged is None


async def test_acknowledged_waiting_and_halted_are_told_apart(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        async with reporting(reporting_settings(registry_database, collector.url)):
            await source.template()
            await source.write(("create", f"{SCOPE}/A", ""))
            await eventually(source.all_acknowledged)
            acknowledged = await status_of(registry_database)
            await source.fetch("UPDATE report_streams SET halted_reason = 'for a test'")
            await source.write(("create", f"{SCOPE}/B", ""), ("create", f"{SCOPE}/C", ""))
            await eventually(source.all_queued)
        now = datetime.now(UTC) + timedelta(hours=1)
        halted = await status_of(registry_database, now=now)
        unnamed = await status_of(registry_database, now=now, halted_max=0)
    assert acknowledged.acknowledged_at is not None
    assert (acknowledged.queue_rows, acknowledged.oldest_unacknowledged, acknowledged.halted) == (0, None, [])
    assert acknowledged.oldest_unread is None
    assert halted.acknowledged_at == acknowledged.acknowledged_at
    oldest = halted.oldest_unacknowledged
    assert oldest is not None
    assert (oldest.table, oldest.scope, oldest.row) == ("T9", SCOPE, 2)
    assert oldest.age_s == pytest.approx(3_600, abs=60)
    assert (halted.queue_rows, halted.halted_streams) == (2, 1)
    assert halted.halted == [HaltedStream("T9", SCOPE, "for a test")]
    assert (unnamed.halted_streams, unnamed.halted) == (1, [])


async def test_another_reporter_s_streams_are_not_counted(registry_database: str) -> None:
    async with Source(registry_database) as source:
        await source.fetch(
            "INSERT INTO report_streams (reporter, table_id, scope, halted_reason) "
            "VALUES ('88.119', 'T9', '88.119', 'of another')"
        )
        assert (await status_of(registry_database)).halted_streams == 0
