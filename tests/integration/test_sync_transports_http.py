"""The profile over HTTP: what is sent, and what each answer, or the lack of one, comes to."""

import base64
import gzip
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from sync import body
from sync.batch import Batch, Limits, Pending, Receipt, StreamState, Unknown
from sync.transport import TransportError
from sync.transports.http import HttpTransport
from sync.transports.http_answer import OCTETS_MAX, retry_after_s
from tests.support import free_port

BATCH_ID = UUID("0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10")
CONTENT = b'{"header":1}\n{"n":1}\n'
BATCH = Batch(
    batch_id=BATCH_ID,
    reporter="88.118",
    table="T9",
    scope="88.118.8",
    sequence=42,
    row_count=1,
    rows_sha256="0" * 64,
    body=body.compress(CONTENT),
)
RECEIPT = {
    "batch_id": str(BATCH_ID),
    "receipt_id": "r-1",
    "status": "accepted",
    "table": "T9",
    "scope": "88.118.8",
    "sequence": 42,
    "next_sequence": 43,
    "received_at": "2031-05-06T16:10:04Z",
    "rows_sha256": "0" * 64,
    "rows_accepted": 1,
    "rows_rejected": 0,
    "rejections": [],
    "rejections_more": False,
}


class Scripted:
    """A collector that gives the answers it was told to give, the last one again and again."""

    def __init__(self, *answers: Callable[[], web.StreamResponse]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[web.BaseRequest, bytes]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()


@asynccontextmanager
async def scripted(
    *answers: Callable[[], web.StreamResponse], token: str | None = None, answer_timeout_s: float = 5.0
) -> AsyncIterator[tuple[HttpTransport, Scripted]]:
    collector = Scripted(*answers)
    runner = web.ServerRunner(
        web.Server(collector.handle, auto_decompress=False, access_log=None), shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}/base/".format(*runner.addresses[0])
    transport = HttpTransport(url, "88.118", token=token, answer_timeout_s=answer_timeout_s)
    try:
        yield transport, collector
    finally:
        await transport.aclose()
        await runner.cleanup()


def answer(status: int, content: Any, **headers: str) -> Callable[[], web.StreamResponse]:
    return lambda: web.json_response(content, status=status, headers=headers)


def problem(
    status: int, code: str, headers: dict[str, str] | None = None, **more: Any
) -> Callable[[], web.StreamResponse]:
    content = json.dumps({"type": f"urn:idn-report:problem:{code}", "detail": "because", **more})
    return lambda: web.Response(
        status=status, text=content, content_type="application/problem+json", headers=headers or {}
    )


async def error_of(*answers: Callable[[], web.StreamResponse]) -> TransportError:
    async with scripted(*answers) as (transport, _):
        with pytest.raises(TransportError) as caught:
            await transport.submit(BATCH)
    return caught.value


async def test_a_batch_goes_out_compressed_with_its_digest_and_the_reporters_name() -> None:
    async with scripted(answer(200, RECEIPT), token="secret") as (transport, collector):
        receipt = await transport.submit(BATCH)
    assert isinstance(receipt, Receipt)
    assert (receipt.receipt_id, receipt.sequence) == ("r-1", 42)
    ((request, content),) = collector.requests
    assert (request.method, request.path) == ("PUT", f"/base/v1/batches/{BATCH_ID}")
    assert gzip.decompress(content) == CONTENT
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    expected = {
        "Content-Type": "application/x-ndjson",
        "Content-Encoding": "gzip",
        "Content-Digest": f"sha-256=:{digest}:",
        "Idn-Profile": "idn-report/1",
        "Idn-Reporter": "88.118",
        "Authorization": "Bearer secret",
    }
    assert {name: request.headers[name] for name in expected} == expected


async def test_without_a_token_no_credentials_are_sent() -> None:
    async with scripted(answer(200, RECEIPT)) as (transport, collector):
        await transport.submit(BATCH)
    assert "Authorization" not in collector.requests[0][0].headers


async def test_a_collector_that_takes_no_gzip_gets_the_batch_uncompressed_from_then_on() -> None:
    refusal = problem(415, "unsupported_encoding")
    async with scripted(refusal, answer(200, RECEIPT)) as (transport, collector):
        assert isinstance(await transport.submit(BATCH), Receipt)
        await transport.submit(BATCH)
    for request, content in collector.requests[1:]:
        assert content == CONTENT
        assert "Content-Encoding" not in request.headers
        assert request.headers["Content-Digest"].startswith(
            "sha-256=:" + base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
        )
    assert (await error_of(refusal)).kind == "halt_stream"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed", "halt_stream"),
        (401, "key_unknown", "pause_link"),
        (409, "out_of_order", "reconcile"),
        (409, "batch_conflict", "halt_stream"),
        (422, "digest_mismatch", "rebuild"),
        (424, "dependency_missing", "dependency"),
        (503, "unavailable", "retry"),
    ],
)
async def test_a_problem_says_what_follows(status: int, code: str, kind: str) -> None:
    error = await error_of(problem(status, code))
    assert (error.kind, error.code) == (kind, code)
    assert "because" in str(error)


