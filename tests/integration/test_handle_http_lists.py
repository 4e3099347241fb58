"""Lists, prefixes, the site, and native messages over HTTP (Handle over HTTP, 4, 5 and 9)."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identifiers.handle_requests import HandleAnswer, Operation
from identifiers.handle_wire.answers import Challenge, Names, Resolved, SiteInfo, decode_answer
from identifiers.handle_wire.message import parse_message
from identifiers.handle_wire.requests import GetSiteInfo, ListHandles, Request, Resolution
from identifiers.handle_wire.tcp import Framed, StreamFramer
from identifiers.hs_site_json import site_to_json
from identifiers.values import Reference
from resolver.faces.handle_api.door import Asker
from resolver.faces.handle_api.writing import Writer, executed
from resolver.handle.auth.limits import AuthLimits, AuthSettings
from resolver.handle.site import HTTP, own_site
from tests.certificates import new_key
from tests.handle_stack import ADMIN, PREFIX, SERVICE, proof_of
from tests.integration.handle_http_face import SITE, Face, Reply, running_face, url
from tests.integration.handle_worker import decoded, request
from tests.integration.running_worker import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = "88.118.9"
NAMES = [f"{OTHER}/N{number:03}" for number in range(25)]
NATIVE = {"Content-Type": "application/x-hdl-message", "Accept": "application/x-hdl-message"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    short_parts = AuthSettings((SERVICE,), limits=AuthLimits(names_per_part=10))
    directory = tmp_path_factory.mktemp("http")
    async with running_face(shared_registry_database, directory, handle_auth=short_parts) as made:
        homed = await made("POST", f"/api/prefixes/{OTHER}", user=SERVICE)
        assert homed.status == 200, homed.body
        for name in NAMES:
            assert (await made.put(name, url(), user=SERVICE)).status == 201
        yield made


async def test_a_list_without_a_window_has_everything_and_a_total_that_is_text(face: Face) -> None:
    for prefix in (OTHER, f"0.NA/{OTHER}"):
        reply = await face("GET", f"/api/handles?prefix={prefix}", user=SERVICE)
        assert (reply.status, list(reply.json)) == (200, ["responseCode", "prefix", "totalCount", "handles"])
        assert (reply.json["prefix"], reply.json["totalCount"], reply.json["handles"]) == (prefix, "25", NAMES)


@pytest.mark.parametrize(
    ("page", "size", "names"),
    [(0, 10, NAMES[:10]), (2, 10, NAMES[20:]), (3, 10, []), (0, 1000, NAMES), (0, 0, []), (1, 25, [])],
)
async def test_a_page_of_a_list(face: Face, page: int, size: int, names: list[str]) -> None:
    reply = await face("GET", f"/api/handles?prefix={OTHER}&page={page}&pageSize={size}", user=SERVICE)
    assert reply.json == {
        "responseCode": 1,
        "prefix": OTHER,
        "totalCount": "25",
        "page": page,
        "pageSize": size,
        "handles": names,
    }


async def test_a_longer_page_than_there_is_says_so(face: Face) -> None:
    reply = await face("GET", f"/api/handles?prefix={OTHER}&page=0&pageSize=20000", user=SERVICE)
    assert reply.json["pageSize"] == 10_000


async def test_a_list_in_many_pages_is_one_array(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolver.faces.handle_api.lists.NAMES_PER_PAGE_MAX", 10)
    for query in ("", "&page=-1&pageSize=10", "&page=0", "&page=0&pageSize=25"):
        reply = await face("GET", f"/api/handles?prefix={OTHER}{query}", user=SERVICE)
        assert reply.json["handles"] == NAMES
        head = await face("HEAD", f"/api/handles?prefix={OTHER}{query}", user=SERVICE)
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("path", "user", "status", "code"),
    [
        (f"/api/handles?prefix={OTHER}", None, 401, 402),
        (f"/api/handles?prefix={OTHER}", ADMIN, 403, 400),
        (f"/api/handles?prefix={OTHER}&page=x&pageSize=1", SERVICE, 400, 4),
        (f"/api/handles?prefix={OTHER}&pageSize=1.5", SERVICE, 400, 4),
        ("/api/handles", SERVICE, 400, 4),
        ("/api/handles?prefix=20.500", SERVICE, 400, 301),
        ("/api/prefixes", ADMIN, 403, 400),
        ("/api/prefixes", None, 401, 402),
        ("/api/handles?prefix=20.500", None, 400, 301),
        ("/api/handles?prefix=0.NA%2F20.500", None, 400, 301),
        ("/api/handles?prefix=a%2Fb", None, 400, 102),
    ],
)
async def test_what_lists_refuse(face: Face, path: str, user: Reference | None, status: int, code: int) -> None:
    reply = await face("GET", path, user=user)
    assert (reply.status, reply.code) == (status, code)
    assert b"N001" not in reply.body


async def test_an_administrator_of_a_prefix_lists_what_is_below_it(face: Face) -> None:
    reply = await face("GET", f"/api/handles?prefix={PREFIX}&page=0&pageSize=1000", user=ADMIN)
    assert f"{PREFIX}/ADMIN" in reply.json["handles"]


async def test_prefixes_are_listed_homed_and_unhomed(face: Face) -> None:
    reply = await face("GET", "/api/prefixes?page=0&pageSize=10", user=SERVICE)
    assert list(reply.json) == ["responseCode", "totalCount", "page", "pageSize", "prefixes"]
    assert f"0.NA/{OTHER}" in reply.json["prefixes"]
    assert int(reply.json["totalCount"]) == len(reply.json["prefixes"])

    async def homing(method: str, how: str) -> Reply:
        body = {"prefix": "88.118.77"} if how == "body" else None
        path = {"path": "/88.118.77", "query": "?prefix=88.118.77", "body": ""}[how]
        return await face(method, f"/api/prefixes{path}", body, user=SERVICE)

    for how in ("path", "query", "body"):
        assert (await homing("POST", how)).body == b'{"responseCode":1,"handle":"88.118.77"}'
        assert (await face.put(f"88.118.77/{how}", url(), user=SERVICE)).status == 201
        assert (await homing("DELETE", how)).body == b'{"responseCode":1,"handle":"88.118.77"}'
    for method, doing in (("POST", "homing"), ("DELETE", "unhoming")):
        for bad in ("a%00b", "a%2Fb"):
            unknown = await face(method, f"/api/prefixes/{bad}")
            assert (unknown.status, unknown.code) == (400, 102)
        refused = await face(method, "/api/prefixes", user=SERVICE)
        assert (refused.status, refused.json["message"]) == (400, f"Prefix not specified in {doing} request")
        assert (await face(method, "/api/prefixes/88.118.78", user=ADMIN)).code == 400
    shown = await face("GET", "/api/prefixes/88.118.77")
    assert (shown.status, shown.headers["Allow"]) == (405, "POST, DELETE, TRACE, OPTIONS")


async def test_lists_can_be_switched_off(face: Face) -> None:
    off = AuthSettings((SERVICE,), lists=False)
    made = face.worker.settings
    settings = replace(made, handle_auth=off, handle_state=face.directory / "off", handle=None)
    async with running(face.directory, **{name: getattr(settings, name) for name in SAME}) as worker:
        second = Face(face.stack, worker, face.directory, face.session, face.trusting)
        for path in (f"/api/handles?prefix={OTHER}", "/api/prefixes"):
            reply = await second("GET", path, user=SERVICE)
            assert (reply.status, reply.code) == (501, 5)


SAME = ("handle_auth", "handle_state", "tls", "registry_calls_socket", "http_sessions")


async def test_the_site_is_what_the_native_protocol_says(face: Face) -> None:
    reply = await face("GET", "/api/site", plain=True)
    assert (reply.status, reply.json) == (200, {"responseCode": 1, "site": site_to_json(SITE)})
    refused = await face("PUT", "/api/site")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_a_probe_finds_the_servers_of_a_prefix_with_its_regular_expressions(face: Face) -> None:
    service = {"index": 1, "type": "HS_SERV", "data": "0.SERV/88.118.8"}
    await face.put(f"0.NA/{PREFIX}", service, query="?index=1", user=ADMIN)
    body = (await face.get(f"0.NA/{PREFIX}", plain=True)).body
    found = re.search(rb'"type":"HS_SERV","data":\{"format":"string","value":"([^"]*)"', body)
    assert found is not None
    assert found[1] == b"0.SERV/88.118.8"
    assert (await face.get(PREFIX, plain=True)).json["handle"] == PREFIX


async def native(face: Face, asked: Request, path: str = "/", *, plain: bool = True, **more: Any) -> Reply:
    reply = await face("POST", path, request(asked, **more), headers=NATIVE, plain=plain)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-hdl-message")
    assert "Content-Encoding" not in reply.headers
    return reply


async def test_a_native_message_is_answered_with_one_whatever_its_path(face: Face) -> None:
    for path in ("/", f"/{PREFIX}%2FADMIN", "/api/handles/x", "/api/v1/x", "/livez"):
        reply = await native(face, Resolution(NAMES[0]), path)
        message, answer = decoded(reply.body)
        assert int(reply.headers["Content-Length"]) == len(reply.body)
        assert (message.header.rc, message.envelope.request_id) == (1, 7)
        assert isinstance(answer.body, Resolved)
        assert answer.body.values[0].data == b"https://example.com/1"
    _, answer = decoded((await native(face, GetSiteInfo())).body)
    assert answer.body == SiteInfo(SITE)


async def test_administration_by_native_messages_is_challenged(face: Face) -> None:
    message, _ = decoded((await native(face, ListHandles(OTHER), plain=False)).body)
    assert message.header.rc == 402


async def test_administration_in_the_clear_needs_a_site_record_that_offers_it(face: Face) -> None:
    message, _ = decoded((await native(face, ListHandles(OTHER))).body)
    assert (message.header.rc, message.envelope.request_id) == (2, 7)
    made = face.worker.settings
    assert made.handle is not None
    site = own_site([ip_address("192.0.2.7")], 2641, serial=1, http=(HTTP, 8000))
    settings = replace(made, handle_state=face.directory / "marked", handle=replace(made.handle, site=site))
    async with running(face.directory, **{name: getattr(settings, name) for name in (*SAME, "handle")}) as worker:
        second = Face(face.stack, worker, face.directory, face.session, face.trusting)
        message, _ = decoded((await native(second, ListHandles(OTHER))).body)
        assert message.header.rc == 402


@pytest.mark.parametrize("change", ["short", "long", "no envelope", "nothing"])
async def test_a_message_of_another_length_is_refused_as_a_message(face: Face, change: str) -> None:
    octets = request(Resolution(NAMES[0]))
    sent = {"short": octets[:-1], "long": octets + b"\0", "no envelope": octets[:19], "nothing": b""}[change]
    reply = await face("POST", "/", sent, headers=NATIVE, plain=True)
    message, _ = decoded(reply.body)
    assert (reply.status, message.header.rc) == (200, 4)
    assert message.envelope.request_id == (7 if change in ("short", "long") else 0)


async def test_every_answer_below_api_is_json_and_open_to_other_sites(face: Face) -> None:
    for method, path in [
        ("PATCH", "/api/handles/x"),
        ("TRACE", "/api/sessions"),
        ("GET", "/api/unknown"),
        ("GET", "/api/verifications/"),
        ("DELETE", "/api/handles/"),
        ("POST", "/api/sessions/that"),
    ]:
        reply = await face(method, path)
        assert reply.headers["Content-Type"] == "application/json; charset=UTF-8", path
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert json.loads(reply.body)["responseCode"]


async def test_a_prefix_that_has_no_record_shows_the_site_that_serves_it(face: Face) -> None:
    for name in (OTHER, f"0.NA/{OTHER}", f"0.na/{OTHER}"):
        reply = await face.get(name, "?type=HS_SITE", plain=True)
        assert (reply.status, reply.json["handle"]) == (200, name)
        (value,) = reply.json["values"]
        assert (value["index"], value["type"], value["ttl"]) == (1, "HS_SITE", 86400)
        assert value["data"] == {"format": "site", "value": site_to_json(SITE)}
    assert (await face.get(OTHER, "?type=URL", plain=True)).code == 200
    assert (await face.get("0.NA/20.500", plain=True)).code == 301


async def test_a_key_kept_as_text_is_shown_as_a_key_and_written_back_in_its_binary_form(face: Face) -> None:
    pem = new_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    name = f"{OTHER}/PEM"
    await face.put(name, {"index": 1, "type": "HS_PUBKEY", "data": pem}, user=SERVICE)
    shown = await face.get(name)
    assert shown.json["values"][0]["data"]["format"] == "key"
    assert (await face.get(name, "?index=1")).json["values"] == shown.json["values"]
    kept = await face.put(name, *shown.json["values"], user=SERVICE, headers={"If-Match": shown.headers["ETag"]})
    assert kept.status == 200
    assert (await face.get(name)).json["values"][0]["data"] == shown.json["values"][0]["data"]
    stored = await face.stack.api.admin("GET", f"/api/v1/identifiers/{name}")
    assert stored.json["values"][0]["data"]["format"] == "key"


async def test_the_parts_of_a_native_list_end_with_the_connection(face: Face) -> None:
    challenged, answer = decoded((await native(face, ListHandles(OTHER), plain=False)).body)
    assert isinstance(answer.body, Challenge)
    proof = proof_of(answer.body, SERVICE)
    octets = request(proof, session_id=challenged.envelope.session_id)
    reply = await face("POST", "/", octets, headers=NATIVE)
    assert "Content-Length" not in reply.headers
    assert "Transfer-Encoding" not in reply.headers
    assert reply.headers["Connection"] == "close"
    framer = StreamFramer()
    framer.feed(reply.body)
    messages = [parse_message(*event) for event in framer.events() if isinstance(event, Framed)]
    parts = [decode_answer(message.header, message.body).body for message in messages]
    listed = [name for part in parts if isinstance(part, Names) for name in part.names]
    assert (len(parts) > 1, set(NAMES) <= set(listed)) == (True, True)


async def test_a_list_that_cannot_be_ended_is_broken_off(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolver.faces.handle_api.lists.NAMES_PER_PAGE_MAX", 10)
    pages = 0

    async def once(writer: Writer | None, operation: Operation, asker: Asker, name: str | None = None) -> HandleAnswer:
        nonlocal pages
        pages += 1
        return await executed(writer, operation, asker, name) if pages == 1 else HandleAnswer(0, code=2)

    monkeypatch.setattr("resolver.faces.handle_api.lists.executed", once)
    with pytest.raises(aiohttp.ClientPayloadError):
        await face("GET", f"/api/handles?prefix={OTHER}", user=SERVICE)
