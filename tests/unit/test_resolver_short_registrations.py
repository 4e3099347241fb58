"""What of a request is passed on from the fast lane: all of a plain registration, nothing of anything else."""

import asyncio
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st

from resolver.registry_proxy import SHORT_OCTETS_MAX
from resolver.short_registrations import HEAD_OCTETS_MAX, _for_the_api, _read

HEAD = {
    "Host": "a",
    "Authorization": "Bearer secret",
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": "2",
}
TARGET = "/api/v1/identifiers/88.118.8%2FSN1"


def request(target: str = TARGET, body: bytes = b"{}", method: str = "PUT", **headers: str | None) -> bytes:
    named = HEAD | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items() if value is not None)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def passed_on(data: bytes, address: str = "192.0.2.7", *, secure: bool = False) -> bytes | None:
    read = _read(data)
    return None if read is None else _for_the_api(read, address, secure=secure)


@pytest.mark.parametrize(
    "data",
    [
        request(),
        request(
            If_Match='"3"',
            If_None_Match="*",
            Idempotency_Key="k",
            User_Agent="u",
            Cookie="a=b",
            Connection="keep-alive",
        ),
        request("/api/v1/identifiers/a//b;c+d/../e?x=%zz", Accept="*/*", Accept_Encoding="gzip"),
        request(body=b"x" * SHORT_OCTETS_MAX, Content_Length=str(SHORT_OCTETS_MAX)),
        request(body=b"", Content_Length="0"),
    ],
)
def test_a_plain_registration_is_passed_on_whole_with_who_sent_it(data: bytes) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    expected = head + b"\r\nX-Idnode-Peer: 192.0.2.7\r\nX-Idnode-Scheme: http\r\n\r\n" + body
    assert passed_on(data) == expected
    assert passed_on(data, "::1", secure=True) == expected.replace(b"192.0.2.7", b"::1").replace(
        b"e: http", b"e: https"
    )


@pytest.mark.parametrize(
    "data",
    [
        request(method="POST"),
        request("/api/v1/identifiers"),
        request("/api/v1/prefixes/88.118.8"),
        request(TARGET + "#a"),
        request(TARGET + "é"),
        request(body=b"{", Content_Length="2"),
        request(body=b"{}G"),
        request(Content_Length=None),
        request(Content_Length="+2"),
        request(body=b"x" * (SHORT_OCTETS_MAX + 1), Content_Length=str(SHORT_OCTETS_MAX + 1)),
        request(Content_Length=None, Transfer_Encoding="chunked", body=b"0\r\n\r\n"),
        request(Transfer_Encoding="chunked"),
        request(Content_Type="application/x-hdl-message"),
        request(Content_Type=None),
        request(Content_Encoding="gzip"),
        request(Connection="close"),
        request(Connection="X-Secret"),
        request(Upgrade="websocket", Connection="Upgrade"),
        request(Expect="100-continue"),
        request(Host=None),
        request(Host=""),
        request(X_Idnode_Peer="192.0.2.99"),
        request(X_Request_Id="mine"),
        request(Idn_Probe="secret"),
        request(X_Forwarded_For="192.0.2.99"),
        request(User_Agent="u" * HEAD_OCTETS_MAX),
        request().replace(b"HTTP/1.1", b"HTTP/1.0"),
        request().replace(b"Host: a", b"Host: a\r\nhost: b"),
        request().replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
        request().replace(b"Host: a", b"Host: a\r\n b"),
        request().replace(b"Host: a\r\n", b"Host: a\n"),
        request().replace(b"Host: a", b"Host: a\x00"),
        request().replace(b"Host: a", b"Host : a"),
        request()[:-3],
        request()[:20],
        b"",
    ],
)
def test_whatever_is_unusual_is_left_to_the_handlers(data: bytes) -> None:
    assert passed_on(data) is None


PIECES = (
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"\x00",
    b"X-Idnode-Peer: x",
    b"Transfer-Encoding: chunked",
    b"\xff",
    b"0",
    b"PUT ",
)
REQUEST = request(If_Match='"3"')


@given(st.lists(st.tuples(st.integers(0, len(REQUEST)), st.sampled_from(PIECES), st.booleans()), max_size=3))
def test_of_damaged_requests_only_what_reads_the_same_is_passed_on(changes: list[tuple[int, bytes, bool]]) -> None:
    data = REQUEST
    for at, piece, replaces in changes:
        data = data[:at] + piece + data[at + (len(piece) if replaces else 0) :]
    sent = passed_on(data)
    if sent is None:
        return
    asked, arrived = (read_by_the_registry(octets) for octets in (data, sent))
    added = ((b"X-Idnode-Peer", b"192.0.2.7"), (b"X-Idnode-Scheme", b"http"))
    assert arrived == (*asked[:2], asked[2] + added, asked[3])
    assert (asked[0], asked[1][:20]) == ("PUT", "/api/v1/identifiers/")


def read_by_the_registry(octets: bytes) -> tuple[str, str, tuple[tuple[bytes, bytes], ...], bytes]:
    """Read octets with the parser of the registry's server; there must be one whole message in them."""
    loop = asyncio.new_event_loop()
    try:
        protocol: Any = BaseProtocol(loop)
        messages, upgraded, rest = HttpRequestParser(protocol, loop, 2**16).feed_data(octets)
        ((message, payload),) = messages
        assert isinstance(message, RawRequestMessage)
        assert (upgraded, rest, payload.is_eof()) == (False, b"", True)
        return message.method, message.path, message.raw_headers, loop.run_until_complete(payload.read())
    finally:
        loop.close()
