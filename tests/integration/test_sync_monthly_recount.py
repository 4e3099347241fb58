"""The monthly report against a recount: of access logs, of the seconds without a service, and of every document."""

import base64
import io
import re
import zipfile
import zlib
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import orjson

from identifiers.changes import KIND_IDENTIFIER, Change
from node.collector import Collector
from registry.registration_samples import RegistrationSamples
from registry.tables import node_events, service_notes
from registry.tables.node_events import Outage
from registry.tables.service_notes import Note
from resolver.counting import Tallies
from resolver.effective import EffectiveTimes
from resolver.spool import Spool
from sync.calendar_time import beijing_day, instant
from sync.database import connected, transaction
from sync.monthly import store
from sync.monthly.figures import Figures, months_until
from sync.monthly.making import make
from sync.monthly.plots import plots_of
from tests.periods import Node, beijing, node_at
from tests.sync_reporting import REPORTER

MONTH = "2031-04"
START, END = beijing(2031, 4, 1), beijing(2031, 5, 1)
LIVE = beijing(2031, 2, 10, 7, 30)
MONTH_S = int((END - START).total_seconds())


def day_of(at_s: float) -> date:
    """Return the Beijing day of a moment."""
    return beijing_day(datetime.fromtimestamp(at_s, START.tzinfo))


