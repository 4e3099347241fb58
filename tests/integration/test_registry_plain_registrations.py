"""Registrations handed in without HTTP: stored as by the API and answered in its words, or left to it untouched."""

import asyncio
import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from identifiers.plain_registration import PlainRegistration
from registry.api.plain_registrations import PlainRegistrations
from tests.registry_api import VALUES, Api, Client, running_api

PREFIX = "88.118.8"
TARGET = f"/api/v1/identifiers/{PREFIX}/"
ADDRESS = "192.0.2.7"
OF_ONE_REQUEST = {"date", "x-request-id", "location"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    return await api.holder("enterprise_administrator", await api.prefix())


@pytest.fixture
def plain(api: Api) -> PlainRegistrations:
    return PlainRegistrations(api.context)


def asked(client: Client, name: str, body: Any = None, target: str = "") -> PlainRegistration:
    sent = json.dumps({"values": VALUES} if body is None else body).encode()
    return PlainRegistration(1, target or TARGET + name, client.token or "", ADDRESS, sent)


async def seen(api: Api, client: Client) -> None:
    """Let the registry know the token and the limits, as any request to the API does."""
    assert (await client("PUT", f"{TARGET}SEEN", {"values": VALUES})).status in (200, 202)


def read(octets: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = octets.partition(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    pairs = [field.split(": ", 1) for field in fields]
    headers = {name.lower(): value for name, value in pairs}
    assert int(headers["content-length"]) == len(body)
    return line, headers, body


async def entries(api: Api, name: str) -> list[dict[str, Any]]:
    """Return what the audit log says of one identifier."""
    found = (await api.admin("GET", "/api/v1/audit")).json["items"]
    kept = ("kind", "actor", "address", "action", "result", "count")
    return [{key: entry[key] for key in kept} for entry in found if entry["object"].endswith(name)]


async def test_it_is_stored_and_answered_as_by_the_api(api: Api, owner: Client, plain: PlainRegistrations) -> None:
    await seen(api, owner)
    by_the_api = await owner("PUT", f"{TARGET}A", {"values": VALUES}, headers={"X-Idnode-Peer": ADDRESS})
    api.context.samples.drain()
    octets = await plain.answer(asked(owner, "B"))
    assert octets is not None
    line, headers, body = read(octets)
    assert line == f"HTTP/1.1 {by_the_api.status} Accepted"
    assert body == by_the_api.body.replace(b"/A", b"/B")
    expected = {name.lower(): value for name, value in by_the_api.headers.items() if name != "Server"}
    assert headers.keys() == expected.keys()
    same = headers.keys() - OF_ONE_REQUEST
    assert {name: headers[name] for name in same} == {name: expected[name] for name in same}
    assert headers["location"] == expected["location"].replace("/A", "/B")
    assert abs((parsedate_to_datetime(headers["date"]) - api.context.clock()).total_seconds()) < 60
    assert await entries(api, "/B") == await entries(api, "/A") != []
    stored = [(await owner("GET", f"{TARGET}{name}")).json for name in "AB"]
    for record in stored:
        del record["values"][0]["timestamp"]
    assert stored[0]["values"] == stored[1]["values"]
    (sample, _) = api.context.samples.drain()
    assert (sample["prefix"], sample["items"]) == (PREFIX, 1)


async def test_what_is_written_in_another_way_is_found_under_its_name(
    api: Api, owner: Client, plain: PlainRegistrations
) -> None:
    await seen(api, owner)
    octets = await plain.answer(asked(owner, "", target="/api/v1/identifiers/88.118.8%2Fa%20b//%E8%BD%B4"))
    assert octets is not None
    assert json.loads(read(octets)[2])["identifier"] == "88.118.8/a b//轴"
    assert (await owner("GET", f"{TARGET}a%20b//%E8%BD%B4")).status == 200


async def test_whatever_the_api_would_answer_otherwise_is_left_to_it(
    api: Api, owner: Client, plain: PlainRegistrations
) -> None:
    await seen(api, owner)
    other = await api.holder("enterprise_administrator", await api.prefix("88.118.9", "Fans"))
    reader = await api.holder("reader")
    for client in (other, reader):
        await client("GET", f"{TARGET}SEEN")
    left = [
        asked(owner, "SEEN"),
        asked(owner, "X", {"values": []} | {"more": 1}),
        asked(owner, "X", {"values": [{"index": 0, "type": "URL", "data": "x"}]}),
        asked(owner, "X", {"values": VALUES, "template": "none"}),
        asked(owner, "X", target="/api/v1/identifiers/88.118.8%ZZ"),
        asked(owner, "X", target="/api/v1/identifiers/no-identifier"),
        asked(owner, "X", target="/api/v1/identifiers/88.118.10/X"),
        asked(other, "X"),
        asked(reader, "X"),
        asked(Client(api.session, "idn_nobody"), "X"),
        asked(Client(api.session, ""), "X"),
    ]
    assert [await plain.answer(one) for one in left] == [None] * len(left)
    assert [entry for entry in await entries(api, "") if entry["address"] == ADDRESS] == []
    assert (await owner("GET", f"{TARGET}X")).status == 404


async def test_who_has_a_rate_is_counted_by_the_api_alone(api: Api, owner: Client, plain: PlainRegistrations) -> None:
    enterprise = (await api.admin("GET", f"/api/v1/prefixes/{PREFIX}")).json["enterprise"]
    limits = {"requests_per_s_max": 1_000}
    assert (await api.admin("PUT", f"/api/v1/quotas/{enterprise}", limits)).status == 200
    await seen(api, owner)
    assert await plain.answer(asked(owner, "A")) is None


async def test_a_token_that_was_revoked_opens_nothing(api: Api, owner: Client, plain: PlainRegistrations) -> None:
    await seen(api, owner)
    tokens = (await api.admin("GET", "/api/v1/tokens")).json["items"]
    (token,) = [one for one in tokens if one["role"] == "enterprise_administrator"]
    assert (await api.admin("DELETE", f"/api/v1/tokens/{token['id']}")).status in (200, 204)
    assert await plain.answer(asked(owner, "A")) is None


async def test_of_many_at_once_each_has_an_answer_of_its_own(
    api: Api, owner: Client, plain: PlainRegistrations
) -> None:
    await seen(api, owner)
    names = [f"N{number}" for number in range(20)]
    answers = await asyncio.gather(*(plain.answer(asked(owner, name)) for name in [*names, "N0"]))
    assert [octets is None for octets in answers].count(True) == 1
    ids = {read(octets)[1]["x-request-id"] for octets in answers if octets is not None}
    assert len(ids) == 20
