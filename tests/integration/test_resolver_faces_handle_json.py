"""`/api/handles/…` as programs written for Handle.Net servers see it, over a real socket and a real replica."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.running_worker import PREFIX, Worker, examples, fill, running

SN1 = (
    '[{"index":1,"type":"URL","data":{"format":"string","value":"https://example.com/SN1?a=1&b=2"},"ttl":86400},'
    '{"index":2,"type":"NAME","data":{"format":"string","value":"Pump <b>&</b>"},"ttl":86400},'
    '{"index":3,"type":"DOC.MANUAL","data":{"format":"string","value":"https://example.com/manual"},"ttl":600}]'
)


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    writer = fill(tmp_path / "replica", examples())
    async with running(tmp_path) as worker:
        yield worker
    writer.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_record_is_answered_octet_for_octet_in_the_handle_form(worker: Worker) -> None:
    status, headers, body = await worker.ask(f"/api/handles/{PREFIX}/sn1?")
    assert (status, body.decode()) == (200, f'{{"responseCode":1,"handle":"{PREFIX}/sn1","values":{SN1}}}')
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "Content-Length, ETag"
    assert "Server" not in headers


async def test_the_lane_and_the_handlers_send_the_same_octets(worker: Worker) -> None:
    for name in ("SN1", "sn1", "MIXED", "HIDDEN", "EMPTY", "none"):
        lane = await worker.ask_raw(
            f"GET /api/handles/{PREFIX}/{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        )
        handler = await worker.ask_raw(
            f"GET /api/handles/{PREFIX}/{name}? HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        )
        assert _head_and_body(lane) == _head_and_body(handler)


def _head_and_body(answer: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return sorted(line for line in head.split(b"\r\n") if not line.startswith((b"Date:", b"Connection:"))), body


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        ("index=2", [2]),
        ("index=3&index=1", [1, 3]),
        ("type=url", [1]),
        ("type=DOC.", [3]),
        ("type=DOC", []),
        ("type=NAME&index=1", [1, 2]),
        ("index=0", []),
        ("index=77", []),
        ("index=2&auth=true&cert", [2]),
    ],
)
async def test_type_and_index_select_by_union(worker: Worker, query: str, indexes: list[int]) -> None:
    status, _, body = await worker.ask(f"/api/handles/{PREFIX}/SN1?{query}")
    answer = json.loads(body)
    assert status == 200
    assert [value["index"] for value in answer["values"]] == indexes
    assert answer["responseCode"] == (1 if indexes else 200)


async def test_nothing_selected_has_its_own_form(worker: Worker) -> None:
    _, _, body = await worker.ask(f"/api/handles/{PREFIX}/SN1?index=77")
    assert body == f'{{"responseCode":200,"values":[],"handle":"{PREFIX}/SN1"}}'.encode()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (f"/api/handles/{PREFIX}/none", 404, f'{{"responseCode":100,"handle":"{PREFIX}/none"}}'),
        (
            f"/api/handles/{PREFIX}/gone",
            404,
            f'{{"responseCode":100,"message":"This identifier was withdrawn","handle":"{PREFIX}/gone"}}',
        ),
        (
            "/api/handles/20.500/x",
            400,
            '{"responseCode":301,"message":"The prefix is not served here","handle":"20.500/x"}',
        ),
        (
            f"/api/handles/hdl:{PREFIX}/SN1",
            400,
            f'{{"responseCode":301,"message":"The prefix is not served here","handle":"hdl:{PREFIX}/SN1"}}',
        ),
        ("/api/handles/", 400, '{"responseCode":102,"message":"Empty handle invalid","handle":""}'),
        (f"/api/handles/{PREFIX}", 404, f'{{"responseCode":100,"handle":"{PREFIX}"}}'),
        (
            f"/api/handles/{PREFIX}/SN1?index=one",
            400,
            (
                '{"responseCode":4,"message":"The index \'one\' is not a number from 0 to 4294967295",'
                f'"handle":"{PREFIX}/SN1"}}'
            ),
        ),
        (
            "/api/handles/88.118.10/x?doNotRefer=true",
            400,
            '{"responseCode":301,"message":"The prefix is not served here","handle":"88.118.10/x"}',
        ),
    ],
)
async def test_errors_have_the_json_error_form(worker: Worker, path: str, status: int, body: str) -> None:
    answered, headers, octets = await worker.ask(path)
    assert (answered, octets.decode()) == (status, body)
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("raw", ["%zz", "%8", f"{PREFIX}/%FF", f"{PREFIX}/%E8%BD", f"{PREFIX}/%00"])
async def test_names_that_do_not_decode_are_102(worker: Worker, raw: str) -> None:
    status, _, body = await worker.ask(f"/api/handles/{raw}")
    assert status == 400
    assert json.loads(body)["responseCode"] == 102


@pytest.mark.parametrize(
    "raw",
    [
        "88.118.8/a//b;c+d%252F../e",
        "88.118.8%2Fa//b;c+d%252F../e",
        "88.118.8/a%2F/b%3Bc%2Bd%252F..%2Fe",
        "88.118.8/%61//b;c+d%252F%2E./e",
    ],
)
async def test_the_path_is_decoded_once_and_never_normalised(worker: Worker, raw: str) -> None:
    status, _, body = await worker.ask(f"/api/handles/{raw}")
    assert status == 200
    assert json.loads(body)["handle"] == "88.118.8/a//b;c+d%2F../e"


async def test_a_name_in_utf_8_is_found_and_shown_unescaped(worker: Worker) -> None:
    status, _, body = await worker.ask(f"/api/handles/{PREFIX}/%E8%BD%B4%e6%89%bf")
    assert status == 200
    assert f'"handle":"{PREFIX}/轴承"'.encode() in body


async def test_a_target_in_absolute_form_names_the_same_resource(worker: Worker) -> None:
    target = f"http://node.example/api/handles/{PREFIX}/SN1"
    answer = await worker.ask_raw(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_referral_names_the_sites(worker: Worker) -> None:
    status, _, body = await worker.ask("/api/handles/88.118.10/x")
    assert status == 300
    assert body.startswith(
        b'{"responseCode":302,"values":[{"index":1,"type":"HS_SITE","data":{"format":"site","value":'
    )
    assert body.endswith(b'],"handle":"88.118.10/x"}')


ANYONE, OWNER = None, "owner"


@pytest.mark.parametrize(
    ("query", "token", "status", "code", "types"),
    [
        # Nobody in particular sees the public part, and no hint of the rest.
        ("", ANYONE, 200, 1, ["NOTE"]),
        ("type=PRICE", ANYONE, 200, 200, []),
        ("publicOnly=true&type=PRICE", ANYONE, 200, 200, []),
        # Asking for the rest without a credential: needed, which is 403 where there is no TLS.
        ("publicOnly=false", ANYONE, 403, 402, None),
        ("publicOnly=false&type=NOTE", ANYONE, 200, 1, ["NOTE"]),
        ("publicOnly=false&type=SECRET", ANYONE, 403, 401, None),
        # Those with the right see everything but what nobody may read.
        ("", "administrator", 200, 1, ["NOTE", "PRICE"]),
        ("", OWNER, 200, 1, ["NOTE", "PRICE"]),
        ("publicOnly=true", OWNER, 200, 1, ["NOTE"]),
        ("publicOnly", OWNER, 200, 1, ["NOTE"]),
        ("type=SECRET", OWNER, 403, 401, None),
        ("type=NONE", OWNER, 200, 200, []),
        # Those without it see the public part, unless they insist.
        ("", "stranger", 200, 1, ["NOTE"]),
        ("", "reader", 200, 1, ["NOTE"]),
        ("type=PRICE", "stranger", 200, 200, []),
        ("publicOnly=false", "stranger", 403, 400, None),
        ("publicOnly=no", "reader", 403, 400, None),
    ],
)
async def test_restricted_values_are_for_those_with_the_right(
    worker: Worker, query: str, token: str | None, status: int, code: int, types: list[str] | None
) -> None:
    headers = bearer(token) if token else {}
    answered, _, body = await worker.ask(f"/api/handles/{PREFIX}/MIXED?{query}", headers=headers)
    answer = json.loads(body)
    assert (answered, answer["responseCode"]) == (status, code)
    assert ([value["type"] for value in answer["values"]] if "values" in answer else None) == types
    assert b"for nobody" not in body


@pytest.mark.parametrize("token", ["revoked", "expired", "invented", "", "x" * 300])
async def test_a_credential_that_proves_nothing_is_401_and_never_anonymous(worker: Worker, token: str) -> None:
    status, headers, body = await worker.ask(f"/api/handles/{PREFIX}/SN1", headers=bearer(token))
    assert (status, json.loads(body)["responseCode"]) == (401, 403)
    assert headers["WWW-Authenticate"] == 'Bearer realm="idnode"'


async def test_handle_credentials_over_plain_http_are_ignored(worker: Worker) -> None:
    for value in ("Basic MzAwOng6eQ==", 'Handle sessionId="x"'):
        status, _, _ = await worker.ask(f"/api/handles/{PREFIX}/SN1", headers={"Authorization": value})
        assert status == 200


async def test_behind_a_trusted_proxy_with_tls_a_missing_credential_is_401(tmp_path: Path) -> None:
    writer = fill(tmp_path / "replica", examples())
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    path = f"/api/handles/{PREFIX}/MIXED?publicOnly=false"
    standard = {"Forwarded": 'for=192.0.2.1;proto=http, for="[2001:db8::9]:4711";proto=https'}
    async with running(tmp_path, trusted_proxies=("127.0.0.0/8",)) as trusting:
        assert (await trusting.ask(path, headers=forwarded))[0] == 401
        assert (await trusting.ask(path, headers=standard))[0] == 401
        assert (await trusting.ask(path, headers=standard | {"X-Forwarded-Proto": "http"}))[0] == 403
        assert (await trusting.ask(path))[0] == 403
        for scheme in ("Basic MzAwOng6eQ==", "Negotiate x"):
            secret = {"Authorization": scheme}
            assert (await trusting.ask(path, headers=forwarded | secret))[0] == 401
    async with running(tmp_path) as wary:
        assert (await wary.ask(path, headers=forwarded))[0] == 403
    writer.close()


async def test_answers_to_credentials_are_not_kept(worker: Worker) -> None:
    _, headers, _ = await worker.ask(f"/api/handles/{PREFIX}/SN1", headers=bearer("owner"))
    assert headers["Cache-Control"] == "private, no-store"


async def test_an_entity_tag_makes_the_next_answer_304(worker: Worker) -> None:
    path = f"/api/handles/{PREFIX}/SN1"
    _, first, _ = await worker.ask(path)
    for condition in (first["ETag"], f'"x", W/{first["ETag"]}', "*"):
        status, headers, body = await worker.ask(path, headers={"If-None-Match": condition})
        assert (status, body) == (304, b"")
        assert headers["ETag"] == first["ETag"]
        assert headers["Cache-Control"] == "no-cache"
    assert (await worker.ask(path, headers={"If-None-Match": '"other"'}))[0] == 200


async def test_each_selection_and_form_has_its_own_entity_tag(worker: Worker) -> None:
    path = f"/api/handles/{PREFIX}/SN1"
    tags = [(await worker.ask(path + query))[1]["ETag"] for query in ("", "?index=1", "?index=2", "?pretty=true")]
    assert len(set(tags)) == 4
    assert tags[0] == (await worker.ask(path + "?index=1&index=2&index=3"))[1]["ETag"]


async def test_pretty_indents_by_two_in_the_same_order(worker: Worker) -> None:
    _, _, body = await worker.ask(f"/api/handles/{PREFIX}/SN1?pretty=true&index=2")
    lines = body.decode().splitlines()
    assert lines[:6] == [
        "{",
        '  "responseCode": 1,',
        f'  "handle": "{PREFIX}/SN1",',
        '  "values": [',
        "    {",
        '      "index": 2,',
    ]


async def test_a_callback_makes_a_script_that_calls_only_that(worker: Worker) -> None:
    status, headers, body = await worker.ask(f"/api/handles/{PREFIX}/SN1?index=2&callback=1a.b(x)")
    assert status == 200
    assert headers["Content-Type"] == "application/javascript; charset=UTF-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert body.startswith(b'_a_b_x_({"responseCode":1,')
    assert body.endswith(b"});")


async def test_a_callback_is_ignored_for_authenticated_requests(worker: Worker) -> None:
    _, headers, body = await worker.ask(f"/api/handles/{PREFIX}/SN1?callback=f", headers=bearer("owner"))
    assert headers["Content-Type"].startswith("application/json")
    assert body.startswith(b"{")


async def test_head_has_the_headers_of_get_and_no_body(worker: Worker) -> None:
    _, got, body = await worker.ask(f"/api/handles/{PREFIX}/SN1")
    status, headers, nothing = await worker.ask(f"/api/handles/{PREFIX}/SN1", method="HEAD")
    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == str(len(body))
    assert headers["ETag"] == got["ETag"]


async def test_large_answers_are_compressed_for_those_who_take_it(worker: Worker) -> None:
    path = f"/api/handles/{PREFIX}/LARGE"
    _, plain, body = await worker.ask(path)
    _, packed, octets = await worker.ask(path, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(octets) == body
    assert plain["Vary"] == packed["Vary"] == "Accept-Encoding"
    assert plain["ETag"] != packed["ETag"]
    condition = {"Accept-Encoding": "gzip", "If-None-Match": packed["ETag"]}
    assert (await worker.ask(path, headers=condition))[0] == 304
    _, small, _ = await worker.ask(f"/api/handles/{PREFIX}/SN1", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small
    assert "Vary" not in small
    _, _, octets = await worker.ask(f"/api/handles/{PREFIX}/HUGE", headers={"Accept-Encoding": "gzip"})
    assert len(gzip.decompress(octets)) > 100_000
    _, refused, _ = await worker.ask(path, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"index=2&type=URL", "application/x-www-form-urlencoded"),
        (b'{"index":2,"type":["URL"]}', "application/json; charset=utf-8"),
        (b'{"index":["2"],"type":"URL"}', "application/json"),
    ],
)
async def test_post_takes_parameters_from_its_body(worker: Worker, body: bytes, content_type: str) -> None:
    status, _, answer = await worker.ask(
        f"/api/handles/{PREFIX}/SN1", method="POST", data=body, headers={"Content-Type": content_type}
    )
    assert status == 200
    assert [value["index"] for value in json.loads(answer)["values"]] == [1, 2]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"[1]", "application/json", 400),
        (b'{"index":1,"index":2}', "application/json", 400),
        (b'{"index":{}}', "application/json", 400),
        (b"index=%zz", "application/x-www-form-urlencoded", 400),
        (b"<index/>", "application/xml", 400),
        (b"index=1&" + b"x" * 1_048_569, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_body_that_is_no_parameters_is_code_4(
    worker: Worker, body: bytes, content_type: str, status: int
) -> None:
    answered, _, answer = await worker.ask(
        f"/api/handles/{PREFIX}/SN1", method="POST", data=io.BytesIO(body), headers={"Content-Type": content_type}
    )
    assert (answered, json.loads(answer)["responseCode"]) == (status, 4)


async def test_more_selections_than_a_record_has_values_are_refused(worker: Worker) -> None:
    body = {"index": list(range(2_049))}
    status, _, answer = await worker.ask(f"/api/handles/{PREFIX}/SN1", method="POST", json=body)
    assert (status, json.loads(answer)["responseCode"]) == (400, 4)


async def test_lists_and_changes_need_a_registry(worker: Worker) -> None:
    for path, method in ((f"/api/handles?prefix={PREFIX}", "GET"), (f"/api/handles/{PREFIX}/SN1", "DELETE")):
        status, headers, body = await worker.ask(path, method=method)
        assert (status, json.loads(body)["responseCode"], headers["Retry-After"]) == (503, 7, "1")


async def test_a_body_that_does_not_come_is_408(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolver.faces.body.WAIT_S", 0.05)
    head = f"POST /api/handles/{PREFIX}/SN1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 10.0)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_is_not_framed_is_400(worker: Worker) -> None:
    head = f"POST /api/handles/{PREFIX}/SN1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await worker.ask_raw(head.encode() + b"zz\r\n")
    assert answer.split(b" ", 2)[1] == b"400"


async def test_preflight_says_what_other_sites_may_send(worker: Worker) -> None:
    status, headers, _ = await worker.ask(f"/api/handles/{PREFIX}/SN1", method="OPTIONS")
    assert status == 200
    assert headers["Allow"] == "GET, HEAD, POST, PUT, DELETE, OPTIONS"
    assert headers["Access-Control-Allow-Methods"] == "GET, POST, HEAD, PUT, DELETE"
    assert "If-None-Match" in headers["Access-Control-Allow-Headers"]
    assert headers["Access-Control-Max-Age"] == "86400"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("PATCH", "/api/handles/x", 501, "Unknown method PATCH"),
        ("PUT", "/api/site", 405, "Unknown HTTP API endpoint PUT /api/site"),
        ("GET", "/api/prefixes/88.118.8", 405, "Unknown HTTP API endpoint GET /api/prefixes/88.118.8"),
        ("GET", "/api/sessions", 405, "Unknown HTTP API endpoint GET /api/sessions"),
        ("TRACE", "/api/handles/x", 405, "Unknown HTTP API endpoint TRACE /api/handles/x"),
        ("POST", "/api/handles", 405, "Unknown HTTP API endpoint POST /api/handles"),
        ("GET", "/api/nothing", 404, "Unknown HTTP API endpoint GET /api/nothing"),
        ("GET", "/api", 404, "Unknown HTTP API endpoint GET /api"),
    ],
)
async def test_other_methods_and_paths_have_the_handle_error_body(
    worker: Worker, method: str, path: str, status: int, message: str
) -> None:
    answered, headers, body = await worker.ask(path, method=method)
    assert (answered, body.decode()) == (status, f'{{"responseCode":4,"message":"{message}"}}')
    assert ("Allow" in headers) == (status == 405)
