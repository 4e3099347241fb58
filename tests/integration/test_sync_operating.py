"""What operators see and do about reports: dead letters, resends, pauses, the link, keys, and the console's API."""

import asyncio
import gzip
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from identifiers.signing_keys import ALGORITHMS, generate
from node.cli import app
from registry.database import open_pool
from sync import held_here, key_files, service, standing
from sync.batch import Limits, Period
from sync.database import transaction
from sync.link import Link
from sync.outbox import comparisons, links
from sync.outbox.enqueue import enqueue
from sync.rehearsal.rows import DAY, statistics
from sync.settings import Upstream
from sync.state_rows import told
from sync.top_node.api import TopNode
from sync.top_node.faults import FaultSource, parse_faults
from sync.top_node.store import Store
from tests.registry_api import running_api
from tests.support import eventually, free_port
from tests.sync_reporting import REPORTER, Source, given_context, reporting, reporting_settings, top_node

SCOPE = "88.118.8"


async def typed(dsn: str, *arguments: str) -> tuple[Result, Any]:
    """Run a command of `idnode sync` with JSON answers where it has them."""
    found = await asyncio.to_thread(CliRunner().invoke, app, ["sync", *arguments, "--database", dsn])
    return found, json.loads(found.stdout) if found.stdout.startswith(("[", "{")) else None


async def test_a_row_refused_for_good_is_a_dead_letter_until_it_is_sent_again_or_closed(
    registry_database: str, tmp_path: Path
) -> None:
    refused = {"88.118.8/A", "88.118.8/B"}

    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        if request.method != "PUT" or not refused or response.status != 200:
            return response
        receipt = json.loads(response.body)
        if receipt["table"] != "T9":
            return response
        receipt |= {"status": "rejected", "rows_accepted": 0, "rows_rejected": 2}
        receipt["rejections"] = [
            {"n": n, "key": key, "code": "duplicate", "field": None, "message": "held by another owner"}
            for n, key in enumerate(sorted(refused), start=1)
        ]
        return web.json_response(receipt)

    async with Source(registry_database) as source, top_node(tmp_path, before=refuse) as collector:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"), ("create", f"{SCOPE}/B", "b"))
        async with reporting(reporting_settings(registry_database, collector.url)):
            await eventually(source.open_rows)
            listed, letters = await typed(registry_database, "dead-letters", "--json")
            assert listed.exit_code == 1
            told = [(one["what"], one["key"], one["code"], one["reason"]) for one in letters]
            assert told == [("row", key, "duplicate", "held by another owner") for key in sorted(refused)]
            assert "another owner" in letters[0]["remedy"]
            checked, findings = await typed(registry_database, "check", "--json")
            assert checked.exit_code == 1
            assert "rejected rows" in {one["what"] for one in findings}
            refused.clear()
            sent, outcome = await typed(registry_database, "resend", "T9", SCOPE, f"{SCOPE}/A", "--json")
            assert (sent.exit_code, outcome) == (0, [{"key": f"{SCOPE}/A", "outcome": "queued"}])
            await eventually(source.all_acknowledged)
            assert set(await source.open_rows()) == {f"{SCOPE}/B"}
            closed, _ = await typed(registry_database, "dismiss", "T9", SCOPE, f"{SCOPE}/B")
            again, _ = await typed(registry_database, "dismiss", "T9", SCOPE, f"{SCOPE}/B")
            empty, _ = await typed(registry_database, "dead-letters", "--json")
            missing, _ = await typed(registry_database, "resend", "T9", "88.118.99")
    assert (closed.exit_code, again.exit_code, empty.exit_code, missing.exit_code) == (0, 1, 0, 1)


