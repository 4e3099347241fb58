"""A collector that misbehaves: whatever it does, it ends with each row once and in order, and none is lost.

Time-outs after storing, duplicate answers, errors for an hour, partial acceptance, wrong sequences, slow judgement,
codes that nobody knows and demands for tiny batches stand here. What it lost is in `test_sync_reports` and
`test_sync_operating`, receipts that contradict their batch in `test_sync_delivery`, kills in `tests/faults`.
"""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
from aiohttp import web

from sync.batch import Limits
from sync.body import decompress
from sync.courier import Courier
from sync.database import connected, transaction
from sync.link import Link
from sync.outbox import streams
from sync.retry import RetryPolicy
from sync.state_feed import StateFeed
from sync.transports.http import HttpTransport
from tests.periods import Clock
from tests.support import eventually
from tests.sync_reporting import (
    REPORTER,
    Handler,
    Source,
    batcher_of,
    differences,
    given_context,
    reporting,
    reporting_settings,
    top_node,
)

SCOPE = "88.118.8"
FAULTS = (
    "lose-acks=0.2,duplicate=0.2,error=0.1,unavailable=0.1,retry-after-s=0,pending=0.3,pending-polls=3,reject=0.1,"
    "wrong-sequence=0.1,shrink=0.1"
)


async def test_faults_of_every_kind_at_once_lose_and_double_nothing(registry_database: str, tmp_path: Path) -> None:
    dice = Random(8)
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, FAULTS, seed=3) as collector,
        reporting(reporting_settings(registry_database, collector.url, limits=Limits(max_rows=8))),
    ):
        await source.template()
        for number in range(25):
            await source.write(("create", f"{SCOPE}/{number}", "a"))
        for number in range(25):
            await source.write(("withdraw" if dice.random() < 0.3 else "update", f"{SCOPE}/{number}", f"b{number}"))

        async def agree() -> bool:
            return await source.all_acknowledged() and source.live() == await collector.live()

        await eventually(agree, 60)
        assert differences(source.live(), await collector.live()) == {}
        assert await source.sequences() == await collector.streams()
        assert await source.open_rows() == {}


async def test_an_answer_that_comes_too_late_finds_the_batch_stored_once(
    registry_database: str, tmp_path: Path
) -> None:
    taken: list[bytes] = []

    @web.middleware
    async def store_and_say_nothing(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "PUT":
            taken.append(await request.read())
            answer = await handler(request)
            if len(taken) == 1:
                await asyncio.Event().wait()  # the reporter gives up first
            return answer
        return await handler(request)

    settings = reporting_settings(registry_database, "", answer_timeout_s=0.3)
    async with Source(registry_database) as source, top_node(tmp_path, before=store_and_say_nothing) as collector:
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        async with reporting(msgspec.structs.replace(settings, upstream_url=collector.url)):
            await eventually(source.all_acknowledged)
        assert await collector.streams() == {SCOPE: 1}
    assert len(taken) == 2
    assert len(set(taken)) == 1


async def test_a_batch_that_was_stored_is_not_cut_when_it_is_too_large_afterwards(
    registry_database: str, tmp_path: Path
) -> None:
    asked: list[str] = []

    @web.middleware
    async def forget(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.append(request.method)
        if request.method != "PUT":
            return await handler(request)
        if asked.count("PUT") == 1:
            await handler(request)
            return web.Response(status=500)
        return web.Response(status=413)

    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=forget) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"), ("create", f"{SCOPE}/B", "b"))
        await eventually(source.all_acknowledged)
        assert await source.sequences() == await collector.streams() == {SCOPE: 1}
        assert await source.open_rows() == {}


async def test_an_hour_of_errors_is_waited_out_with_the_same_batch_and_growing_waits(
    registry_database: str, tmp_path: Path
) -> None:
    bodies, waits, failing = list[bytes](), list[timedelta](), True
    clock = Clock(datetime.now(UTC))

    @web.middleware
    async def fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "PUT":
            bodies.append(await request.read())
            if failing:
                return web.Response(status=500)
        return await handler(request)

    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=fail) as collector,
        given_context(registry_database) as given,
    ):
        transport = HttpTransport(collector.url, REPORTER, random=Random(1), now=lambda: clock.now)
        context = replace(given, now=lambda: clock.now, transport=transport, policy=RetryPolicy())
        await transport.limits()
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"))
        for feed in (StateFeed(context), batcher_of(context)):
            while (await feed.step()).read:
                pass
        courier, began = Courier(context, Link(context, Limits())), clock.now
        async with transaction(context.pool) as connection:
            stream = (await streams.lock_scopes(connection, REPORTER, "T9", [SCOPE]))[SCOPE]
        while clock.now < began + timedelta(hours=1):
            await courier.deliver(stream, compare_first=False)
            async with connected(context.pool) as connection:
                again: datetime = await connection.fetchval("SELECT next_attempt_at FROM report_streams")
            waits.append(again - clock.now)
            clock.now = max(again, clock.now + timedelta(milliseconds=1))
        failing = False
        clock.pass_(minutes=10)
        await courier.deliver(stream, compare_first=False)
        assert await source.all_acknowledged()
        await transport.aclose()
    assert max(waits) <= timedelta(seconds=300)
    assert max(waits) > timedelta(seconds=60)
    assert len(set(bodies)) == 1
    assert 10 < len(bodies) < 200


async def test_a_code_that_nobody_knows_stops_no_more_than_it_is_about(registry_database: str, tmp_path: Path) -> None:
    unknown = json.dumps({"type": "urn:idn-report:problem:not-of-this-profile", "detail": "on purpose"})

    @web.middleware
    async def dislike(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "PUT" and SCOPE.encode() in _header(await request.read()):
            return web.Response(status=422, text=unknown, content_type="application/problem+json")
        return await handler(request)

    async with (
        Source(registry_database) as source,
        top_node(tmp_path, "unknown-code=1", before=dislike) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "a"), ("create", "88.118.9/A", "a"))
        halted = "SELECT scope, halted_reason FROM report_streams WHERE halted_reason IS NOT NULL"
        (stream,) = await eventually(lambda: source.fetch(halted))
        assert (stream["scope"], "not-of-this-profile" in stream["halted_reason"]) == (SCOPE, True)
        # Of a row: it stays open, its stream has gone on.
        rows = await eventually(source.open_rows)
        assert rows == {"88.118.9/A": ("not-of-this-profile", None)}
        assert await collector.streams() == {"88.118.9": 1}


def _header(content: bytes) -> bytes:
    return decompress(content).partition(b"\n")[0]
