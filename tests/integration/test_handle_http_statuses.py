"""Every row of the table of statuses, through every endpoint, in the one error form (Handle over HTTP, 6)."""

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from multidict import CIMultiDictProxy
from yarl import URL

from identifiers.handle_requests import HandleAnswer, HandleRequest
from identifiers.plain_registration import PlainRegistration
from registry.api.plain_registrations import PlainRegistrations
from registry.calls import serve_calls
from registry.handle_admin.execution import HandleAdministration
from resolver.tls import TlsSettings
from tests.certificates import certificate_pem, new_key, write_pair
from tests.integration.running_worker import PREFIX, Worker, examples, fill, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = f"{PREFIX}/SN1"
VALUE = [{"index": 1, "type": "URL", "data": "https://example.com/"}]
WRITING = [
    ("PUT", f"/api/handles/{NAME}", VALUE, NAME),
    ("PUT", f"/api/handles/{NAME}?index=1", VALUE, NAME),
    ("PUT", f"/api/handles/{NAME}?index=various", VALUE, NAME),
    ("DELETE", f"/api/handles/{NAME}", None, NAME),
    ("DELETE", f"/api/handles/{NAME}?index=1", None, NAME),
    ("GET", f"/api/handles?prefix={PREFIX}", None, None),
    ("GET", "/api/prefixes", None, None),
    ("POST", f"/api/prefixes/{PREFIX}", None, PREFIX),
    ("DELETE", f"/api/prefixes?prefix={PREFIX}", None, PREFIX),
]
"""Method, path, body, and the name that an error repeats."""
STATUSES = {
    200: 400,
    **dict.fromkeys((302, 303), 300),
    100: 404,
    **dict.fromkeys((101, 201), 409),
    **dict.fromkeys((4, 102, 202, 301), 400),
    5: 501,
    **dict.fromkeys((3, 7), 503),
    **dict.fromkeys((400, 401, 403, 404), 403),
    **dict.fromkeys((405, 406, 2, 6, 300, 500, 501, 502, 503, 504, 505, 506, 99, 410), 500),
}


class NoRegistrations(PlainRegistrations):
    """Takes no registration."""

    def __init__(self) -> None:
        pass

    async def answer(self, asked: PlainRegistration) -> bytes | None:  # noqa: ARG002 - as the base
        return None


class SayingRegistry(HandleAdministration):
    """Answers every call with one code."""

    def __init__(self) -> None:
        self.code = 1
        self.existed = False
        self.asked = 0

    async def execute(self, request: HandleRequest) -> HandleAnswer:
        """As HandleAdministration."""
        self.asked += 1
        return HandleAnswer(request.number, self.code, existed=self.existed)


@dataclass
class Stand:
    """A worker, and the registry behind it."""

    worker: Worker
    registry: SayingRegistry
    trusting: ssl.SSLContext

    async def ask(
        self, method: str, path: str, body: object = None, *, secure: bool = True
    ) -> tuple[int, CIMultiDictProxy[str], bytes]:
        port = self.worker.tls_port if secure else self.worker.port
        url = URL(f"{'https' if secure else 'http'}://127.0.0.1:{port}{path}", encoded=True)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body).encode()
        asking = self.worker.session.request(method, url, data=data, headers=headers, ssl=self.trusting)
        async with asking as answer:
            return answer.status, answer.headers, await answer.read()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    directory: Path = tmp_path_factory.mktemp("statuses")
    registry = SayingRegistry()
    key = new_key()
    certificate, key_file = write_pair(directory, key, certificate_pem(key, "localhost"), "server")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(directory / "calls.sock"))
    async with AsyncExitStack() as stack:
        stack.callback(fill(directory / "replica", examples()).close)
        await stack.enter_async_context(serve_calls(registry, NoRegistrations(), bound))
        tls = TlsSettings("127.0.0.1", 0, certificate, key_file, "off")
        settings = {"tls": tls, "registry_calls_socket": directory / "calls.sock"}
        worker = await stack.enter_async_context(running(directory, **settings))
        yield Stand(worker, registry, ssl.create_default_context(cafile=certificate))


