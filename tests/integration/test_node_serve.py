"""`idnode serve`, with everything it starts."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from identifiers.handle_wire.codes import CERTIFY, REQUEST_FLAGS
from identifiers.handle_wire.keys import load_public_key
from identifiers.handle_wire.message import decode_message
from identifiers.handle_wire.requests import GetSiteInfo
from identifiers.handle_wire.signing import is_signed_by
from identifiers.hs_site import parse_site
from node.errors import AddressError
from node.serve import handle_reserved
from node.settings import Handle
from tests.integration.handle_worker import Datagrams, Stream, request
from tests.support import NodeProcess, eventually, is_running

IDNODE = str(Path(sys.executable).with_name("idnode"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """Give a node to all tests of this module; each leaves it running, as it found it."""
    node = NodeProcess(tmp_path_factory.mktemp("node") / "data", workers=2)
    asyncio.run(node.start())
    yield node
    asyncio.run(node.stop())


async def status_of(url: str, path: str, headers: dict[str, str] | None = None) -> int:
    async with aiohttp.ClientSession() as session, session.get(url + path, headers=headers) as answer:
        return answer.status


async def is_whole(node: NodeProcess) -> bool:
    async with aiohttp.ClientSession() as session, session.get(node.url + "/readyz") as answer:
        body = await answer.json()
        return bool(body["lookups"] and body["writes"])


def seen_by_others(pid: int) -> bytes:
    process = Path("/proc") / str(pid)
    return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()


def run_serve(*arguments: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IDNODE_")}
    clean["IDNODE_HANDLE_ADDRESS"] = "127.0.0.1:0"
    return subprocess.run(
        [IDNODE, "serve", *arguments], capture_output=True, text=True, check=False, timeout=timeout_s, env=clean
    )


def test_the_first_start_shows_where_everything_is(node: NodeProcess) -> None:
    assert f"The node is ready at {node.url}" in node.log
    assert f"{node.url}/api/v1/openapi.json" in node.log
    assert f"{node.url}/api/v1/docs" in node.log


async def test_the_handle_port_is_shown_and_signs_its_answers_over_tcp_and_udp(node: NodeProcess) -> None:
    assert f"Handle protocol      {node.handle}, TCP and UDP" in node.log
    port = int(node.handle.rpartition(":")[2])
    octets = request(GetSiteInfo(), flags=REQUEST_FLAGS | CERTIFY)
    with Datagrams(port) as datagrams:
        over_udp = decode_message(await datagrams.ask(octets))
    async with await Stream.open(port) as stream:
        over_tcp = decode_message(await stream.ask(octets))
    for message in (over_udp, over_tcp):
        (server,) = parse_site(message.body).servers
        assert {(one.protocol, one.port) for one in server.interfaces} >= {(0, port), (1, port)}
        assert is_signed_by(message, load_public_key(server.public_key))
    assert over_tcp.body == over_udp.body


async def test_the_token_is_kept_private_shown_once_and_opens_the_api(node: NodeProcess) -> None:
    assert (node.data_dir / "admin-token").stat().st_mode & 0o777 == 0o600
    assert node.log.count(node.token) == 1
    assert await status_of(node.url, "/api/v1/prefixes", node.authorization) == 200
    assert await status_of(node.url, "/api/v1/prefixes") == 401


def test_no_secret_is_in_the_process_list(node: NodeProcess) -> None:
    for pid in [*node.pids.values(), node.about["pid"]]:
        assert node.token.encode() not in seen_by_others(pid)
        assert b"postgresql://" not in seen_by_others(pid)


def test_the_node_describes_itself_for_the_commands_on_its_host(node: NodeProcess) -> None:
    about = node.about
    assert set(about["processes"]) == {"postgres", "registry", "follower", "worker-0", "worker-1"}
    assert all(is_running(pid) for pid in about["processes"].values())
    assert about["token_file"] == str(node.data_dir / "admin-token")
    assert (node.data_dir / "run" / "node.json").stat().st_mode & 0o777 == 0o644


async def test_what_must_not_be_reached_by_others_is_closed_to_them(node: NodeProcess) -> None:
    run = node.data_dir / "run"
    assert {(run / name).stat().st_mode & 0o777 for name in ("registry.sock", "follower.sock")} == {0o600}
    assert (run / "postgres").stat().st_mode & 0o777 == 0o700


async def test_the_figures_of_every_process_are_shown_by_any_worker(node: NodeProcess) -> None:
    async def shown() -> set[str]:
        async with aiohttp.ClientSession() as session, session.get(node.url + "/metrics") as answer:
            processes = set(re.findall(r'process="([^"]+)"', await answer.text()))
        return processes if len(processes) == 5 else set()

    assert await eventually(shown) == {"supervisor", "registry", "follower", "worker-0", "worker-1"}


async def test_the_status_lists_the_processes_and_the_spool(node: NodeProcess) -> None:
    async with (
        aiohttp.ClientSession(headers=node.authorization) as session,
        session.get(node.url + "/api/v1/status") as answer,
    ):
        more = (await answer.json())["more"]
    assert {row["name"]: row["pid"] for row in more["processes"]} == node.pids
    assert set(more["spool"]) == {"segments", "octets"}


async def test_a_second_node_on_the_same_directory_is_refused(node: NodeProcess) -> None:
    done = run_serve("--data-dir", str(node.data_dir), "--http", "127.0.0.1:0")
    assert done.returncode == 3
    assert done.stderr.strip().splitlines()[-1].startswith(f"idnode: another node runs on {node.data_dir}")
    assert await is_whole(node)


async def test_a_second_node_on_the_same_address_is_refused(node: NodeProcess, tmp_path: Path) -> None:
    address = urlsplit(node.url).netloc
    done = run_serve("--data-dir", str(tmp_path / "data"), "--http", address)
    assert done.returncode == 4
    assert await is_whole(node)


@pytest.mark.parametrize("name", ["worker-0", "registry", "follower", "postgres"])
async def test_a_killed_process_is_started_again_within_a_second_and_only_it(node: NodeProcess, name: str) -> None:
    before = node.pids
    os.kill(before[name], signal.SIGKILL)
    await eventually(lambda: node.pids.get(name, before[name]) != before[name], 1.0)
    await eventually(lambda: is_whole(node), 20, retrying=(AssertionError, aiohttp.ClientError))
    after = node.pids
    assert {other for other in before if after[other] != before[other]} == {name}


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_stop_leaves_nothing_behind_and_the_next_start_goes_on(node: NodeProcess, kind: signal.Signals) -> None:
    pids, token = node.pids.values(), node.token
    await node.stop(kind=kind)
    assert not any(map(is_running, pids))
    assert list_directory(node.data_dir / "run") == []
    await node.start()
    assert (node.token, node.log.count(token)) == (token, 1)


async def test_when_the_supervisor_is_killed_its_processes_end_and_the_next_start_recovers(node: NodeProcess) -> None:
    pids = node.pids.values()
    await node.kill()
    assert not any(map(is_running, pids))
    await node.start()
    assert await is_whole(node)


async def test_a_start_right_after_a_kill_waits_for_what_is_left_of_the_old_node(node: NodeProcess) -> None:
    assert node.process is not None
    old = node.pids
    node.process.kill()
    node.process.wait()
    await node.start()
    assert not set(old.values()) & set(node.pids.values())
    assert await is_whole(node)


def list_directory(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_a_port_in_use_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_serve("--data-dir", str(tmp_path / "data"), "--http", f"127.0.0.1:{port}")
    assert done.returncode == 4
    assert f"cannot listen on 127.0.0.1:{port}: another program listens there" in done.stderr
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_database_out_of_reach_is_told_without_its_password(tmp_path: Path) -> None:
    dsn = "postgresql://u:hunter2@127.0.0.1:1/none"
    done = run_serve("--data-dir", str(tmp_path / "data"), "--http", "127.0.0.1:0", "--database", dsn)
    assert done.returncode == 5
    assert "postgresql://u:***@127.0.0.1:1/none cannot be reached" in done.stderr
    assert "hunter2" not in done.stderr
    assert not list((tmp_path / "data" / "run").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--http", "8080"], 2, "http.address (command line): '8080' will not do"),
        (["--workers", "1000"], 2, "workers (command line): 1000 will not do"),
        (["--config", "/nowhere/idnode.toml"], 2, "/nowhere/idnode.toml cannot be read"),
        (["--data-dir", "/proc/nowhere"], 3, "the data directory /proc/nowhere cannot be used"),
    ],
)
def test_what_stops_a_start_is_one_line_and_an_exit_code(arguments: list[str], code: int, said: str) -> None:
    done = run_serve(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_stop_during_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "data")
    started = node.begin()
    await eventually((node.data_dir / "postgres").exists, 20)
    started.terminate()
    assert await eventually(lambda: started.poll() is not None, 20)
    assert started.returncode == 0, node.log
    assert not [path for path in (node.data_dir / "run").rglob("*") if not path.is_dir()]


async def test_a_node_on_a_named_database_runs_no_postgres_of_its_own(tmp_path: Path, database: str) -> None:
    async with NodeProcess(tmp_path / "data", "--database", database) as node:
        assert "postgres" not in node.pids
        assert await status_of(node.url, "/api/v1/prefixes", node.authorization) == 200
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_second_node_takes_a_free_port_for_handle_unless_told_one() -> None:
    usual = Handle().address
    with ExitStack() as held:
        with suppress(OSError):  # another node of this host may have it
            held.enter_context(socket.create_server((usual.host, usual.port)))
        other = held.enter_context(handle_reserved(usual))
        assert other.port not in (0, usual.port)
        taken = held.enter_context(socket.create_server((usual.host, 0)))
        asked = other.with_port(taken.getsockname()[1])
        with pytest.raises(AddressError), handle_reserved(asked):
            pass
