"""What every request meets: authentication, methods, media types, sizes, problems, the status and the description."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from identifiers.changes import Cursor
from registry.api.paging import write_cursor
from resolver.progress import ProgressServer
from tests.registry_api import VALUES, Api, raw_request, running_api

T = TypeVar("T")

ONE = "/api/v1/identifiers/88.118.8/SN1"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def test_a_request_without_a_token_is_asked_for_one(api: Api) -> None:
    refusal = await api.client(None)("GET", "/api/v1/whoami")
    assert refusal.status == 401
    assert refusal.headers["WWW-Authenticate"].startswith("Bearer")
    assert refusal.json["code"] == "token_missing"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer nonsense", "token_invalid"),
        ("Bearer idn_" + "A" * 43, "token_invalid"),
        ("Bearer ", "token_invalid"),
        ("Basic dXNlcjpwYXNz", "scheme_not_supported"),
    ],
)
async def test_a_bad_token_is_refused_without_saying_why(api: Api, header: str, code: str) -> None:
    refusal = await api.client(None)("GET", "/api/v1/whoami", headers={"Authorization": header})
    assert (refusal.status, refusal.json["code"]) == (401, code)


async def test_the_scheme_of_the_authorization_has_no_case(api: Api) -> None:
    header = {"Authorization": f"bEaReR {api.admin.token}"}
    assert (await api.client(None)("GET", "/api/v1/whoami", headers=header)).status == 200


async def test_a_problem_has_the_members_of_its_media_type(api: Api) -> None:
    refusal = await api.admin("GET", "/api/v1/nothing/here")
    assert refusal.status == 404
    assert refusal.headers["Content-Type"] == "application/problem+json"
    body = refusal.json
    assert set(body) == {"type", "title", "status", "detail", "code", "errors", "remedy"}
    assert (body["type"], body["code"], body["status"]) == ("urn:idnode:problem:unknown_path", "unknown_path", 404)


async def test_a_method_the_path_does_not_have_names_those_it_has(api: Api) -> None:
    refusal = await api.admin("DELETE", "/api/v1/prefixes")
    assert (refusal.status, refusal.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert (await api.admin("GET", "/api/v1/identifiers:batch")).headers["Allow"] == "POST"


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}])
async def test_a_body_in_another_form_is_refused(api: Api, headers: dict[str, str]) -> None:
    refusal = await api.admin("PUT", ONE, {"values": VALUES}, headers=headers)
    assert (refusal.status, refusal.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"values": []} x',
        b'{"values": [], "values": []}',
        b"[" * 50 + b"]" * 50,
        b"\xff",
        b'{"values": NaN}',
    ],
)
async def test_a_body_that_is_not_strict_json_is_refused(api: Api, body: bytes) -> None:
    refusal = await api.admin("PUT", ONE, data=body, headers={"Content-Type": "application/json"})
    assert (refusal.status, refusal.json["code"]) == (400, "malformed_json")


async def test_a_body_that_is_too_long_is_refused_however_it_comes(api: Api) -> None:
    await api.prefix()
    long = json.dumps({"values": [{"index": 1, "type": "x", "data": "y" * 2**20}]}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(long), 65_536):
            yield long[start : start + 65_536]

    refusal = await api.admin("PUT", ONE, data=pieces(), headers={"Content-Type": "application/json"})
    assert (refusal.status, refusal.json["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/prefixes/88.118.8%00", None),
        ("PATCH", "/api/v1/prefixes/%00", {"state": "active"}),
        ("GET", "/api/v1/templates/%00", None),
        ("DELETE", "/api/v1/tokens/%00", None),
        ("GET", "/api/v1/identifiers?prefix=%00", None),
        ("GET", f"/api/v1/templates?cursor={write_cursor('templates', chr(0))}", None),
        ("PUT", ONE, {"values": [], "template": "\x00"}),
        ("POST", "/api/v1/prefixes", {"prefix": "88.118.8", "name": "a\x00b"}),
        ("POST", "/api/v1/prefixes", {"prefix": "88.118.8", "name": "ab", "enterprise": "\x00"}),
        ("POST", "/api/v1/tokens", {"role": "reader", "label": "\x00"}),
    ],
)
async def test_a_zero_octet_is_refused_wherever_it_comes(api: Api, method: str, path: str, body: Any) -> None:
    refusal = await api.admin(method, path, body)
    assert refusal.status in (400, 404, 422), refusal.body
    assert refusal.json["detail"]


async def test_a_query_parameter_nobody_knows_is_pointed_out(api: Api) -> None:
    refusal = await api.admin("GET", "/api/v1/prefixes?pageSize=3")
    assert (refusal.status, refusal.json["code"]) == (400, "unknown_parameter")
    assert "cursor, limit" in refusal.json["remedy"]


async def test_the_target_may_come_in_absolute_form(api: Api) -> None:
    await api.prefix()
    await api.admin("PUT", "/api/v1/identifiers/88.118.8/a%2Fb", {"values": VALUES})
    request = (
        "GET http://registry/api/v1/identifiers/88.118.8/a%2Fb HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n"
        f"Authorization: Bearer {api.admin.token}\r\n\r\n"
    )
    assert b'"identifier":"88.118.8/a/b"' in await raw_request(api.socket, request.encode())


async def test_a_defect_of_ours_says_nothing_of_its_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("registry.service.prefixes.page", broken)
    refusal = await api.admin("GET", "/api/v1/prefixes", headers={"X-Idnode-Peer": "192.0.2.7"})
    assert (refusal.status, refusal.json["code"]) == (500, "internal_error")
    assert b"secret" not in refusal.body
    assert "192.0.2.7" in caplog.text
    assert "secret detail" in caplog.text


async def with_a_replica(api: Api, server: ProgressServer, request: Coroutine[Any, Any, T]) -> T:
    """Carry out a request while a replica keeps up with the journal."""
    task = asyncio.create_task(request)
    while not task.done():
        end = await api.context.pool.fetchrow("SELECT xid, seq FROM journal ORDER BY xid DESC, seq DESC LIMIT 1")
        assert end is not None
        server.announce(Cursor(end["xid"], end["seq"]))
        await asyncio.wait({task}, timeout=0.02)
    return task.result()


async def test_a_write_answers_when_the_replica_has_it(registry_database: str, tmp_path: Path) -> None:
    server = ProgressServer(tmp_path / "follower.sock", asyncio.Event())
    async with server, running_api(registry_database, tmp_path, resolvable_wait_s=10.0) as api:
        await with_a_replica(api, server, api.prefix())
        reply = await with_a_replica(api, server, api.admin("PUT", ONE, {"values": VALUES}))
        assert (reply.status, reply.json["resolvable"]) == (201, True)
        again = await api.admin("PUT", ONE, {"values": VALUES})
        assert (again.status, again.json["resolvable"]) == (200, True)
        lines = await api.admin.batch([{"identifier": "88.118.8/SN1", "values": VALUES}])
        assert lines[-1]["summary"]["resolvable"] is True


async def test_the_status_shows_database_journal_replica_counts_and_other_parts(
    registry_database: str, tmp_path: Path
) -> None:
    async def healthy() -> dict[str, int]:
        return {"processes": 4}

    async def broken() -> None:
        raise FileNotFoundError("node.json is not there")

    server = ProgressServer(tmp_path / "follower.sock", asyncio.Event())
    more = {"node": healthy, "other": broken}
    async with server, running_api(registry_database, tmp_path, status=more) as api:
        await api.prefix()
        server.announce(Cursor(1, 1))
        status: Any = {}
        while not status.get("replica", {}).get("connected"):
            status = (await api.admin("GET", "/api/v1/status")).json
    assert status["replica"] == {"connected": True, "position": "1/1"}
    assert status["journal"]["changes_behind_replica"] == 4
    assert status["counts"]["prefixes"] == 1
    assert int(status["database"]["version"].split(".")[0]) >= 15
    assert status["more"] == {"node": {"processes": 4}, "other": {"error": "node.json is not there"}}


async def test_the_description_is_there_for_everyone(api: Api) -> None:
    anyone = api.client(None)
    description = await anyone("GET", "/api/v1/openapi.json")
    assert description.json["openapi"].startswith("3.1")
    page = await anyone("GET", "/api/v1/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    # A token that does not count any more is no reason to hide what everyone may read.
    assert (await api.client("idn_expired")("GET", "/api/v1/docs")).status == 200
