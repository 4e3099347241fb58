"""The embedded PostgreSQL, run as the supervisor runs it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from node.errors import DatabaseError
from node.postgres import EmbeddedPostgres
from tests.support import eventually, is_running


@pytest.fixture
def server(tmp_path: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(tmp_path / "postgres", tmp_path / "run", durable=False)


@contextmanager
def running(server: EmbeddedPostgres) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(server.command(), env=dict(server.environment), cwd="/", stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        server.stop()
        process.wait(timeout=10)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def ask(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_what_was_written_is_there_after_a_stop_and_a_start(server: EmbeddedPostgres) -> None:
    server.initialise()
    with running(server) as process:
        await server.wait_ready()
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
    assert process.returncode == 0
    server.initialise()
    with running(server):
        await server.wait_ready()
        assert await ask(server, "SELECT n FROM kept") == 7


async def test_it_listens_on_no_port_and_its_socket_is_closed_to_others(server: EmbeddedPostgres) -> None:
    server.initialise()
    with running(server):
        await server.wait_ready()
        assert await ask(server, "SHOW listen_addresses") == ""
        directory = server.socket_dir.stat()
        assert (directory.st_mode & 0o777, directory.st_uid) == (0o700, os.geteuid())


async def test_text_is_unicode_and_sorted_by_code_point_on_every_host(server: EmbeddedPostgres) -> None:
    server.initialise()
    with running(server):
        await server.wait_ready()
        assert await ask(server, "SELECT upper('ä')") == "Ä"
        assert await ask(server, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{b,B,a}'::text[]) x") == "Bab"
        assert await ask(server, "SHOW server_encoding") == "UTF8"


async def test_a_stop_leaves_no_socket_and_no_lock_file(server: EmbeddedPostgres) -> None:
    server.initialise()
    with running(server):
        await server.wait_ready()
    assert not list(server.socket_dir.iterdir())
    assert not (server.data_dir / "postmaster.pid").exists()


async def test_after_a_crash_it_starts_though_another_has_its_old_process_id(server: EmbeddedPostgres) -> None:
    server.initialise()
    with running(server) as process:
        await server.wait_ready()
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
        process.send_signal(signal.SIGKILL)
        process.wait()
    lock = server.data_dir / "postmaster.pid"
    # As the server's own user: of others PostgreSQL cannot even ask whether they live.
    with started([*server._user.command_prefix, "cat"]) as stranger:
        lock.write_text("\n".join([str(stranger.pid), *lock.read_text().splitlines()[1:], ""]))
        await eventually(lambda: not list_back_ends(server), 10)
        server.settle_leftovers()
        assert is_running(stranger.pid)
        with running(server):
            await server.wait_ready()
            assert await ask(server, "SELECT n FROM kept") == 7


async def test_a_server_that_outlived_its_supervisor_is_stopped_before_a_start(server: EmbeddedPostgres) -> None:
    server.initialise()
    with running(server) as process:
        await server.wait_ready()
        reaping = asyncio.create_task(asyncio.to_thread(process.wait))
        await asyncio.to_thread(server.settle_leftovers)
        assert await reaping == 0


async def test_it_stops_when_the_process_that_started_it_is_killed(server: EmbeddedPostgres) -> None:
    server.initialise()
    code = "import subprocess, sys; subprocess.Popen(sys.argv[1:], cwd='/').wait()"
    with started([sys.executable, "-c", code, *server.command()]) as parent:
        await server.wait_ready()
        parent.kill()
    await eventually(lambda: not (server.data_dir / "postmaster.pid").exists(), 10)


def test_an_interrupted_first_start_is_begun_anew(server: EmbeddedPostgres) -> None:
    half = server.data_dir.with_name("postgres.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    server.initialise()
    assert (server.data_dir / "global").is_dir()
    assert not half.exists()


async def test_a_server_that_does_not_answer_is_told_after_the_time_limit(server: EmbeddedPostgres) -> None:
    with pytest.raises(DatabaseError, match="did not answer within 0 s"):
        await server.wait_ready(timeout_s=0.05)


def test_a_cluster_of_another_version_is_refused_with_the_way_out(server: EmbeddedPostgres) -> None:
    server.data_dir.mkdir()
    (server.data_dir / "PG_VERSION").write_text("14\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 14 .* dump it with 14 and restore it"):
        server.initialise()


def test_a_socket_path_too_long_for_the_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="too long for a socket"):
        EmbeddedPostgres(tmp_path / "postgres", tmp_path / ("d" * 100)).initialise()


def test_a_place_that_cannot_be_written_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatabaseError, match="file"):
        EmbeddedPostgres(tmp_path / "file" / "postgres", tmp_path / "run").initialise()


def list_back_ends(server: EmbeddedPostgres) -> list[str]:
    """Find the processes at work in the cluster's directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == server.data_dir:
                found.append(process.name)
        except OSError:
            continue
    return found
