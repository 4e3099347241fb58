"""Whole runs of the generator against a server whose behaviour each test decides."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from loadtest.fleet import Unreachable
from loadtest.keys import KeyPattern
from loadtest.plan import Plan
from loadtest.run import run
from tests.support import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from loadtest.figures import Figures, Progress, Series

    # What a server answers to a request (method, path, its number); None: nothing, ever. b"": it hangs up.
    Behaviour = Callable[[str, str, int], bytes | None]

KEYS = KeyPattern("88.118.8", 100)
HANG_UP = b""


def answer(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def always_found(_method: str, _path: str, _number: int) -> bytes:
    return answer(200)


class Server:
    """Answers over many connections by one `behaviour`; from request `stall_at` on it is silent for `stall_s` once."""

    def __init__(self, behaviour: Behaviour, *, stall_at: int = 0, stall_s: float = 0.0) -> None:
        self.behaviour = behaviour
        self.requests = 0
        self.connections = 0
        self._stall_at = stall_at
        self._stall_s = stall_s
        self._going = asyncio.Event()
        self._going.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        if method == "PUT":
            await reader.readexactly(int(head.partition("Content-Length: ")[2].partition("\r\n")[0]))
        self.requests += 1
        if self.requests == self._stall_at:
            self._going.clear()
            asyncio.get_running_loop().call_later(self._stall_s, self._going.set)
        octets = self.behaviour(method, path, self.requests)
        await self._going.wait()
        if octets:
            writer.write(octets)
        return octets != HANG_UP


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[str]:
    """Serve on a loopback port; yield the address."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()


async def figures_of(
    server: Server, *, on_progress: Callable[[Progress], None] = lambda _: None, **changes: Any
) -> Figures:
    settings: dict[str, Any] = {"rate": 500.0, "duration_s": 0.5, "warmup_s": 0.0, "connections": 4, "timeout_s": 5.0}
    async with listening(server) as url:
        plan = Plan(url=url, keys=KEYS, **(settings | changes))
        return await run(plan, report=on_progress, stopping=asyncio.Event())


async def series_of(server: Server, **changes: Any) -> Series:
    (series,) = (await figures_of(server, **changes)).series
    return series


async def test_every_request_of_a_steady_run_is_answered() -> None:
    server = Server(always_found)
    series = await series_of(server)
    assert series.arrived >= 245
    assert (series.answered, series.wrong) == (series.arrived, 0)
    assert server.requests == series.arrived
    assert 450 < series.rate < 550


async def test_a_stall_counts_for_everyone_it_kept_waiting() -> None:
    series = await series_of(Server(always_found, stall_at=150, stall_s=0.4), duration_s=1.0)
    # 200 of the 500 arrivals fall into the stall and wait 0.4 s down to nothing: a fifth wait over 0.2 s.
    assert series.latency.at["99"] > 350_000
    assert 80_000 < series.latency.at["75"] < 300_000
    assert series.latency.max_us < 2_000_000
    assert series.wrong == 0


async def test_the_closed_loop_hides_the_same_stall() -> None:
    series = await series_of(Server(always_found, stall_at=150, stall_s=0.4), duration_s=1.0, loop="closed")
    assert series.answered > 1000
    assert series.latency.max_us > 350_000
    assert series.latency.at["99"] < 100_000


async def test_outstanding_requests_are_bounded_and_the_rest_is_counted_as_dropped() -> None:
    seen: list[int] = []
    series = await series_of(
        Server(lambda *_: None),
        on_progress=lambda progress: seen.append(progress.seconds["reads"].outstanding),
        outstanding_max=10,
        duration_s=0.3,
        timeout_s=1.0,
    )
    assert max(seen) == 10
    assert series.dropped == series.arrived - 10
    assert (series.answered, series.timed_out, series.wrong) == (0, 10, series.arrived)


async def test_a_request_that_is_never_answered_times_out_and_the_connection_is_opened_again() -> None:
    server = Server(lambda _method, _path, number: None if number == 50 else answer(200))
    figures = await figures_of(server, timeout_s=0.3, duration_s=1.0)
    (series,) = figures.series
    assert (series.timed_out, series.lost, series.answered) == (1, 0, series.arrived - 1)
    assert series.latency.max_us >= 300_000
    assert (figures.reopened, server.connections) == (1, 5)


async def test_a_connection_that_ends_loses_its_request_and_is_opened_again() -> None:
    server = Server(lambda _method, _path, number: HANG_UP if number in (50, 100) else answer(200))
    figures = await figures_of(server, duration_s=1.0)
    (series,) = figures.series
    assert (series.lost, series.wrong, series.answered) == (2, 2, series.arrived - 2)
    assert figures.reopened == 2
    assert sum(figures.failures.values()) == 2


async def test_a_server_may_end_a_connection_with_an_answer_and_no_request_is_lost() -> None:
    def behaviour(_method: str, _path: str, number: int) -> bytes:
        closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        return closing if number % 10 == 0 else answer(200)

    server = Server(behaviour)
    for loop in ("open", "closed"):
        figures = await figures_of(server, loop=loop, duration_s=0.3)
        (series,) = figures.series
        assert (series.wrong, figures.failures) == (0, {})
        assert series.answered == series.arrived > 100
        assert figures.reopened >= series.answered // 10 - 4