@pytest.mark.slow
async def test_a_pause_holds_a_table_back_until_it_is_lifted(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        await source.template()
        async with reporting(reporting_settings(registry_database, collector.url)):
            wrong, _ = await typed(registry_database, "pause", "T99")
            await eventually(source.all_acknowledged)
            paused, _ = await typed(registry_database, "pause", "T9", "--reason", "a test")
            await source.write(("create", f"{SCOPE}/A", "a"))
            await eventually(source.all_queued)
            link = await eventually(lambda: _link(registry_database))
            assert [one["reason"] for one in link["pauses"]] == ["a test"]
            assert await collector.live() == {}
            lifted, _ = await typed(registry_database, "unpause")
            await eventually(source.all_acknowledged)
            none, _ = await typed(registry_database, "unpause")
    assert [one.exit_code for one in (wrong, paused, lifted, none)] == [2, 0, 0, 1]


async def test_a_table_the_collector_does_not_take_is_kept_and_shown(registry_database: str, tmp_path: Path) -> None:
    """By files, where the other side's people answer: first without T9, then with it."""
    place = tmp_path / "reports" / REPORTER
    place.mkdir(parents=True)
    others = {f"T{number}": [1] for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11)}
    (place / "capabilities.json").write_text(json.dumps({"tables": others}), encoding="utf-8")
    upstream = Upstream(transport="file", directory=tmp_path / "reports")
    settings = reporting_settings(registry_database, "", upstream=upstream)
    async with Source(registry_database) as source:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        async with reporting(settings):
            await eventually(source.all_queued)
        async with reporting(settings):
            link = await eventually(lambda: _link_without_route(registry_database))
            _, findings = await typed(registry_database, "check", "--json")
        assert (link["transport"], link["without_route"]) == ("file", ["T9"])
        assert "no route" in {one["what"] for one in findings}
        assert not (place / "batches" / "T9").exists()
        (place / "capabilities.json").unlink()
        async with reporting(settings):
            found = await eventually(lambda: list((place / "batches" / "T9" / SCOPE).glob("*.gz")))
        header, *_ = gzip.decompress(found[0].read_bytes()).splitlines()
        assert json.loads(header)["table"] == "T9"


async def _link_without_route(dsn: str) -> Any:
    link = await _link(dsn)
    return link if link and link["without_route"] else None


async def test_what_an_operator_wants_tried_is_tried_at_once(registry_database: str) -> None:
    async with Source(registry_database), given_context(registry_database) as context:
        link = Link(context, Limits())
        assert not await link.is_up()
        assert link.standing.next_probe_at is not None
        await standing.show(context, link, None)
        async with transaction(context.pool) as connection:
            await links.ask_retry(connection, context.reporter, context.now())
        requests = context.transport.access_points()[0].requests
        link.pause("for a test")
        await link.is_up()
        assert context.transport.access_points()[0].requests == requests
        await standing.show(context, link, None)
        await link.is_up()
        assert context.transport.access_points()[0].requests == requests + 1


async def _link(dsn: str) -> Any:
    _, links = await typed(dsn, "link", "--json")
    return links[0] if links else None


