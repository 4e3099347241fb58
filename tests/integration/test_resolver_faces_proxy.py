"""What links can do besides leading to a URL, over a real socket and a real replica (Handle over HTTP, 11 and 12)."""

import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from identifiers.values import Value
from resolver.faces.proxy.aliases import ALIASES_MAX
from resolver.faces.proxy.options import ProxyOptions
from tests.integration.running_worker import PREFIX, Worker, fill, running
from tests.unit.replica_states import identifier_change, prefix_change, url

CHOICE = (
    '<locations><location id="0" href="http://uk.example.com/" country="gb" weight="0"/>'
    '<location id="1" href="http://www1.example.com/" weight="1" http_sc="308"/>'
    '<location id="meta" href="http://meta.example.com/" role="metadata" weight="0" rel="describedby"/></locations>'
)


def alias(target: str) -> Value:
    return Value(1, "HS_ALIAS", target.encode())


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    records = {
        "LOC": [Value(1, "10320/loc", CHOICE.encode()), url("https://example.com/u", 2)],
        "MAIL": [Value(1, "EMAIL", b"someone@example.com")],
        "HEADERS": [url("https://example.com/h"), Value(2, "10320/headers", b"X-Batch: 7\nSet-Cookie: a=b")],
        "KEPT": [url("https://example.com/k"), Value(2, "10320/headers", b"Cache-Control: max-age=5")],
        "ALIAS": [alias(f"{PREFIX}/LOC")],
        "AWAY": [alias("20.500/x")],
        "CIRCLE": [alias(f"{PREFIX}/CIRCLE")],
        "TTL": [url("https://example.com/t"), Value(2, "NOTE", b"x", ttl=60)],
        **{f"CHAIN{n}": [alias(f"{PREFIX}/CHAIN{n + 1}")] for n in range(ALIASES_MAX + 1)},
        f"CHAIN{ALIASES_MAX + 1}": [url("https://example.com/end")],
    }
    changes = [prefix_change(1, PREFIX)]
    changes += [
        identifier_change(at, f"{PREFIX}/{name}", *values) for at, (name, values) in enumerate(records.items(), 2)
    ]
    writer = fill(tmp_path / "replica", changes)
    options = ProxyOptions(country_header="X-Country", record_headers=frozenset(("x-batch",)))
    async with running(tmp_path, links=options, trusted_proxies=("127.0.0.1/32",)) as made:
        yield made
    writer.close()


@pytest.mark.parametrize(
    ("query", "headers", "status", "location"),
    [
        ("country=gb", {}, 302, "http://uk.example.com/"),
        ("", {"X-Country": "GB"}, 302, "http://uk.example.com/"),
        ("", {"X-Country": "US"}, 308, "http://www1.example.com/"),
        ("locatt=id:1", {}, 308, "http://www1.example.com/"),
        ("locatt=id:0;urlappend=more", {}, 302, "http://uk.example.com/more"),
        ("action=metadata", {}, 302, "http://meta.example.com/"),
        ("nols", {}, 302, "https://example.com/u"),
        ("type=URL", {}, 302, "https://example.com/u"),
        ("index=2", {}, 302, "https://example.com/u"),
        ("action=unknown&locatt=id:0", {}, 302, "http://uk.example.com/"),
        ("locatt=id:1&redirectionHeaders", {}, 200, "http://www1.example.com/"),
    ],
)
async def test_a_link_leads_to_the_location_that_is_chosen(
    worker: Worker, query: str, headers: dict[str, str], status: int, location: str
) -> None:
    answered, sent, _ = await worker.ask(f"/{PREFIX}/LOC?{query}", headers=headers)
    assert (answered, sent["Location"]) == (status, location)
    if not query.startswith(("nols", "type", "index")):
        assert sent["Link"] == '<http://meta.example.com/>; rel="describedby"'


async def test_a_country_is_believed_from_a_trusted_proxy_only(tmp_path: Path) -> None:
    writer = fill(
        tmp_path / "replica",
        [prefix_change(1, PREFIX), identifier_change(2, f"{PREFIX}/LOC", Value(1, "10320/loc", CHOICE.encode()))],
    )
    async with running(tmp_path, links=ProxyOptions(country_header="X-Country")) as worker:
        _, sent, _ = await worker.ask(f"/{PREFIX}/LOC", headers={"X-Country": "GB"})
        assert sent["Location"] == "http://www1.example.com/"
    writer.close()


async def test_clients_of_http_1_0_know_two_kinds_of_redirect(worker: Worker) -> None:
    answer = await worker.ask_raw(f"GET /{PREFIX}/LOC?locatt=id:1 HTTP/1.0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 302 ")