class Log:
    """A month's access log and what followed of it, with entries outside of the month and of other nodes."""

    def __init__(self, random: Random) -> None:
        def at() -> float:
            return START.timestamp() + random.randrange(-86_400_000, (MONTH_S + 86_400) * 1_000) / 1_000

        prefixes = (f"{REPORTER}.8", f"{REPORTER}.9", "88.119.1")
        self.lookups = sorted((at(), random.choice(prefixes), random.randrange(3, 9_000)) for _ in range(600))
        self.requests = sorted((at(), random.choice(prefixes), random.randrange(900, 90_000)) for _ in range(200))
        self.visible = sorted((at(), random.randrange(1_000, 90_000_000)) for _ in range(150))
        self.outages = [
            (
                service,
                int(random.choice((LIVE, START)).timestamp()) + random.randrange(MONTH_S),
                random.randrange(1, 5_000),
            )
            for service in ("registration", "resolution", "unmeasured") * 8
        ]

    async def measure(self, node: Node, directory: Path) -> None:
        """Let the node's processes count what happened."""
        lookups, registrations, effective = Tallies(), RegistrationSamples(), EffectiveTimes()
        for at, prefix, us in self.lookups:
            lookups.record(prefix, "192.0.2.1", "found", "lookup", int(at), us)
        for at, prefix, us in self.requests:
            registrations.record({prefix: 1}, at + us / 1_000_000, us)
        for at, us in self.visible:
            committed = datetime.fromtimestamp(at, START.tzinfo)
            change = Change(1, 1, committed, KIND_IDENTIFIER, "hdl:88.118.8/X", "create", b"{}")
            effective.seen([change], (committed + timedelta(microseconds=us)).timestamp())
        spools = (
            Spool(directory, lookups, "worker-0", clock=END.timestamp),
            Spool(directory, registrations, "registry", section="registrations", clock=END.timestamp),
            Spool(directory, effective, "follower", section="effective", clock=END.timestamp),
        )
        for spool in spools:
            await spool.close()
        await Collector(directory, node.context.pool, clock=lambda: node.clock.now).collect()
        async with transaction(node.context.pool) as connection:
            await node_events.go_live(connection, LIVE)
            for number, (service, began, lasted) in enumerate(self.outages):
                start = datetime.fromtimestamp(began, START.tzinfo)
                outage = Outage(f"out_{number}", service, start, start + timedelta(seconds=lasted))  # type: ignore[arg-type]  # one of them
                await node_events.put_outage(connection, outage)

    def availability(self) -> list[dict[str, Any]]:
        """Return month by month what was without a service, second by second."""
        failed = {at for _, began, lasted in self.outages for at in range(began, began + lasted)}
        found = []
        for month in months_until(MONTH):
            begin = datetime.fromisoformat(f"{month}-01T00:00:00+08:00")
            first = max(begin, LIVE)
            last = (begin + timedelta(days=31)).replace(day=1)
            if first < last:
                total = int((last - first).total_seconds())
                well = total - sum(first.timestamp() <= at < last.timestamp() for at in failed)
                found.append(
                    {"month": month, "percent": well * 100_000 // total / 1000, "hours": well * 10 // 3600 / 10}
                )
        return found

    @staticmethod
    def within(entries: list[Any]) -> list[Any]:
        """Return the entries of the month."""
        return [one for one in entries if START.timestamp() <= one[0] < END.timestamp()]

    def mean_ms(self, entries: list[tuple[float, str, int]], day: date | None = None) -> float | None:
        """Return the mean duration below the node's prefix, of the month or of a day."""
        mine = [
            us
            for at, prefix, us in self.within(entries)
            if prefix.startswith(f"{REPORTER}.")
            and day in (None, beijing_day(datetime.fromtimestamp(at, START.tzinfo)))
        ]
        return round(sum(mine) / len(mine) / 1000, 3) if mine else None


async def the_report(dsn: str, directory: Path, log: Log, notes: list[Note]) -> tuple[store.Stored, dict[str, bytes]]:
    """Measure the month, and return its report with the documents."""
    async with node_at(dsn, END + timedelta(hours=2)) as node:
        details = orjson.dumps({"org_name": "示例标识运营有限公司"}).decode()
        await node.execute(
            "INSERT INTO operator (node_prefix, details, updated_at) VALUES ($1, $2, $3)", REPORTER, details, LIVE
        )
        await log.measure(node, directory)
        async with transaction(node.context.pool) as connection:
            for note in notes:
                await service_notes.put(connection, note)
            made = await make(connection, REPORTER, MONTH, node.clock.now)
        async with connected(node.context.pool) as connection:
            documents = await store.documents(connection, REPORTER, MONTH, 0)
    return made, {one.name.rpartition(".")[2]: one.content for one in documents}


async def test_every_figure_of_the_report_and_its_documents_equals_a_recount(
    registry_database: str, tmp_path: Path
) -> None:
    log = Log(Random(5))
    began = beijing(2031, 4, 12, 2)
    notes = [
        Note("not_1", "maintenance", began, began + timedelta(seconds=155), "数据库升级", None, "operator", END),
        Note("not_2", "emergency", began + timedelta(days=3), None, "上联光缆中断", "切换备用链路", "operator", END),
        Note("not_3", "maintenance", END, END, "下月", None, "operator", END),
    ]
    made, documents = await the_report(registry_database, tmp_path, log, notes)
    report, months = made.report, log.availability()
    assert [one["month"] for one in months] == ["2031-02", "2031-03", "2031-04"]
    times = [us for _, us in log.within(log.visible)]
    expected = {
        "month": MONTH,
        "node_prefix": REPORTER,
        "operator_name": "示例标识运营有限公司",
        "sla_percent": months[-1]["percent"],
        "sla_history": [{"month": one["month"], "percent": one["percent"]} for one in months],
        "sla_average": sum(round(one["percent"] * 1000) for one in months) // len(months) / 1000,
        "running_hours_history": [{"month": one["month"], "hours": one["hours"]} for one in months],
        "running_hours_average": sum(round(one["hours"] * 10) for one in months) // len(months) / 10,
        "resolution_rtt_ms": log.mean_ms(log.lookups),
        "registration_rtt_ms": log.mean_ms(log.requests),
        "maintenance": [
            {
                "started_at": instant(began),
                "ended_at": instant(began + timedelta(seconds=155)),
                "description": "数据库升级",
            }
        ],
        "emergencies": [
            {"started_at": instant(began + timedelta(days=3)), "cause": "上联光缆中断", "remedy": "切换备用链路"}
        ],
        "revision": 0,
    }
    assert {name: report[name] for name in expected} == expected
    # The clock's floats hold a microsecond, not always its end.
    assert abs(report["registration_effective_hours"] - sum(times) / len(times) / 3.6e9) <= 0.0001
    exact = sorted(times)[-(-99 * len(times) // 100) - 1] / 1e6
    assert exact <= report["x_p99_seconds"] <= exact * 1.1
    check_plots(made.figures, log, months)
    hours = f"{report['registration_effective_hours']:.4f}"
    figures = [
        *(f"{one['percent']:.3f}" for one in months),
        *(f"{one['hours']:.1f}" for one in months),
        f"{report['sla_average']:.3f}",
        f"{report['running_hours_average']:.1f}",
        f"{report['resolution_rtt_ms']:.3f}",
        f"{report['registration_rtt_ms']:.3f}",
        hours,
        "2031-04-12 02:00:00",
        "2031-04-12 02:02:35",
        "数据库升级",
        "切换备用链路",
    ]
    for form, text in (
        ("pdf", text_of_pdf(documents["pdf"])),
        ("docx", text_of_docx(documents["docx"])),
        ("html", documents["html"].decode()),
    ):
        assert [said for said in figures if said not in text] == [], form
        assert "下月" not in text, form


def check_plots(figures: Figures, log: Log, months: list[dict[str, Any]]) -> None:
    """Check that what is drawn is what was counted, day by day and month by month."""
    days = [START.date() + timedelta(days=1 + number) for number in range(30)]
    requests = Counter(day_of(at) for at, prefix, _ in log.within(log.lookups) if prefix.startswith(f"{REPORTER}."))
    sla, rtt, asked = plots_of(figures)
    assert list(sla.series[0].values) == [one["percent"] for one in months]
    assert list(sla.labels) == [one["month"] for one in months]
    assert list(rtt.labels) == [str(day.day) for day in days]
    assert list(rtt.series[0].values) == [log.mean_ms(log.lookups, day) for day in days]
    assert list(rtt.series[1].values) == [log.mean_ms(log.requests, day) for day in days]
    assert list(asked.series[0].values) == [requests[day] for day in days]


def text_of_docx(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        return "".join(ET.fromstring(parts.read("word/document.xml")).itertext())  # noqa: S314 - our own


def text_of_pdf(content: bytes) -> str:
    """Return the strings that a PDF shows, which it writes in UTF-16 for Chinese fonts."""
    shown = []
    for packed in re.findall(rb"stream\r?\n(.*?)~>\s*endstream", content, re.DOTALL):
        page = zlib.decompress(base64.a85decode(packed))
        shown += re.findall(rb"\(((?:\\.|[^\\()])*)\) Tj", page, re.DOTALL)
    return "".join(_unescaped(one).decode("utf-16-be", "replace") for one in shown)


def _unescaped(written: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        said = match[1]
        named = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
        return bytes([int(said, 8)]) if said.isdigit() else named.get(said, said)

    return re.sub(rb"\\([0-7]{1,3}|.)", one, written, flags=re.DOTALL)
