"""What the collector asks for is done once, in order, and acknowledged, whatever goes wrong on the way."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from registry.database import connected, open_pool, transaction
from registry.errors import Conflict
from registry.tables import read_only
from tests.support import eventually
from tests.sync_reporting import REPORTER, Collector, Middleware, Source, reporting, reporting_settings, shown, top_node

SCOPE = "88.118.8"


class Desk:
    """The national node's people at the simulator."""

    def __init__(self, collector: Collector) -> None:
        self._url = collector.url

    async def ask(self, kind: str, body: dict[str, Any], reason: str = "") -> str:
        told = {"reporter": REPORTER, "kind": kind, "body": body, "reason": reason}
        return str((await self._call("POST", told))["id"])

    async def answers(self) -> dict[str, tuple[str, str]]:
        """Return the reporter's answers, by directive."""
        found = (await self._call("GET"))["directives"]
        return {one["directive_id"]: (one["result"], one["result_text"]) for one in found if one["result"]}

    async def done(self, kind: str, body: dict[str, Any], reason: str = "") -> tuple[str, str]:
        """Issue a directive and wait for its answer."""
        asked = await self.ask(kind, body, reason)
        found: dict[str, tuple[str, str]] = await eventually(self._with(asked))
        return found[asked]

    def _with(self, directive: str) -> Any:
        async def look() -> dict[str, tuple[str, str]]:
            found = await self.answers()
            return found if directive in found else {}

        return look

    async def _call(self, method: str, told: dict[str, Any] | None = None) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self._url}/control/directives", json=told) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return await answer.json()


@asynccontextmanager
async def reported(
    dsn: str, directory: Path, *, before: Middleware | None = None
) -> AsyncIterator[tuple[Source, Collector, Desk, Any]]:
    """Give a source, a collector that holds two identifiers, its desk, and the service's figures."""
    async with Source(dsn) as source, top_node(directory, before=before) as collector:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        await source.write(("create", f"{SCOPE}/B", "b"))
        async with reporting(reporting_settings(dsn, collector.url, directives_poll_s=0.05)) as metrics:
            await eventually(source.all_acknowledged)
            yield source, collector, Desk(collector), metrics


