"""Both sides' rows are compared by digests, what differs is shown, and just that is repaired."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from node.cli import app
from tests.support import eventually
from tests.sync_reporting import Source, reporting, reporting_settings, shown, top_node

SCOPE = "88.118.8"
NAMES = [f"{SCOPE}/{letter}" for letter in "ABCDE"]


async def reconcile(dsn: str, *more: str) -> tuple[Result, list[dict[str, Any]]]:
    """Run the command beside the service."""
    arguments = ["sync", "reconcile", "T9", SCOPE, "--database", dsn, "--wait", "20", "--json", *more]
    found = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return found, json.loads(found.stdout) if found.stdout else []


async def register(source: Source, *identifiers: str) -> None:
    """Write identifiers to the registry's own table and to the journal."""
    await source.fetch(
        "INSERT INTO enterprises (id, name, state, created_at, updated_at) "
        "VALUES ('ent_1', 'Pumps', 'active', now(), now())"
    )
    await source.fetch(
        "INSERT INTO prefixes (prefix, name, enterprise_id, state, created_at, updated_at) "
        "VALUES ($1, 'x', 'ent_1', 'active', now(), now())",
        SCOPE,
    )
    await source.fetch(
        "INSERT INTO identifiers (prefix_id, key, spelling, values, created_at, updated_at) "
        "SELECT id, 'hdl:' || upper(one), one, '[]', now(), now() FROM prefixes, unnest($2::text[]) AS one "
        "WHERE prefix = $1",
        SCOPE,
        list(identifiers),
    )
    await source.write(*(("create", one, "a") for one in identifiers))


def damage(directory: Path, *statements: str) -> None:
    """Change what the simulator holds behind its back, as a restored backup would."""
    with closing(sqlite3.connect(directory / "top-node.sqlite3", timeout=10)) as book, book:
        for statement in statements:
            book.execute(statement)


async def test_rows_that_differ_are_shown_and_repaired_and_no_others(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        await source.template()
        await register(source, *NAMES)
        settings = reporting_settings(registry_database, collector.url, default_template="GENERAL")
        async with reporting(settings) as metrics:
            await eventually(source.all_acknowledged)
            equal, same = await reconcile(registry_database)
            assert (equal.exit_code, same[0]["held_here"], same[0]["held_there"]) == (0, 5, 5), equal.output
            damage(
                tmp_path,
                f"DELETE FROM held_rows WHERE key = '{SCOPE}/B'",
                f"UPDATE held_rows SET key = '{SCOPE}/X', ver = 3 WHERE key = '{SCOPE}/C'",
            )
            seen, differing = await reconcile(registry_database)
            assert (seen.exit_code, differing[0]["different"], differing[0]["queued"]) == (1, 3, 0)
            assert shown(metrics, "idnode_sync_differences", table="T9") == 3
            found = await source.fetch("SELECT key, ver_here, ver_there FROM report_differences ORDER BY key")
            assert found == [
                {"key": f"{SCOPE}/B", "ver_here": 1, "ver_there": None},
                {"key": f"{SCOPE}/C", "ver_here": 1, "ver_there": None},
                {"key": f"{SCOPE}/X", "ver_here": None, "ver_there": 3},
            ]
            before = await source.fetch("SELECT count(*) AS batches FROM report_batches")
            repaired, queued = await reconcile(registry_database, "--repair")
            assert (repaired.exit_code, queued[0]["queued"]) == (0, 3), repaired.output
            await eventually(source.all_acknowledged)
            again, same = await reconcile(registry_database)
            assert (again.exit_code, same[0]["different"], same[0]["held_there"]) == (0, 0, 5)
            rows = await source.fetch(
                "SELECT sum(row_count) AS rows FROM report_batches JOIN report_streams USING (stream_id) "
                "WHERE table_id = 'T9'"
            )
            assert (rows[0]["rows"], before[0]["batches"] > 0) == (5 + 3, True)


async def test_rows_not_sent_yet_open_or_registered_since_are_no_differences(
    registry_database: str, tmp_path: Path
) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        await source.template()
        await register(source, *NAMES)
        async with reporting(reporting_settings(registry_database, collector.url)):
            await eventually(source.all_acknowledged)
            # Registered, and not in the journal's part that the feed has read.
            await source.fetch(
                "INSERT INTO identifiers (prefix_id, key, spelling, values, created_at, updated_at) "
                "SELECT id, 'hdl:late', $2, '[]', now(), now() FROM prefixes WHERE prefix = $1",
                SCOPE,
                f"{SCOPE}/LATE",
            )
            damage(tmp_path, f"DELETE FROM held_rows WHERE key = '{SCOPE}/A'")
            await source.fetch(
                "INSERT INTO report_rejections (stream_id, key, ver, operation, code, message, noted_at, standing) "
                "SELECT stream_id, $1, 1, 1, 'format', 'x', now(), 'unsure' FROM report_streams WHERE table_id = 'T9'",
                f"{SCOPE}/A",
            )
            found, compared = await reconcile(registry_database)
    assert (found.exit_code, compared[0]["different"]) == (0, 0), found.output


@pytest.mark.slow
async def test_a_collector_that_cannot_be_asked_is_said_so(registry_database: str, tmp_path: Path) -> None:
    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        return web.Response(status=404) if request.path.startswith("/v1/digests") else await handler(request)

    async with Source(registry_database) as source, top_node(tmp_path, before=refuse) as collector:
        await source.template()
        await register(source, *NAMES)
        async with reporting(reporting_settings(registry_database, collector.url)):
            await eventually(source.all_acknowledged)
            found, compared = await reconcile(registry_database)
    assert found.exit_code == 1
    assert "404" in compared[0]["problem"]
