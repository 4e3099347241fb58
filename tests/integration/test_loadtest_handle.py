"""`idnode loadtest` over the Handle protocol, against a stand-in over real sockets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from identifiers.values import Value
from tests.node_command import run_command
from tests.stand_in_handle_server import StandInHandleServer, with_request_id

COMMAND = [sys.executable, "-c", "from loadtest.command import app; app()"]
SHORT = ["--rate", "50", "--duration", "0.4", "--warmup", "0", "--connections", "2", "--json"]
KEYS = ["--prefix", "88.118.8", "--count", "3", "--format", "{prefix}/SN{n}"]


@pytest.fixture
def server() -> Iterator[StandInHandleServer]:
    with StandInHandleServer() as running:
        for number, octets in enumerate((10, 1_000, 3_000)):
            running.records[f"88.118.8/SN{number}"] = (Value(1, "NOTE", b"n" * octets),)
        yield running


def loadtest(server: StandInHandleServer, protocol: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--protocol", protocol, "--url", f"handle://{server.address}", *KEYS, *SHORT, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("protocol", ["handle-udp", "handle-tcp"])
def test_look_ups_are_answered_right_in_one_datagram_and_in_several(server: StandInHandleServer, protocol: str) -> None:
    done = loadtest(server, protocol)
    assert done.returncode == 0, done.stderr
    series = json.loads(done.stdout)["series"][0]
    assert series["statuses"] == {"1": series["answered"]}
    assert {way for way, _ in server.asked} == {protocol.removeprefix("handle-")}


def test_a_closed_loop_asks_as_fast_as_it_is_answered_and_misses_are_right_answers(
    server: StandInHandleServer,
) -> None:
    done = loadtest(server, "handle-udp", "--loop", "closed", "--scenario", "misses")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["series"][0]["statuses"]) == {"100"}


def test_refusals_are_wrong_answers(server: StandInHandleServer) -> None:
    server.refused = dict.fromkeys(server.records, 301)
    done = loadtest(server, "handle-udp")
    assert done.returncode == 1
    series = json.loads(done.stdout)["series"][0]
    assert series["unexpected"] == series["answered"] > 0


def test_answers_to_other_requests_are_wrong(server: StandInHandleServer) -> None:
    server.mangle = lambda message: with_request_id(message, message.envelope.request_id ^ 1)
    done = loadtest(server, "handle-tcp")
    assert (done.returncode, set(json.loads(done.stdout)["series"][0]["statuses"])) == (1, {"0"})


def test_lost_datagrams_are_requests_that_time_out_and_the_rest_goes_on(server: StandInHandleServer) -> None:
    server.deaf_to = b"88.118.8/SN1"
    done = loadtest(server, "handle-udp", "--timeout", "0.05")
    assert done.returncode == 1
    series = json.loads(done.stdout)["series"][0]
    assert (series["timed_out"] > 0, series["unexpected"]) == (True, 0)
    assert set(series["statuses"]) == {"1"}


def test_nobody_there_is_said_before_anything_is_measured(server: StandInHandleServer) -> None:
    server.port = 9
    for protocol in ("handle-udp", "handle-tcp"):
        done = loadtest(server, protocol)
        assert done.returncode == 3, done.stderr
        assert "is the node running" in done.stderr


@pytest.mark.parametrize(
    ("protocol", "options", "said"),
    [
        ("handle-udp", ["--scenario", "register", "--loop", "closed"], "handle-tcp"),
        ("handle-tcp", ["--scenario", "register", "--loop", "closed"], "--auth"),
        ("handle-tcp", ["--scenario", "mixed"], "http"),
        ("http", [], "http://"),
        ("handle-tcp", ["--url", "handle://192.0.2.1"], "--allow-remote"),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: StandInHandleServer, protocol: str, options: list[str], said: str
) -> None:
    url = ["--protocol", protocol, "--url", f"handle://{server.address}"]
    outcome = run_command("loadtest", *url, *KEYS, *SHORT, *options)
    assert (outcome.code, server.asked) == (2, [])
    assert said in outcome.err.replace("\n", " ")


def test_the_secret_is_not_in_the_figures(server: StandInHandleServer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not to be seen\n")
    done = loadtest(
        server, "handle-tcp", "--scenario", "register", "--loop", "closed", "--auth", "300:88.118.8/ADMIN",
        "--secret-file", str(tmp_path / "secret"),
    )  # fmt: skip
    assert done.returncode == 3  # a stand-in makes no sessions
    assert "not to be seen" not in done.stdout + done.stderr
