"""What a scanned link opens, over a real socket and a real replica."""

import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.integration.running_worker import PREFIX, Worker, examples, fill, running

JSON = {"Accept": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    writer = fill(tmp_path / "replica", examples())
    async with running(tmp_path) as worker:
        yield worker
    writer.close()


async def test_a_link_redirects_to_the_records_url(worker: Worker) -> None:
    status, headers, body = await worker.ask(f"/{PREFIX}/SN1", headers=BROWSER)
    assert status == 302
    assert headers["Location"] == "https://example.com/SN1?a=1&b=2"
    assert headers["Vary"] == "Accept"
    assert b"<title>Handle Redirect</title>" in body
    assert b'href="https://example.com/SN1?a=1&amp;b=2"' in body


async def test_a_redirect_may_be_kept_for_the_shortest_ttl(worker: Worker) -> None:
    _, headers, _ = await worker.ask(f"/{PREFIX}/SN1")
    assert headers["Cache-Control"] == "max-age=600"
    age = parsedate_to_datetime(headers["Expires"]) - parsedate_to_datetime(headers["Date"])
    assert 599 <= age.total_seconds() <= 601


@pytest.mark.parametrize(
    "written",
    [
        f"hdl:{PREFIX}/SN1",
        f"HDL:{PREFIX}/SN1",
        f"doi:{PREFIX}/SN1",
        f"info:hdl/{PREFIX}/SN1",
        f"info:doi/{PREFIX}/SN1",
        f"urn:hdl:{PREFIX}:SN1",
        f"URN:EIDR:{PREFIX}:SN1",
        f"{PREFIX}%2Fsn1",
    ],
)
async def test_ways_to_write_a_handle_as_a_uri_are_understood(worker: Worker, written: str) -> None:
    status, headers, _ = await worker.ask(f"/{written}")
    assert (status, headers["Location"]) == (302, "https://example.com/SN1?a=1&b=2")


async def test_a_location_outside_ascii_is_percent_encoded(worker: Worker) -> None:
    _, headers, _ = await worker.ask(f"/{PREFIX}/%E8%BD%B4%E6%89%BF")
    assert headers["Location"] == "https://example.com/%E8%BD%B4%E6%89%BF"


async def test_text_can_be_appended_to_the_url(worker: Worker) -> None:
    _, headers, _ = await worker.ask(f"/{PREFIX}/SN1?urlappend=%26c=%E8%BD%B4")
    assert headers["Location"] == "https://example.com/SN1?a=1&b=2&c=%E8%BD%B4"


@pytest.mark.parametrize("query", ["noredirect", "noredirect=false", "action=showvalues"])
async def test_values_are_shown_as_an_escaped_page(worker: Worker, query: str) -> None:
    status, headers, body = await worker.ask(f"/{PREFIX}/SN1?{query}")
    page = body.decode()
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=UTF-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Pump &lt;b&gt;&amp;&lt;/b&gt;" in page
    assert "<b>" not in page
    assert '<a href="https://example.com/manual">' in page


async def test_a_record_without_a_usable_url_shows_its_values(worker: Worker) -> None:
    status, _, body = await worker.ask(f"/{PREFIX}/SCRIPT")
    assert status == 200
    assert b"javascript:alert(1)" in body
    assert b'href="javascript' not in body
    assert b'<a href="/10320%2Floc">10320/loc</a>' in body


async def test_type_and_index_restrict_the_resolution(worker: Worker) -> None:
    status, _, body = await worker.ask(f"/{PREFIX}/SN1?type=NAME&index=bad")
    assert status == 200
    assert b"Pump" in body
    assert b"example.com" not in body
    assert b"No Values Found" in (await worker.ask(f"/{PREFIX}/SN1?type=NONE"))[2]


async def test_parameters_may_be_separated_by_semicolons(worker: Worker) -> None:
    assert (await worker.ask(f"/{PREFIX}/SN1?auth=true;noredirect"))[0] == 200


async def test_without_a_token_only_public_values_are_shown(worker: Worker) -> None:
    for headers in (BROWSER, JSON, BROWSER | {"Authorization": "Basic MzAwOng6eQ=="}):
        status, _, body = await worker.ask(f"/{PREFIX}/MIXED?publicOnly=false", headers=headers)
        assert status == 200
        assert b"for all" in body
        assert b"for administrators" not in body
        assert b"for nobody" not in body


async def test_a_token_shows_what_it_opens_and_nobody_may_keep_that(worker: Worker) -> None:
    credential = {"Authorization": "Bearer administrator"}
    for headers in (BROWSER, JSON):
        status, answered, body = await worker.ask(f"/{PREFIX}/MIXED", headers=headers | credential)
        assert (status, answered["Cache-Control"]) == (200, "private, no-store")
        assert b"for administrators" in body
        assert b"for nobody" not in body


@pytest.mark.parametrize("token", ["revoked", "expired", "invented"])
async def test_a_token_that_proves_nothing_is_refused(worker: Worker, token: str) -> None:
    for headers in (BROWSER, JSON):
        refused = {"Authorization": f"Bearer {token}"}
        status, answered, body = await worker.ask(f"/{PREFIX}/SN1", headers=headers | refused)
        assert (status, answered["WWW-Authenticate"]) == (401, 'Bearer realm="idnode"')
        assert b"Pump" not in body


async def test_json_is_given_to_those_who_take_nothing_else(worker: Worker) -> None:
    for path, headers in ((f"/{PREFIX}/SN1", JSON), (f"/{PREFIX}/SN1?action=api", BROWSER)):
        status, answered, body = await worker.ask(path, headers=headers)
        assert status == 200
        assert body.startswith(f'{{"responseCode":1,"handle":"{PREFIX}/SN1","values":['.encode())
        assert answered["Vary"] == "Accept"
    _, answered, _ = await worker.ask(f"/{PREFIX}/SN1", headers=JSON)
    assert (await worker.ask(f"/{PREFIX}/SN1", headers=JSON | {"If-None-Match": answered["ETag"]}))[0] == 304


@pytest.mark.parametrize(
    ("path", "status", "code", "title", "text"),
    [
        (f"/{PREFIX}/none", 404, 100, "Handle Not Found", "Not Found"),
        (f"/{PREFIX}/GONE", 410, 100, "Handle Withdrawn", "withdrawn"),
        ("/20.500/x", 400, 301, "Prefix [20.500] Not Found", "does not serve"),
        ("/88.118.10/x", 300, 302, "Handle Referral", "HTTP 192.0.2.1 port 8000"),
        ("/%FF", 400, 102, "Resolution Error", "UTF-8"),
        (f"/{PREFIX}/%01", 400, 102, "Resolution Error", "U+0001"),
    ],
)
async def test_every_outcome_is_told_in_the_form_asked_for(
    worker: Worker, path: str, status: int, code: int, title: str, text: str
) -> None:
    answered, headers, body = await worker.ask(path, headers=BROWSER)
    page = body.decode()
    assert answered == status
    assert headers["Content-Type"] == "text/html; charset=UTF-8"
    assert f"<title>{title}</title>" in page
    assert text in page
    answered, headers, body = await worker.ask(path, headers=JSON)
    assert (answered, json.loads(body)["responseCode"]) == (status, code)
    assert headers["Content-Type"] == "application/json; charset=UTF-8"


async def test_a_name_is_escaped_wherever_it_is_shown(worker: Worker) -> None:
    for path in (f"/{PREFIX}/<script>", "/<script>/x", f"/{PREFIX}/%3Cscript%3E%01"):
        _, _, body = await worker.ask(path.replace("<", "%3C").replace(">", "%3E"))
        assert b"<script" not in body


async def test_head_has_the_headers_of_get(worker: Worker) -> None:
    status, headers, body = await worker.ask(f"/{PREFIX}/SN1", method="HEAD")
    assert (status, headers["Location"], body) == (302, "https://example.com/SN1?a=1&b=2", b"")


async def test_the_query_page_leads_to_the_identifier(worker: Worker) -> None:
    status, _, body = await worker.ask("/")
    assert status == 200
    assert b'name="hdl"' in body
    status, headers, _ = await worker.ask("/", method="POST", data={"hdl": f"hdl:{PREFIX}/SN1"})
    assert (status, headers["Location"]) == (302, "https://example.com/SN1?a=1&b=2")
    assert (await worker.ask("/", method="POST", data={"hdl": ""}))[0] == 400


async def test_what_browsers_and_robots_ask_for_is_no_identifier(worker: Worker) -> None:
    assert (await worker.ask("/favicon.ico"))[0] == 204
    status, headers, body = await worker.ask("/robots.txt")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=UTF-8")
    assert body.startswith(b"User-agent: *")


async def test_a_link_cannot_be_written_to(worker: Worker) -> None:
    status, headers, _ = await worker.ask(f"/{PREFIX}/SN1", method="DELETE")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    status, headers, _ = await worker.ask(f"/{PREFIX}/SN1", method="OPTIONS")
    assert (status, headers["Allow"]) == (200, "GET, HEAD, POST, OPTIONS")
