"""The way to the registry: a real HTTP server on a real Unix socket, reached through a worker."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.running_worker import Worker, running
from tests.support import eventually

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def registry(socket: Path, handler: Handler) -> AsyncIterator[None]:
    """Serve `handler` for every request on `socket`."""
    server = web.Server(handler, auto_decompress=False)  # type: ignore[arg-type] # a BaseRequest is all that is used
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    async with running(tmp_path) as worker:
        yield worker


async def _echo(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    told = {"method": request.method, "target": request.raw_path, "headers": dict(request.headers), "body": len(body)}
    return web.json_response(told, status=207, headers={"X-Of-The-Registry": "yes"})


async def test_a_request_arrives_as_it_was_sent_and_its_answer_as_it_was_made(worker: Worker) -> None:
    target = "/api/v1/identifiers/88.118.8%2Fa//b;c+d/../e?x=%zz&y=1;2"
    async with registry(worker.settings.registry_socket, _echo):
        status, headers, body = await worker.ask(target, method="PATCH", data=b"12345", headers={"If-Match": '"3"'})
    told = json.loads(body)
    assert (status, headers["X-Of-The-Registry"]) == (207, "yes")
    assert (told["method"], told["target"], told["body"]) == ("PATCH", target, 5)
    assert told["headers"]["If-Match"] == '"3"'


async def test_a_short_registration_arrives_as_it_was_sent_too(worker: Worker) -> None:
    target = "/api/v1/identifiers/88.118.8%2Fa//b;c+d/../e?x=%zz"
    sent = {"If-Match": '"3"', "X-Idnode-Peer": "192.0.2.99", "Connection": "X-Secret", "X-Secret": "1"}
    async with registry(worker.settings.registry_socket, _echo):
        status, headers, body = await worker.ask(target, method="PUT", data=b"12345", headers=sent)
    told = json.loads(body)
    assert (status, headers["X-Of-The-Registry"]) == (207, "yes")
    assert (told["method"], told["target"], told["body"]) == ("PUT", target, 5)
    assert (told["headers"]["If-Match"], told["headers"]["X-Idnode-Peer"]) == ('"3"', "127.0.0.1")
    assert "X-Secret" not in told["headers"]


async def test_short_registrations_share_a_connection_and_outlive_the_registry(worker: Worker) -> None:
    seen: set[object] = set()

    async def remembers(request: web.Request) -> web.StreamResponse:
        seen.add(request.transport)
        return await _echo(request)

    for _ in range(2):
        async with registry(worker.settings.registry_socket, remembers):
            for _ in range(3):
                status, _, body = await worker.ask("/api/v1/identifiers/88.118.8/a", method="PUT", data=b"{}")
                assert (status, json.loads(body)["body"]) == (207, 2)
        assert (await worker.ask("/api/v1/identifiers/88.118.8/a", method="PUT", data=b"{}"))[0] == 503
    assert len(seen) == 2


async def test_an_answer_to_a_short_registration_may_be_chunked_or_empty(worker: Worker) -> None:
    async def chunked(request: web.Request) -> web.StreamResponse:
        await request.read()
        if request.path.endswith("empty"):
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in (b"in ", b"pieces"):
            await response.write(piece)
        return response

    async with registry(worker.settings.registry_socket, chunked):
        assert (await worker.ask("/api/v1/identifiers/a", method="PUT", data=b"{}"))[::2] == (200, b"in pieces")
        assert (await worker.ask("/api/v1/identifiers/empty", method="PUT", data=b"{}"))[::2] == (204, b"")
        assert (await worker.ask("/api/v1/identifiers/a", method="PUT", data=b"{}"))[::2] == (200, b"in pieces")


async def test_a_registry_that_speaks_nonsense_is_no_answer(worker: Worker) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"nonsense\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(nonsense, worker.settings.registry_socket)
    async with server:
        status, _, body = await worker.ask("/api/v1/identifiers/a", method="PUT", data=b"{}")
    assert (status, json.loads(body)["code"]) == (503, "registry_interrupted")


async def test_a_number_sign_stays_in_the_target(worker: Worker) -> None:
    async with registry(worker.settings.registry_socket, _echo):
        answer = await worker.ask_raw(b"GET /api/v1/a#b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["target"] in {"/api/v1/a%23b", "/api/v1/a"}


async def test_the_registry_is_told_the_client_and_believes_nobody_else(worker: Worker) -> None:
    claims = {
        "X-Idnode-Peer": "192.0.2.99",
        "x-idnode-role": "administrator",
        "Connection": "X-Secret",
        "X-Secret": "1",
    }
    async with registry(worker.settings.registry_socket, _echo):
        _, _, body = await worker.ask("/api/v1/prefixes", headers=claims)
    told = json.loads(body)["headers"]
    assert told["X-Idnode-Peer"] == "127.0.0.1"
    assert told["X-Idnode-Scheme"] == "http"
    assert "x-idnode-role" not in told
    assert "X-Secret" not in told


async def test_without_a_registry_writes_are_503_and_come_back(worker: Worker) -> None:
    status, headers, body = await worker.ask("/api/v1/prefixes", method="POST", data=b"{}")
    problem = json.loads(body)
    assert (status, headers["Retry-After"], problem["code"]) == (503, "1", "registry_away")
    assert headers["Content-Type"] == "application/problem+json"
    async with registry(worker.settings.registry_socket, _echo):
        assert (await worker.ask("/api/v1/prefixes", method="POST", data=b"{}"))[0] == 207
    assert (await worker.ask("/api/v1/prefixes"))[0] == 503


async def test_without_a_registry_the_snms_calls_get_their_own_envelope(worker: Worker) -> None:
    for path in ("/identityv2/data", "/identity/token", "/snms/api/file/upload"):
        status, headers, body = await worker.ask(path, method="POST", data=b"{}")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert json.loads(body) == {"message": "系统繁忙", "status": -4, "data": None}
    async with registry(worker.settings.registry_socket, _echo):
        assert (await worker.ask("/identityv2/data", method="POST", data=b"{}"))[0] == 207


async def test_a_registry_that_ends_before_it_answers_is_told_apart(worker: Worker) -> None:
    async def dies(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with registry(worker.settings.registry_socket, dies):
        status, headers, body = await worker.ask("/api/v1/identifiers/x", method="PUT", data=b"{}")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert json.loads(body)["code"] == "registry_interrupted"


async def test_bodies_stream_both_ways_at_once(worker: Worker) -> None:
    """Each line is answered before the next is sent: nothing waits for the whole."""

    async def line_by_line(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        async for line in request.content:
            await response.write(b"got " + line)
        return response

    lines: asyncio.Queue[bytes | None] = asyncio.Queue(10)

    async def body() -> AsyncIterator[bytes]:
        while (line := await lines.get()) is not None:
            yield line

    async with registry(worker.settings.registry_socket, line_by_line):
        await lines.put(b"line 0\n")
        async with worker.session.post(worker.url("/api/v1/identifiers:batch"), data=body()) as answer:
            for number in range(5):
                assert await answer.content.readline() == b"got line %d\n" % number
                await lines.put(b"line %d\n" % (number + 1) if number < 4 else None)
            assert await answer.content.read() == b""


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_an_answer_that_breaks_off_never_looks_whole(worker: Worker, version: bytes) -> None:
    seen = asyncio.Event()

    async def breaks_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a beginning")
        await seen.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    async with registry(worker.settings.registry_socket, breaks_off):
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(b"GET /api/v1/long %b\r\nHost: a\r\n\r\n" % version)
        answer = await asyncio.wait_for(reader.readuntil(b"a beginning"), 10.0)
        seen.set()
        if version == b"HTTP/1.0":
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 10.0)
        else:
            answer += await asyncio.wait_for(reader.read(), 10.0)
            assert b"a beginning" in answer
            assert not answer.endswith(b"0\r\n\r\n")
        writer.close()


async def test_a_client_that_leaves_ends_the_registrys_work(worker: Worker) -> None:
    ended = asyncio.Event()

    async def works(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        finally:
            ended.set()

    async with registry(worker.settings.registry_socket, works):
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(b"GET /api/v1/endless HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readexactly(100_000)
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 10.0)


async def test_a_body_that_breaks_off_is_no_whole_body_for_the_registry(worker: Worker) -> None:
    read: list[bytes] = []
    begun, failed = asyncio.Event(), asyncio.Event()

    async def reads(request: web.Request) -> web.StreamResponse:
        begun.set()
        try:
            read.append(await request.read())
        except (web.RequestPayloadError, ConnectionError):
            failed.set()
            raise
        return web.Response()

    async with registry(worker.settings.registry_socket, reads):
        for framing in (b"Content-Length: 100", b"Transfer-Encoding: chunked"):
            begun.clear()
            failed.clear()
            _, writer = await asyncio.open_connection("127.0.0.1", worker.port)
            writer.write(b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n5\r\nabcde\r\n" % framing)
            await asyncio.wait_for(begun.wait(), 10.0)
            writer.transport.abort()
            await asyncio.wait_for(failed.wait(), 10.0)
    assert not read


async def test_100_continue_is_answered_before_the_body_is_asked_for(worker: Worker) -> None:
    async with registry(worker.settings.registry_socket, _echo):
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(
            b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Content-Length: 3\r\nConnection: close\r\n\r\n"
        )
        assert await asyncio.wait_for(reader.readline(), 10.0) == b"HTTP/1.1 100 Continue\r\n"
        writer.write(b"abc")
        answer = await asyncio.wait_for(reader.read(), 10.0)
        writer.close()
    assert b"207" in answer
    assert b'"Expect"' not in answer


async def test_compressed_bodies_and_answers_pass_untouched(worker: Worker) -> None:
    async def packed(request: web.Request) -> web.StreamResponse:
        assert await request.read() == b"not really gzip"
        return web.Response(body=b"nor this", headers={"Content-Encoding": "gzip"})

    async with registry(worker.settings.registry_socket, packed):
        coded = {"Content-Encoding": "gzip"}
        status, headers, body = await worker.ask("/api/v1/x", method="POST", data=b"not really gzip", headers=coded)
    assert (status, headers["Content-Encoding"], body) == (200, "gzip", b"nor this")


async def test_head_and_empty_answers_keep_their_form(worker: Worker) -> None:
    async def empty(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"12345") if request.method == "HEAD" else web.Response(status=204)

    async with registry(worker.settings.registry_socket, empty):
        status, headers, body = await worker.ask("/api/v1/x", method="HEAD")
        assert (status, headers["Content-Length"], body) == (200, "5", b"")
        status, headers, body = await worker.ask("/api/v1/x", method="DELETE")
        assert (status, body) == (204, b"")


async def test_readiness_follows_whether_the_registry_reaches_its_database(worker: Worker) -> None:
    ready = True

    async def readiness(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"].startswith("Bearer ")
        return web.Response(status=401 if ready else 503)

    async def writes() -> bool:
        return bool(json.loads((await worker.ask("/readyz"))[2])["writes"])

    async def no_writes() -> bool:
        return not await writes()

    assert await no_writes()
    async with registry(worker.settings.registry_socket, readiness):
        await eventually(writes)
        ready = False
        await eventually(no_writes)
