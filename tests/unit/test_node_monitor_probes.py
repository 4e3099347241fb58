"""Probes against a server that says what the test wants, and what is looked at on the host."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.monitor import host_checks, probes
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
        head = await reader.readuntil(b"\r\n\r\n")
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
        await probes.handle_site("127.0.0.1", port),
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