@pytest.mark.slow
async def test_a_collector_that_is_away_is_shown_and_tried_again_on_request(
    registry_database: str, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with Source(registry_database) as source:
        await source.template()
        async with reporting(reporting_settings(registry_database, url)):
            link = await eventually(lambda: _link(registry_database))
            shown, _ = await typed(registry_database, "link")
            checked, findings = await typed(registry_database, "check", "--json")
            tried, _ = await typed(registry_database, "retry")
            (asked,) = await source.fetch("SELECT retry_asked_at IS NOT NULL AS asked FROM report_links")
    assert (link["is_up"], shown.exit_code, checked.exit_code, tried.exit_code) == (False, 1, 1, 0)
    assert "link down" in {one["what"] for one in findings}
    assert asked["asked"]


async def test_a_stream_on_which_the_collector_is_ahead_goes_on_with_a_full_set(
    registry_database: str, tmp_path: Path
) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        settings = reporting_settings(registry_database, collector.url, directives_poll_s=0.05)
        async with reporting(settings):
            await eventually(source.all_acknowledged)
        # As after a restore: what was acknowledged is forgotten here.
        await source.fetch("DELETE FROM report_batches WHERE sequence > 0")
        await source.fetch("UPDATE report_streams SET acknowledged_sequence = 0, compared_at = '-infinity'")
        async with reporting(settings):
            halted = "SELECT 1 FROM report_streams WHERE table_id = 'T9' AND halted_reason IS NOT NULL"
            await eventually(lambda: source.fetch(halted))
            ordered, _ = await typed(registry_database, "send-full", "T9", SCOPE, "--start-over")
            assert ordered.exit_code == 0, ordered.output
            stream = "SELECT 1 FROM report_streams WHERE table_id = 'T9' AND acknowledged_sequence = 2"
            await eventually(lambda: source.fetch(stream))
            _, told = await typed(registry_database, "directives", "--json")
            assert [(one["kind"], one["result"]) for one in told] == [("start_over", "done")]
            # The registry's own table holds nothing in this test, and so the full set ends what the collector held.
            await eventually(lambda: _nothing_held(collector))


async def test_a_collector_that_lost_what_is_not_stored_any_more_is_told_anew_by_itself(
    registry_database: str, tmp_path: Path
) -> None:
    settings = reporting_settings(registry_database, "http://127.0.0.1:9", directives_poll_s=0.05)
    day = Period("day", "2024-05-05T16:00:00Z", "2024-05-06T16:00:00Z")
    async with Source(registry_database) as source:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        await source.fetch(
            "WITH s AS (INSERT INTO report_streams (reporter, table_id, scope) VALUES ($1, 'T1', $1) "
            "RETURNING stream_id) INSERT INTO report_rows (stream_id, key, object, ver, accepted_ver, covers) "
            "SELECT stream_id, $1, 'as if told', 1, 1, ARRAY[$1] FROM s",
            REPORTER,
        )
        await queue_rows(registry_database, "T3", day, [(f"88.118|{DAY}", statistics("88.118", DAY))])
        async with (
            top_node(tmp_path) as collector,
            reporting(msgspec.structs.replace(settings, upstream_url=collector.url)),
        ):
            await eventually(source.all_acknowledged)
        await source.fetch("UPDATE report_batches SET body = NULL")
        # Of facts there is no full set: what is told of later days goes on.
        next_day = Period("day", "2024-05-06T16:00:00Z", "2024-05-07T16:00:00Z")
        later = [("88.118|2024-05-07", statistics("88.118", "2024-05-07"))]
        await queue_rows(registry_database, "T3", next_day, later)
        (tmp_path / "restored").mkdir()
        async with (
            top_node(tmp_path / "restored") as collector,
            reporting(msgspec.structs.replace(settings, upstream_url=collector.url)),
        ):
            waiting = (
                "SELECT 1 FROM report_directives WHERE result IS NULL UNION ALL SELECT 1 FROM report_batches "
                "WHERE state <> 'acknowledged' UNION ALL SELECT 1 FROM report_streams WHERE halted_reason IS NOT NULL "
                "UNION ALL SELECT 1 WHERE (SELECT count(*) FROM report_directives) < 2"
            )

            async def is_done() -> bool:
                return not await source.fetch(waiting)

            await eventually(is_done)
            held = (await collector.get("/v1/streams"))["streams"]
            facts = (await collector.get("/control/rows/T3"))["rows"]
        orders = await source.fetch("SELECT kind, result FROM report_directives")
        modes = await source.fetch(
            "SELECT table_id, mode FROM report_batches JOIN report_streams USING (stream_id) ORDER BY table_id"
        )
    assert orders == [{"kind": "start_over", "result": "done"}] * 2
    assert [(one["table"], one["last_sequence"]) for one in held] == [("T3", 1), ("T9", 1)]
    assert [row["key"] for row in facts] == ["88.118|2024-05-07"]
    assert modes == [{"table_id": "T3", "mode": "delta"}, {"table_id": "T9", "mode": "full"}]


async def queue_rows(dsn: str, table: str, period: Period, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Queue rows of the node's own stream of a table."""
    async with given_context(dsn) as context, transaction(context.pool) as connection:
        made = [told(key, 1, datetime.now(UTC), msgspec.json.encode(data)) for key, data in rows]
        await enqueue(connection, context, table, "88.118", made, period=period)


async def _nothing_held(collector: Any) -> bool:
    return await collector.live() == {}


async def test_the_console_reads_the_same(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        async with running_api(registry_database, tmp_path) as api:
            async with reporting(reporting_settings(registry_database, collector.url)):
                await eventually(source.all_acknowledged)
                await eventually(lambda: source.fetch("SELECT 1 FROM report_access_points"))
            answers = {
                name: (await api.admin("GET", f"/api/v1/sync/{name}")).json
                for name in ("status", "streams", "batches", "open-rows", "directives")
            }
    assert answers["status"]["links"][0]["transport"] == "idn-report/1"
    assert [one["url"] for one in answers["status"]["access_points"]] == [collector.url]
    assert answers["status"]["read_only"] is None
    streams = {(one["table"], one["scope"]): one["acknowledged_sequence"] for one in answers["streams"]["items"]}
    assert streams["T9", SCOPE] == 1
    batch = next(one for one in answers["batches"]["items"] if one["table"] == "T9")
    assert (batch["state"], batch["status"], batch["sequence"], batch["is_signed"]) == (
        "acknowledged",
        "accepted",
        1,
        False,
    )
    assert (answers["open-rows"], answers["directives"]) == ({"items": []}, {"items": []})


async def test_where_nothing_is_reported_the_console_finds_empty_lists(registry_database: str, tmp_path: Path) -> None:
    async with running_api(registry_database, tmp_path) as api:
        status = await api.admin("GET", "/api/v1/sync/status")
        streams = await api.admin("GET", "/api/v1/sync/streams?limit=5")
    assert status.json == {"links": [], "access_points": [], "pauses": [], "read_only": None}
    assert streams.json == {"items": []}


async def test_taking_stock_of_a_stream_leaves_no_transaction_open(registry_database: str) -> None:
    await service.prepare(registry_database)
    pool = await open_pool(registry_database)
    wanted = comparisons.Wanted(1, "T9", SCOPE, 0, repair=False, asked=True)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    try:
        async with held_here.held_here(registry_database, wanted) as here, pool.acquire() as connection:
            assert await here.count() == 0
            assert await connection.fetchval(query) == 0
    finally:
        pool.terminate()


def test_a_new_key_is_for_its_owner_only_and_is_never_overwritten(tmp_path: Path) -> None:
    for algorithm in ALGORITHMS:
        file = tmp_path / f"{algorithm}.pem"
        arguments = [str(file), "--key-id", "88.118#2031a"]
        made = CliRunner().invoke(app, ["sync", "key", "new", *arguments, "--algorithm", algorithm])
        assert made.exit_code == 0, made.output
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert made.stdout.startswith(f"keyid: 88.118#2031a\nalg: {algorithm}\n-----BEGIN PUBLIC KEY-----\n")
        shown = CliRunner().invoke(app, ["sync", "key", "show", *arguments])
        assert (shown.exit_code, shown.stdout) == (0, made.stdout)
        again = CliRunner().invoke(app, ["sync", "key", "new", *arguments])
        assert (again.exit_code, "never overwritten" in again.stderr) == (2, True)
        assert key_files.load_private(file, "88.118#2031a").algorithm == algorithm
    file.chmod(0o640)
    open_to_others = CliRunner().invoke(app, ["sync", "key", "show", *arguments])
    assert (open_to_others.exit_code, "chmod 600" in open_to_others.stderr) == (2, True)


async def test_signed_reports_are_taken_unsigned_ones_pause_the_link_and_receipts_prove_themselves(
    registry_database: str, tmp_path: Path
) -> None:
    key, collectors = generate("88.118#a"), generate("1#collector")
    key_files.write_new(tmp_path / "key.pem", key)
    (tmp_path / "collector.pem").write_text(collectors.public().pem(), encoding="ascii")
    source_ = FaultSource(parse_faults(""), 1)
    store = Store(tmp_path / "top-node.sqlite3", source_)
    node = TopNode(store, source_, keys={key.key_id: key.public()}, receipt_key=collectors)
    runner = web.AppRunner(node.application(), auto_decompress=False, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}".format(*runner.addresses[0])
        upstream = Upstream(
            sign_key_file=tmp_path / "key.pem", key_id=key.key_id, collector_key_file=tmp_path / "collector.pem"
        )
        async with Source(registry_database) as source:
            await source.template()
            await source.write(("create", f"{SCOPE}/A", "a"))
            async with reporting(reporting_settings(registry_database, url)):
                link = await eventually(lambda: _link(registry_database))
                assert "signature_missing" in (link["reason"] or "")
            async with reporting(reporting_settings(registry_database, url, upstream=upstream)):
                await eventually(source.all_acknowledged)
            (row,) = await source.fetch(
                "SELECT receipt #>> '{proof,headers,signature}' AS signature FROM report_batches "
                "JOIN report_streams USING (stream_id) WHERE table_id = 'T9'"
            )
    finally:
        await runner.cleanup()
    assert row["signature"].startswith("sig1=:")
