"""Several access points: found in DNS, asked by health, left alone while they do not work, signed for and proved."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rrset
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from identifiers import request_signing
from identifiers.request_signing import Message, Nonces, SignatureRefused
from identifiers.signing_keys import ALGORITHMS, Algorithm, PrivateKey, generate
from sync import body
from sync.access_points import AccessPoints
from sync.batch import Batch, ProvedReceipt
from sync.breaker import FAILURES_MAX
from sync.discovery import Configured, Discovery, DiscoveryFailed, Found, ServiceRecords, Target
from sync.retry import RetryPolicy
from sync.settings import SyncSettings, Upstream
from sync.transport import TransportError
from sync.transports.http import HttpTransport
from sync.transports.opening import UpstreamUnusable, open_transport
from sync.transports.tls import client_context
from tests.support import free_port

KEY_ID = "88.118#2031a"
NAME = "_idn-report._tcp.nation.example"
BATCH_ID = UUID("0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10")
BATCH = Batch(
    batch_id=BATCH_ID,
    reporter="88.118",
    table="T9",
    scope="88.118.8",
    sequence=1,
    row_count=0,
    rows_sha256="0" * 64,
    body=body.compress(b'{"header":1}\n'),
)
RECEIPT: Mapping[str, object] = {
    "batch_id": str(BATCH_ID),
    "receipt_id": "r-1",
    "status": "accepted",
    "table": "T9",
    "scope": "88.118.8",
    "sequence": 1,
    "next_sequence": 2,
    "received_at": "2031-05-06T16:10:04Z",
    "rows_sha256": "0" * 64,
    "rows_accepted": 0,
    "rows_rejected": 0,
}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2031, 5, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Highest(Random):
    """Chooses the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Collector:
    """Answers every request in the same way, and counts them."""

    def __init__(self, answer: Callable[[web.BaseRequest, bytes], web.Response]) -> None:
        self.answer = answer
        self.requests = 0
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.requests += 1
        return self.answer(request, await request.read())


def capabilities(*_: object) -> web.Response:
    return web.json_response({"profiles": ["idn-report/1"], "tables": {"T9": [1]}, "encodings": ["gzip"]})


def broken(*_: object) -> web.Response:
    return web.Response(status=503)


