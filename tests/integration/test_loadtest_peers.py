"""The peers as the bench runs them: real nginx where it is installed, a real aiohttp process."""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from loadtest.bench import rounds
from loadtest.bench.processes import cpu_s, descendants, pin, resident_mb
from loadtest.bench.rounds import interleaved, lookup_plan
from loadtest.bench.settings import Settings
from loadtest.keys import KeyPattern
from loadtest.peers.aiohttp_dict import aiohttp_peer
from loadtest.peers.nginx import nginx_binary, nginx_peer, nginx_version
from loadtest.peers.served import ServerFailed, running, wait_until
from tests.support import is_running

if TYPE_CHECKING:
    from pathlib import Path

    from loadtest.peers.served import Served

KEYS = KeyPattern("88.118.8", 50)
BODY = b'{"responseCode":1,"handle":"88.118.8/SN0000000","values":[{"data":"it\'s \\\\ SN0000000"}]}'

needs_nginx = pytest.mark.skipif(nginx_binary() is None, reason="nginx is not installed; the bench does without it too")


def get(served: Served, path: str) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["Content-Type"]
    finally:
        connection.close()


@needs_nginx
def test_nginx_answers_the_same_octets_to_everything(tmp_path: Path) -> None:
    binary = nginx_binary()
    assert binary is not None
    assert nginx_version(binary)[0].isdigit()
    with nginx_peer(binary, BODY, tmp_path / "nginx") as served:
        assert get(served, "/api/handles/88.118.8/SN0000007") == (200, BODY, "application/json")
        assert is_running(served.worker_pid)
    assert not is_running(served.worker_pid)


@needs_nginx
def test_an_answer_that_nginx_cannot_hold_is_refused(tmp_path: Path) -> None:
    for body in (b"costs $5", b"x" * 5000):
        with pytest.raises(ServerFailed, match="constant"), nginx_peer(nginx_binary() or "", body, tmp_path):
            pass


def test_the_aiohttp_peer_has_each_records_own_answer() -> None:
    with aiohttp_peer(KEYS, BODY, "SN0000000") as served:
        status, body, kind = get(served, "/api/handles/88.118.8/SN0000007")
        assert (status, body) == (200, BODY.replace(b"SN0000000", b"SN0000007"))
        assert kind.startswith("application/json")
        assert get(served, "/api/handles/88.118.8/SN0000050")[0] == 404
    assert not is_running(served.worker_pid)


@needs_nginx
def test_rounds_are_taken_in_turn_and_measure_the_servers_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "WARMUP_S", 0.1)
    bench = Settings(work=tmp_path, seconds=0.3, connections=4)
    said: list[str] = []
    with (
        nginx_peer(nginx_binary() or "", BODY, tmp_path / "nginx") as nginx,
        aiohttp_peer(KEYS, BODY, "SN0000000") as aiohttp,
    ):
        samples = interleaved([nginx, aiohttp], lambda one: lookup_plan(one.url, KEYS, bench), 2, said.append)
    assert [line.split()[2] for line in said] == ["nginx", "aiohttp", "nginx", "aiohttp"]
    for taken in samples.values():
        assert len(taken) == 2
        assert all(one.rate > 100 and 0 < one.client_busy < 1.2 for one in taken)
    # aiohttp needs several times nginx's 7 µs; CPU time comes in steps of 10 ms.
    assert samples["aiohttp"][0].server_us > 10


def test_wrong_answers_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "WARMUP_S", 0.1)
    bench = Settings(work=tmp_path, seconds=0.2, connections=2)
    absent = KeyPattern("88.118.7", 50)
    with aiohttp_peer(KEYS, BODY, "SN0000000") as served, pytest.raises(ServerFailed, match="404"):
        interleaved([served], lambda one: lookup_plan(one.url, absent, bench), 1, lambda _: None)


def test_a_server_that_ends_before_it_is_ready_says_its_exit_code() -> None:
    with (
        running(["sh", "-c", "exit 3"]) as process,
        pytest.raises(ServerFailed, match="exit code 3"),
    ):
        wait_until(lambda: False, process, timeout_s=10, what="the shell")


def test_processes_are_pinned_counted_and_weighed(tmp_path: Path) -> None:
    mapped = tmp_path / "mapped"
    mapped.write_bytes(bytes(20_000_000))
    script = (
        "import mmap, sys, time\n"
        f"file = open({str(mapped)!r}, 'rb')\n"
        "held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "sum(held[::4096])\n"
        "while time.process_time() < 0.2: pass\n"
        "open(sys.argv[1], 'w').close()\n"
        "time.sleep(60)\n"
    )
    ready = tmp_path / "ready"
    with running(["python3", "-c", script, str(ready)]) as process:
        core = max(os.sched_getaffinity(0))
        pin(process.pid, core)
        wait_until(ready.exists, process, timeout_s=30, what="the script")
        assert os.sched_getaffinity(process.pid) == {core}
        assert process.pid in descendants(os.getpid())
        assert cpu_s(process.pid) >= 0.19
        without, everything = (
            resident_mb(process.pid, except_below=folder) for folder in (tmp_path, tmp_path / "other")
        )
        assert 19 < everything - without < 21
        assert 3 < without < 40
