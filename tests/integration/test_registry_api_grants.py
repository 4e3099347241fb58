"""Grants over the API: who may give, see and end them, and what of a record they open."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.service.grants import GRANTS_PER_PAIR_MAX
from tests.registry_api import Api, Client, running_api

GRANTS = "/api/v1/grants"
NAME = "88.118.8/SN1"
ONE = f"/api/v1/identifiers/{NAME}"
LIST = "/api/v1/identifiers?prefix=88.118.8"
ITEMS = [
    {"index": 2000, "name": "Name", "type": "name"},
    {"index": 2001, "name": "Price", "type": "price"},
    {"index": 2002, "name": "Recipe", "type": "recipe"},
]
PUBLIC, NAMED, SECRET = 2000, 2001, 2002
VALUES = [
    {"index": PUBLIC, "type": "name", "data": "grade one"},
    {"index": NAMED, "type": "price", "data": "grade two", "permissions": "1100"},
    {"index": SECRET, "type": "recipe", "data": "grade three", "permissions": "0100"},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


class Parties:
    """An owner with a record, and a stranger."""

    def __init__(self, api: Api, owner: str, stranger: str, clients: dict[str, Client]) -> None:
        self.api = api
        self.owner, self.stranger = owner, stranger
        self.clients = clients

    async def give(self, *, by: str = "owner", **body: Any) -> Any:
        """Grant the stranger's enterprise the record, unless told otherwise; return the answer's body."""
        reply = await self.clients[by]("POST", GRANTS, self.request(**body))
        assert reply.status in (200, 201), reply.body
        return reply.json

    def request(self, **body: Any) -> dict[str, Any]:
        whole = {
            "subject": {"kind": "enterprise", "id": self.stranger},
            "object": {"kind": "identifier", "name": NAME},
        }
        return whole | body

    async def seen(self, by: str = "stranger") -> list[int]:
        """Return the indexes somebody sees of the record, after checking that the others are named as withheld."""
        read = (await self.clients[by]("GET", ONE)).json
        shown = [value["index"] for value in read["values"]]
        assert sorted([*shown, *read.get("withheld", [])]) == [PUBLIC, NAMED, SECRET]
        return shown

    async def account(self, by: str) -> str:
        return str((await self.clients[by]("GET", "/api/v1/whoami")).json["account"])


@pytest.fixture
async def parties(api: Api) -> Parties:
    owner, stranger = await api.prefix(), await api.prefix("88.118.9", "Valves")
    clients = {
        "admin": api.admin,
        "auditor": await api.holder("auditor"),
        "reviewer": await api.holder("reviewer"),
        "owner": await api.holder("enterprise_administrator", owner),
        "owner's user": await api.holder("enterprise_user", owner),
        "stranger": await api.holder("enterprise_administrator", stranger),
        "stranger's user": await api.holder("enterprise_user", stranger),
        "reader": await api.holder("reader"),
    }
    template = {"code": "pump-1", "name": "Pumps", "items": ITEMS, "publish": True}
    assert (await clients["owner"]("POST", "/api/v1/templates", template)).status == 201
    put = await clients["owner"]("PUT", ONE, {"values": VALUES, "template": "pump-1"})
    assert put.status == 202, put.body
    return Parties(api, owner, stranger, clients)


async def test_a_grant_is_given_read_listed_and_revoked(parties: Parties) -> None:
    made = await parties.clients["owner"]("POST", GRANTS, parties.request(indexes=[SECRET, NAMED, SECRET]))
    grant = made.json
    assert (made.status, made.headers["Location"]) == (201, f"{GRANTS}/{grant['id']}")
    assert grant["enterprise"] == parties.owner
    assert grant["object"] == {"kind": "identifier", "name": NAME}
    assert (grant["right"], grant["indexes"], grant["revoked_at"]) == ("read", [NAMED, SECRET], None)
    assert grant["granted_by"] == await parties.account("owner")
    for by in ("admin", "auditor", "owner", "owner's user", "stranger", "stranger's user"):
        assert (await parties.clients[by]("GET", f"{GRANTS}/{grant['id']}")).json == grant
        assert (await parties.clients[by]("GET", GRANTS)).json == {"items": [grant], "next": None}
    revoked = await parties.clients["owner"]("DELETE", f"{GRANTS}/{grant['id']}")
    assert (revoked.status, revoked.json["id"]) == (200, grant["id"])
    assert revoked.json["revoked_at"] is not None
    assert (await parties.clients["owner"]("DELETE", f"{GRANTS}/{grant['id']}")).json == revoked.json
    assert (await parties.clients["owner"]("GET", GRANTS)).json["items"] == []
    assert (await parties.clients["owner"]("GET", f"{GRANTS}?ended=true")).json["items"] == [revoked.json]
    assert (await parties.clients["owner"]("GET", f"{GRANTS}/{grant['id']}")).json == revoked.json


async def test_only_the_two_parties_and_the_node_know_of_a_grant(parties: Parties) -> None:
    third = await parties.api.holder("enterprise_administrator", await parties.api.prefix("88.118.10", "Bolts"))
    grant = await parties.give()
    for client in (third, parties.clients["reader"]):
        assert (await client("GET", f"{GRANTS}/{grant['id']}")).json["code"] == "not_yours"
        assert (await client("GET", GRANTS)).json["items"] == []
    assert (await parties.clients["reviewer"]("GET", GRANTS)).json["code"] == "role_not_allowed"


async def test_only_the_owner_and_administrators_give_and_revoke(parties: Parties) -> None:
    grant = await parties.give(by="admin")
    expected = {
        "stranger": "not_yours",
        "owner's user": "role_not_allowed",
        "auditor": "role_not_allowed",
        "reader": "role_not_allowed",
    }
    for by, code in expected.items():
        for right in ("read", "write"):
            refused = await parties.clients[by]("POST", GRANTS, parties.request(right=right))
            assert (refused.status, refused.json["code"]) == (403, code)
        assert (await parties.clients[by]("DELETE", f"{GRANTS}/{grant['id']}")).json["code"] == code
    assert (await parties.clients["owner"]("DELETE", f"{GRANTS}/{grant['id']}")).status == 200


async def test_lists_are_narrowed_to_an_object_or_a_subject(parties: Parties) -> None:
    by_identifier = await parties.give()
    by_template = await parties.give(object={"kind": "template", "name": "pump-1"})
    to_account = await parties.give(subject={"kind": "account", "id": await parties.account("reader")})
    narrowed = {
        "identifier=88.118.8/sn1": [by_identifier, to_account],
        "template=pump-1": [by_template],
        f"subject={parties.stranger}": [by_identifier, by_template],
        "template=none": [],
    }
    for query, expected in narrowed.items():
        found = (await parties.clients["owner"]("GET", f"{GRANTS}?{query}")).json["items"]
        assert sorted(grant["id"] for grant in found) == sorted(grant["id"] for grant in expected), query
    page = (await parties.clients["owner"]("GET", f"{GRANTS}?limit=2")).json
    rest = (await parties.clients["owner"]("GET", f"{GRANTS}?limit=2&cursor={page['next']}")).json
    assert len({grant["id"] for grant in page["items"] + rest["items"]}) == 3


async def test_the_same_grant_again_is_the_one_in_force(parties: Parties) -> None:
    first = await parties.clients["owner"]("POST", GRANTS, parties.request(indexes=[SECRET]))
    again = await parties.clients["owner"]("POST", GRANTS, parties.request(indexes=[SECRET]))
    assert (first.status, again.status, again.json) == (201, 200, first.json)
    assert (await parties.give(indexes=[NAMED]))["id"] != first.json["id"]
    await parties.clients["owner"]("DELETE", f"{GRANTS}/{first.json['id']}")
    assert (await parties.give(indexes=[SECRET]))["id"] != first.json["id"]


async def test_of_two_equal_grants_at_once_one_is_given(parties: Parties) -> None:
    replies = await asyncio.gather(*(parties.clients["owner"]("POST", GRANTS, parties.request()) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 201]
    assert len({reply.json["id"] for reply in replies}) == 1


async def test_between_two_parties_so_many_grants_are_in_force_and_no_more(parties: Parties) -> None:
    for index in range(GRANTS_PER_PAIR_MAX):
        await parties.give(indexes=[index + 1])
    refused = await parties.clients["owner"]("POST", GRANTS, parties.request(indexes=[SECRET]))
    assert (refused.status, refused.json["code"]) == (409, "too_many_grants")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"subject": {"kind": "account", "id": "acc_none"}}, 422, "unknown_subject", "subject.id"),
        ({"subject": {"kind": "group", "id": "grp_none"}}, 422, "unknown_subject", "subject.id"),
        ({"subject": {"kind": "enterprise", "id": "ent_none"}}, 422, "unknown_subject", "subject.id"),
        ({"object": {"kind": "identifier", "name": "88.118.8/none"}}, 404, "unknown_identifier", None),
        ({"object": {"kind": "identifier", "name": "20.500/x"}}, 404, "unknown_prefix", None),
        ({"object": {"kind": "identifier", "name": "88.118.8/\x01"}}, 400, "bad_char", "identifier"),
        ({"object": {"kind": "template", "name": "none"}}, 404, "unknown_template", None),
        ({"object": {"kind": "template", "name": "pump-1"}, "indexes": [2000, 2009]}, 422, "bad_grant", "indexes[1]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "bad_grant", "expires_at"),
        ({"expires_at": "tomorrow"}, 422, "bad_instant", "expires_at"),
        ({"enterprise": "ent_none"}, 422, "bad_grant", "enterprise"),
        ({"indexes": []}, 422, "bad_fields", "indexes"),
        ({"indexes": [0]}, 422, "bad_fields", "indexes[0]"),
        ({"right": "own"}, 422, "bad_fields", "right"),
    ],
)
async def test_what_cannot_be_granted_is_refused_with_its_place(
    parties: Parties, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    refused = await parties.clients["owner"]("POST", GRANTS, parties.request(**body))
    assert refused.status == status, refused.body
    assert refused.json["code"] == code
    assert [error["field"] for error in refused.json["errors"]] == ([field] if field else [])


async def test_a_grant_on_the_nodes_own_template_says_whose_records_it_opens(parties: Parties) -> None:
    template = {"code": "shared", "name": "Shared", "items": ITEMS, "publish": True}
    assert (await parties.api.admin("POST", "/api/v1/templates", template)).status == 201
    body = parties.request(object={"kind": "template", "name": "shared"})
    assert (await parties.api.admin("POST", GRANTS, body)).json["errors"][0]["field"] == "enterprise"
    for wrong in ("ent_none",):
        refused = await parties.api.admin("POST", GRANTS, body | {"enterprise": wrong})
        assert (refused.status, refused.json["code"]) == (422, "bad_grant")
    for by, more in (("admin", {"enterprise": parties.owner}), ("owner", {})):
        assert (await parties.give(by=by, **body, **more))["enterprise"] == parties.owner
    foreign = await parties.clients["owner"]("POST", GRANTS, body | {"enterprise": parties.stranger})
    assert foreign.json["code"] == "not_yours"


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ({"indexes": [SECRET]}, [PUBLIC, SECRET]),
        ({"indexes": [NAMED]}, [PUBLIC, NAMED]),
        ({}, [PUBLIC, NAMED, SECRET]),
        ({"object": {"kind": "template", "name": "pump-1"}, "indexes": [SECRET]}, [PUBLIC, SECRET]),
        ({"object": {"kind": "template", "name": "pump-1"}}, [PUBLIC, NAMED, SECRET]),
        ({"right": "write"}, [PUBLIC]),
    ],
)
async def test_a_grant_opens_what_it_names_until_it_is_revoked(
    parties: Parties, body: dict[str, Any], seen: list[int]
) -> None:
    assert await parties.seen() == [PUBLIC]
    grant = await parties.give(**body)
    assert await parties.seen() == seen
    assert await parties.seen("stranger's user") == seen
    assert await parties.seen("reader") == [PUBLIC]
    await parties.clients["owner"]("DELETE", f"{GRANTS}/{grant['id']}")
    assert await parties.seen() == [PUBLIC]


async def test_a_value_of_grade_three_is_withheld_from_everyone_without_a_grant(parties: Parties) -> None:
    expected = {
        "admin": [PUBLIC, NAMED],
        "owner": [PUBLIC, NAMED],
        "owner's user": [PUBLIC, NAMED],
        "auditor": [PUBLIC],
        "reviewer": [PUBLIC],
        "stranger": [PUBLIC],
        "reader": [PUBLIC],
    }
    assert {by: await parties.seen(by) for by in expected} == expected
    for by in ("admin", "owner", "auditor"):
        listed = (await parties.clients[by]("GET", LIST)).body
        assert b"grade one" in listed
        assert b"grade three" not in listed
    await parties.give(subject={"kind": "account", "id": await parties.account("auditor")}, indexes=[SECRET])
    await parties.give(subject={"kind": "account", "id": await parties.account("owner")}, indexes=[SECRET])
    assert await parties.seen("owner") == [PUBLIC, NAMED, SECRET]
    assert await parties.seen("auditor") == [PUBLIC, SECRET]
    for by, expected_of in (("owner", True), ("auditor", True), ("admin", False), ("owner's user", False)):
        assert (b"grade three" in (await parties.clients[by]("GET", LIST)).body) == expected_of


async def test_a_condition_on_the_version_does_not_hide_that_a_grant_changed_the_answer(parties: Parties) -> None:
    condition = {"If-None-Match": '"1"'}
    await parties.give()
    assert (await parties.clients["stranger"]("GET", ONE, headers=condition)).status == 200


async def test_a_grant_ends_at_its_instant(parties: Parties) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await parties.give(expires_at=soon)
    assert await parties.seen() == [PUBLIC, NAMED, SECRET]
    await parties.api.context.pool.execute("UPDATE grants SET expires_at = now()")
    assert await parties.seen() == [PUBLIC]
    assert (await parties.clients["owner"]("GET", GRANTS)).json["items"] == []


async def test_a_prefix_that_passes_to_another_enterprise_takes_no_grant_along(parties: Parties) -> None:
    third = await parties.api.prefix("88.118.10", "Bolts")
    await parties.give()
    await parties.api.context.pool.execute("UPDATE prefixes SET enterprise_id = $1 WHERE prefix = '88.118.8'", third)
    assert await parties.seen() == [PUBLIC]


async def test_the_journal_tells_what_is_in_force_between_two_parties(parties: Parties) -> None:
    first, second = await parties.give(indexes=[SECRET]), await parties.give(right="write")
    for grant in (first, second):
        await parties.clients["owner"]("DELETE", f"{GRANTS}/{grant['id']}")
    rows = await parties.api.context.pool.fetch(
        "SELECT op, key, actor, after::json FROM journal WHERE kind = 'grant' ORDER BY xid, seq"
    )
    assert {row["key"] for row in rows} == {f"{parties.stranger} hdl:{NAME}"}
    assert {row["actor"] for row in rows} == {await parties.account("owner")}
    assert [row["op"] for row in rows] == ["create", "update", "update", "withdraw"]


async def test_reads_of_values_that_are_not_public_are_on_record(parties: Parties) -> None:
    second = VALUES[:2]
    await parties.clients["owner"]("PUT", "/api/v1/identifiers/88.118.8/SN2", {"values": second, "template": "pump-1"})
    await parties.give(indexes=[SECRET])
    await parties.give(subject={"kind": "account", "id": await parties.account("owner's user")}, indexes=[SECRET])
    for by in ("reader", "owner", "stranger", "owner's user"):
        await parties.seen(by)
    await parties.clients["owner"]("GET", LIST)
    await parties.clients["admin"]("GET", LIST)
    log = (await parties.clients["admin"]("GET", "/api/v1/audit?action=read%20restricted%20values")).json["items"]
    expected = [
        (await parties.account("admin"), f"identifier {NAME} to 88.118.8/SN2, 2 records"),
        (await parties.account("owner's user"), f"identifier {NAME}"),
        (await parties.account("stranger"), f"identifier {NAME}"),
    ]
    assert [(entry["actor"], entry["object"]) for entry in log if "identifier" in entry["object"]] == expected


async def test_the_snms_api_shows_each_reader_the_same_values(parties: Parties) -> None:
    async def shown(by: str) -> list[int]:
        detail = await parties.clients[by]("GET", f"/identityv2/data/detail?handle={NAME}")
        assert detail.json["status"] == 1, detail.body
        return [value["index"] for value in detail.json["data"]["value"]]

    grant = await parties.give(indexes=[SECRET])
    for by in ("admin", "owner", "auditor", "reader", "stranger"):
        assert await shown(by) == await parties.seen(by)
    assert await shown("stranger") == [PUBLIC, SECRET]
    await parties.clients["owner"]("DELETE", f"{GRANTS}/{grant['id']}")
    assert await shown("stranger") == [PUBLIC]
