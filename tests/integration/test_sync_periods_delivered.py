"""Periods at the collector: after a week in which it could not be reached, it has each of them once and in order."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sync import service
from sync.batch import Limits
from sync.delivery import Delivery
from sync.link import Link
from sync.periods import Closer
from sync.schedule import following, span_at
from sync.state_feed import StateFeed
from sync.transports.http import HttpTransport
from tests.periods import Clock, Node
from tests.registered_node import REPORTER, SCOPE, whole_node
from tests.registry_api import Api, running_api
from tests.support import eventually
from tests.sync_reporting import Handler, batcher_of, given_context, top_node

KINDS = {"T6": "hour", "T7": "hour", "T3": "day", "M1": "day", "T4": "day", "T9": "day", "T8": "day", "M2": "day"}


class Outage:
    """A collector that answers 503 while it is away, and keeps the headers and receipts of what it took."""

    def __init__(self) -> None:
        self.is_away = True
        self.taken: list[tuple[dict[str, Any], dict[str, Any]]] = []

    @web.middleware
    async def stand_before(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.is_away:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        answer = await handler(request)
        if request.method == "PUT" and "/v1/batches/" in request.path and isinstance(answer, web.Response):
            header = json.loads(gzip.decompress(await request.read()).splitlines()[0])
            self.taken.append((header, json.loads(answer.body)))  # type: ignore[arg-type]  # bytes, as it has a text
        return answer


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def test_a_week_without_the_collector_leaves_no_period_out(api: Api, tmp_path: Path) -> None:
    outage, clock = Outage(), Clock(datetime.now(UTC))
    await whole_node(api)
    async with (
        top_node(tmp_path / "node", before=outage.stand_before) as collector,
        given_context(api.dsn) as context,
    ):
        transport = HttpTransport(collector.url, REPORTER)
        node = Node(replace(context, now=lambda: clock.now, transport=transport), clock)
        link = Link(node.context, Limits())
        delivery = Delivery(node.context, link, poll_s=0.05)
        closer, feeds, first = Closer(node.context), (batcher_of(node.context), StateFeed(node.context)), clock.now
        for feed in feeds:
            while (await feed.step()).read:
                pass
        await closer.step()
        delivering = asyncio.create_task(delivery.run())
        while clock.now < first + timedelta(days=7):
            clock.pass_(hours=5)
            await node.collected()
            await closer.step()
        assert outage.taken == []
        outage.is_away = False
        clock.pass_(minutes=10)
        link.try_now()
        delivery.wake()

        async def all_acknowledged() -> bool:
            waiting = await node.fetch("SELECT FROM report_batches WHERE state <> 'acknowledged' LIMIT 1")
            return not waiting

        await eventually(all_acknowledged, 60)
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering
        await transport.aclose()
        assert await node.fetch("SELECT key, code, message FROM report_rejections") == []
    assert {receipt["status"] for _, receipt in outage.taken} == {"accepted"}
    for table, kind in KINDS.items():
        scope = SCOPE if table in ("T8", "M2") else REPORTER
        told = [header for header, _ in outage.taken if (header["table"], header["scope"]) == (table, scope)]
        span, expected = span_at(kind, first), []  # type: ignore[arg-type, var-annotated]  # one of the kinds
        while span.first_attempt <= clock.now - timedelta(minutes=10):
            expected.append(span.period.start)
            span = following(span)
        assert [header["period"]["start"] for header in told] == expected, table
        assert [header["sequence"] for header in told] == list(range(1, len(told) + 1))