async def test_locations_are_shown_as_xml(worker: Worker) -> None:
    status, headers, body = await worker.ask(f"/{PREFIX}/LOC?action=showurls")
    assert (status, headers["Content-Type"]) == (200, "application/xml; charset=UTF-8")
    assert body.count(b"<location ") == 4
    assert b'<location id="0" href="http://uk.example.com/" country="gb" weight="0"/>' in body


async def test_an_e_mail_address_is_the_last_resort(worker: Worker) -> None:
    status, headers, _ = await worker.ask(f"/{PREFIX}/MAIL")
    assert (status, headers["Location"]) == (302, "mailto:someone@example.com")


async def test_a_record_may_bring_headers_that_are_allowed(worker: Worker) -> None:
    for query in ("", "?noredirect"):
        _, headers, _ = await worker.ask(f"/{PREFIX}/HEADERS{query}")
        assert headers["X-Batch"] == "7"
        assert "X-Batch" in headers.getall("Access-Control-Expose-Headers")  # type: ignore[attr-defined] # a multidict
        assert "Set-Cookie" not in headers


async def test_what_a_record_says_of_caching_is_all_that_is_said_of_it(worker: Worker) -> None:
    _, headers, _ = await worker.ask(f"/{PREFIX}/KEPT")
    assert (headers["Cache-Control"], "Expires" in headers) == ("max-age=5", False)


async def test_an_alias_is_told_and_followed(worker: Worker) -> None:
    for method in ("GET", "HEAD"):
        status, headers, _ = await worker.ask(f"/{PREFIX}/ALIAS?locatt=id:1&a=%20b", method=method)
        assert (status, headers["Location"]) == (301, f"/{PREFIX}/LOC?locatt=id:1&a=%20b")
    status, headers, _ = await worker.ask(f"/{PREFIX}/ALIAS?locatt=id:1", method="POST")
    assert (status, headers["Location"]) == (308, "http://www1.example.com/")
    _, _, page = await worker.ask(f"/{PREFIX}/ALIAS?noredirect")
    assert b"10320/loc" in page
    _, _, page = await worker.ask(f"/{PREFIX}/ALIAS?noredirect&ignore_aliases")
    assert b"HS_ALIAS" in page
    _, _, body = await worker.ask(f"/{PREFIX}/ALIAS?action=api")
    assert json.loads(body)["values"][0]["type"] == "HS_ALIAS"
    status, headers, _ = await worker.ask(f"/{PREFIX}/AWAY")
    assert (status, headers["Location"]) == (301, "/20.500/x")


async def test_aliases_are_followed_twenty_deep(worker: Worker) -> None:
    status, headers, _ = await worker.ask(f"/{PREFIX}/CHAIN1")
    assert (status, headers["Location"]) == (301, f"/{PREFIX}/CHAIN{ALIASES_MAX + 1}")
    for name in ("CHAIN0", "CIRCLE"):
        status, _, page = await worker.ask(f"/{PREFIX}/{name}")
        assert status == 404
        assert b"<title>Alias chain too long</title>" in page


async def test_a_redirect_is_kept_as_long_as_its_shortest_value(worker: Worker) -> None:
    _, headers, _ = await worker.ask(f"/{PREFIX}/TTL")
    assert headers["Cache-Control"] == "max-age=60"
    expires = parsedate_to_datetime(headers["Expires"]) - parsedate_to_datetime(headers["Date"])
    assert 58 <= expires.total_seconds() <= 61
    _, headers, _ = await worker.ask(f"/{PREFIX}/TTL?type=URL")
    assert headers["Cache-Control"] == "max-age=86400"


async def test_links_may_be_switched_off(tmp_path: Path) -> None:
    writer = fill(tmp_path / "replica", [prefix_change(1, PREFIX)])
    async with running(tmp_path, links=ProxyOptions(enabled=False)) as worker:
        status, headers, _ = await worker.ask(f"/{PREFIX}/a%2Fb;c?index=1")
        assert (status, headers["Location"]) == (302, f"/api/handles/{PREFIX}/a%2Fb;c?index=1")
        assert (await worker.ask("/"))[0] == 200
    writer.close()


async def test_there_is_help_and_no_search(worker: Worker) -> None:
    status, _, page = await worker.ask("/help.html")
    assert status == 200
    assert b"noredirect" in page
    status, headers, _ = await worker.ask(f"/hrls/handles/{PREFIX}?URL=*x*")
    assert (status, headers["Content-Type"]) == (404, "application/json; charset=UTF-8")
