"""Handing over: what each kind of answer does to a stream, and how many batches are under way at once."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from sync.batch import Limits
from sync.body import decompress, take_apart
from tests.support import eventually
from tests.sync_reporting import Handler, Source, differences, reporting, reporting_settings, top_node

SCOPE, OTHER = "88.118.8", "88.118.9"

Answer = Callable[[], web.Response]


class Interference:
    """Answers the first batches handed over in the simulator's place; then lets everything through."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.contents: list[tuple[str, bytes]] = []

    @web.middleware
    async def first(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "PUT":
            self.contents.append((request.path, await request.read()))
            if self.answers:
                return self.answers.pop(0)()
        return await handler(request)


def problem(status: int, code: str, **more: Any) -> Answer:
    content = json.dumps({"type": f"urn:idn-report:problem:{code}", "detail": "on purpose", **more})
    return lambda: web.Response(status=status, text=content, content_type="application/problem+json")


async def halted(source: Source) -> dict[str, str]:
    rows = await source.fetch("SELECT scope, halted_reason FROM report_streams WHERE halted_reason IS NOT NULL")
    return {row["scope"]: row["halted_reason"] for row in rows}


async def test_after_every_answer_that_passes_the_very_same_batch_goes_again(
    registry_database: str, tmp_path: Path
) -> None:
    passing: list[Answer] = [
        problem(500, ""),
        problem(503, "unavailable"),
        problem(425, "rate_limited"),
        problem(424, "dependency_missing", missing=[]),
        problem(409, "out_of_order", expected=1),
        lambda: web.Response(text="not a receipt"),
        lambda: web.Response(status=502, text="<html>of a proxy"),
    ]
    interference = Interference(*passing)
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=interference.first) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""))
        await eventually(collector.identifiers)
        await eventually(source.all_acknowledged)
    assert len(interference.contents) == len(passing) + 1
    assert len(set(interference.contents)) == 1


async def test_a_batch_that_never_can_be_taken_halts_its_stream_and_no_other(
    registry_database: str, tmp_path: Path
) -> None:
    interference = Interference(problem(400, "malformed"))
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=interference.first) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""))
        assert list(await eventually(lambda: halted(source))) == [SCOPE]
        await source.write(("create", f"{OTHER}/A", ""), ("create", f"{SCOPE}/B", ""))
        held = await eventually(collector.identifiers)
    assert list(held) == [f"{OTHER}/A"]


async def test_a_body_read_differently_is_made_anew_once(registry_database: str, tmp_path: Path) -> None:
    interference = Interference(problem(422, "digest_mismatch"))
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=interference.first) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""))
        await eventually(collector.identifiers)
        await eventually(source.all_acknowledged)
        assert await source.fetch("SELECT rebuilt FROM report_batches") == [{"rebuilt": True}]
        assert await halted(source) == {}
        interference.answers = [problem(422, "digest_mismatch")] * 2
        await source.write(("create", f"{SCOPE}/B", ""))
        assert "digest_mismatch" in (await eventually(lambda: halted(source)))[SCOPE]


async def test_a_row_too_large_on_its_own_stays_open_and_the_rest_goes_on(
    registry_database: str, tmp_path: Path
) -> None:
    interference = Interference(*[problem(413, "too_large")] * 3)
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=interference.first) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(*(("create", f"{SCOPE}/{name}", "") for name in "ABCD"))
        await eventually(collector.identifiers)
        await eventually(source.all_acknowledged)
        # Halves of halves: A stands alone at the third refusal.
        assert await source.open_rows() == {f"{SCOPE}/A": ("too_large", None)}
        assert set(await collector.identifiers()) == {f"{SCOPE}/{name}" for name in "BCD"}
        assert await collector.streams() == await source.sequences()
        await source.write(("update", f"{SCOPE}/A", "smaller"))
        await eventually(lambda: _settled(source))
        assert differences(source.live(), await collector.live()) == {}


async def test_a_batch_lost_under_judgement_is_handed_over_again(registry_database: str, tmp_path: Path) -> None:
    judging = web.Response(status=202, text="{}", headers={"Retry-After": "0"})
    interference = Interference(lambda: judging)
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=interference.first) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""))
        await eventually(collector.identifiers)
        await eventually(source.all_acknowledged)
    assert len(interference.contents) == 2


async def test_a_receipt_that_contradicts_the_batch_acknowledges_nothing(
    registry_database: str, tmp_path: Path
) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "88.118.1": {"rows_accepted": 0},
        "88.118.2": {"rows_rejected": 1},
        "88.118.3": {"sequence": 2},
        "88.118.4": {"rows_sha256": "0" * 64},
        "88.118.5": {"scope": OTHER},
        "88.118.6": {"rows_accepted": 0, "rows_rejected": 1, "rejections": [{"n": 2, "key": "x", "code": "format"}]},
    }

    @web.middleware
    async def forge(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if request.method != "PUT" or not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
            return answer
        receipt = json.loads(answer.body)
        return web.json_response({**receipt, **wrong[receipt["scope"]]})

    async with (
        Source(registry_database) as source,
        top_node(tmp_path, before=forge) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(*(("create", f"{scope}/A", "") for scope in wrong))
        await eventually(lambda: _all_halted(source, set(wrong)))
        assert all("receipt" in reason for reason in (await halted(source)).values())
        acknowledged = await source.fetch("SELECT 1 FROM report_batches WHERE state = 'acknowledged'")
    assert acknowledged == []


async def _all_halted(source: Source, scopes: set[str]) -> bool:
    return set(await halted(source)) == scopes


async def test_streams_go_side_by_side_and_each_has_one_batch_under_way(registry_database: str, tmp_path: Path) -> None:
    limits = Limits(max_rows=2, max_parallel=4)
    under_way: Counter[str] = Counter()
    most: list[int] = []
    batches_of_one_stream = 0

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal batches_of_one_stream
        if request.method != "PUT":
            return await handler(request)
        header, _ = take_apart(decompress(await request.read()))
        under_way[header.scope] += 1
        most.append(sum(under_way.values()))
        batches_of_one_stream = max(batches_of_one_stream, *under_way.values())
        answer = await handler(request)
        under_way[header.scope] -= 1
        return answer

    async with Source(registry_database) as source:
        async with reporting(reporting_settings(registry_database, "http://127.0.0.1:9", limits=limits)):
            await source.template()
            await source.write(*(("create", f"88.118.{n}/{m}", "") for n in range(8) for m in range(10)))
            await eventually(source.all_queued)
        async with (
            top_node(tmp_path, "slow-ms=20", before=watch) as collector,
            reporting(reporting_settings(registry_database, collector.url, limits=limits)),
        ):
            await eventually(source.all_acknowledged)
            assert await collector.streams() == await source.sequences()
    assert batches_of_one_stream == 1
    assert max(most) == 4


async def _settled(source: Source) -> bool:
    return await source.all_acknowledged() and not await source.open_rows()
