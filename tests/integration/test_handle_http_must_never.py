"""What the Handle JSON API and links must never do, one test for each item (Handle over HTTP, 16)."""

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from identifiers.handle_wire.keys import public_octets
from identifiers.values import Reference, Value
from resolver.faces.handle_api.sessions import SessionLimits, opened
from resolver.faces.proxy.aliases import ALIASES_MAX
from resolver.handle.auth.limits import AuthLimits
from tests.certificates import new_key
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE, admin_value
from tests.integration.handle_http_face import Face, admin, basic, running_face, url
from tests.support import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIXED = f"{PREFIX}/MIXED"
KEYED = Reference(f"{PREFIX}/KEYED", 300)
KEY = new_key()
PRICE = b"price for administrators"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    async with running_face(shared_registry_database, tmp_path_factory.mktemp("http")) as made:
        await made.stack.record(KEYED.handle, Value(300, "HS_PUBKEY", public_octets(KEY)))
        private = Value(7, "PRICE", PRICE, permissions=0b1100)
        await made.stack.record(MIXED, Value(1, "NOTE", b"for all"), private, admin_value(200, ADMIN))
        yield made


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def handle(**fields: str) -> dict[str, str]:
    return {"Authorization": "Handle " + ", ".join(f'{name}="{value}"' for name, value in fields.items())}


def proof_by_secret(challenge: dict[str, str], secret: bytes = SECRET, **more: str) -> dict[str, str]:
    """Return the fields of an answer to a challenge, by PBKDF2 if `more` has its parameters."""
    cnonce = secrets.token_bytes(16)
    signature = hmac.digest(secret, base64.b64decode(challenge["nonce"]) + cnonce, "sha256")
    return {
        "sessionId": challenge["Handle sessionId"],
        "id": quote(f"{ADMIN.index}:{ADMIN.handle}"),
        "type": "HS_SECKEY",
        "alg": "HMAC-SHA256",
        "cnonce": text(cnonce),
        "signature": text(signature),
        **more,
    }


async def test_1_no_credential_counts_over_plain_http_and_no_401_invites_one(face: Face) -> None:
    session = (await face("POST", "/api/sessions", user=ADMIN)).json["sessionId"]
    for credential in (basic(ADMIN, SECRET), basic(ADMIN, b"wrong"), f"Handle sessionId={session}", "Digest x", ""):
        sent: dict[str, Any] = {"headers": {"Authorization": credential}, "plain": True, "user": None}
        replies = [
            await face.get(MIXED, **sent),
            await face.get(MIXED, "?publicOnly=false", **sent),
            await face.put(MIXED, url(9), query="?index=9", **sent),
            await face.delete(MIXED, **sent),
            await face("GET", f"/api/handles?prefix={PREFIX}", **sent),
            await face("POST", "/api/prefixes/88.118.55", **sent),
            await face("POST", "/api/sessions", **sent),
            await face("GET", "/api/sessions/this", **sent),
        ]
        assert [reply.status for reply in replies] == [200, *[403] * 7]
        for reply in replies:
            assert "WWW-Authenticate" not in reply.headers
            assert PRICE not in reply.body


