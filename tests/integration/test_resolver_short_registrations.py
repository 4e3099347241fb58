"""Registrations passed on from the fast lane: the registry and the client see what they see through the handlers."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from identifiers.plain_registration import PlainRegistration
from registry.api.plain_registrations import PlainRegistrations
from registry.calls import serve_calls
from registry.handle_admin.execution import HandleAdministration
from resolver.metrics import Figures
from resolver.registry_calls import RegistryCalls
from resolver.short_registrations import ShortRegistrations
from tests.integration.running_worker import PREFIX, Worker, examples, fill, running
from tests.integration.test_resolver_proxy import registry
from tests.integration.test_resolver_tls import listener, trusting
from tests.support import eventually

STRANGERS_PROXY = ("192.0.2.0/24",)
"""With a trusted proxy set, wherever it is, every registration goes through the handlers."""
TARGET = "/api/v1/identifiers/88.118.8%2Fa//b;c+d/../e"
ANSWER_HEADERS = {"ETag": '"1"', "Location": "/somewhere", "Cache-Control": "private, no-cache", "X-Twice": "1"}


def put(target: str = TARGET, body: bytes = b'{"values":[]}', **headers: str) -> bytes:
    named = {"Host": "a", "Authorization": "Bearer t", "Content-Type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Length": str(len(body))}
    lines = [f"PUT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """One connection to a worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def of(cls, worker: Worker, context: ssl.SSLContext | None = None) -> "Client":
        port = worker.port if context is None else worker.tls_port
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))

    async def answer(self) -> tuple[str, list[tuple[str, str]], bytes]:
        """Read status line, headers without the date, and body."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10.0)).decode().removesuffix("\r\n\r\n")
        line, *fields = head.split("\r\n")
        headers = sorted((name, value) for name, _, value in (field.partition(": ") for field in fields))
        octets = int(dict(headers).get("Content-Length", "0"))
        body = await asyncio.wait_for(self.reader.readexactly(octets), 10.0)
        return line, [pair for pair in headers if pair[0] != "Date"], body

    async def ask(self, request: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
        self.writer.write(request)
        return await self.answer()

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of every request whether it was taken."""
    noted: list[bool] = []
    take = ShortRegistrations.take

    def notes(self: ShortRegistrations, data: bytes, address: str, **more: Any) -> bool:
        noted.append(take(self, data, address, **more))
        return noted[-1]

    monkeypatch.setattr(ShortRegistrations, "take", notes)
    return noted


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    writer = fill(tmp_path / "replica", examples())
    async with running(tmp_path) as worker:
        yield worker
    writer.close()


async def _tell(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    if request.path.endswith("empty"):
        return web.Response(status=204, headers=ANSWER_HEADERS)
    if request.path.endswith("chunked"):
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"in ")
        await response.write(b"pieces")
        return response
    own = ("X-Idnode-Peer", "X-Idnode-Scheme")
    told = [request.method, request.raw_path, {name: request.headers.getall(name) for name in own}]
    others = sorted(pair for pair in request.headers.items() if pair[0] not in own)
    status = 409 if request.path.endswith("conflict") else 201
    return web.json_response([*told, others, body.decode()], status=status, headers=ANSWER_HEADERS)


