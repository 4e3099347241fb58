"""A rehearsal against the strict simulator keeps every clause; a careless collector is told which it breaks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from node.cli import app
from sync.rehearsal.clause import Result
from sync.rehearsal.run import CLAUSES, own_collector, reporting_to, try_clauses
from tests.support import free_port
from tests.sync_reporting import Handler, top_node

PREFIX = "88.999"


def silent(_: Result) -> None:
    """Say nothing."""


def outcomes(results: list[Result], outcome: str) -> list[str]:
    return [f"{one.clause} {one.title}: {one.detail}" for one in results if one.outcome == outcome]


async def test_the_strict_simulator_keeps_every_clause_also_the_second_time() -> None:
    async with own_collector(PREFIX) as (url, key):
        for _ in range(2):
            async with reporting_to(url, PREFIX, key=key) as reporter:
                results = await try_clauses(reporter, silent)
            assert outcomes(results, "fail") == outcomes(results, "skipped") == []
    assert len(results) == len(CLAUSES) > 60


@web.middleware
async def forgets_order(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what was refused for its sequence as if it had been unavailable."""
    answer = await handler(request)
    return web.json_response({}, status=503) if answer.status == 409 else answer


@web.middleware
async def forgets_receipts(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each answer to a batch another receipt id."""
    answer = await handler(request)
    if request.method == "PUT" and isinstance(answer, web.Response) and answer.status == 200:
        assert isinstance(answer.body, bytes)
        receipt = json.loads(answer.body)
        if "receipt_id" in receipt:
            return web.json_response(receipt | {"receipt_id": str(id(request))})
    return answer


@pytest.mark.parametrize(
    ("careless", "broken"),
    [
        (forgets_order, "a sequence that is not the next one"),
        (forgets_order, "a batch id used for other content"),
        (forgets_receipts, "told again gives the same receipt"),
    ],
)
async def test_a_careless_collector_is_told_by_the_clause_it_breaks(careless: Any, broken: str, tmp_path: Path) -> None:
    async with top_node(tmp_path, before=careless) as collector, reporting_to(collector.url, PREFIX) as reporter:
        clauses = tuple(one for one in CLAUSES if one.number in ("9.2", "9.3", "9.7"))
        failed = outcomes(await try_clauses(reporter, silent, clauses), "fail")
    assert any(broken in one for one in failed), failed


async def test_a_collector_that_judges_no_rows_breaks_the_clauses_about_them(tmp_path: Path) -> None:
    async with top_node(tmp_path, "reject=1") as collector, reporting_to(collector.url, PREFIX) as reporter:
        results = await try_clauses(reporter, silent)
    failed = outcomes(results, "fail")
    assert any("T9: an identifier is taken" in one for one in failed)
    assert any(one.startswith("9.11") for one in outcomes(results, "skipped"))


def test_the_command_prints_the_table_and_ends_with_a_code() -> None:
    done = CliRunner().invoke(app, ["sync", "rehearse"])
    assert done.exit_code == 0, done.output
    assert f"{len(CLAUSES)} of {len(CLAUSES)} clauses are kept" in done.stdout
    url = f"http://127.0.0.1:{free_port()}"
    away = CliRunner().invoke(app, ["sync", "rehearse", "--url", url, "--json"])
    assert away.exit_code == 1
    assert {one["outcome"] for one in json.loads(away.stdout)} == {"fail", "skipped"}
    for wrong in (["--reporter", "here"], ["--key-id", f"{PREFIX}#1"]):
        assert CliRunner().invoke(app, ["sync", "rehearse", *wrong]).exit_code == 2


async def test_the_collectors_own_page_shows_what_came(tmp_path: Path) -> None:
    async with top_node(tmp_path) as collector, reporting_to(collector.url, PREFIX) as reporter:
        await try_clauses(reporter, silent)
        pages = await asyncio.gather(
            *(_text(reporter.session, collector.url + path) for path in ("/", "/desk", "/tables/T6", "/tables/E2"))
        )
    overview, desk, enterprises, events = pages
    assert "period_closed" in overview
    assert "event" in overview
    assert "send_full" in desk
    assert "示例机械有限公司" in enterprises
    assert "abnormal" in events
    assert all("http://" not in page and "https://" not in page.replace("https://example.com", "") for page in pages)


async def _text(session: Any, url: str) -> str:
    async with session.get(url) as answer:
        assert answer.status == 200
        return str(await answer.text())
