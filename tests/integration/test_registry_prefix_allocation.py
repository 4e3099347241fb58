"""Giving out prefixes: the next free number, numbers kept back, and many who ask at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, Client, Reply, running_api

ALLOCATION = "/api/v1/prefix-allocation"
RESERVATIONS = "/api/v1/prefix-reservations"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def allocate(api: Api, first: int = 1, last: int = 9_999) -> None:
    reply = await api.admin("PUT", ALLOCATION, {"node_prefix": "88.118", "first": first, "last": last})
    assert reply.status == 200, reply.body


async def reserve(api: Api, first: int, last: int) -> str:
    reply = await api.admin("POST", RESERVATIONS, {"first": first, "last": last, "reason": "kept back"})
    assert reply.status == 201, reply.body
    return str(reply.json["id"])


async def next_free(api: Api) -> Any:
    return (await api.admin("GET", ALLOCATION)).json["next"]


async def apply_for(client: Client, enterprise: str, prefix: str | None = None) -> Reply:
    body = {"name": "Pumps", "enterprise": enterprise, "prefix": prefix}
    return await client("POST", "/api/v1/prefixes:apply", body)


async def test_the_next_free_number_passes_over_what_is_taken_or_reserved(api: Api) -> None:
    await allocate(api, first=5)
    for prefix in ("88.118.4", "88.118.5", "88.118.7", "88.119.6", "88.118.0006"):
        await api.prefix(prefix)
    assert await next_free(api) == "88.118.6"  # 0006 and 88.119.6 are others
    await api.prefix("88.118.6")
    await reserve(api, 8, 9)
    await reserve(api, 9, 20)
    assert await next_free(api) == "88.118.21"
    owner = await api.prefix("88.118.4000", "Pumps")
    assert (await apply_for(api.admin, owner)).json["prefix"] == "88.118.21"
    assert (await apply_for(api.admin, owner)).json["prefix"] == "88.118.22"


async def test_a_number_once_given_is_never_the_next_free_one_again(api: Api) -> None:
    await allocate(api)
    owner = await api.prefix("88.118.1", "Pumps")
    await api.admin("PATCH", "/api/v1/prefixes/88.118.1", {"state": "withdrawn"})
    await apply_for(api.admin, owner, "88.118.2")
    await api.admin("POST", "/api/v1/prefixes/88.118.2:reject", {"reason": "no"})
    assert await next_free(api) == "88.118.3"


async def test_many_who_ask_at_once_each_get_a_number_of_their_own(api: Api) -> None:
    await allocate(api)
    owner = await api.prefix("88.118.4000", "Pumps")
    replies = await asyncio.gather(
        *(apply_for(api.admin, owner) for _ in range(12)), apply_for(api.admin, owner, "88.118.3")
    )
    given = sorted(int(reply.json["prefix"].rpartition(".")[2]) for reply in replies if reply.status == 201)
    assert len(given) == len(set(given)) >= 12
    assert given == list(range(1, len(given) + 1))
    assert {reply.json["code"] for reply in replies if reply.status != 201} <= {"prefix_exists"}


async def test_when_no_number_is_left_that_is_said(api: Api) -> None:
    await allocate(api, first=7, last=8)
    owner = await api.prefix("88.118.7", "Pumps")
    await reserve(api, 8, 100)
    assert await next_free(api) is None
    refused = await apply_for(api.admin, owner)
    assert (refused.status, refused.json["code"]) == (409, "no_free_prefix")


async def test_without_the_nodes_own_prefix_there_is_no_next_one(api: Api) -> None:
    owner = await api.prefix()
    assert (await api.admin("GET", ALLOCATION)).json["code"] == "no_allocation"
    refused = await apply_for(api.admin, owner)
    assert (refused.status, refused.json["code"]) == (409, "node_prefix_unknown")
    assert (await apply_for(api.admin, owner, "88.118.9")).status == 201


async def test_a_prefix_of_another_node_is_not_given_out(api: Api) -> None:
    await allocate(api)
    owner = await api.prefix()
    refused = await apply_for(api.admin, owner, "88.119.9")
    assert (refused.status, refused.json["code"]) == (422, "foreign_prefix")


@pytest.mark.parametrize("wanted", ["88.118.15", "88.118.10", "88.118.20", "88.118.0015"])
async def test_a_reserved_number_is_given_out_by_administrators_only(api: Api, wanted: str) -> None:
    owner = await api.prefix()
    reservation = await reserve(api, 10, 20)
    holder = await api.holder("enterprise_administrator", owner)
    refused = await apply_for(holder, owner, wanted)
    assert (refused.status, refused.json["code"]) == (409, "prefix_reserved")
    assert (await apply_for(api.admin, owner, wanted)).status == 201
    assert (await apply_for(holder, owner, "88.118.21")).status == 201
    assert (await api.admin("DELETE", f"{RESERVATIONS}/{reservation}")).status == 200
    assert (await apply_for(holder, owner, "88.118.16")).status == 201


async def test_a_number_longer_than_any_range_is_compared_without_error(api: Api) -> None:
    owner = await api.prefix()
    await reserve(api, 10, 20)
    holder = await api.holder("enterprise_administrator", owner)
    assert (await apply_for(holder, owner, "88.118." + "9" * 55)).status == 201


async def test_reservations_are_listed_page_by_page_and_released_once(api: Api) -> None:
    made = {await reserve(api, n, n) for n in range(3)}
    first = (await api.admin("GET", f"{RESERVATIONS}?limit=2")).json
    second = (await api.admin("GET", f"{RESERVATIONS}?limit=2&cursor={first['next']}")).json
    assert {item["id"] for item in first["items"] + second["items"]} == made
    one = made.pop()
    assert (await api.admin("DELETE", f"{RESERVATIONS}/{one}")).json["id"] == one
    again = await api.admin("DELETE", f"{RESERVATIONS}/{one}")
    assert (again.status, again.json["code"]) == (404, "unknown_reservation")


async def test_rules_and_reservations_are_in_the_journal(api: Api) -> None:
    await allocate(api)
    await allocate(api, last=5)
    one = await reserve(api, 1, 2)
    await api.admin("DELETE", f"{RESERVATIONS}/{one}")
    rows = await api.context.pool.fetch("SELECT key, op FROM journal WHERE kind = 'operator' ORDER BY xid, seq")
    assert [tuple(row) for row in rows] == [
        ("prefix-allocation", "create"),
        ("prefix-allocation", "update"),
        (f"prefix-reservation {one}", "create"),
        (f"prefix-reservation {one}", "withdraw"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (ALLOCATION, {"node_prefix": "88.118.8"}, "node_prefix"),
        (ALLOCATION, {"node_prefix": "88"}, "node_prefix"),
        (ALLOCATION, {"node_prefix": "88.118", "first": 0}, "first"),
        (ALLOCATION, {"node_prefix": "88.118", "first": 9, "last": 8}, "last"),
        (ALLOCATION, {"node_prefix": "88.118", "last": 10**18}, "last"),
        (RESERVATIONS, {"first": 2, "last": 1, "reason": "x"}, "last"),
        (RESERVATIONS, {"first": -1, "last": 1, "reason": "x"}, "first"),
        (RESERVATIONS, {"first": 1, "last": 1}, "reason"),
    ],
)
async def test_bad_rules_name_the_field(api: Api, path: str, body: Any, field: str) -> None:
    refused = await api.admin("PUT" if path == ALLOCATION else "POST", path, body)
    assert (refused.status, [fault["field"] for fault in refused.json["errors"]]) == (422, [field]), refused.json


async def test_reservations_are_bounded(api: Api) -> None:
    await api.context.pool.execute(
        "INSERT INTO prefix_reservations SELECT 'rsv_' || n, n, n, 'x', now() FROM generate_series(1, 1000) AS n"
    )
    refused = await api.admin("POST", RESERVATIONS, {"first": 1, "last": 1, "reason": "x"})
    assert (refused.status, refused.json["code"]) == (409, "too_many_reservations")


@pytest.mark.parametrize("role", ["reviewer", "auditor", "enterprise_administrator", "reader"])
async def test_only_administrators_see_and_make_the_rules(api: Api, role: str) -> None:
    owner = await api.prefix()
    client = await api.holder(role, owner if role.startswith("enterprise") else None)
    for method, path, body in (
        ("GET", ALLOCATION, None),
        ("PUT", ALLOCATION, {"node_prefix": "88.118"}),
        ("GET", RESERVATIONS, None),
        ("POST", RESERVATIONS, {"first": 1, "last": 1, "reason": "x"}),
        ("DELETE", f"{RESERVATIONS}/rsv_x", None),
    ):
        assert (await client(method, path, body)).status == 403, (method, path)
