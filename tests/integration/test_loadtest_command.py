"""The command as a user runs it: a process, its exit code, what it prints and writes."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.support import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-c", "from loadtest.command import app; app()"]
KEYS = ["--prefix", "88.118.8", "--count", "10"]
SHORT = ["--rate", "50", "--duration", "0.5", "--warmup", "0", "--connections", "2"]


class Found(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.send_response(200 if "absent" not in self.path else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Found) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def loadtest(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False)


def test_a_run_prints_figures_and_writes_its_report(url: str, tmp_path: Path) -> None:
    report = tmp_path / "run.html"
    done = loadtest("--url", url, *KEYS, *SHORT, "--json", "--report", str(report))
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["series"][0]["statuses"] == {"200": figures["series"][0]["answered"]}
    assert "reads" in done.stderr
    assert json.loads(report.with_suffix(".json").read_bytes()) == figures
    assert "<svg" in report.read_text(encoding="utf-8")


def test_the_figures_are_shown_as_a_table_and_misses_are_right_answers(url: str) -> None:
    done = loadtest("--url", url, *KEYS, *SHORT, "--scenario", "misses")
    assert done.returncode == 0, done.stderr
    assert "misses" in done.stdout
    assert "p99.9" in done.stdout


def test_wrong_answers_end_with_exit_code_1(url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("88.118.8/absent\n")
    done = loadtest("--url", url, "--keys", str(keys), *SHORT, "--json")
    assert done.returncode == 1
    series = json.loads(done.stdout)["series"][0]
    assert series["unexpected"] == series["answered"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--url", "http://192.0.2.1", *KEYS], "--allow-remote"),
        ([], "--prefix"),
        ([*KEYS, "--scenario", "mixed"], "token"),
        ([*KEYS, "--format", "{n}{n}"], "format"),
        ([*KEYS, "--duration", "3601"], "3600"),
        ([*KEYS, "--report", "/nowhere/run.html"], "folder"),
        (["--keys", "/nowhere/keys.txt"], "cannot be read"),
    ],
)
def test_options_that_make_no_sense_end_with_exit_code_2_and_what_to_do(options: list[str], said: str) -> None:
    done = loadtest(*options)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_node_that_is_not_there_ends_with_exit_code_3() -> None:
    done = loadtest("--url", f"http://127.0.0.1:{free_port()}", *KEYS, *SHORT)
    assert done.returncode == 3
    assert "is the node running" in done.stderr


def test_an_interrupt_ends_the_run_early_with_its_figures(url: str) -> None:
    options = [
        "--url",
        url,
        *KEYS,
        "--rate",
        "50",
        "--duration",
        "600",
        "--warmup",
        "0",
        "--connections",
        "2",
        "--json",
    ]
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        assert process.stderr is not None
        assert process.stdout is not None
        assert "reads" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        figures = json.loads(process.stdout.read())
        assert process.wait(30) == 0
    assert figures["elapsed_s"] < 30
    assert figures["series"][0]["answered"] > 30