async def test_registrations_outlive_the_connections_that_answers_end() -> None:
    def behaviour(method: str, _path: str, _number: int) -> bytes:
        status = 201 if method == "PUT" else 200
        return b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}" % status

    figures = await figures_of(
        Server(behaviour), scenario="mixed", write_share=1.0, token="t", write_prefix="88.118.9", duration_s=0.3
    )
    for series in figures.series:
        assert series.wrong == 0
        assert series.answered == series.arrived > 100


async def test_an_answer_of_unknown_length_is_an_error_that_says_so() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    figures = await figures_of(Server(lambda *_: chunked), rate=50.0, duration_s=0.2)
    assert figures.series[0].answered == 0
    assert figures.series[0].wrong == figures.series[0].arrived
    assert any("chunked" in failure for failure in figures.failures)


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    figures = await figures_of(Server(lambda *_: answer(200) * 2), rate=50.0, duration_s=0.2)
    assert any("not sent" in failure for failure in figures.failures)


async def test_a_wrong_status_is_wrong_and_misses_expect_not_found() -> None:
    unavailable = await series_of(Server(lambda *_: answer(503)), duration_s=0.3)
    assert unavailable.unexpected == unavailable.answered == unavailable.arrived
    missing = await series_of(Server(lambda *_: answer(404)), duration_s=0.3, scenario="misses")
    assert (missing.name, missing.wrong, missing.answered) == ("misses", 0, missing.arrived)


async def test_closed_loop_keeps_one_request_on_each_connection() -> None:
    seen: list[int] = []
    server = Server(always_found)
    series = await series_of(
        server,
        on_progress=lambda progress: seen.append(progress.seconds["reads"].outstanding),
        loop="closed",
        connections=7,
    )
    assert set(seen) == {7}
    assert (series.wrong, server.requests) == (0, series.answered)


async def test_registering_is_measured_until_the_identifier_is_found() -> None:
    looked_up: dict[str, int] = {}

    def behaviour(method: str, path: str, _number: int) -> bytes:
        if method == "PUT":
            return answer(201)
        if not path.startswith("/api/handles/88.118.9/"):
            return answer(200)
        looked_up[path] = looked_up.get(path, 0) + 1
        return answer(200 if looked_up[path] == 3 else 404)

    figures = await figures_of(
        Server(behaviour), scenario="mixed", write_share=0.2, token="t", write_prefix="88.118.9", rate=200.0
    )
    series = {one.name: one for one in figures.series}
    assert set(series) == {"reads", "accepted", "resolvable"}
    assert 18 <= series["accepted"].answered <= 22
    assert series["accepted"].answered == series["resolvable"].answered == len(looked_up)
    assert set(looked_up.values()) == {3}
    assert series["resolvable"].statuses == {200: len(looked_up)}
    # Two looks too many, a millisecond after each.
    assert series["resolvable"].latency.at["50"] > series["accepted"].latency.at["50"] + 1500
    assert all(one.wrong == 0 for one in series.values())
    assert figures.plan.token == ""


async def test_a_refused_registration_is_wrong_and_not_looked_up() -> None:
    paths: set[str] = set()

    def behaviour(method: str, path: str, _number: int) -> bytes:
        paths.add(f"{method} {path.split('/')[1]} {path.split('/')[2]}")
        return answer(403)

    figures = await figures_of(
        Server(behaviour), scenario="mixed", write_share=1.0, token="t", write_prefix="88.118.9", duration_s=0.3
    )
    accepted, resolvable = figures.series
    assert accepted.unexpected == resolvable.unexpected == resolvable.arrived > 0
    assert paths == {"PUT api v1"}


async def test_a_lost_connection_fails_the_registration_it_carried() -> None:
    def behaviour(method: str, _path: str, number: int) -> bytes:
        return answer(201) if method == "PUT" else HANG_UP if number == 10 else answer(200)

    figures = await figures_of(
        Server(behaviour), scenario="mixed", write_share=1.0, token="t", write_prefix="88.118.9", rate=100.0
    )
    accepted, resolvable = figures.series
    assert (accepted.wrong, resolvable.lost) == (0, 1)
    assert resolvable.answered == resolvable.arrived - 1


async def test_the_warm_up_is_not_recorded() -> None:
    server = Server(lambda _method, _path, number: answer(503 if number <= 50 else 200))
    series = await series_of(server, warmup_s=0.5, duration_s=0.5)
    assert series.wrong == 0
    assert server.requests > series.arrived + 200


async def test_a_run_can_be_ended_early_and_keeps_its_figures() -> None:
    stopping = asyncio.Event()
    async with listening(Server(always_found)) as url:
        plan = Plan(url=url, keys=KEYS, rate=200, duration_s=60, warmup_s=0, connections=2)
        figures = await run(plan, report=lambda _: stopping.set(), stopping=stopping)
    assert 0.9 < figures.elapsed_s < 10
    assert figures.series[0].answered == figures.series[0].arrived > 150


async def test_a_target_that_does_not_listen_is_said_at_once() -> None:
    plan = Plan(url=f"http://127.0.0.1:{free_port()}", keys=KEYS)
    with pytest.raises(Unreachable, match="is the node running"):
        await run(plan, report=lambda _: None, stopping=asyncio.Event())