@pytest.mark.parametrize(("method", "path", "body", "name"), WRITING)
async def test_each_code_of_the_registry_has_its_status_and_the_error_form(
    stand: Stand, method: str, path: str, body: object, name: str | None
) -> None:
    for secure in (True, False):
        for code, status in {**STATUSES, 402: 401 if secure else 403}.items():
            stand.registry.code, stand.registry.asked = code, 0
            answered, headers, octets = await stand.ask(method, path, body, secure=secure)
            assert (answered, stand.registry.asked) == (status, 1), (code, octets)
            answer = json.loads(octets)
            assert answer["responseCode"] == code
            order = [member for member in ("responseCode", "message", "handle") if member in answer]
            assert list(answer) == order
            assert answer.get("handle") == name
            assert headers["Content-Type"] == "application/json; charset=UTF-8"
            assert ("Retry-After" in headers) == (status == 503)


@pytest.mark.parametrize(
    ("method", "path", "body", "existed", "status"),
    [
        *((method, path, body, False, 201 if method == "PUT" else 200) for method, path, body, _ in WRITING[:5]),
        *((method, path, body, True, 200) for method, path, body, _ in WRITING),
    ],
)
async def test_success_is_201_for_what_is_new_and_always_has_a_body(
    stand: Stand, method: str, path: str, body: object, status: int, *, existed: bool
) -> None:
    stand.registry.code, stand.registry.existed = 1, existed
    answered, _, octets = await stand.ask(method, path, body)
    assert (answered, json.loads(octets)["responseCode"]) == (status, 1)


@pytest.mark.parametrize(
    ("query", "secure", "code", "status", "members"),
    [
        ("", True, 1, 200, ["responseCode", "handle", "values"]),
        ("?type=NOTHING", True, 200, 200, ["responseCode", "values", "handle"]),
        ("?index=x", True, 4, 400, ["responseCode", "message", "handle"]),
        ("?publicOnly=false&type=PRICE", True, 402, 401, ["responseCode", "message", "handle"]),
        ("?publicOnly=false&type=PRICE", False, 402, 403, ["responseCode", "message", "handle"]),
        ("?publicOnly=false&type=SECRET", True, 401, 403, ["responseCode", "message", "handle"]),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_each_code_of_a_look_up_has_its_status(
    stand: Stand, method: str, query: str, code: int, status: int, members: list[str], *, secure: bool
) -> None:
    answered, _, octets = await stand.ask(method, f"/api/handles/{PREFIX}/MIXED{query}", secure=secure)
    answer = json.loads(octets)
    assert (answered, answer["responseCode"], list(answer)) == (status, code, members)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("88.118.8/NONE", 100, 404), ("", 102, 400), ("20.500/x", 301, 400), ("88.118.10/x", 302, 300)],
)
async def test_each_code_of_a_name_has_its_status(stand: Stand, method: str, name: str, code: int, status: int) -> None:
    answered, _, octets = await stand.ask(method, f"/api/handles/{name}")
    answer = json.loads(octets)
    assert (answered, answer["responseCode"], list(answer)[-1]) == (status, code, "handle")


async def test_a_node_without_a_replica_says_try_again_everywhere(tmp_path: Path) -> None:
    async with running(tmp_path) as worker:
        for path in (f"/api/handles/{NAME}", f"/{NAME}?action=api"):
            status, headers, octets = await worker.ask(path)
            assert (status, headers["Retry-After"], json.loads(octets)["responseCode"]) == (503, "1", 3)
        status, headers, _ = await worker.ask(f"/{NAME}")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert "Retry-After" in ", ".join(headers.getall("Access-Control-Expose-Headers"))  # type: ignore[attr-defined] # aiohttp's headers are a multidict