async def test_a_range_is_handed_over_again_with_the_same_bytes(registry_database: str, tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method == "PUT":
            seen.append((request.path, request.headers.get("Idn-Resend")))
        return await handler(request)

    async with reported(registry_database, tmp_path, before=note) as (source, collector, desk, _):
        (stream,) = await source.fetch("SELECT acknowledged_sequence AS last FROM report_streams WHERE table_id = 'T9'")
        batches = await source.fetch(
            "SELECT batch_id FROM report_batches JOIN report_streams USING (stream_id) WHERE table_id = 'T9'"
        )
        body = {"table": "T9", "scope": SCOPE, "from_sequence": 1, "to_sequence": stream["last"]}
        seen.clear()
        result, _ = await desk.done("resend_range", body)
        (directive,) = await desk.answers()
        held = await collector.live()
        (after,) = await source.fetch("SELECT acknowledged_sequence AS last FROM report_streams WHERE table_id = 'T9'")
        assert (result, after) == ("done", stream)
        assert set(seen) == {(f"/v1/batches/{one['batch_id']}", directive) for one in batches}
        assert held == source.live()


@pytest.mark.slow
async def test_a_range_no_longer_stored_is_refused(registry_database: str, tmp_path: Path) -> None:
    async with reported(registry_database, tmp_path) as (source, _, desk, _):
        await source.fetch("UPDATE report_batches SET body = NULL WHERE state = 'acknowledged'")
        body = {"table": "T9", "scope": SCOPE, "from_sequence": 1, "to_sequence": 1}
        result, text = await desk.done("resend_range", body)
        assert result == "refused"
        assert "not stored any more" in text


async def test_tables_rest_until_they_are_resumed(registry_database: str, tmp_path: Path) -> None:
    async with reported(registry_database, tmp_path) as (source, collector, desk, _):
        assert (await desk.done("pause", {"tables": ["T9"]}, "maintenance"))[0] == "done"
        await source.write(("create", f"{SCOPE}/C", "c"))
        await eventually(source.all_queued)
        assert f"{SCOPE}/C" not in await collector.live()
        (pause,) = await source.fetch("SELECT table_id, ordered_by, reason FROM report_pauses")
        assert pause == {"table_id": "T9", "ordered_by": "top-level node", "reason": "maintenance"}
        assert (await desk.done("resume", {"tables": "all"}))[0] == "done"
        await eventually(source.all_acknowledged)
        assert await collector.live() == source.live()


async def test_rows_to_be_corrected_are_open_until_a_later_one_is_accepted(
    registry_database: str, tmp_path: Path
) -> None:
    async with reported(registry_database, tmp_path) as (source, _, desk, _):
        body = {"table": "T9", "scope": SCOPE, "keys": [f"{SCOPE}/A"], "reason": "no such product"}
        assert (await desk.done("correct_rows", body))[0] == "accepted"
        assert await source.open_rows() == {f"{SCOPE}/A": ("correction_wanted", None)}
        await source.write(("update", f"{SCOPE}/A", "better"))
        await eventually(source.all_acknowledged)
        assert await source.open_rows() == {}


async def test_a_take_over_makes_the_registry_read_only_until_it_ends(registry_database: str, tmp_path: Path) -> None:
    async with reported(registry_database, tmp_path) as (_, _, desk, _):
        pool = await open_pool(registry_database)
        try:
            assert (await desk.done("takeover_started", {"scope": REPORTER}, "node away"))[0] == "done"
            async with connected(pool) as connection:
                found = await read_only.find(connection)
            assert found is not None
            assert found.reason == "node away"
            with pytest.raises(Conflict, match="take-over") as refused:
                async with transaction(pool) as connection:
                    await connection.execute(
                        "INSERT INTO journal (actor, kind, key, op, after) VALUES ('x', 'prefix', 'x', 'create', '{}')"
                    )
            assert refused.value.code == "read_only"
            assert (await desk.done("takeover_ended", {"scope": REPORTER}))[0] == "done"
            async with connected(pool) as connection:
                assert await read_only.find(connection) is None
        finally:
            pool.terminate()


async def test_a_prefix_under_review_is_decided(registry_database: str, tmp_path: Path) -> None:
    async with reported(registry_database, tmp_path) as (source, _, desk, _):
        await source.fetch(
            "INSERT INTO enterprises (id, name, state, created_at, updated_at) "
            "VALUES ('ent_1', 'Pumps', 'active', now(), now())"
        )
        await source.fetch(
            "INSERT INTO prefixes (prefix, name, enterprise_id, state, created_at, updated_at) "
            "SELECT '88.118.' || n, 'x', 'ent_1', 'under_review', now(), now() FROM generate_series(71, 72) AS n"
        )
        approved = await desk.done("prefix_decision", {"prefix": "88.118.71", "decision": "approved"})
        rejected = await desk.done("prefix_decision", {"prefix": "88.118.72", "decision": "rejected"}, "no licence")
        again = await desk.done("prefix_decision", {"prefix": "88.118.71", "decision": "rejected"}, "changed our mind")
        foreign = await desk.done("prefix_decision", {"prefix": "88.119.1", "decision": "approved"})
        assert (approved, rejected) == (("done", "88.118.71 is active"), ("done", "88.118.72 is rejected"))
        assert (again[0], foreign[0]) == ("refused", "refused")
        rows = await source.fetch("SELECT prefix, state, reason FROM prefixes WHERE prefix LIKE '88.118.7%' ORDER BY 1")
        assert [(row["state"], row["reason"]) for row in rows] == [("active", ""), ("rejected", "no licence")]


@pytest.mark.slow
async def test_a_key_to_be_changed_is_accepted_and_shown_until_another_one_is_used(
    registry_database: str, tmp_path: Path
) -> None:
    async with reported(registry_database, tmp_path) as (source, _, desk, metrics):
        assert (await desk.done("rotate_key", {"not_after": "2031-06-01T00:00:00Z"}))[0] == "accepted"
        (row,) = await source.fetch("SELECT progress, result_text FROM report_directives WHERE kind = 'rotate_key'")
        assert row["progress"] == 0
        assert "2031-06-01" in row["result_text"]
        assert shown(metrics, "idnode_sync_directives_total", kind="rotate_key", result="accepted") == 1


async def test_what_is_unknown_or_malformed_is_refused_and_the_next_one_done(
    registry_database: str, tmp_path: Path
) -> None:
    """The simulator would not issue these, so they are put into its answer."""
    odd = [
        {"id": "odd-1", "issued_at": "2031-05-06T00:00:00Z", "kind": "dance", "body": {}, "reason": ""},
        {"id": "odd-2", "issued_at": "2031-05-06T00:00:00Z", "kind": "send_full", "body": {"table": "T12"}},
        {"id": "odd-3", "issued_at": "", "kind": "start_over", "body": {"table": "T9", "scope": SCOPE}},
        {"id": "odd-4", "issued_at": "", "kind": "pause", "body": {"tables": ["T8"]}},
    ]
    answers: dict[str, Any] = {}

    @web.middleware
    async def issue(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/v1/directives":
            return web.json_response({"directives": odd if request.query["after"] != "odd-4" else []})
        if request.path.startswith("/v1/directives/odd-"):
            answers.setdefault(request.path.split("/")[3], []).append(json.loads(await request.read()))
            return web.json_response({})
        return await handler(request)

    async with reported(registry_database, tmp_path, before=issue) as (_, _, _, _):
        await eventually(lambda: len(answers) == 4)
    assert {name: [one["result"] for one in told] for name, told in answers.items()} == {
        "odd-1": ["refused"],
        "odd-2": ["refused"],
        "odd-3": ["refused"],
        "odd-4": ["done"],
    }


async def test_a_lost_acknowledgement_is_sent_again_and_nothing_is_done_twice(
    registry_database: str, tmp_path: Path
) -> None:
    lost: list[str] = []

    @web.middleware
    async def lose_first(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/ack"):
            lost.append(request.path)
            if len(lost) == 1:
                return web.Response(status=500)
        return await handler(request)

    async with reported(registry_database, tmp_path, before=lose_first) as (source, _, desk, metrics):
        assert (await desk.done("send_full", {"table": "T9", "scope": SCOPE}))[0] == "done"
        await eventually(source.all_acknowledged)
        full = await source.fetch("SELECT DISTINCT full_id FROM report_batches WHERE full_id IS NOT NULL")
        assert (len(full), len(lost)) == (1, 2)
        assert shown(metrics, "idnode_sync_directives_total", kind="send_full", result="done") == 1
