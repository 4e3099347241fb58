"""Order at the collector: the node, its enterprises, their templates, only then identifiers (docking contract 9.6)."""

import gzip
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sync import service
from tests.registered_node import INDUSTRY, REPORTER, SCOPE, enterprise, put_operator, register, template, whole_node
from tests.registry_api import Api, running_api
from tests.support import eventually
from tests.sync_reporting import Collector, Handler, Middleware, Source, reporting, reporting_settings, top_node


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def source(registry_database: str, api: Api) -> AsyncIterator[Source]:
    async with Source(registry_database) as writing:
        yield writing


class Desk:
    """Keeps the headers of all batches that were acknowledged, in order."""

    def __init__(self) -> None:
        self.headers: list[dict[str, Any]] = []

    def middleware(self) -> Middleware:
        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            answer = await handler(request)
            if request.method == "PUT" and "/v1/batches/" in request.path and answer.status == HTTPStatus.OK:
                self.headers.append(json.loads(gzip.decompress(await request.read()).splitlines()[0]))
            return answer

        return note

    @property
    def tables(self) -> list[str]:
        return [header["table"] for header in self.headers if header["row_count"]]


async def test_everything_goes_in_order_and_a_template_before_what_was_made_in_the_same_moment(
    api: Api, source: Source, tmp_path: Path
) -> None:
    desk = Desk()
    async with top_node(tmp_path / "node", before=desk.middleware()) as collector:
        await whole_node(api)
        await template(api, "own", None)
        await template(api, "pump")
        await register(api, f"{SCOPE}/A", "pump")
        await register(api, f"{SCOPE}/B", "own")
        async with reporting(reporting_settings(api.dsn, collector.url)):
            await eventually(source.all_acknowledged, 20)
            await template(api, "valve")
            await register(api, f"{SCOPE}/C", "valve")
            await eventually(lambda: _has(collector, f"{SCOPE}/C"), 20)
            await eventually(source.all_acknowledged, 20)
            assert await source.open_rows() == {}
    first = {table: desk.tables.index(table) for table in ("T1", "T2", "T4", "T6", "T7", "T9", "T11")}
    assert first["T1"] < min(first["T2"], first["T4"], first["T6"])
    assert first["T6"] < min(first["T7"], first["T11"])
    assert max(first["T4"], first["T11"]) < first["T9"]
    of_t9 = [header for header in desk.headers if header["table"] == "T9" and header["row_count"]]
    assert of_t9[0]["requires"] == [
        {"table": "T11", "scope": SCOPE, "sequence": 1},
        {"table": "T4", "scope": REPORTER, "sequence": 1},
    ]
    assert of_t9[-1]["requires"] == [{"table": "T11", "scope": SCOPE, "sequence": 2}]


async def test_identifiers_of_a_template_that_is_not_fit_wait_for_it_and_others_go_on(
    api: Api, source: Source, tmp_path: Path
) -> None:
    async with (
        top_node(tmp_path / "node") as collector,
        reporting(reporting_settings(api.dsn, collector.url)),
    ):
        await whole_node(api)
        await template(api, "pump")
        await template(api, "bare", industry=None)
        await register(api, f"{SCOPE}/A", "bare")
        await register(api, f"{SCOPE}/GONE", "bare")
        await register(api, f"{SCOPE}/B", "pump")
        await eventually(lambda: _has(collector, f"{SCOPE}/B"), 20)
        await eventually(lambda: _open(source, f"{SCOPE}/GONE"), 20)
        assert (await api.admin("DELETE", f"/api/v1/identifiers/{SCOPE}/GONE")).status < HTTPStatus.BAD_REQUEST
        await eventually(lambda: _closed(source, f"{SCOPE}/GONE"), 20)
        waiting = await eventually(lambda: _open(source, f"{SCOPE}/A"), 20)
        assert waiting == ("blocked_by_template", "metadata_id")
        assert not await _has(collector, f"{SCOPE}/A")
        reply = await api.admin("PATCH", "/api/v1/templates/bare", {"industry": INDUSTRY})
        assert reply.status == 200, reply.body
        await eventually(lambda: _has(collector, f"{SCOPE}/A"), 20)
        await eventually(source.all_acknowledged, 20)
        assert await source.open_rows() == {}
        assert f"{SCOPE}/GONE" not in await collector.live()


async def test_nothing_of_an_enterprise_goes_before_the_operator_is_entered(
    api: Api, source: Source, tmp_path: Path
) -> None:
    desk = Desk()
    async with (
        top_node(tmp_path / "node", before=desk.middleware()) as collector,
        reporting(reporting_settings(api.dsn, collector.url)),
    ):
        await api.admin("PUT", "/api/v1/prefix-allocation", {"node_prefix": REPORTER, "first": 1, "last": 999})
        await enterprise(api, hosted=True)
        await eventually(lambda: _queued(source, "T6"), 20)
        assert desk.tables == []
        await put_operator(api)
        await eventually(lambda: _among(desk, "T6"), 20)
    assert desk.tables.index("T1") < desk.tables.index("T6")


async def test_a_template_that_the_collector_lost_is_told_again_and_its_identifiers_behind_it(
    api: Api, source: Source, tmp_path: Path
) -> None:
    lost: list[str] = []

    @web.middleware
    async def lose(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Forget templates before the first identifiers come, and say before these come again that T11 is missing."""
        if request.method == "PUT" and "/v1/batches/" in request.path:
            header = json.loads(gzip.decompress(await request.read()).splitlines()[0])
            if header["table"] == "T9" and header["row_count"] and len(lost) < 2:
                lost.append(header["batch_id"])
                if len(lost) == 1:
                    missing = {"type": "urn:idn-report:problem:dependency_missing", "missing": header["requires"]}
                    body = json.dumps(missing)
                    return web.Response(status=424, body=body, content_type="application/problem+json")
                with closing(sqlite3.connect(tmp_path / "node" / "top-node.sqlite3")) as book, book:
                    book.execute("DELETE FROM held_rows WHERE table_id = 'T11'")
        return await handler(request)

    await whole_node(api)
    pump = await template(api, "pump")
    await register(api, f"{SCOPE}/A", "pump")
    (tmp_path / "node").mkdir()
    async with (
        top_node(tmp_path / "node", before=lose) as collector,
        reporting(reporting_settings(api.dsn, collector.url)),
    ):
        await eventually(lambda: _has(collector, f"{SCOPE}/A"), 20)
        await eventually(source.all_acknowledged, 20)
        assert await source.open_rows() == {}
        (row,) = await source.fetch("SELECT ver, accepted_ver FROM report_rows WHERE key = $1", pump["handle"])
    assert lost[0] == lost[1]  # the very same batch again
    assert (row["ver"], row["accepted_ver"]) == (2, 2)


async def _has(collector: Collector, identifier: str) -> bool:
    return identifier in await collector.identifiers()


async def _open(source: Source, key: str) -> tuple[str, str | None] | None:
    return (await source.open_rows()).get(key)


async def _closed(source: Source, key: str) -> bool:
    return key not in await source.open_rows()


async def _queued(source: Source, table: str) -> list[dict[str, Any]]:
    return await source.fetch(
        "SELECT state FROM report_batches JOIN report_streams USING (stream_id) WHERE table_id = $1", table
    )


async def _among(desk: Desk, table: str) -> bool:
    return table in desk.tables
