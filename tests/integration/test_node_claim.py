"""One node per data directory, and one program per address."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from node import claim
from node.addresses import HostPort
from node.claim import claimed
from node.errors import AddressError, DataDirectoryError
from node.listening import reserved
from node.paths import DataPaths


@pytest.fixture
def paths(tmp_path: Path) -> DataPaths:
    paths = DataPaths(tmp_path / "data")
    paths.create()
    return paths


async def test_a_second_claim_on_a_data_directory_is_refused(paths: DataPaths) -> None:
    async with claimed(paths):
        with pytest.raises(DataDirectoryError, match=r"another node runs on .*data; stop it first"):
            async with claimed(paths):
                pass
    async with claimed(paths):
        pass


async def test_a_claim_waits_for_the_children_of_a_killed_supervisor(paths: DataPaths) -> None:
    async with claimed(paths) as shared:
        child = started_with(shared)
    assert child.stdin is not None
    child.stdin.close()
    async with claimed(paths):
        assert child.wait(timeout=30) == 0


async def test_children_that_do_not_end_are_told(paths: DataPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_LEFT_CHILDREN_SECONDS_MAX", 0.1)
    async with claimed(paths) as shared:
        child = started_with(shared)
    try:
        with pytest.raises(DataDirectoryError, match="processes of a node that was killed still work"):
            async with claimed(paths):
                pass
    finally:
        child.kill()
        child.communicate()


def started_with(descriptor: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(descriptor,),
    )


def test_a_data_directory_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataDirectoryError, match=r"file.*--data-dir"):
        DataPaths(tmp_path / "file" / "data").create()


def test_sockets_of_a_deep_data_directory_stand_in_a_short_private_one_and_are_cleared(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path / ("deep" * 30))
    paths.create()
    assert len(os.fsencode(paths.registry_socket)) < 100
    assert paths.sockets.stat().st_mode & 0o777 == 0o700
    assert DataPaths(paths.data_dir).sockets == paths.sockets
    paths.clear_run()
    assert not paths.sockets.exists()


def test_a_socket_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path / ("deep" * 30))
    paths.sockets.mkdir()
    paths.sockets.chmod(0o755)
    try:
        with pytest.raises(DataDirectoryError, match="not this user's own"):
            paths.create()
    finally:
        paths.sockets.rmdir()


def test_port_0_gives_a_free_port_that_workers_can_share() -> None:
    with reserved(HostPort("127.0.0.1:0")) as address:
        assert address.port > 0
        with worker_socket(address) as one, worker_socket(address) as other:
            one.listen()
            other.listen()


def test_an_address_in_use_is_refused_even_when_the_other_shares_its_port() -> None:
    with reserved(HostPort("127.0.0.1:0")) as address, worker_socket(address) as worker:
        worker.listen()
        with pytest.raises(AddressError, match="another program listens there"), reserved(address):
            pass


@pytest.mark.parametrize(
    ("address", "said"),
    [("192.0.2.1:8080", "no such address"), ("no-such-host.invalid:8080", "check the host")],
)
def test_an_address_that_is_not_ours_is_refused_with_its_reason(address: str, said: str) -> None:
    with pytest.raises(AddressError, match=said), reserved(HostPort(address)):
        pass


def worker_socket(address: HostPort) -> socket.socket:
    shared = socket.socket()
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((address.host, address.port))
    return shared


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_for_both_transports_is_refused_when_either_is_taken(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        address = HostPort(f"127.0.0.1:{taken.getsockname()[1]}")
        with (
            pytest.raises(AddressError, match=r"another program listens there.*--handle"),
            reserved(address, "--handle", datagrams=True),
        ):
            pass


def test_a_chosen_port_is_free_for_datagrams_and_not_held_for_them() -> None:
    with (
        reserved(HostPort("127.0.0.1:0"), "--handle", datagrams=True) as address,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as workers,
    ):
        workers.bind((address.host, address.port))