@asynccontextmanager
async def serving(
    answer: Callable[[web.BaseRequest, bytes], web.Response], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Collector]:
    collector = Collector(answer)
    runner = web.ServerRunner(
        web.Server(collector.handle, auto_decompress=False, access_log=None), shutdown_timeout=0.1
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        scheme = "http" if tls is None else "https"
        collector.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()


@asynccontextmanager
async def reporter(*urls: str, clock: Clock | None = None, **more: object) -> AsyncIterator[HttpTransport]:
    transport = HttpTransport(
        Configured(urls),
        "88.118",
        policy=RetryPolicy(base_s=10.0, cap_s=10.0),
        random=Highest(),
        now=clock or Clock(),
        **more,  # type: ignore[arg-type] # a test's own keywords
    )
    try:
        yield transport
    finally:
        await transport.aclose()


def dead_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


async def test_the_next_access_point_is_asked_within_the_same_request() -> None:
    async with serving(broken) as first, serving(capabilities) as second:
        async with reporter(dead_url(), first.url, second.url) as transport:
            await transport.limits()
        assert (first.requests, second.requests) == (1, 1)


async def test_a_failing_access_point_comes_behind_a_healthy_one_and_returns_with_time() -> None:
    clock = Clock()
    async with serving(broken) as first, serving(capabilities) as second:
        async with reporter(first.url, second.url, clock=clock) as transport:
            for _ in range(4):
                await transport.limits()
            assert (first.requests, second.requests) == (2, 4)
            first.answer = capabilities
            clock.now += timedelta(minutes=10)
            await transport.limits()
        assert (first.requests, second.requests) == (3, 4)


async def test_a_dead_access_point_is_left_alone_then_tried_with_one_request() -> None:
    clock = Clock()
    async with serving(broken) as only, reporter(only.url, clock=clock) as transport:
        for _ in range(FAILURES_MAX):
            with pytest.raises(TransportError, match="503"):
                await transport.limits()
        with pytest.raises(TransportError, match="no access point works") as refused:
            await transport.limits()
        assert (refused.value.kind, refused.value.retry_after_s, only.requests) == ("retry", 10.0, FAILURES_MAX)
        (point,) = transport.access_points()
        assert (point.breaker.state, point.last_error) == ("open", "GET /v1/capabilities: answered 503")
        clock.now += timedelta(seconds=10)
        only.answer = capabilities
        await transport.limits()
        assert (point.breaker.state, only.requests) == ("closed", FAILURES_MAX + 1)


async def test_a_redirect_is_not_followed() -> None:
    async with serving(capabilities) as target:
        moved = web.Response(status=307, headers={"Location": target.url})
        async with serving(lambda *_: moved) as first, reporter(first.url) as transport:
            with pytest.raises(TransportError, match="307"):
                await transport.limits()
        assert target.requests == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_requests_are_signed_so_that_a_collector_can_verify_them(algorithm: Algorithm) -> None:
    clock, key, nonces = Clock(), generate(KEY_ID, algorithm), Nonces()
    seen: list[str] = []

    def answer(request: web.BaseRequest, content: bytes) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        message = Message(request.method, f"{request.scheme}://{request.host}{request.raw_path}", headers)
        presented = request_signing.read_signature(headers)
        request_signing.check_request(presented, key.public(), message, content, now=clock(), nonces=nonces)
        seen.append(request.raw_path)
        return capabilities() if request.method == "GET" else web.json_response(RECEIPT)

    async with serving(answer) as collector, reporter(collector.url, clock=clock, key=key) as transport:
        await transport.limits()
        await transport.submit(BATCH)
        await transport.put_monthly_report("2031-05", b"{}")
        with pytest.raises(TransportError):
            await transport.directives("a b/ü")
    assert seen[-1] == "/v1/directives?after=a+b%2F%C3%BC&limit=100"


async def test_a_clock_that_is_wrong_pauses_the_link_and_says_what_the_other_clock_shows() -> None:
    problem = {"type": "urn:idn-report:problem:clock_skew", "detail": "too late", "server_time": "2031-05-06T01:00:00Z"}

    def answer(*_: object) -> web.Response:
        return web.json_response(problem, status=401, content_type="application/problem+json")

    async with serving(answer) as collector, reporter(collector.url) as transport:
        with pytest.raises(TransportError, match=r"clock_skew too late \(its clock: 2031-05-06T01:00:00Z\)") as refused:
            await transport.submit(BATCH)
    assert refused.value.kind == "pause_link"


def signed_receipt(key: PrivateKey, clock: Clock) -> Callable[[web.BaseRequest, bytes], web.Response]:
    def answer(request: web.BaseRequest, _: bytes) -> web.Response:
        response = web.json_response(RECEIPT)
        content = response.body
        assert isinstance(content, bytes)
        told = {
            "content-type": response.headers["Content-Type"],
            "content-digest": request_signing.content_digest(content),
        }
        message = Message(request.method, f"{request.scheme}://{request.host}{request.raw_path}", told)
        made = request_signing.sign_response(key, message, 200, now=clock(), nonce=b"0123456789abcdef")
        response.headers.update({"Content-Digest": told["content-digest"], **made})
        return response

    return answer


async def test_a_signed_receipt_is_kept_with_its_proof() -> None:
    clock, key = Clock(), generate("1#collector")
    async with serving(signed_receipt(key, clock)) as collector, reporter(collector.url, clock=clock) as transport:
        receipt = await transport.submit(BATCH)
    assert isinstance(receipt, ProvedReceipt)
    proof = receipt.proof
    presented = request_signing.read_signature(proof.headers)
    message = Message(proof.method, proof.target_uri, proof.headers)
    request_signing.check_response(presented, key.public(), message, proof.status, proof.content, now=clock())
    with pytest.raises(SignatureRefused):
        request_signing.check_response(presented, key.public(), message, 200, proof.content + b" ", now=clock())


async def test_with_the_collectors_key_known_only_its_receipts_count() -> None:
    clock, key = Clock(), generate("1#collector")
    async with serving(signed_receipt(key, clock)) as collector:
        async with reporter(collector.url, clock=clock, collector_key=key.public()) as transport:
            assert isinstance(await transport.submit(BATCH), ProvedReceipt)
        collector.answer = signed_receipt(generate("1#collector"), clock)
        async with reporter(collector.url, clock=clock, collector_key=key.public()) as transport:
            with pytest.raises(TransportError, match="not proved") as forged:
                await transport.submit(BATCH)
        collector.answer = lambda *_: web.json_response(RECEIPT)
        async with reporter(collector.url, clock=clock, collector_key=key.public()) as transport:
            with pytest.raises(TransportError, match="not proved") as unsigned:
                await transport.submit(BATCH)
    assert {forged.value.kind, unsigned.value.kind} == {"pause_link"}


def certificate(
    directory: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make a certificate with its key, of its own or of `issuer`, and write both to `<name>.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key if issuer is None else issuer[1], hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / f"{name}.pem").write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return made, key


async def test_mutual_tls_shows_our_certificate_and_verifies_the_collectors(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "authority", None)
    certificate(tmp_path, "server", authority)
    certificate(tmp_path, "client", authority)
    certificate(tmp_path, "stranger", None)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "authority.pem"))
    server.load_cert_chain(tmp_path / "server.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    async with serving(capabilities, server) as collector:
        ours = client_context(tmp_path / "authority.pem", tmp_path / "client.pem", None)
        async with reporter(collector.url, tls=ours) as transport:
            await transport.limits()
        without = client_context(tmp_path / "authority.pem", None, None)
        doubting = client_context(tmp_path / "stranger.pem", tmp_path / "client.pem", None)
        for context in (without, doubting):
            async with reporter(collector.url, tls=context) as transport:
                with pytest.raises(TransportError):
                    await transport.limits()
        assert collector.requests == 1


class Nameserver(asyncio.DatagramProtocol):
    """Answers SRV questions over UDP with what it was given."""

    def __init__(self, *records: str, ttl: int = 60) -> None:
        self._records = records
        self._ttl = ttl

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if self._records:
            answer.answer.append(dns.rrset.from_text(question.question[0].name, self._ttl, "IN", "SRV", *self._records))
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def records(*told: str, ttl: int = 60, name: str = NAME) -> AsyncIterator[ServiceRecords]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Nameserver(*told, ttl=ttl), ("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield ServiceRecords(name, Random(1), resolver)
    finally:
        transport.close()


async def test_srv_records_are_followed_by_priority() -> None:
    told = ("20 0 8443 c.nation.example.", "10 1 443 a.nation.example.", "10 0 443 b.nation.example.")
    async with records(*told, name=f"{NAME}/idn/") as discovery:
        found = await discovery.find()
    assert [(one.url, one.priority) for one in found.targets] == [
        ("https://a.nation.example/idn", 10),
        ("https://b.nation.example/idn", 10),
        ("https://c.nation.example:8443/idn", 20),
    ]
    assert found.valid_s == 60


async def test_within_a_priority_the_weight_decides_how_often_a_target_comes_first() -> None:
    async with records("1 90 443 a.nation.example.", "1 10 443 b.nation.example.") as discovery:
        first = [(await discovery.find()).targets[0].url for _ in range(200)]
    assert 160 <= first.count("https://a.nation.example") <= 196


async def test_a_target_outside_the_names_own_domain_is_not_believed() -> None:
    async with records("1 0 443 nation.example.evil.test.", "1 0 443 xnation.example.") as discovery:
        with pytest.raises(DiscoveryFailed, match=r"below nation\.example"):
            await discovery.find()


@pytest.mark.parametrize(("ttl", "valid_s"), [(0, 30.0), (86_400 * 30, 3_600.0)])
async def test_a_time_to_live_is_followed_within_bounds(ttl: int, valid_s: float) -> None:
    async with records("1 0 443 a.nation.example.", ttl=ttl) as discovery:
        assert (await discovery.find()).valid_s == valid_s


async def test_no_more_than_sixteen_targets_are_taken() -> None:
    async with records(*(f"1 0 {port} a.nation.example." for port in range(1, 31))) as discovery:
        assert len((await discovery.find()).targets) == 16


async def test_a_name_without_records_is_a_clear_failure() -> None:
    async with records() as discovery:
        with pytest.raises(DiscoveryFailed, match="no SRV records of _idn-report"):
            await discovery.find()


class Changing:
    """A discovery whose answers a test sets; None: it fails."""

    def __init__(self, *urls: str) -> None:
        self.urls: tuple[str, ...] | None = urls

    async def find(self) -> Found:
        if self.urls is None:
            raise DiscoveryFailed("gone")
        return Found(tuple(Target(url, 0) for url in self.urls), 60.0)


async def test_what_is_known_of_an_access_point_outlives_a_new_look_and_a_failed_one() -> None:
    clock, discovery = Clock(), Changing("https://a", "https://b")
    asked: Discovery = discovery
    points = AccessPoints(asked, RetryPolicy(), Random(1), now=clock)
    (first, _) = await points.ranked()
    first.failed(clock(), "lost")
    discovery.urls = None
    clock.now += timedelta(seconds=60)
    assert {one.url for one in await points.ranked()} == {"https://a", "https://b"}
    assert points.discovery_error == "gone"
    discovery.urls = ("https://a", "https://c")
    clock.now += timedelta(seconds=30)
    found = {one.url: one for one in await points.ranked()}
    assert found.keys() == {"https://a", "https://c"}
    assert found["https://a"].last_error == "lost"


@pytest.mark.parametrize(
    ("upstream", "said"),
    [
        (Upstream(), "no address of the collector"),
        (Upstream(transport="file"), "upstream_directory"),
        (Upstream(transport="sftp"), "upstream_sftp"),
        (Upstream(urls=("https://a",), sign_key_file=Path("/nowhere"), key_id=KEY_ID), "cannot be read"),
        (Upstream(urls=("https://a",), tls_ca_file=Path("/nowhere")), "cannot be used"),
    ],
)
async def test_settings_that_cannot_work_say_what_to_change(upstream: Upstream, said: str) -> None:
    settings = SyncSettings(dsn="", upstream_url="", reporter="88.118", upstream=upstream)
    with pytest.raises(UpstreamUnusable, match=said):
        open_transport(settings, Random(1), Clock())


async def test_a_key_of_another_prefix_is_refused_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.touch(mode=0o600)
    file.write_text(generate("88.119#a").pem(), encoding="ascii")
    upstream = Upstream(urls=("https://a",), sign_key_file=file, key_id="88.119#a")
    with pytest.raises(UpstreamUnusable, match=r"88\.118#"):
        open_transport(SyncSettings(dsn="", upstream_url="", reporter="88.118", upstream=upstream), Random(1), Clock())
