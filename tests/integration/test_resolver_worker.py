"""A whole worker: before its first replica, through a rebuild, counted, measured, and drained."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import ClientConnectorError, web
from prometheus_client.parser import text_string_to_metric_families

from resolver.replica import ReplicaWriter
from resolver.spool import SegmentContent, read_segments
from tests.integration.running_worker import PREFIX, Worker, examples, fill, running
from tests.integration.test_resolver_proxy import registry
from tests.support import eventually
from tests.unit.replica_states import identifier_change, prefix_change

PLAIN = f"/api/handles/{PREFIX}/SN1"


@pytest.fixture
def writer(tmp_path: Path) -> ReplicaWriter:
    return fill(tmp_path / "replica", examples())


async def counted(directory: Path) -> SegmentContent:
    """Return the one segment a worker left when it ended."""
    segments = [segment.content for segment in read_segments(directory / "spool")]
    assert len(segments) == 1
    return segments[0]


def sources(content: SegmentContent, prefix: str) -> dict[str, int]:
    found = next(counts for counts in content.prefixes if counts.prefix == prefix)
    assert {address for address, _, _ in found.sources} <= {"127.0.0.1"}
    assert found.latency.count == sum(found.faces.values()) == sum(count for _, count in found.seconds)
    return {outcome: count for _, outcome, count in found.sources}


async def test_until_the_first_replica_appears_lookups_are_503_in_every_form(tmp_path: Path) -> None:
    async with running(tmp_path) as worker:
        assert (await worker.ask("/livez"))[0] == 200
        status, _, body = await worker.ask("/readyz")
        assert (status, json.loads(body)["status"]) == (503, "starting")
        for path, options in (
            (PLAIN, {}),
            (PLAIN, {"headers": {"Authorization": "Bearer x"}}),
            (f"/{PREFIX}/SN1", {}),
            (f"/{PREFIX}/SN1", {"headers": {"Accept": "application/json"}}),
            ("/api/v1/lookup", {"method": "POST", "json": {"identifiers": ["a"]}}),
        ):
            status, headers, _ = await worker.ask(path, **options)  # type: ignore[arg-type] # each set of options is right
            assert (path, status, headers["Retry-After"]) == (path, 503, "1")
        writer = fill(tmp_path / "replica", examples())
        await eventually(_answers(worker, PLAIN, 200))
        assert (await worker.ask("/readyz"))[0] == 200
        writer.close()


def _answers(worker: Worker, path: str, status: int) -> Any:
    async def check() -> bool:
        return (await worker.ask(path))[0] == status

    return check


async def test_readiness_says_what_works_and_where_the_replica_stands(tmp_path: Path, writer: ReplicaWriter) -> None:
    async with running(tmp_path) as worker:
        (tmp_path / "metrics").mkdir(exist_ok=True)
        (tmp_path / "metrics" / "follower.prom").write_text("idnode_replica_lag_seconds 0.25\n")
        status, headers, body = await worker.ask("/readyz")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert json.loads(body) == {
            "status": "ready",
            "lookups": True,
            "writes": False,
            "replica": {"cursor": f"{writer.cursor.xid} {writer.cursor.seq}", "lag_s": 0.25},
        }
    writer.close()


async def test_changes_and_rebuilt_replicas_are_followed(tmp_path: Path, writer: ReplicaWriter) -> None:
    async with running(tmp_path) as worker:
        assert (await worker.ask(f"/api/handles/{PREFIX}/NEW"))[0] == 404
        writer.apply([identifier_change(50, f"{PREFIX}/NEW")])
        assert (await worker.ask(f"/api/handles/{PREFIX}/NEW"))[0] == 200
        writer.close()
        rebuilt = fill(tmp_path / "replica", [prefix_change(1, PREFIX), identifier_change(2, f"{PREFIX}/REBUILT")])
        await eventually(_answers(worker, f"/api/handles/{PREFIX}/REBUILT", 200))
        assert (await worker.ask(PLAIN))[0] == 404
        rebuilt.close()


async def test_a_damaged_record_is_never_answered_and_is_reported(tmp_path: Path, writer: ReplicaWriter) -> None:
    environment, records = writer._environment, writer._databases[b"records"]
    with environment.begin(write=True) as transaction:
        rendered = bytearray(transaction.get(f"hdl:{PREFIX}/SN1".encode(), db=records))
        rendered[60] ^= 1
        transaction.put(f"hdl:{PREFIX}/SN1".encode(), bytes(rendered), db=records)
    async with running(tmp_path) as worker:
        assert (await worker.ask(PLAIN))[0] == 503
        assert (tmp_path / "replica" / "damaged").exists()
        body = {"identifiers": [f"{PREFIX}/SN1", f"{PREFIX}/EMPTY"]}
        _, _, octets = await worker.ask("/api/v1/lookup", method="POST", json=body)
        assert [result["outcome"] for result in json.loads(octets)["results"]] == ["unavailable", "found"]
    writer.close()


async def test_every_lookup_on_every_face_is_counted_once(tmp_path: Path, writer: ReplicaWriter) -> None:
    async with running(tmp_path) as worker:
        denied = f"/api/handles/{PREFIX}/MIXED?publicOnly=false"
        for path in (PLAIN, PLAIN + "?", f"/api/handles/{PREFIX}/none", f"/api/handles/{PREFIX}/GONE", denied):
            await worker.ask(path)
        for path in (f"/{PREFIX}/SN1", f"/{PREFIX}/none", "/88.118.10/x", "/%FF", "/nowhere/x"):
            await worker.ask(path)
        await worker.ask("/api/v1/lookup", method="POST", json={"identifiers": [f"{PREFIX}/SN1", f"{PREFIX}/GONE"]})
        for path in ("/", "/livez", "/readyz", "/metrics", "/api/nothing", "/robots.txt"):
            await worker.ask(path)
    content = await counted(tmp_path)
    assert (content.process, content.version) == ("worker-0", 1)
    assert content.from_s <= content.to_s
    assert sources(content, PREFIX) == {"found": 4, "absent": 2, "gone": 2, "denied": 1}
    assert sources(content, "88.118.10") == {"referral": 1}
    assert sources(content, "") == {}
    by_prefix = {counts.prefix: counts.faces for counts in content.prefixes}
    assert by_prefix[PREFIX] == {"handle-json": 5, "redirect": 2, "lookup": 2}
    assert by_prefix[""] == {"redirect": 2}
    writer.close()


async def test_behind_a_trusted_proxy_the_client_is_counted_not_the_proxy(
    tmp_path: Path, writer: ReplicaWriter
) -> None:
    async with running(tmp_path, trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")) as worker:
        for chain in ("203.0.113.9", "6.6.6.6, 203.0.113.9, 10.1.2.3", "::FFFF:203.0.113.9", "no address"):
            await worker.ask(PLAIN, headers={"X-Forwarded-For": chain})
    found = next(counts for counts in (await counted(tmp_path)).prefixes if counts.prefix == PREFIX)
    assert sorted(found.sources) == [("127.0.0.1", "found", 1), ("203.0.113.9", "found", 3)]
    writer.close()


async def test_metrics_of_all_processes_are_one_valid_exposition(tmp_path: Path, writer: ReplicaWriter) -> None:
    other = (
        "# HELP idnode_lookups_total Lookups answered\n# TYPE idnode_lookups_total counter\n"
        'idnode_lookups_total{face="redirect",outcome="found"} 7.0\n'
    )
    async with running(tmp_path) as worker:
        (tmp_path / "metrics").mkdir(exist_ok=True)
        (tmp_path / "metrics" / "worker-1.prom").write_text(other)
        for _ in range(3):
            await worker.ask(PLAIN)
        await eventually((tmp_path / "metrics" / "worker-0.prom").exists)
        _, headers, body = await worker.ask("/metrics")
        text = body.decode()
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        face = (("face", "handle-json"), ("outcome", "found"), ("process", "worker-0"))
        assert samples["idnode_lookups_total", face] == 3
        face = (("face", "redirect"), ("outcome", "found"), ("process", "worker-1"))
        assert samples["idnode_lookups_total", face] == 7
        assert samples["idnode_lookup_seconds_count", (("process", "worker-0"),)] == 3
        assert samples["idnode_connections", (("process", "worker-0"),)] >= 1
        for word in ("HELP", "TYPE"):
            named = [line.split()[2] for line in text.splitlines() if line.startswith(f"# {word} ")]
            assert len(named) == len(set(named))
    assert not (tmp_path / "metrics" / "worker-0.prom").exists()
    writer.close()


async def test_a_directory_that_takes_no_figures_stops_nothing(
    tmp_path: Path, writer: ReplicaWriter, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "metrics").write_text("in the way")
    async with running(tmp_path) as worker:
        await eventually(lambda: "figures cannot be written" in caplog.text)
        assert (await worker.ask(PLAIN))[0] == 200
        assert b"idnode_lookups_total" in (await worker.ask("/metrics"))[2]
    writer.close()


SECRET = b"s3cret"


@pytest.mark.parametrize(
    "octets",
    [
        SECRET + b"\r\n\r\n",
        b"GET /api/handles/88.118.8/" + SECRET + b"\xff\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: a\r\nX: " + SECRET + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization Bearer " + SECRET + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + SECRET + b"\x00\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nCookie: " + SECRET + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: " + SECRET + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + SECRET + b"\r\n\r\n",
    ],
    ids=["word", "path", "version", "no_colon", "zero", "long_line", "length", "tls"],
)
async def test_what_is_no_http_is_refused_without_being_quoted_and_without_naming_our_software(
    tmp_path: Path, writer: ReplicaWriter, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as worker:
        answer = await worker.ask_raw(octets)
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        assert head.startswith(b"HTTP/1.1 431 " if len(octets) > 9_000 else b"HTTP/1.1 400 Bad Request\r\n")
        assert json.loads(body)["responseCode"] == 4
        assert int(fields[b"Content-Length"]) == len(body)
        assert (fields[b"Connection"], b"Server" in fields, b"Date" in fields) == (b"close", False, True)
        assert SECRET not in answer
        assert SECRET.decode() not in caplog.text
        assert (await worker.ask("/livez"))[0] == 200
    writer.close()


async def test_a_connection_ends_with_what_cannot_be_read(tmp_path: Path, writer: ReplicaWriter) -> None:
    async with running(tmp_path) as worker:
        reader, stream = await asyncio.open_connection("127.0.0.1", worker.port)
        stream.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"alive"), 10.0)).startswith(b"HTTP/1.1 200 OK\r\n")
        stream.write(b"?\r\n\r\n" + b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        rest = await asyncio.wait_for(reader.read(), 10.0)
        assert (rest.count(b"HTTP/1.1 "), rest.count(b"HTTP/1.1 400 ")) == (1, 1)
        stream.close()
    writer.close()


async def test_draining_finishes_what_is_under_way_and_takes_nothing_new(tmp_path: Path, writer: ReplicaWriter) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return web.Response(body=b"done")

    async with registry(tmp_path / "registry.sock", slow), running(tmp_path, drain_s=10.0) as worker:
        under_way = asyncio.create_task(worker.ask("/api/v1/slow"))
        await arrived.wait()
        worker.stop.set()
        await eventually(worker.refuses)
        assert not under_way.done()
        go_on.set()
        assert (await under_way)[2] == b"done"
    writer.close()


async def test_a_drain_does_not_wait_for_peers_without_a_request(tmp_path: Path, writer: ReplicaWriter) -> None:
    async with running(tmp_path, drain_s=5.0) as worker:
        idle = await asyncio.open_connection("127.0.0.1", worker.port)
        begun = await asyncio.open_connection("127.0.0.1", worker.port)
        begun[1].write(b"GET /api/handles/88.")
        handed = await asyncio.open_connection("127.0.0.1", worker.port)
        handed[1].write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        await handed[0].readuntil(b"alive")
        loop = asyncio.get_running_loop()
        began = loop.time()
        worker.stop.set()
        for reader, out in (idle, begun, handed):
            await asyncio.wait_for(reader.read(), 10.0)
            out.close()
        assert loop.time() - began < 4.0
    writer.close()


async def test_workers_share_one_port(tmp_path: Path, writer: ReplicaWriter) -> None:
    async with (
        running(tmp_path) as first,
        running(tmp_path, process="worker-1", port=first.port, spool=tmp_path / "other") as second,
    ):
        assert first.port == second.port
        first.stop.set()
        await eventually(_all_answered(second))
    writer.close()


def _all_answered(worker: Worker) -> Any:
    async def check() -> bool:
        try:
            return all([(await worker.ask(PLAIN))[0] == 200 for _ in range(5)])
        except (ClientConnectorError, ConnectionError):
            return False

    return check


async def test_slow_heads_are_cut_off_before_and_after_the_hand_over(tmp_path: Path, writer: ReplicaWriter) -> None:
    from resolver.connection_limits import ConnectionLimits  # noqa: PLC0415 - one test's

    limits = ConnectionLimits(head_s=0.3, idle_s=0.3)
    async with running(tmp_path, connections=limits) as worker:
        for beginning in (b"", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"):
            reader, out = await asyncio.open_connection("127.0.0.1", worker.port)
            out.write(beginning + b"GET /")
            await asyncio.wait_for(reader.read(), 10.0)
            out.close()
    writer.close()


def test_a_worker_runs_on_uvloop(tmp_path: Path) -> None:
    async def scenario() -> None:
        writer = fill(tmp_path / "replica", examples())
        async with registry(tmp_path / "registry.sock", _hello), running(tmp_path) as worker:
            assert (await worker.ask(PLAIN))[0] == 200
            assert (await worker.ask(f"/{PREFIX}/SN1"))[0] == 302
            assert (await worker.ask("/api/v1/x"))[2] == b"hello"
            assert (await worker.ask("/metrics"))[0] == 200
        writer.close()

    uvloop.run(scenario())


async def _hello(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"hello")
