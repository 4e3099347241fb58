"""Datagrams in batches, by the kernel's own calls and one at a time: the same either way."""

import errno
import socket
from collections.abc import Callable, Iterator

import pytest

from resolver.handle import datagrams as module
from resolver.handle.datagrams import BATCH_MAX, Batches, KernelBatches, SingleDatagrams, batches_of

Making = Callable[[socket.socket], Batches]


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["ipv4", "ipv6"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a server's and a client's socket."""
    family, host = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        try:
            server.bind((host, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                pytest.skip("this host has no IPv6")
            raise
        server.setblocking(False)  # noqa: FBT003 - the library's own positional flag
        client.bind((host, 0))
        client.connect(server.getsockname())
        client.settimeout(10.0)
        yield server, client


@pytest.fixture(params=[KernelBatches, SingleDatagrams])
def batches(request: pytest.FixtureRequest, ends: tuple[socket.socket, socket.socket]) -> Batches:
    made: Batches = request.param(ends[0])
    return made


def test_nothing_has_arrived(batches: Batches) -> None:
    assert batches.receive() == []


def test_datagrams_arrive_in_order_with_their_senders_and_are_answered(
    batches: Batches, ends: tuple[socket.socket, socket.socket]
) -> None:
    _, client = ends
    sent = [b"x" * number for number in range(20)]
    for datagram in sent:
        client.send(datagram)
    arrived = batches.receive()
    assert [datagram for datagram, _ in arrived] == sent
    assert {batches.address_of(name) for _, name in arrived} == {client.getsockname()}
    assert batches.send([(datagram + b"!", name) for datagram, name in arrived]) == 20
    assert [client.recv(600) for _ in sent] == [datagram + b"!" for datagram in sent]


def test_no_more_than_a_batch_is_received_at_once(batches: Batches, ends: tuple[socket.socket, socket.socket]) -> None:
    for number in range(BATCH_MAX + 3):
        ends[1].send(bytes((number,)))
    assert [len(batches.receive()) for _ in range(3)] == [BATCH_MAX, 3, 0]


def test_a_datagram_too_long_is_cut_and_disturbs_no_other(
    batches: Batches, ends: tuple[socket.socket, socket.socket]
) -> None:
    for datagram in (b"a", b"y" * 5_000, b"b"):
        ends[1].send(datagram)
    assert [len(datagram) for datagram, _ in batches.receive()] == [1, module.READ_OCTETS, 1]


def test_a_system_without_such_calls_takes_one_at_a_time(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(batches_of(ends[0]), KernelBatches)

    class Library:
        """Has neither call."""

    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: Library())
    assert isinstance(batches_of(ends[0]), SingleDatagrams)


def test_a_closed_socket_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    made = KernelBatches(ends[0])
    ends[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        made.receive()
