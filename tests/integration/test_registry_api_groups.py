"""Groups over the API: members of any enterprise, and what the journal says of their groups."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, Client, running_api

GROUPS = "/api/v1/groups"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def account_of(client: Client) -> str:
    return str((await client("GET", "/api/v1/whoami")).json["account"])


async def make(client: Client, name: str = "Pump service", **more: Any) -> str:
    made = await client("POST", GROUPS, {"name": name, **more})
    assert made.status == 201, made.body
    return str(made.json["id"])


async def groups_of(api: Api, account: str) -> list[str]:
    row = await api.context.pool.fetchval(
        "SELECT after FROM journal WHERE kind = 'identity' AND key = $1 ORDER BY xid DESC, seq DESC LIMIT 1", account
    )
    found: list[str] = json.loads(row)["groups"]
    return found


async def test_members_come_and_go_and_the_journal_has_their_groups(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief = await api.holder("enterprise_administrator", mine)
    guest = await api.holder("enterprise_user", other)
    account = await account_of(guest)
    first, second = await make(chief), await make(chief, "Dealers")
    for group in (first, second):
        changed = await chief("POST", f"{GROUPS}/{group}:change-members", {"add": {"accounts": [account, account]}})
        assert changed.json["members"] == {"accounts": [account], "enterprises": []}
    assert await groups_of(api, account) == sorted([first, second])
    assert (await guest("GET", "/api/v1/accounts/me")).json["groups"] == sorted([first, second])
    changed = await chief("POST", f"{GROUPS}/{first}:change-members", {"remove": {"accounts": [account]}})
    assert changed.json["members"] == {"accounts": [], "enterprises": []}
    assert await groups_of(api, account) == [second]


async def test_an_enterprise_in_a_group_brings_all_its_accounts_also_later_ones(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief = await api.holder("enterprise_administrator", mine)
    early = await account_of(await api.holder("enterprise_user", other))
    group = await make(chief)
    await chief("POST", f"{GROUPS}/{group}:change-members", {"add": {"enterprises": [other]}})
    late = await account_of(await api.holder("reader", other))
    assert await groups_of(api, early) == await groups_of(api, late) == [group]
    await chief("POST", f"{GROUPS}/{group}:change-members", {"remove": {"enterprises": [other]}})
    assert await groups_of(api, early) == await groups_of(api, late) == []


async def test_who_leaves_an_enterprise_leaves_its_groups(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief = await api.holder("enterprise_administrator", mine)
    account = await account_of(await api.holder("reader", other))
    group = await make(chief)
    await chief("POST", f"{GROUPS}/{group}:change-members", {"add": {"enterprises": [other]}})
    assert await groups_of(api, account) == [group]
    await api.admin("PATCH", f"/api/v1/accounts/{account}", {"enterprise": mine})
    assert await groups_of(api, account) == []


async def test_a_dissolved_group_has_no_members_and_its_name_is_free_again(api: Api) -> None:
    mine = await api.prefix()
    chief = await api.holder("enterprise_administrator", mine)
    account = await account_of(chief)
    group = await make(chief)
    taken = await chief("POST", GROUPS, {"name": "Pump service"})
    assert (taken.status, taken.json["code"]) == (409, "group_exists")
    await chief("POST", f"{GROUPS}/{group}:change-members", {"add": {"accounts": [account]}})
    assert (await chief("DELETE", f"{GROUPS}/{group}")).json["state"] == "withdrawn"
    assert await groups_of(api, account) == []
    assert (await chief("DELETE", f"{GROUPS}/{group}")).status == 200
    refused = await chief("POST", f"{GROUPS}/{group}:change-members", {"add": {"accounts": [account]}})
    assert refused.json["code"] == "group_withdrawn"
    assert await make(chief) != group


async def test_a_group_is_renamed(api: Api) -> None:
    group = await make(api.admin)
    await make(api.admin, "Dealers")
    assert (await api.admin("PATCH", f"{GROUPS}/{group}", {"name": "Dealers"})).json["code"] == "group_exists"
    changed = (await api.admin("PATCH", f"{GROUPS}/{group}", {"name": "Service", "description": "All"})).json
    assert (changed["name"], changed["description"], changed["enterprise"]) == ("Service", "All", None)
    assert (await api.admin("GET", f"{GROUPS}/{group}")).json == changed


async def test_unknown_members_are_named_and_nothing_is_changed(api: Api) -> None:
    group = await make(api.admin)
    own = await account_of(api.admin)
    refused = await api.admin(
        "POST",
        f"{GROUPS}/{group}:change-members",
        {"add": {"accounts": [own, "acc_none"], "enterprises": ["ent_none"]}},
    )
    assert (refused.status, refused.json["code"]) == (422, "unknown_member")
    assert [error["field"] for error in refused.json["errors"]] == ["add.accounts[1]", "add.enterprises[0]"]
    assert (await api.admin("GET", f"{GROUPS}/{group}")).json["members"] == {"accounts": [], "enterprises": []}
    removed = await api.admin("POST", f"{GROUPS}/{group}:change-members", {"remove": {"accounts": ["acc_none"]}})
    assert removed.status == 200


async def test_a_group_has_a_bounded_number_of_members(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.service.groups.MEMBERS_MAX", 1)
    group = await make(api.admin)
    accounts = [await account_of(await api.holder("reader")) for _ in range(2)]
    refused = await api.admin("POST", f"{GROUPS}/{group}:change-members", {"add": {"accounts": accounts}})
    assert (refused.status, refused.json["code"]) == (409, "too_many_members")


async def test_only_the_groups_enterprise_changes_it_and_only_members_see_it_from_outside(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief = await api.holder("enterprise_administrator", mine)
    foreign = await api.holder("enterprise_administrator", other)
    group, node = await make(chief), await make(api.admin, "Node")
    for one in (group, node):
        for method, path, body in (
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
            ("POST", ":change-members", {"add": {"enterprises": [other]}}),
        ):
            refused = await foreign(method, f"{GROUPS}/{one}{path}", body)
            assert (refused.status, refused.json["code"]) == (403, "not_yours")
        assert (await foreign("GET", f"{GROUPS}/{one}")).status == 403
    assert (await foreign("POST", GROUPS, {"name": "x", "enterprise": mine})).status == 403
    assert (await foreign("GET", GROUPS)).json["items"] == []
    await chief("POST", f"{GROUPS}/{group}:change-members", {"add": {"enterprises": [other]}})
    assert [item["id"] for item in (await foreign("GET", GROUPS)).json["items"]] == [group]
    assert (await foreign("GET", f"{GROUPS}/{group}")).json["members"] is None
    assert (await api.admin("GET", f"{GROUPS}/{group}")).json["members"]["enterprises"] == [other]
    user = await api.holder("enterprise_user", mine)
    assert (await user("GET", f"{GROUPS}/{group}")).json["members"]["enterprises"] == [other]
    assert (await user("PATCH", f"{GROUPS}/{group}", {"name": "x"})).json["code"] == "role_not_allowed"


async def test_groups_are_listed_in_pages(api: Api) -> None:
    made = [await make(api.admin, f"Group {number}") for number in range(3)]
    first = (await api.admin("GET", f"{GROUPS}?limit=2")).json
    second = (await api.admin("GET", f"{GROUPS}?limit=2&cursor={first['next']}")).json
    assert [item["id"] for item in first["items"] + second["items"]] == sorted(made)
    assert second["next"] is None
    assert (await api.admin("GET", f"{GROUPS}/grp_none")).json["code"] == "unknown_group"


async def test_a_group_for_an_enterprise_that_there_is_not_is_refused_by_its_field(api: Api) -> None:
    refused = await api.admin("POST", "/api/v1/groups", {"name": "Workshops", "enterprise": "ent_none"})
    assert (refused.status, refused.json["code"]) == (422, "unknown_enterprise")
    assert [fault["field"] for fault in refused.json["errors"]] == ["enterprise"]
