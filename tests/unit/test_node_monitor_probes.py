"""Probes against a server that says what the test wants, and what is looked at on the host."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from identifiers.handle import fold
from identifiers.handle_wire.codes import ResponseCode
from node.monitor import host_checks, probes
from node.monitor.blocked import BlockedTraffic
from node.monitor.prober import Prober, Targets
from registry.service.prefix_routes import Address
from tests.stand_in_handle_server import StandInHandleServer
from tests.support import free_port

NOW = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)


class Server:
    """Answers every request the same, and keeps what was asked."""

    def __init__(self, status: int, body: object) -> None:
        self.answer = json.dumps(body).encode()
        self.status = status
        self.asked: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # whoever only looked whether somebody is there
            writer.close()
            return
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        self.asked.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(self.answer), self.answer))
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(status: int, body: object) -> AsyncIterator[Server]:
    server = Server(status, body)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


@pytest.mark.parametrize(
    ("status", "code", "is_well"),
    [(200, 1, True), (404, 100, True), (404, 200, False), (500, 2, False), (200, 2, False), (400, 301, None)],
)
async def test_a_look_up_is_well_when_it_is_answered_as_it_has_to_be(
    status: int, code: int, *, is_well: bool | None
) -> None:
    async with serving(status, {"responseCode": code}) as server:
        probed = await probes.resolution(server.url, "88.118/IDNODE-PROBE", "secret")
    assert probed.is_well is is_well
    assert server.asked[0].startswith(b"GET /api/handles/88.118/IDNODE-PROBE HTTP/1.1\r\n")
    assert b"\r\nIdn-Probe: secret\r\n" in server.asked[0]


@pytest.mark.parametrize(
    ("status", "is_well"),
    [(200, True), (201, True), (202, True), (503, False), (500, False), (429, False), (404, None)],
)
async def test_a_registration_carries_the_minute_and_a_refusal_of_the_probe_itself_says_nothing(
    status: int, *, is_well: bool | None
) -> None:
    async with serving(status, {"code": "some_code"}) as server:
        probed = await probes.registration(server.url, "88.118/IDNODE-PROBE", "secret", "idn_token", NOW)
    assert probed.is_well is is_well
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /api/v1/identifiers/88.118/IDNODE-PROBE HTTP/1.1\r\n")
    assert b"Authorization: Bearer idn_token" in head
    assert json.loads(body)["values"][0]["data"]["value"] == "2031-05-06T01:02Z"
    assert ("some_code" in probed.cause) is (is_well is not True)


async def test_the_probe_secret_goes_to_no_enterprises_node() -> None:
    async with serving(200, {"responseCode": 1}) as server:
        await probes.resolution(server.url, "88.118.9/IDNODE-PROBE")
    assert b"Idn-Probe" not in server.asked[0]


async def test_nobody_there_is_a_failure_with_its_cause() -> None:
    port = free_port()
    for probed in (
        await probes.connection("127.0.0.1", port),
        await probes.resolution(f"http://127.0.0.1:{port}", "88.118/X"),
        await probes.own_handle_resolution("127.0.0.1", port, "88.118/X", "secret"),
    ):
        assert probed.is_well is False
        assert str(port) in probed.cause


def test_a_disk_without_room_fails(tmp_path: Path) -> None:
    assert host_checks.disk(tmp_path, 0).is_well
    full = host_checks.disk(tmp_path, 101)
    assert full.is_well is False
    assert "% left" in full.cause
    assert host_checks.disk(tmp_path / "none", 0).is_well is False


def test_the_lag_is_what_the_follower_shows(tmp_path: Path) -> None:
    assert host_checks.lag_s(tmp_path) is None
    (tmp_path / "follower.prom").write_text("# HELP\nidnode_replica_lag_seconds 1.5\n")
    assert host_checks.lag_s(tmp_path) == 1.5
    assert host_checks.replica(1.5, 1).is_well is False
    assert host_checks.replica(1.5, 2).is_well is True
    assert host_checks.replica(None, 2).is_well is None


@pytest.mark.parametrize(("off", "is_well"), [(0.0, True), (1.9, True), (2.1, False), (-2.1, False)])
def test_a_clock_more_than_two_seconds_off_fails(off: float, *, is_well: bool) -> None:
    now = NOW.timestamp()
    answer = bytes([0x24, 2]) + bytes(38) + struct.pack("!II", int(now) + 2_208_988_800, 0)
    assert host_checks.clock_off(answer, now + off).is_well is is_well


def test_an_answer_that_is_none_says_nothing_about_the_clock() -> None:
    assert host_checks.clock_off(b"", 0.0).is_well is None
    assert host_checks.clock_off(bytes(48), 0.0).is_well is None


def show(metrics: Path, process: str, **figures: float) -> None:
    """Write the figures of a process as it does."""
    names = {
        "over_rate": 'idnode_handle_datagrams_total{end="over_rate"}',
        "refused": "idnode_connections_refused_total",
        "lookups": 'idnode_lookups_total{face="lookup",outcome="found"}',
        "limited": "idnode_registry_rate_limited_total",
        "writes": 'idnode_registry_requests_total{outcome="answered"}',
    }
    lines = [f"{names[name]} {value}" for name, value in figures.items()]
    (metrics / f"{process}.prom").write_text("# HELP x\n" + "\n".join(lines) + "\n")


def test_traffic_turned_away_is_judged_by_what_was_added_by_all_processes(tmp_path: Path) -> None:
    blocked = BlockedTraffic(tmp_path, 20)
    show(tmp_path, "worker-0", over_rate=50_000.0, lookups=1e6)
    assert blocked.look(100.0).is_well is None, "nothing to compare with"
    show(tmp_path, "worker-0", over_rate=50_000.0, lookups=1e6 + 600)
    show(tmp_path, "worker-1", over_rate=60.0, refused=60.0, lookups=240.0, writes=100.0)
    show(tmp_path, "registry", limited=80.0)
    found = blocked.look(110.0)
    assert found.is_well is False
    assert found.cause == "limits turn 20 % of 100 requests/s away"
    show(tmp_path, "worker-0", over_rate=50_000.0, lookups=1e6 + 601)
    assert blocked.look(120.0).is_well is True


@pytest.mark.parametrize(
    ("over_rate", "lookups", "writes", "limited", "is_well"),
    [
        (200, 1_000, 0, 0, False),
        (199, 1_000, 0, 0, True),  # less than a fifth
        (99, 100, 0, 0, True),  # a handful: somebody's mistake
        (0, 800, 200, 200, False),  # what the registry answers includes what it refuses
        (0, 801, 199, 199, True),
        (300, 0, 0, 0, False),  # whatever is counted otherwise
    ],
)
def test_a_fifth_of_much_traffic_turned_away_is_an_attack(
    tmp_path: Path, over_rate: int, lookups: int, writes: int, limited: int, *, is_well: bool
) -> None:
    blocked = BlockedTraffic(tmp_path, 20)
    blocked.look(0.0)
    show(tmp_path, "worker-0", over_rate=over_rate, lookups=lookups, writes=writes)
    show(tmp_path, "registry", limited=limited)
    assert blocked.look(10.0).is_well is is_well


def test_a_process_that_began_anew_counts_from_nothing(tmp_path: Path) -> None:
    blocked = BlockedTraffic(tmp_path, 20)
    show(tmp_path, "worker-0", over_rate=1e6, lookups=10.0)
    blocked.look(0.0)
    show(tmp_path, "worker-0", over_rate=150.0, lookups=0.0)
    assert blocked.look(10.0).is_well is False


def prober(directory: Path, **changed: Any) -> Prober:
    targets: dict[str, Any] = {
        "local": "http://127.0.0.1:9",
        "local_handle": "handle://127.0.0.1:9",
        "addresses": (),
        "identifier": "88.118/IDNODE-PROBE",
        "token_file": directory / "token",
        "probes": 1,
        "data_dir": directory,
        "metrics": directory,
        "disk_free_min_percent": 0,
        "replica_lag_max_s": 60,
        "blocked_percent": 20,
    }
    return Prober(Targets(**(targets | changed)), "secret")


async def test_a_route_is_probed_over_each_protocol_it_names(tmp_path: Path) -> None:
    dead = free_port()
    with StandInHandleServer() as handle:
        async with serving(404, {"responseCode": 100}) as http:
            address = Address("127.0.0.1", handle.port, handle.port, urlsplit(http.url).port)
            found = await prober(tmp_path).routes({"88.118.9": [address, Address("127.0.0.2", udp_port=dead)]})
        asked = [name for name, _ in handle.asked]
    well = {place: (one.reachable.is_well, one.answers.is_well) for (_, place), one in found.items()}
    assert well == {
        f"127.0.0.1 TCP {handle.port}": (True, True),
        f"127.0.0.1 UDP {handle.port}": (True, True),
        f"127.0.0.1 HTTP {urlsplit(http.url).port}": (True, True),
        f"127.0.0.2 UDP {dead}": (False, None),
    }
    assert len(asked) == 2


@pytest.mark.parametrize("way", ["tcp", "udp"])
async def test_a_handle_server_that_answers_wrongly_is_reachable_all_the_same(tmp_path: Path, way: str) -> None:
    with StandInHandleServer() as handle:
        handle.refused[fold("88.118.9/IDNODE-PROBE")] = ResponseCode.SERVER_NOT_RESPONSIBLE
        address = Address("127.0.0.1", **{f"{way}_port": handle.port})
        ((_, probed),) = (await prober(tmp_path).routes({"88.118.9": [address]})).items()
    assert probed.reachable.is_well is True
    assert probed.answers.is_well is False


async def test_what_this_host_answers_itself_is_asked_over_the_same_protocol(tmp_path: Path) -> None:
    async with serving(200, {"responseCode": 1}) as server:
        made = prober(tmp_path, local=server.url)
        assert (await made.locally("https://id.example")).is_well is True
        assert (await made.locally("handle://192.0.2.1:2641")).is_well is False
