"""`idnode sync` and `idnode top-node`, as typed."""

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from node.cli import app
from tests.support import eventually
from tests.sync_reporting import Source, TopNodeProcess, reporting, reporting_settings, top_node

SCOPE = "88.118.8"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


async def in_thread(*arguments: str) -> Result:
    """Run a command, which has an event loop of its own."""
    import asyncio  # noqa: PLC0415

    return await asyncio.to_thread(run, *arguments)


async def test_status_shows_streams_and_rejections_show_reasons(registry_database: str, tmp_path: Path) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""))
        await source.write(("create", f"{SCOPE}/B", ""), template=None)
        await eventually(source.open_rows)
        await eventually(source.all_acknowledged)
        status = await in_thread("sync", "status", "--database", registry_database, "--json")
        shown = await in_thread("sync", "status", "--database", registry_database)
        rejections = await in_thread("sync", "rejections", "--database", registry_database, "--json")
    assert (status.exit_code, shown.exit_code, rejections.exit_code) == (0, 0, 0)
    (stream,) = json.loads(status.stdout)
    assert (stream["scope"], stream["acknowledged_sequence"], stream["queue_rows"]) == (SCOPE, 1, 0)
    assert SCOPE in shown.stdout
    (row,) = json.loads(rejections.stdout)
    assert (row["key"], row["code"], row["field"], row["withheld"]) == (f"{SCOPE}/B", "required", "metadata_id", True)
    resent = await in_thread("sync", "resend", "T9", SCOPE, "--database", registry_database)
    assert (resent.exit_code, "was never sent" in resent.stdout) == (1, True)


async def test_a_collector_that_is_down_is_said_with_the_streams_and_what_to_do(registry_database: str) -> None:
    settings = reporting_settings(registry_database, "http://127.0.0.1:9")
    async with Source(registry_database) as source, reporting(settings):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""))
        await eventually(source.all_queued)
        down = "SELECT 1 FROM report_links WHERE NOT is_up AND reason LIKE '%capabilities%'"
        await eventually(lambda: source.fetch(down))
        status = await in_thread("sync", "status", "--database", registry_database)
        link = await in_thread("sync", "link", "--database", registry_database)
    assert (status.exit_code, link.exit_code) == (0, 1)
    assert status.stderr.startswith("link down since 20")
    assert "idnode sync retry" in status.stderr


async def test_a_halted_stream_is_shown_fails_the_status_and_can_be_resumed(
    registry_database: str, tmp_path: Path
) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        settings = reporting_settings(registry_database, collector.url)
        async with reporting(settings):
            await source.template()
            await source.write(("create", f"{SCOPE}/A", ""))
            await eventually(source.all_acknowledged)
            await source.fetch("UPDATE report_streams SET halted_reason = 'for a test'")
            await source.write(("create", f"{SCOPE}/B", ""))
            await eventually(source.all_queued)
            status = await in_thread("sync", "status", "--database", registry_database)
            resumed = await in_thread("sync", "resume", "T9", SCOPE, "--database", registry_database)
            await eventually(source.all_acknowledged)
            again = await in_thread("sync", "resume", "T9", SCOPE, "--database", registry_database)
    assert (status.exit_code, resumed.exit_code, again.exit_code) == (1, 0, 1)
    assert "for a test" in status.stdout
    assert "no halted stream" in again.stderr


def test_a_database_that_cannot_be_reached_or_never_reported_is_one_clear_line(tmp_path: Path) -> None:
    result = run("sync", "status", "--database", f"postgresql://idnode@/idnode?host={tmp_path}")
    assert result.exit_code == 4
    assert result.stderr.count("\n") == 1


async def test_a_database_without_reports_is_told_apart(registry_database: str) -> None:
    result = await in_thread("sync", "status", "--database", registry_database)
    assert result.exit_code == 4
    assert "never reported" in result.stderr


@pytest.mark.parametrize(
    ("option", "value"), [("--listen", "9900"), ("--listen", "127.0.0.1:99999"), ("--fault", "earthquake=1")]
)
def test_wrong_arguments_of_the_simulator_are_told(option: str, value: str, tmp_path: Path) -> None:
    result = run("top-node", "--data-dir", str(tmp_path), option, value)
    assert result.exit_code == 2
    assert "idnode: " in result.stderr


async def test_the_simulator_says_where_it_is_and_stops_when_told(tmp_path: Path) -> None:
    simulator = TopNodeProcess(tmp_path)
    try:
        await simulator.begin()
        assert simulator.url in simulator.log
    finally:
        code = simulator.end(signal.SIGTERM)
    assert code == 0
