"""Monthly reports from the tables: ready on the first day, sent on the third working day, revised when told to."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from node.cli import app
from sync import reminders
from sync.database import connected, transaction
from sync.monthly import store
from sync.monthly.making import make
from sync.monthly.task import MonthlyTask
from sync.monthly.working_days import WorkingDays
from sync.top_node.monthly import check_report
from sync.transport import TransportError
from tests.periods import Node, beijing, node_at

REPORTER = "88.118"


class Collector:
    """The part of a transport that takes monthly reports."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reports: list[dict[str, Any]] = []
        self.refuse: TransportError | None = None

    async def put_file(self, sha256: str, media_type: str, content: bytes) -> None:  # noqa: ARG002 - as transports have it
        self.files[sha256] = content

    async def put_monthly_report(self, month: str, content: bytes) -> bytes:
        if self.refuse is not None:
            raise self.refuse
        report = orjson.loads(content)
        check_report(report, REPORTER, month)
        assert {one["sha256"] for one in report["documents"]} <= set(self.files)
        self.reports.append(report)
        return orjson.dumps({"month": month, "revision": report["revision"], "received_at": "x", "in_time": True})


class Month:
    """A node that was live in April 2031, and its collector."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.collector = Collector()
        context = replace(node.context, transport=self.collector)  # type: ignore[arg-type]  # as much of one as is used
        self.task = MonthlyTask(context, WorkingDays())

    async def at(self, *moment: int) -> None:
        """Let the task look at a moment of Beijing time, with everything counted by then."""
        self.node.clock.now = beijing(*moment)
        await self.node.collected()
        await self.task.step()

    async def newest(self) -> store.Stored | None:
        async with connected(self.node.context.pool) as connection:
            return await store.newest(connection, REPORTER, "2031-04")


@pytest.fixture
async def month(registry_database: str) -> AsyncIterator[Month]:
    async with node_at(registry_database, beijing(2031, 4, 20, 12)) as node:
        live = beijing(2031, 4, 11)
        details = orjson.dumps({"org_name": "示例标识运营有限公司"}).decode()
        await node.execute(
            "INSERT INTO operator (node_prefix, details, updated_at) VALUES ($1, $2, $3)", REPORTER, details, live
        )
        await node.execute(
            "INSERT INTO prefix_allocation (node_prefix, first, last, updated_at) VALUES ($1, 1, 999, $2)",
            REPORTER,
            live,
        )
        await node.execute("INSERT INTO service_life (live_since) VALUES ($1)", live)
        outages = [("registration", 0, 60), ("resolution", 30, 90), ("unmeasured", 3600, 3630)]
        for at, (service, begin, end) in enumerate(outages):
            start = beijing(2031, 4, 15)
            await node.execute(
                "INSERT INTO outages VALUES ($1, $2, $3, $4)",
                f"out_{at}",
                service,
                start + timedelta(seconds=begin),
                start + timedelta(seconds=end),
            )
        for day, prefix, count, sum_us in (
            (12, "88.118.8", 10, 2_000),
            (13, "88.118.9", 30, 9_000),
            (13, "88.119.1", 7, 9**9),
        ):
            moment = datetime(2031, 4, day, tzinfo=UTC)
            await node.execute(
                "INSERT INTO lookup_latency VALUES ($1, $2, $3, $4, 1, $5, 900, $5)",
                moment.date(),
                prefix,
                count,
                sum_us,
                moment,
            )
            await node.execute(
                "INSERT INTO lookup_counts VALUES ($1, $2, '192.0.2.1', 'found', $3)", moment.date(), prefix, count
            )
        await node.execute(
            "INSERT INTO registration_latency VALUES ('2031-04-12', $1, true, 5, 4, 10000, 1, $2, 9000, $2)",
            REPORTER,
            live,
        )
        await node.execute("INSERT INTO registration_effective VALUES ('2031-04-12', 4, 7200000000, 3600000000)")
        await node.execute("INSERT INTO registration_effective_buckets VALUES ('2031-04-12', 240, 4)")
        yield Month(node)


async def test_the_report_is_ready_on_the_first_day_and_goes_on_the_third_working_day(month: Month) -> None:
    await month.at(2031, 5, 1, 0, 30)
    assert await month.newest() is None
    await month.at(2031, 5, 1, 1, 5)
    made = await month.newest()
    assert made is not None
    assert (made.revision, made.sent_at) == (0, None)
    await month.at(2031, 5, 5, 8, 59)
    assert month.collector.reports == []
    await month.at(2031, 5, 5, 9, 0)
    await month.at(2031, 5, 5, 9, 5)
    [report] = month.collector.reports
    sent = await month.newest()
    assert sent is not None
    assert sent.answer is not None
    assert sent.answer["in_time"] is True
    [(_, document)] = month.collector.files.items()
    assert document.startswith(b"%PDF-")
    async with connected(month.node.context.pool) as connection:
        kept = await store.documents(connection, REPORTER, "2031-04", 0)
    assert [one.name for one in kept] == ["88.118-2031-04.docx", "88.118-2031-04.html", "88.118-2031-04.pdf"]
    # 20 days live, 90 s without a service and 30 s without any probe.
    seconds = 20 * 86_400
    assert report["sla_percent"] == (seconds - 120) * 100_000 // seconds / 1000 == 99.993
    assert report["running_hours_history"] == [{"month": "2031-04", "hours": 479.9}]
    assert report["resolution_rtt_ms"] == 0.275
    assert report["registration_rtt_ms"] == 2.5
    assert report["registration_effective_hours"] == 0.5
    requests = {one.day: one.requests for one in sent.figures.days}
    assert {day: count for day, count in requests.items() if count} == {date(2031, 4, 12): 10, date(2031, 4, 13): 30}
    assert len(requests) == 30


async def test_what_came_late_goes_into_the_report_and_after_it_into_the_next_revision(
    month: Month, registry_database: str
) -> None:
    await month.at(2031, 5, 1, 1, 5)
    run = CliRunner().invoke
    import asyncio  # noqa: PLC0415 - a command has an event loop of its own

    async def command(*arguments: str) -> str:
        result = await asyncio.to_thread(run, app, ["sync", *arguments, "--database", registry_database])
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    entered = await command(
        "note",
        "maintenance",
        "数据库升级",
        "--began",
        "2031-04-13T02:00:00+08:00",
        "--ended",
        "2031-04-13T02:02:35+08:00",
    )
    await month.at(2031, 5, 5, 9, 0)
    [first] = month.collector.reports
    assert first["maintenance"] == [
        {"started_at": "2031-04-12T18:00:00Z", "ended_at": "2031-04-12T18:02:35Z", "description": "数据库升级"}
    ]
    await command("note", "withdraw", entered)
    await command("note", "emergency", "上联光缆中断", "--began", "2031-04-20T09:00:00+08:00", "--remedy", "切换")
    await month.at(2031, 5, 6, 9, 0)
    assert len(month.collector.reports) == 1
    async with transaction(month.node.context.pool) as connection:
        revised = await make(connection, REPORTER, "2031-04", month.node.clock.now, revise=True)
    assert (revised.revision, revised.report["maintenance"]) == (1, [])
    [listed] = json.loads(await command("report", "--json"))
    assert (listed["month"], listed["revision"], listed["sent_at"]) == ("2031-04", 1, None)
    await month.at(2031, 5, 6, 10, 0)
    assert [one["revision"] for one in month.collector.reports] == [0, 1]
    assert month.collector.reports[1]["emergencies"][0]["remedy"] == "切换"


async def test_a_refusal_is_kept_shown_and_tried_again(month: Month) -> None:
    month.collector.refuse = TransportError("revision 3 is held already", kind="halt_stream", code="stale")
    await month.at(2031, 5, 5, 9, 0)
    refused = await month.newest()
    assert refused is not None
    assert refused.last_error == "stale: revision 3 is held already"
    async with connected(month.node.context.pool) as connection:
        found = await reminders.find(connection, REPORTER, month.node.clock.now)
    assert [one.what for one in found] == ["monthly report"]
    month.collector.refuse = None
    await month.at(2031, 5, 5, 9, 10)
    assert len(month.collector.reports) == 1


async def test_without_availability_there_is_no_report(month: Month, registry_database: str) -> None:
    await month.node.execute("DELETE FROM service_life")
    await month.at(2031, 5, 5, 9, 0)
    assert await month.newest() is None
    import asyncio  # noqa: PLC0415 - a command has an event loop of its own

    arguments = ["sync", "report", "--month", "2020-04", "--database", registry_database]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == 1
    assert "availability was not measured" in result.output


@pytest.mark.parametrize(("left", "said"), [(181, None), (180, "180 days"), (30, "30 days"), (-1, "ended on")])
async def test_the_end_of_the_agreement_is_reminded_of(month: Month, left: int, said: str | None) -> None:
    day = date(2031, 5, 1)
    month.node.clock.now = beijing(2031, 5, 1, 12)
    await month.node.execute(
        "INSERT INTO docking_agreement (signed_on, expires_on) VALUES ('2028-01-01', $1)", day + timedelta(days=left)
    )
    async with connected(month.node.context.pool) as connection:
        found = await reminders.find(connection, REPORTER, month.node.clock.now)
    assert [one.what for one in found] == ([] if said is None else ["agreement"])
    assert all(said in one.detail for one in found if said)