async def test_a_batch_too_large_comes_back_with_the_collectors_limits() -> None:
    error = await error_of(problem(413, "too_large", max_rows=500, max_bytes=70_000))
    assert (error.kind, error.max_rows, error.max_bytes) == ("split", 500, 70_000)


async def test_a_collectors_wish_for_patience_is_heard() -> None:
    error = await error_of(problem(429, "rate_limited", {"Retry-After": "17"}))
    assert (error.kind, error.retry_after_s) == ("retry", 17.0)


@pytest.mark.parametrize(
    ("header", "seconds"), [("17", 17.0), (" 0 ", 0.0), ("soon", None), ("-5", None), ("1.5", None), (None, None)]
)
def test_retry_after_is_read_as_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, datetime.now(UTC)) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    now = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)
    assert retry_after_s(format_datetime(now + timedelta(minutes=2), usegmt=True), now) == 120.0
    assert retry_after_s(format_datetime(now - timedelta(minutes=2), usegmt=True), now) == 0.0


async def test_redirects_are_not_followed() -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}/"
    error = await error_of(lambda: web.Response(status=307, headers={"Location": elsewhere}))
    assert error.kind == "pause_link"


@pytest.mark.parametrize(
    "content",
    [{}, [], {**RECEIPT, "sequence": "42"}, {**RECEIPT, "status": "fine"}],
    ids=["empty", "no object", "wrong type", "unknown status"],
)
async def test_an_unreadable_receipt_leaves_the_batch_unacknowledged(content: Any) -> None:
    assert (await error_of(answer(200, content))).kind == "retry"


async def test_a_receipt_of_another_batch_is_a_defect() -> None:
    assert (await error_of(answer(200, {**RECEIPT, "batch_id": str(uuid4())}))).kind == "halt_stream"


async def test_an_answer_without_end_is_cut_off() -> None:
    assert (await error_of(lambda: web.Response(body=bytes(OCTETS_MAX + 1)))).kind == "retry"


async def test_nobody_listening_is_waited_out() -> None:
    transport = HttpTransport(f"http://127.0.0.1:{free_port()}", "88.118")
    with pytest.raises(TransportError) as caught:
        await transport.submit(BATCH)
    await transport.aclose()
    assert caught.value.kind == "retry"


async def test_a_collector_that_does_not_answer_is_waited_out() -> None:
    # The kernel takes the connection, and nobody ever serves it.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport = HttpTransport(f"http://127.0.0.1:{listening.getsockname()[1]}", "88.118", answer_timeout_s=0.1)
        with pytest.raises(TransportError) as caught:
            await transport.submit(BATCH)
        await transport.aclose()
    assert caught.value.kind == "retry"


async def test_processing_is_pending_and_its_receipt_is_asked_for() -> None:
    judging = answer(202, {"status": "processing"}, **{"Retry-After": "3"})
    async with scripted(judging, judging, answer(200, RECEIPT), problem(404, "unknown_batch")) as (
        transport,
        collector,
    ):
        assert await transport.submit(BATCH) == Pending(3.0)
        assert await transport.receipt(BATCH_ID) == Pending(3.0)
        assert isinstance(await transport.receipt(BATCH_ID), Receipt)
        assert await transport.receipt(BATCH_ID) == Unknown()
    assert [request.method for request, _ in collector.requests] == ["PUT", "GET", "GET", "GET"]


async def test_a_streams_state_is_asked_for() -> None:
    state = {"table": "T9", "scope": "88.118.8", "last_sequence": 7, "last_batch_id": str(BATCH_ID)}
    async with scripted(answer(200, state), problem(404, "unknown_table")) as (transport, _):
        known = await transport.last_sequence("T9", "88.118.8")
        assert isinstance(known, StreamState)
        assert (known.last_sequence, known.last_batch_id) == (7, BATCH_ID)
        with pytest.raises(TransportError, match="unknown_table"):
            await transport.last_sequence("T9", "88.118.8")


async def test_a_stream_never_heard_of_is_told_by_404_whatever_the_code() -> None:
    answers = problem(404, "unknown_stream"), problem(404, "unknown_batch"), answer(404, {"error": "not found"})
    async with scripted(*answers) as (transport, _):
        for _ in answers:
            assert await transport.last_sequence("T9", "88.118.8") == Unknown()


async def test_capabilities_tell_limits_and_tables() -> None:
    capable = {"profiles": ["idn-report/1"], "tables": {"T9": [1], "T7": [2]}, "limits": {"max_rows": 500}, "more": 1}
    async with scripted(answer(200, capable)) as (transport, _):
        assert not transport.supports("T9")
        assert await transport.limits() == Limits(max_rows=500)
        assert transport.supports("T9")
        assert not transport.supports("T7")
        assert not transport.supports("T1")


async def test_a_collector_of_another_profile_pauses_the_link() -> None:
    async with scripted(answer(200, {"profiles": ["idn-report/2"], "tables": {}})) as (transport, _):
        with pytest.raises(TransportError) as caught:
            await transport.limits()
    assert caught.value.kind == "pause_link"