async def test_2_no_secret_gets_into_an_address_a_log_or_an_error(
    face: Face, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = secrets.token_hex(12).encode()
    challenged = (await face.put(MIXED, url(9), query="?index=9", user=None)).challenge
    fields = proof_by_secret(challenged, wrong)
    verification = f"nonce={challenged['nonce']}&cnonce={fields['cnonce']}&alg=SHA256&signature={fields['signature']}"
    replies = [
        await face.get(MIXED, user=ADMIN, secret=wrong),
        await face.get(MIXED, headers=handle(**fields)),
        await face.get(MIXED, headers=handle(**proof_by_secret(challenged))),
        await face("GET", f"/api/verifications/300:{ADMIN.handle}?{quote(verification, safe='=&')}"),
        await face("PUT", "/api/sessions/this", {**fields, "id": f"300:{ADMIN.handle}"}),
        await face("GET", "/api/sessions/this", headers=handle(sessionId=f"x{wrong.decode()}")),
    ]
    assert [reply.status for reply in replies] == [401, 401, 200, 200, 401, 403]
    said = caplog.text + "".join(capfd.readouterr())
    said += "".join(reply.headers.get("Location", "") for reply in replies)
    said += "".join(str(reply.json.get("message", "")) + str(reply.json.get("error", "")) for reply in replies)
    for secret in (wrong.decode(), SECRET.decode(), fields["signature"], fields["cnonce"], fields["sessionId"]):
        assert secret not in said
    kept = face.worker.settings.http_sessions
    assert kept is not None
    files = b"".join(file.read_bytes() for file in kept.rglob("*") if file.is_file())
    assert hashlib.sha256(fields["sessionId"].encode()).digest() in files
    assert fields["sessionId"].encode() not in files
    for path in ("/", "/help.html", f"/{MIXED}", f"/{PREFIX}/NONE"):
        assert (await face("GET", path)).headers["Referrer-Policy"] == "no-referrer"


async def test_3_what_strangers_say_of_their_way_and_place_decides_nothing(face: Face) -> None:
    forged = {"X-Forwarded-Proto": "https", "Forwarded": "for=192.0.2.9;proto=https"}
    credential = {"Authorization": basic(ADMIN, SECRET)}
    for query in ("?publicOnly=false", "?publicOnly=false&ip=127.0.0.1&country=cn"):
        refused = await face.get(MIXED, query, plain=True, headers=forged | credential)
        assert (refused.status, PRICE in refused.body) == (403, False)
    for at in range(31):
        elsewhere = {"X-Forwarded-For": f"192.0.2.{at}", "Forwarded": f"for=192.0.2.{at}"}
        user = Reference(f"{PREFIX}/SLOWED", 300)
        reply = await face.get(MIXED, f"?ip=192.0.2.{at}", user=user, secret=b"x", headers=elsewhere)
        assert reply.status == (401 if at < 30 else 503)


async def test_4_a_path_is_decoded_once_and_never_tidied(face: Face) -> None:
    odd = f"{PREFIX}/a//b/../c/./d%2Fe;f+g%"
    await face.put(quote(odd, safe="/"), url(1, "https://example.com/odd"))
    for raw in (f"{PREFIX}/a//b/../c/./d%252Fe;f+g%25", quote(odd, safe="").replace(".", "%2E")):
        assert (await face.get(raw)).json["handle"] == odd
        assert (await face("GET", f"/{raw}")).headers["Location"] == "https://example.com/odd"
    for raw in (
        f"{PREFIX}/a/b/../c/./d%252Fe;f+g%25",
        f"{PREFIX}/c/d%252Fe;f+g%25",
        f"{PREFIX}/a//b/../c/./d%2Fe;f+g%25",
    ):
        assert (await face.get(raw)).status == 404


async def test_5_nothing_leaves_a_header_or_its_place_in_a_page(face: Face) -> None:
    name = f"{PREFIX}/<script>alert(1)</script>"
    await face.put(
        quote(name),
        url(1, "https://example.com/\r\nSet-Cookie: a=b"),
        url(2, "https://example.com/轴\u0085承"),
        {"index": 3, "type": "10320/headers", "data": "Link: <x>\x00\nCache-Control: max-age=1\rSet-Cookie: a=b"},
        {"index": 4, "type": "<b>T</b>", "data": '"><img src=x onerror=alert(1)>'},
        admin(),
    )
    for query in (
        "",
        "?noredirect",
        "?urlappend=%0d%0aSet-Cookie:%20a",
        "?noredirect&urlappend=%00",
        "?action=showurls",
    ):
        reply = await face("GET", f"/{quote(name)}{query}")
        assert "Set-Cookie" not in reply.headers
        for key, value in reply.headers.items():
            assert (key + value).isascii()
            assert (key + value).isprintable()
        if "html" in reply.headers["Content-Type"]:
            for tag in (b"<script", b"<b>", b"<img"):
                assert tag not in reply.body
    assert b"<script" not in (await face("GET", f"/{quote(name)}/none")).body


async def test_6_no_link_leads_to_other_schemes_or_ever_on_and_no_value_is_fetched(face: Face) -> None:
    called: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    here = f"http://127.0.0.1:{port}/"
    xml = (
        f'<locations include="{here}"><location href="{here}" include="{here}" includeNamespace="{here}"/></locations>'
    )
    await face.put(f"{PREFIX}/HERE", url(1, here), {"index": 2, "type": "10320/loc", "data": xml}, admin())
    for query in ("", "?noredirect", "?action=showurls", "?action=api", "?auth=true&cert=true"):
        await face("GET", f"/{PREFIX}/HERE{query}")
    for at, target in enumerate(
        ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//a/b")
    ):
        await face.put(f"{PREFIX}/SCHEME{at}", url(1, target))
        for query in ("", "?redirectionHeaders"):
            reply = await face("GET", f"/{PREFIX}/SCHEME{at}{query}")
            assert (reply.status, "Location" in reply.headers) == (200, False)
    chain = [f"{PREFIX}/CHAIN{at}" for at in range(ALIASES_MAX + 2)]
    for name, following in pairwise(chain):
        await face.put(name, {"index": 1, "type": "HS_ALIAS", "data": following})
    await face.put(chain[-1], url())
    assert (await face("GET", f"/{chain[1]}")).headers["Location"] == f"/{chain[-1]}"
    too_long = await face("GET", f"/{chain[0]}")
    assert (too_long.status, b"Alias chain too long" in too_long.body) == (404, True)
    server.close()
    await server.wait_closed()
    assert called == []


async def test_7_no_entity_is_read_no_depth_is_unbounded_and_no_text_is_a_pattern(face: Face) -> None:
    entity = '<!DOCTYPE locations [<!ENTITY x "y">]><locations><location href="http://x/&x;"/></locations>'
    await face.put(f"{PREFIX}/DTD", {"index": 1, "type": "10320/loc", "data": entity}, url(2, "https://example.com/2"))
    assert (await face("GET", f"/{PREFIX}/DTD")).headers["Location"] == "https://example.com/2"
    for body in (b"[" * 33 + b"]" * 33, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'[{"index":1,"index":2}]'):
        reply = await face("PUT", f"/api/handles/{PREFIX}/DEEP", body, headers={"Content-Type": "application/json"})
        assert (reply.status, reply.code) == (400, 4)
    reply = await face("POST", "/api/sessions", b"[" * 1_000 + b"]" * 1_000)
    assert reply.status == 400
    for pattern in (".*", "N(O)TE", "(a+)+$", "[", "NOTE|PRICE"):
        assert (await face.get(MIXED, f"?type={quote(pattern)}")).code == 200
        assert (await face("GET", f"/{MIXED}?locatt={quote(pattern)}:x")).status == 200


async def test_8_no_proof_costs_more_than_it_may_and_a_certificate_is_none_by_itself(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = (await face.put(MIXED, url(9), query="?index=9", user=None)).challenge
    costly: dict[str, Any] = {"alg": "PBKDF2-HMAC-SHA1", "salt": text(b"salt"), "length": "160"}
    fields = proof_by_secret(challenge, **costly, iterations="100001")
    refused = await face.get(MIXED, headers=handle(**fields))
    assert (refused.status, refused.code) == (401, 403)
    under_way, go_on = [], threading.Event()

    def compute(*_: object) -> bool:
        under_way.append(1)
        return not go_on.wait(10.0)

    monkeypatch.setattr("resolver.handle.auth.proofs.is_right_secret", compute)
    proofs = [proof_by_secret(challenge, **costly, iterations="100000") for _ in range(10)]
    asking = [asyncio.create_task(face.get(MIXED, headers=handle(**one))) for one in proofs]
    at_once = AuthLimits().pbkdf2_at_once
    await eventually(lambda: sum(task.done() for task in asking) == len(asking) - at_once)
    turned_away = [task.result() for task in asking if task.done()]
    assert {(reply.status, reply.headers["Retry-After"]) for reply in turned_away} == {(503, "1")}
    go_on.set()
    await asyncio.wait(asking)
    assert (len(under_way), sum(task.result().status == 401 for task in asking)) == (at_once, at_once)
    impostor = face.showing(new_key(), f"300:{KEYED.handle}")
    assert (await face.get(MIXED, context=impostor)).status == 401
    assert (await face.get(MIXED, context=face.showing(KEY, f"300:{KEYED.handle}"))).status == 200


async def test_9_no_failed_write_is_200_no_replacement_201_and_no_success_empty(face: Face) -> None:
    name = f"{PREFIX}/WRITES"
    stranger: dict[str, Any] = {"user": f"300:{KEYED.handle}", "secret": b"x"}
    wrong = [
        (await face.put(name, url(), url()), 409),
        (await face.put(name, {"index": 1, "type": "HS_ADMIN", "data": "junk"}), 400),
        (await face.put(name, url(2), query="?index=2"), 404),
        (await face.put(name, url(), **stranger), 401),
        (await face.put(name, url(), user=None), 401),
        (await face.put("20.500/x", url()), 400),
        (await face.delete(name), 404),
        (await face("POST", "/api/prefixes/88.118.55", user=ADMIN), 403),
    ]
    assert [reply.status for reply, _ in wrong] == [status for _, status in wrong]
    done = [
        (await face.put(name, url(), admin()), 201),
        (await face.put(name, url(1, "https://example.com/2"), admin()), 200),
        (await face.put(name, url(1, "https://example.com/3"), query="?index=1"), 200),
        (await face.put(name, url(1), url(2), query="?index=various"), 200),
        (await face.put(name, url(3), query="?index=3"), 201),
        (await face.delete(name, "?index=3"), 200),
        (await face.delete(name), 200),
        (await face("POST", "/api/prefixes/88.118.56", user=SERVICE), 200),
        (await face("DELETE", "/api/prefixes/88.118.56", user=SERVICE), 200),
    ]
    assert [reply.status for reply, _ in done] == [status for _, status in done]
    assert all(reply.code == 1 and reply.json["handle"] for reply, _ in done)
    session = (await face("POST", "/api/sessions")).json["sessionId"]
    ended = await face("DELETE", "/api/sessions/this", headers=handle(sessionId=session))
    assert (ended.status, ended.body) == (204, b"")


async def test_10_sessions_that_nobody_asked_for_are_few_short_and_the_first_to_go(face: Face) -> None:
    mine = handle(sessionId=(await face("POST", "/api/sessions", user=ADMIN)).json["sessionId"])
    limits = SessionLimits()
    for _ in range(limits.per_address + 20):
        challenged = await face.get(MIXED, "?publicOnly=false")
        assert challenged.status == 401
    kept = face.worker.settings.http_sessions
    assert kept is not None
    with opened(kept) as sessions:
        assert len(sessions) <= limits.per_address
        now_s = int(face.stack.desk.clock())
        bare = challenged.challenge["Handle sessionId"]
        assert sessions.find(bare, now_s + limits.bare_idle_s) is None
    assert (await face("GET", "/api/sessions/this", headers=mine)).json["authenticated"] is True


async def test_11_no_answer_lets_scripts_use_what_a_browser_knows_of_its_user(face: Face) -> None:
    origin = {"Origin": "https://evil.example", "Cookie": "a=b"}
    paths = (f"/api/handles/{MIXED}", "/api/sessions/this", "/api/site", "/api/none", f"/{MIXED}", "/hrls/handles")
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "TRACE", "PATCH"):
        for path in paths:
            reply = await face(method, path, headers=origin)
            assert reply.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in reply.headers
            assert "Set-Cookie" not in reply.headers


async def test_12_no_list_is_for_everybody_and_no_status_tells_of_a_hidden_value(face: Face) -> None:
    for path in (f"/api/handles?prefix={PREFIX}", f"/api/handles?prefix={PREFIX}&page=0&pageSize=0", "/api/prefixes"):
        stranger: dict[str, Any] = {"user": f"300%3A{KEYED.handle}", "secret": b"x"}
        for reply in (await face("GET", path), await face("GET", path, **stranger)):
            assert reply.status == 401
            assert PREFIX.encode() not in reply.body
    assert (await face("GET", "/api/prefixes", user=ADMIN)).status == 403
    for query in ("?index={}", "?type={}", "?index={}&publicOnly=true", "?type={}&publicOnly"):
        hidden, absent = [
            await face.get(MIXED, query.format(asked["type" in query])) for asked in (("7", "PRICE"), ("8", "NOTHING"))
        ]
        assert (hidden.status, hidden.code, hidden.json["values"]) == (200, 200, [])
        assert (hidden.status, hidden.body, hidden.headers["ETag"]) == (
            absent.status,
            absent.body,
            absent.headers["ETag"],
        )
