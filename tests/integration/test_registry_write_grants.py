"""Writing records of another enterprise under a grant, and replacing records whose values the writer cannot see."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, Client, Reply, running_api

NAME = "88.118.8/SN1"
ONE = f"/api/v1/identifiers/{NAME}"
NEW = "/api/v1/identifiers/88.118.8/SN2"
ITEMS = [
    {"index": 2000, "name": "Name", "type": "name", "required": True},
    {"index": 2001, "name": "Price", "type": "price", "grade": 2},
    {"index": 2002, "name": "Recipe", "type": "recipe", "required": True, "grade": 3},
    {"index": 2003, "name": "Note", "type": "note"},
]
NAMED = {"index": 2000, "type": "name", "data": "Pump"}
PRICE = {"index": 2001, "type": "price", "data": "4.50"}
RECIPE = {"index": 2002, "type": "recipe", "data": "water"}
FREE = {"index": 7, "type": "FREE", "data": "x", "permissions": "1100"}
VALUES = [FREE, NAMED, PRICE, RECIPE]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


class Parties:
    """An owner with a record that follows a template, and a maintainer of another enterprise."""

    def __init__(self, api: Api, owner: Client, maintainer: Client, maintainers: str) -> None:
        self.api = api
        self.owner, self.maintainer = owner, maintainer
        self.maintainers = maintainers

    async def grant(self, *indexes: int, right: str = "write", template: bool = False, account: str = "") -> None:
        body: dict[str, Any] = {
            "subject": {"kind": "account", "id": account}
            if account
            else {"kind": "enterprise", "id": self.maintainers},
            "object": {"kind": "template", "name": "pump-1"} if template else {"kind": "identifier", "name": NAME},
            "right": right,
        }
        if indexes:
            body["indexes"] = list(indexes)
        reply = await self.owner("POST", "/api/v1/grants", body)
        assert reply.status == 201, reply.body

    async def stored(self) -> dict[int, tuple[str, str, int]]:
        """Return type, data and permissions of every stored value by its index."""
        rows = await self.api.context.pool.fetch(
            """
            SELECT value ->> 'index' AS index, value ->> 'type' AS type, value -> 'data' ->> 'value' AS data,
                   coalesce(value ->> 'permissions', '1110') AS permissions
            FROM identifiers, json_array_elements(values::json) AS value
            """
        )
        return {int(row["index"]): (row["type"], row["data"], int(row["permissions"], 2)) for row in rows}


@pytest.fixture
async def parties(api: Api) -> Parties:
    owner = await api.holder("enterprise_administrator", await api.prefix())
    maintainers = await api.prefix("88.118.9", "Maintenance")
    template = {"code": "pump-1", "name": "Pumps", "items": ITEMS, "publish": True}
    made = await owner("POST", "/api/v1/templates", template)
    assert made.status == 201, made.body
    put = await owner("PUT", ONE, {"values": VALUES, "template": "pump-1"})
    assert put.status == 202, put.body
    return Parties(api, owner, await api.holder("enterprise_user", maintainers), maintainers)


def refused(reply: Reply, code: str = "not_granted") -> list[str]:
    """Check a refusal and return the fields it names."""
    assert (reply.status, reply.json["code"]) == (403, code), reply.body
    return [error["field"] for error in reply.json["errors"]]


async def test_without_a_grant_nothing_of_another_enterprise_is_written(parties: Parties) -> None:
    await parties.grant(right="read")
    patch, put = {"values": [NAMED | {"data": "y"}]}, {"values": VALUES, "template": "pump-1"}
    for method, path, body in (("PATCH", ONE, patch), ("PUT", ONE, put), ("PUT", NEW, put), ("DELETE", ONE, None)):
        refused(await parties.maintainer(method, path, body), "not_yours")


@pytest.mark.parametrize("template", [False, True])
async def test_a_grant_lets_its_holder_change_what_it_names(parties: Parties, template: bool) -> None:  # noqa: FBT001 - a case
    await parties.grant(2001, 2003, template=template)
    changed = [PRICE | {"data": "5.00"}, {"index": 2003, "type": "note", "data": "greased"}]
    assert (await parties.maintainer("PATCH", ONE, {"values": changed})).status == 202
    stored = await parties.stored()
    assert stored[2001] == ("price", "5.00", 0b1100)
    assert stored[2003] == ("note", "greased", 0b1110)
    assert (await parties.maintainer("PATCH", ONE, {"values": [], "remove": [2003]})).status == 202
    assert 2003 not in await parties.stored()
    actors = await parties.api.context.pool.fetch(
        "SELECT actor FROM journal WHERE kind = 'identifier' ORDER BY xid, seq"
    )
    assert len({row["actor"] for row in actors}) == 2


async def test_a_grant_does_not_reach_beyond_what_it_names(parties: Parties) -> None:
    await parties.grant(2001)
    before = await parties.stored()
    renamed, noted = NAMED | {"data": "y"}, {"index": 2003, "type": "note", "data": "x"}
    assert refused(await parties.maintainer("PATCH", ONE, {"values": [renamed, noted]})) == ["values[0]", "values[1]"]
    assert refused(await parties.maintainer("PATCH", ONE, {"values": [], "remove": [7]})) == ["values"]
    refused(await parties.maintainer("PUT", NEW, {"values": VALUES, "template": "pump-1"}), "not_yours")
    refused(await parties.maintainer("DELETE", ONE), "not_yours")
    assert await parties.stored() == before


async def test_a_grant_changes_neither_permissions_nor_types_nor_the_template(parties: Parties) -> None:
    await parties.grant()
    before = await parties.stored()
    for value in (FREE | {"permissions": "1110"}, FREE | {"type": "OTHER"}):
        assert refused(await parties.maintainer("PATCH", ONE, {"values": [value]})) == ["values[0]"]
    for template in (None, "pump-2"):
        body = {"values": VALUES, "template": template}
        assert refused(await parties.maintainer("PUT", ONE, body)) == ["template"]
    assert await parties.stored() == before


async def test_the_grade_of_an_item_holds_for_those_who_write_under_a_grant(parties: Parties) -> None:
    await parties.grant(2002, template=True)
    opened = RECIPE | {"data": "oil", "permissions": "1111"}
    assert (await parties.maintainer("PATCH", ONE, {"values": [opened]})).status == 202
    assert (await parties.stored())[2002] == ("recipe", "oil", 0b0100)
    assert b"oil" not in (await parties.maintainer("GET", ONE)).body


async def test_a_holder_of_a_grant_replaces_the_record_without_touching_what_it_cannot_see(parties: Parties) -> None:
    await parties.grant(2000, 2003)
    body = {"values": [NAMED | {"data": "Pump 7"}], "template": "pump-1"}
    assert (await parties.maintainer("PUT", ONE, body)).status == 202
    stored = await parties.stored()
    assert {index: data for index, (_, data, _) in stored.items()} == {
        7: "x",
        2000: "Pump 7",
        2001: "4.50",
        2002: "water",
    }


async def test_its_owner_replaces_a_record_without_losing_what_only_a_grant_opens(parties: Parties) -> None:
    read = (await parties.owner("GET", ONE)).json
    assert read["withheld"] == [2002]
    again = await parties.owner("PUT", ONE, {"values": read["values"], "template": "pump-1"})
    assert (again.status, again.json["version"]) == (202, 1)
    fewer = {"values": [NAMED], "template": "pump-1"}
    assert (await parties.owner("PUT", ONE, fewer)).status == 202
    assert sorted(await parties.stored()) == [2000, 2002]
    assert (
        await parties.owner("PUT", ONE, {"values": [NAMED, RECIPE | {"data": "oil"}], "template": "pump-1"})
    ).status == 202
    assert (await parties.stored())[2002][1] == "oil"


async def test_who_can_see_a_value_and_leaves_it_out_removes_it(parties: Parties) -> None:
    account = (await parties.owner("GET", "/api/v1/whoami")).json["account"]
    await parties.grant(2002, right="read", account=account)
    fewer = await parties.owner("PUT", ONE, {"values": [NAMED], "template": "pump-1"})
    assert (fewer.status, fewer.json["code"]) == (422, "template_violated")


async def test_a_batch_that_replaces_keeps_what_its_sender_cannot_see(parties: Parties) -> None:
    row = {"identifier": NAME, "values": [NAMED | {"data": "Pump 7"}]}
    answered, _ = await parties.owner.batch([row], "?on_conflict=replace&template=pump-1&wait=false")
    assert answered["status"] == "replaced", answered
    assert sorted(await parties.stored()) == [2000, 2002]
