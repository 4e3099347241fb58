"""What holds for every request: methods, heads, paths, scripts of other sites (Handle over HTTP, 1, 1.1, 7, 10)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from resolver.faces.application import HEAD_OCTETS_MAX
from resolver.faces.proxy.options import ProxyOptions
from tests.integration.running_worker import PREFIX, Worker, examples, fill, running
from tests.unit.replica_states import identifier_change, prefix_change, url

LONGEST = f"{PREFIX}/" + "x" * (255 - len(PREFIX) - 1)
ODD = [
    (f"{PREFIX}%2FP", f"{PREFIX}/P"),
    (f"{PREFIX}//a", f"{PREFIX}//a"),
    (f"{PREFIX}/a;b=c;d", f"{PREFIX}/a;b=c;d"),
    (f"{PREFIX}/a+b", f"{PREFIX}/a+b"),
    (f"{PREFIX}/..", f"{PREFIX}/.."),
    (f"{PREFIX}/%2e%2E/./c", f"{PREFIX}/.././c"),
    (f"{PREFIX}/%E8%BD%B4%E6%89%BF", f"{PREFIX}/轴承"),
    (f"{PREFIX}/a%2520b", f"{PREFIX}/a%20b"),
    (f"{PREFIX}/a%3Fb%23c", f"{PREFIX}/a?b#c"),
    (LONGEST, LONGEST),
]
"""Paths as they are sent, and the names they mean."""


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    odd = [identifier_change(100 + at, name, url(f"https://example.com/{at}")) for at, (_, name) in enumerate(ODD)]
    writer = fill(tmp_path / "replica", [*examples(), *odd])
    async with running(tmp_path) as worker:
        yield worker
    writer.close()


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join((f"{line} HTTP/1.1", "Host: a", "Connection: close", *fields, "", "")).encode()


def parts(answer: bytes) -> tuple[int, bytes, bytes]:
    before, _, body = answer.partition(b"\r\n\r\n")
    return int(before.split(b" ", 2)[1]), before, body


@pytest.mark.parametrize(("raw", "name"), ODD, ids=[name[:30] for _, name in ODD])
async def test_a_path_names_what_is_sent(worker: Worker, raw: str, name: str) -> None:
    status, _, body = await worker.ask(f"/api/handles/{raw}")
    assert (status, json.loads(body)["handle"]) == (200, name)
    status, headers, _ = await worker.ask(f"/{raw}")
    assert (status, headers["Location"]) == (302, json.loads(body)["values"][0]["data"]["value"])


@pytest.mark.parametrize("raw", [f"{PREFIX}/a%00b", f"{PREFIX}/{'x' * 2_048}", "%", f"{PREFIX}/%E8", f"{PREFIX}/%G0"])
async def test_a_path_that_is_no_name_is_102(worker: Worker, raw: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        status, _, body = await worker.ask(f"/api/handles/{raw}", method=method)
        assert (status, json.loads(body)["responseCode"]) == (400, 102), method


async def test_a_name_of_2048_octets_is_looked_up_and_no_longer_one(worker: Worker) -> None:
    for octets, expected in ((2_048, (404, 100)), (2_049, (400, 102))):
        name = f"{PREFIX}/".ljust(octets, "x")
        status, _, body = await worker.ask(f"/api/handles/{name}")
        assert (status, json.loads(body)["responseCode"]) == expected
        assert json.loads(body)["handle"] == name


async def test_an_empty_name_is_said_to_be_empty_before_anything_else(worker: Worker) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        status, _, body = await worker.ask("/api/handles/", method=method, headers={"Content-Type": "text/plain"})
        assert (status, body) == (400, b'{"responseCode":102,"message":"Empty handle invalid","handle":""}')


@pytest.mark.parametrize("method", ["PATCH", "FOO", "get", "M-SEARCH", "A" * 20])
async def test_an_unknown_method_is_501_on_every_face(worker: Worker, method: str) -> None:
    for path in ("/api/handles/x", "/api/none", f"/{PREFIX}/SN1", "/"):
        status, before, body = parts(await worker.ask_raw(head(f"{method} {path}")))
        assert (status, json.loads(body)) == (501, {"responseCode": 4, "message": f"Unknown method {method}"})
        assert b"Content-Type: application/json; charset=UTF-8" in before
        assert b"Access-Control-Allow-Origin: *" in before


async def test_what_is_no_method_is_no_request(worker: Worker) -> None:
    assert parts(await worker.ask_raw(b"\x01\x02 / HTTP/1.1\r\n\r\n"))[0] == 400


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("GET /api/site", ["X-One: " + "x" * HEAD_OCTETS_MAX]),
        ("GET /api/site", [f"X-{at}: " + "x" * 1_000 for at in range(9)]),
        (f"GET /api/handles/{PREFIX}/" + "x" * HEAD_OCTETS_MAX, []),
        (f"GET /{PREFIX}/SN1?" + "x" * 4_000, ["X-One: " + "x" * 4_200]),
    ],
)
async def test_a_head_of_more_than_8192_octets_is_431_however_it_comes(
    worker: Worker, line: str, fields: list[str]
) -> None:
    octets = head(line, *fields)
    assert len(octets) > HEAD_OCTETS_MAX
    status, before, body = parts(await worker.ask_raw(octets))
    assert (status, json.loads(body)["responseCode"]) == (431, 4)
    assert b"Content-Type: application/json; charset=UTF-8" in before


async def test_a_head_of_8192_octets_is_read(worker: Worker) -> None:
    octets = head(f"GET /{PREFIX}/SN1", "X-One: ")
    octets = octets.replace(b"X-One: ", b"X-One: " + b"x" * (HEAD_OCTETS_MAX - len(octets)))
    assert len(octets) == HEAD_OCTETS_MAX
    assert parts(await worker.ask_raw(octets))[0] == 302


async def test_a_head_that_comes_in_pieces_is_bounded_too(worker: Worker) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
    writer.write(b"GET /api/site HTTP/1.1\r\n" + b"X: y\r\n" * 1_400)
    assert (await asyncio.wait_for(reader.readline(), 10.0)).startswith(b"HTTP/1.1 431 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/api/handles/88.118.8/none", 404, '{"responseCode":100,"handle":"88.118.8/none"}'),
        ("/api/site", 501, '{"responseCode":5,"message":"This node has no site record"}'),
        ("/api/none", 404, '{"responseCode":4,"message":"Unknown HTTP API endpoint GET /api/none"}'),
        ("/api/handles/%FF", 400, None),
        ("/api/handles/88.118.8/SN1?index=x", 400, None),
        ("/api/verifications/x", 400, None),
    ],
)
async def test_a_callback_is_called_with_errors_too(worker: Worker, path: str, status: int, body: str | None) -> None:
    separator = "&" if "?" in path else "?"
    answered, headers, octets = await worker.ask(f"{path}{separator}callback=1f(x)")
    assert answered == status
    assert headers["Content-Type"] == "application/javascript; charset=UTF-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert octets.startswith(b"_f_x_(")
    assert octets.endswith(b");")
    assert body is None or octets.decode() == f"_f_x_({body});"
    _, headers, octets = await worker.ask(f"{path}{separator}callback=f", method="POST")
    assert not octets.startswith(b"f(")
    assert headers["Content-Type"].startswith("application/json")


async def test_other_sites_may_read_what_a_refusal_says(worker: Worker) -> None:
    for path, method, name in [
        ("/api/site", "PUT", "Allow"),
        (f"/{PREFIX}/SN1", "DELETE", "Allow"),
        (f"/api/handles/{PREFIX}/SN1", "DELETE", "Retry-After"),
        (f"/{PREFIX}/SN1", "GET", "Location"),
    ]:
        _, headers, _ = await worker.ask(path, method=method)
        assert name in headers
        exposed = ", ".join(headers.getall("Access-Control-Expose-Headers"))  # type: ignore[attr-defined] # a multidict
        assert name in exposed.split(", ")


async def test_other_schemes_are_ignored_without_tls_as_every_credential_is(worker: Worker) -> None:
    for credential in ("Digest x", "Negotiate x", "x", ""):
        status, _, _ = await worker.ask(f"/api/handles/{PREFIX}/SN1", headers={"Authorization": credential})
        assert status == 200
        status, headers, _ = await worker.ask(
            f"/api/handles/{PREFIX}/MIXED?publicOnly=false", headers={"Authorization": credential}
        )
        assert (status, "WWW-Authenticate" in headers) == (403, False)


async def test_paths_that_are_fixed_are_no_identifiers(worker: Worker) -> None:
    status, headers, _ = await worker.ask("/static/logo.png")
    assert (status, headers["Access-Control-Allow-Origin"]) == (404, "*")


async def test_that_there_is_nothing_is_not_kept(worker: Worker) -> None:
    for path in (f"/{PREFIX}/SN1?type=NONE", f"/{PREFIX}/EMPTY"):
        status, headers, body = await worker.ask(path)
        assert (status, headers["Cache-Control"], "Expires" in headers) == (200, "no-cache", False)
        assert b"<title>No Values Found</title>" in body


async def test_the_query_page_posts_parameters_too(worker: Worker) -> None:
    form = {"hdl": f"{PREFIX}/SN1", "noredirect": "", "type": "NAME"}
    status, _, body = await worker.ask("/", method="POST", data=form)
    assert (status, b"Pump" in body, b"manual" in body) == (200, True, False)
    body = json.dumps(form | {"action": "api"}).encode()
    status, _, answer = await worker.ask("/", method="POST", data=body, headers={"Content-Type": "application/json"})
    assert (status, json.loads(answer)["values"][0]["type"]) == (200, "NAME")


async def test_where_links_are_off_the_query_page_leads_to_the_api(tmp_path: Path) -> None:
    fill(tmp_path / "replica", [prefix_change(1, PREFIX)]).close()
    async with running(tmp_path, links=ProxyOptions(enabled=False)) as worker:
        status, headers, _ = await worker.ask("/", method="POST", data={"hdl": f"hdl:{PREFIX}/a b"})
        assert (status, headers["Location"]) == (302, f"/api/handles/{quote(f'{PREFIX}/a b')}")
        assert headers["Access-Control-Allow-Origin"] == "*"