@pytest.mark.parametrize(
    ("request_", "is_taken"),
    [
        (put(), True),
        (put(If_Match='"3"', Idempotency_Key="key", User_Agent="client/1", Accept="*/*"), True),
        (put(TARGET + "/conflict"), True),
        (put(TARGET + "/empty"), True),
        (put(TARGET + "/chunked"), True),
        (put(TARGET + "?x=%zz&y=1;2"), True),
        (put(X_Idnode_Peer="192.0.2.99", X_Forwarded_For="192.0.2.98"), False),
        (put(X_Request_Id="mine"), False),
    ],
)
async def test_both_sides_see_what_they_see_through_the_handlers(
    tmp_path: Path,
    taken: list[bool],
    request_: bytes,
    is_taken: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    seen = []
    for proxies in ((), STRANGERS_PROXY):
        async with (
            running(tmp_path, trusted_proxies=proxies) as worker,
            registry(worker.settings.registry_socket, _tell),
        ):
            client = await Client.of(worker)
            seen.append([await client.ask(request_) for _ in range(2)])
            client.close()
    assert seen[0] == seen[1]
    # A connection whose first request is not taken is the handlers' from then on.
    assert taken == ([True, True] if is_taken else [False])


async def test_the_registry_is_told_that_a_registration_came_over_tls(tmp_path: Path, taken: list[bool]) -> None:
    async with (
        running(tmp_path, tls=listener(tmp_path, "optional")) as worker,
        registry(worker.settings.registry_socket, _tell),
    ):
        client = await Client.of(worker, trusting(tmp_path))
        told = json.loads((await client.ask(put()))[2])
        client.close()
    assert told[2] == {"X-Idnode-Peer": ["127.0.0.1"], "X-Idnode-Scheme": ["https"]}
    assert taken == [True]


async def test_lookups_and_registrations_on_one_connection_are_answered_in_their_order(
    worker: Worker, taken: list[bool]
) -> None:
    lookup = f"GET /api/handles/{PREFIX}/SN1 HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return await _tell(request)

    async with registry(worker.settings.registry_socket, waits):
        client = await Client.of(worker)
        assert (await client.ask(lookup))[0] == "HTTP/1.1 200 OK"
        client.writer.write(put())
        await arrived.wait()
        for _ in range(3):
            client.writer.write(lookup)
            await client.writer.drain()
        other = await Client.of(worker)  # what came later is answered meanwhile, so it was read
        assert (await other.ask(lookup))[0] == "HTTP/1.1 200 OK"
        go_on.set()
        lines = [(await client.answer())[0] for _ in range(4)]
        assert lines == ["HTTP/1.1 201 Created", *["HTTP/1.1 200 OK"] * 3]
        assert (await client.ask(put()))[0] == "HTTP/1.1 201 Created"
        assert (await client.ask(lookup))[0] == "HTTP/1.1 200 OK"
        client.close()
        other.close()
    assert taken == [True, True]


async def test_a_registry_that_is_away_or_goes_away_is_told_as_by_the_handlers(
    worker: Worker, taken: list[bool]
) -> None:
    client = await Client.of(worker)
    line, _, body = await client.ask(put())
    assert (line, json.loads(body)["code"]) == ("HTTP/1.1 503 Service Unavailable", "registry_away")
    client.close()

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.close()

    answers = []
    for odd in ({}, {"X_Request_Id": "mine"}):
        server = await asyncio.start_unix_server(hangs_up, worker.settings.registry_socket)
        async with server:
            client = await Client.of(worker)
            answers.append(await client.ask(put(**odd)))
            client.close()
    assert answers[0] == answers[1]
    assert json.loads(answers[0][2])["code"] == "registry_interrupted"
    assert taken == [True, True, False]


async def test_more_than_the_registry_has_room_for_is_refused(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, taken: list[bool]
) -> None:
    monkeypatch.setattr("resolver.registry_proxy.OPEN_MAX", 0)
    client = await Client.of(worker)
    line, _, body = await client.ask(put())
    client.close()
    assert (line, json.loads(body)["code"], taken) == ("HTTP/1.1 503 Service Unavailable", "busy", [False])


async def test_a_registration_under_way_ends_before_the_worker_does(tmp_path: Path, taken: list[bool]) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return await _tell(request)

    async with registry(tmp_path / "registry.sock", waits), running(tmp_path, drain_s=10.0) as worker:
        client = await Client.of(worker)
        client.writer.write(put())
        await arrived.wait()
        worker.stop.set()
        await eventually(worker.refuses)
        go_on.set()
        assert (await client.answer())[0] == "HTTP/1.1 201 Created"
        assert await asyncio.wait_for(client.reader.read(), 10.0) == b""
        client.close()
    assert taken == [True]


async def test_a_client_that_leaves_takes_nothing_with_it(tmp_path: Path, taken: list[bool]) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return await _tell(request)

    figures = Figures(CollectorRegistry())
    async with running(tmp_path, figures=figures) as worker, registry(worker.settings.registry_socket, waits):
        leaves = await Client.of(worker)
        leaves.writer.write(put())
        await arrived.wait()
        assert b"idnode_registry_requests_open 1.0" in generate_latest(figures.ours)
        leaves.writer.transport.abort()
        go_on.set()
        stays = await Client.of(worker)
        assert (await stays.ask(put()))[0] == "HTTP/1.1 201 Created"

        async def over() -> bool:
            return b"idnode_registry_requests_open 0.0" in generate_latest(figures.ours)

        await eventually(over)
        stays.close()
        assert b'idnode_registry_requests_total{outcome="answered"} 2.0' in generate_latest(figures.ours)
    assert taken == [True, True]


DEFECT = b"defect"


class SayingRegistrations(PlainRegistrations):
    """Takes what is handed in and says one thing to all of it; `None` leaves it to the API, as a DEFECT does."""

    def __init__(self, says: bytes | None) -> None:
        self.says = says
        self.asked: list[tuple[str, str, str, bytes]] = []
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def answer(self, asked: PlainRegistration) -> bytes | None:
        self.asked.append((asked.target, asked.token, asked.address, asked.body))
        self.arrived.set()
        await self.go_on.wait()
        if self.says == DEFECT:
            raise ZeroDivisionError
        return self.says


class NobodysAdministration(HandleAdministration):
    """Is asked nothing."""

    def __init__(self) -> None:
        pass


SAID = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def handing_in(directory: Path, registrations: SayingRegistrations) -> AsyncIterator[Worker]:
    """Run a worker beside an API and a socket for what is handed in; it is connected to both."""
    path = directory / "calls.sock"
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    async with (
        serve_calls(NobodysAdministration(), registrations, bound),
        running(directory, registry_calls_socket=path) as worker,
        registry(worker.settings.registry_socket, _tell),
    ):

        async def connected() -> bool:
            client = await Client.of(worker)
            await client.ask(put())
            client.close()
            return bool(registrations.asked)

        await eventually(connected)
        registrations.asked.clear()
        registrations.arrived.clear()
        yield worker


async def test_plain_registrations_are_handed_in_and_their_answers_sent_as_they_come(tmp_path: Path) -> None:
    registrations = SayingRegistrations(SAID)
    async with handing_in(tmp_path, registrations) as worker:
        client = await Client.of(worker)
        for _ in range(2):
            assert await client.ask(put()) == ("HTTP/1.1 201 Created", [("Content-Length", "2")], b"{}")
        client.close()
    assert registrations.asked == [(TARGET, "t", "127.0.0.1", b'{"values":[]}')] * 2


@pytest.mark.parametrize("says", [None, DEFECT])
async def test_what_the_registry_leaves_to_the_api_goes_there(tmp_path: Path, says: bytes | None) -> None:
    registrations = SayingRegistrations(says)
    async with handing_in(tmp_path, registrations) as worker:
        client = await Client.of(worker)
        line, headers, body = await client.ask(put())
        client.close()
    assert (line, dict(headers)["X-Twice"], json.loads(body)[1]) == ("HTTP/1.1 201 Created", "1", TARGET)
    assert len(registrations.asked) == 1


@pytest.mark.parametrize(
    "request_",
    [
        put(If_Match='"3"'),
        put(If_None_Match="*"),
        put(Idempotency_Key="key"),
        put(TARGET + "?x=1"),
        put(Authorization="Basic dDp0"),
    ],
)
async def test_what_has_conditions_is_for_the_api_alone(tmp_path: Path, request_: bytes) -> None:
    registrations = SayingRegistrations(SAID)
    async with handing_in(tmp_path, registrations) as worker:
        client = await Client.of(worker)
        assert dict((await client.ask(request_))[1])["X-Twice"] == "1"
        client.close()
    assert registrations.asked == []


async def test_what_was_handed_in_when_the_registry_went_away_may_have_been_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[RegistryCalls] = []
    make = RegistryCalls.__init__

    def notes(self: RegistryCalls, path: Path) -> None:
        made.append(self)
        make(self, path)

    monkeypatch.setattr(RegistryCalls, "__init__", notes)
    registrations = SayingRegistrations(SAID)
    async with handing_in(tmp_path, registrations) as worker:
        registrations.go_on.clear()
        client = await Client.of(worker)
        client.writer.write(put())
        await registrations.arrived.wait()
        # The connection breaks; the registry itself is still there for the next one.
        made[-1].close()
        line, _, body = await client.answer()
        assert (line, json.loads(body)["code"]) == ("HTTP/1.1 503 Service Unavailable", "registry_interrupted")
        registrations.go_on.set()
        assert (await client.ask(put()))[0] == "HTTP/1.1 201 Created"
        client.close()
