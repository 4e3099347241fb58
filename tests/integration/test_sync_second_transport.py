"""A second way to report, for the tables that the collector does not take by the first."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sync.access_points import AccessPoint
from sync.batch import Batch, Limits, Pending, Receipt, Rejection, StreamState, Unknown, Untold
from sync.collecting.header import TABLES
from sync.digests import DigestAnswer, KeyRange
from sync.directives.shapes import Directive, Outcome
from sync.settings import Upstream
from sync.transport import ErrorKind, TransportError
from sync.transports.second import ASK_AGAIN, WithSecond
from tests.support import eventually
from tests.sync_reporting import REPORTER, Source, reporting, reporting_settings, top_node

SCOPE = "88.118.8"


class Way:
    """A transport that takes some tables, notes what it is asked, and fails when told to."""

    def __init__(self, name: str, *tables: str, max_rows: int = 10) -> None:
        self.name = name
        self.tables = tables
        self.max_rows = max_rows
        self.fails: ErrorKind | None = None
        self.asked: list[str] = []
        self.holds: set[UUID] = set()

    def supports(self, table: str) -> bool:
        return table in self.tables

    async def limits(self) -> Limits:
        self._ask("limits")
        return Limits(max_rows=self.max_rows)

    async def submit(self, batch: Batch) -> Receipt | Pending:
        self._ask(f"submit {batch.table}")
        self.holds.add(batch.batch_id)
        return Pending(1.0)

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        self._ask("receipt")
        return Pending(1.0) if batch_id in self.holds else Unknown()

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        self._ask(f"rejections {batch_id in self.holds} {after_n}")
        return ()

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown | Untold:
        self._ask(f"last_sequence {table} {scope}")
        return Untold()

    async def put_file(self, sha256: str, media_type: str, content: bytes) -> None:
        self._ask(f"put_file {sha256} {media_type} {content.decode()}")

    async def put_monthly_report(self, month: str, content: bytes) -> bytes:
        self._ask(f"monthly {month}")
        return content

    async def directives(self, after: str) -> tuple[Directive, ...]:
        self._ask(f"directives {after}")
        return ()

    async def acknowledge_directive(self, directive_id: str, outcome: Outcome) -> None:
        self._ask(f"acknowledge {directive_id} {outcome.result}")

    async def digests(self, table: str, scope: str, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        self._ask(f"digests {table} {scope} {keys} {depth} {rows}")
        raise TransportError("nobody to ask", kind="halt_stream")

    def access_points(self) -> Sequence[AccessPoint]:
        return ()

    async def aclose(self) -> None:
        self.asked.append("aclose")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.fails is not None:
            raise TransportError(f"{self.name} fails", kind=self.fails)


class Both:
    """T9 by the first way, T1 and T6 by the second, at a time set by hand."""

    def __init__(self) -> None:
        self.first, self.second = Way("one", "T9"), Way("two", "T1", "T6", "T9", max_rows=5)
        self.now = datetime(2031, 5, 6, tzinfo=UTC)
        self.way = WithSecond(self.first, self.second, lambda: self.now)

    def forget(self) -> None:
        self.first.asked.clear()
        self.second.asked.clear()


def batch(table: str) -> Batch:
    return Batch(
        batch_id=uuid4(), reporter=REPORTER, table=table, scope=SCOPE, sequence=1, row_count=1, rows_sha256="", body=b""
    )


async def test_each_table_goes_by_the_first_way_that_takes_it() -> None:
    both = Both()
    assert (await both.way.limits()).max_rows == 5
    assert [table for table in ("T1", "T6", "T7", "T9") if both.way.supports(table)] == ["T1", "T6", "T9"]
    both.forget()
    for table in ("T9", "T1"):
        sent = batch(table)
        await both.way.submit(sent)
        await both.way.receipt(sent.batch_id)
        await both.way.rejections(sent.batch_id, 7)
        await both.way.last_sequence(table, SCOPE)
    assert both.first.asked == ["submit T9", "receipt", "rejections True 7", f"last_sequence T9 {SCOPE}"]
    assert both.second.asked == ["submit T1", "receipt", "rejections True 7", f"last_sequence T1 {SCOPE}"]
    both.forget()
    await both.way.put_monthly_report("2031-04", b"")
    await both.way.directives("d1")
    await both.way.acknowledge_directive("d1", Outcome("done"))
    await both.way.put_file("00", "text/plain", b"x")
    assert both.first.asked == ["monthly 2031-04", "directives d1", "acknowledge d1 done", "put_file 00 text/plain x"]
    assert both.second.asked == ["put_file 00 text/plain x"], "rows of T1 refer to it there"
    await both.way.aclose()
    assert both.first.asked[-1] == both.second.asked[-1] == "aclose"


async def test_where_a_batch_went_is_found_again_after_a_restart() -> None:
    both = Both()
    await both.way.limits()
    sent = batch("T6")
    await both.way.submit(sent)
    again = WithSecond(both.first, both.second, lambda: both.now)
    assert isinstance(await again.receipt(sent.batch_id), Pending)
    await again.rejections(sent.batch_id, 0)
    assert both.second.asked[-1] == "rejections True 0"


async def test_what_is_wrong_with_the_second_way_holds_up_its_own_tables_only() -> None:
    both = Both()
    both.second.fails = "pause_link"
    assert (await both.way.limits()).max_rows == 10
    assert not both.way.supports("T6")
    await both.way.directives("")
    both.now += ASK_AGAIN - timedelta(seconds=1)
    await both.way.directives("")
    assert both.second.asked == ["limits"], "it is left alone for a while"
    both.second.fails = None
    both.now += timedelta(seconds=1)
    await both.way.directives("")
    assert both.way.supports("T6")
    both.second.fails = "pause_link"
    with pytest.raises(TransportError, match="two fails") as raised:
        await both.way.submit(batch("T6"))
    assert raised.value.kind == "retry", "the link itself goes on"
    assert not both.way.supports("T6")
    assert both.way.supports("T9")
    both.first.fails = "pause_link"
    with pytest.raises(TransportError) as raised:
        await both.way.submit(batch("T9"))
    assert raised.value.kind == "pause_link"


async def test_identifiers_go_as_files_to_a_collector_that_does_not_take_them_otherwise(
    registry_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.top_node.api.TABLES", {name: one for name, one in TABLES.items() if name != "T9"})
    monkeypatch.setattr("sync.transports.files.POLL_S", 0.1)
    monkeypatch.setattr("sync.top_node.report_files.LOOK_EVERY_S", 0.1)
    directory = tmp_path / "reports"
    directory.mkdir()
    async with Source(registry_database) as source, top_node(tmp_path, reports=directory) as collector:
        await source.template()
        await source.write(*(("create", f"{SCOPE}/{number}", f"n{number}") for number in range(120)))
        settings = reporting_settings(
            registry_database, collector.url, upstream=Upstream(second="file", directory=directory)
        )
        async with reporting(settings):
            await eventually(source.all_acknowledged)
        assert await collector.live() == source.live()
    assert [path.name for path in (directory / REPORTER / "batches").iterdir()] == ["T9"]
