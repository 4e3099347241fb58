"""The life of a prefix: every move there is and no other, who makes it, and what two at once come to."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest

from identifiers.changes import PrefixStateName
from registry.authority import Principal
from registry.database import transaction
from registry.errors import ChangedMeanwhile, Conflict, Forbidden, InvalidFields
from registry.service import prefix_states
from registry.service.prefixes import existing, stored
from tests.registry_api import VALUES, Api, Reply, running_api

PREFIXES = "/api/v1/prefixes"
STATES: tuple[PrefixStateName, ...] = get_args(PrefixStateName)
MOVES = {
    ("applied", "under_review"),
    ("applied", "rejected"),
    ("under_review", "active"),
    ("under_review", "rejected"),
    ("rejected", "applied"),
    ("active", "suspended"),
    ("suspended", "active"),
    ("active", "withdrawing"),
    ("suspended", "withdrawing"),
    ("withdrawing", "active"),
    ("withdrawing", "withdrawn"),
}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def linked(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path, national_link=True) as running:
        yield running


async def enterprise(api: Api) -> str:
    """Make an enterprise, with a prefix that no test looks at."""
    return await api.prefix("88.118.999", "Pumps")


async def applied(api: Api, prefix: str | None = "88.118.8") -> str:
    """Apply for a prefix of a new enterprise, and return the enterprise."""
    owner = await enterprise(api)
    reply = await apply_for(api, owner, prefix)
    assert (reply.status, reply.json["state"]) == (201, "applied"), reply.body
    return owner


async def apply_for(api: Api, owner: str, prefix: str | None = "88.118.8", **rest: Any) -> Reply:
    return await api.admin(
        "POST", f"{PREFIXES}:apply", {"prefix": prefix, "name": "Pumps", "enterprise": owner, **rest}
    )


async def verb(api: Api, name: str, body: Any = None, *, prefix: str = "88.118.8") -> Reply:
    return await api.admin("POST", f"{PREFIXES}/{prefix}:{name}", body)


async def states_in_journal(api: Api, prefix: str = "88.118.8") -> list[tuple[str, str]]:
    rows = await api.context.pool.fetch(
        "SELECT op, after FROM journal WHERE kind = 'prefix' AND key = $1 ORDER BY xid, seq", prefix
    )
    return [(row["op"], json.loads(row["after"])["state"]) for row in rows]


async def put_in(api: Api, state: str, prefix: str = "88.118.8") -> None:
    await api.context.pool.execute("UPDATE prefixes SET state = $1 WHERE prefix = $2", state, prefix)


@pytest.mark.parametrize("before", STATES)
async def test_exactly_the_moves_of_the_table_can_be_made(api: Api, before: PrefixStateName) -> None:
    await api.prefix()
    administrator = Principal("acc", "administrator")
    made, codes = set(), set()
    for to in STATES:
        await put_in(api, before)
        try:
            async with transaction(api.context.pool) as connection:
                moved, _ = await prefix_states.move(
                    connection, administrator, api.context.clock(), "88.118.8", to, reason="because"
                )
        except Conflict as refusal:
            codes.add(refusal.code)
        else:
            assert (moved.state, moved.reason) == (to, "because")
            made.add((before, to))
    assert codes == {"prefix_withdrawn" if before == "withdrawn" else "prefix_move_not_allowed"}
    assert made == {move for move in MOVES if move[0] == before}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("role", ["enterprise_administrator", "reviewer", "enterprise_user"])
async def test_each_move_is_made_by_those_it_belongs_to(api: Api, role: Any, own: bool) -> None:  # noqa: FBT001 - a case
    owner = await api.prefix()
    principal = Principal("acc", role, (owner if own else "ent_other") if role.startswith("enterprise") else None)
    made = set()
    for before, to in sorted(MOVES):
        await put_in(api, before)
        try:
            async with transaction(api.context.pool) as connection:
                await prefix_states.move(connection, principal, api.context.clock(), "88.118.8", to, reason="r")  # type: ignore[arg-type] # taken from the table above
        except Forbidden:
            continue
        made.add((before, to))
    reviewed = {move for move in MOVES if move[0] in ("applied", "under_review")}
    asked_for = {("rejected", "applied"), ("active", "withdrawing"), ("suspended", "withdrawing")}
    expected = {"reviewer": reviewed, "enterprise_administrator": asked_for if own else set(), "enterprise_user": set()}
    assert made == expected[role]


async def test_without_a_national_link_approval_puts_a_prefix_in_force(api: Api) -> None:
    await applied(api)
    approved = await verb(api, "approve")
    assert (approved.status, approved.json["state"]) == (200, "active")
    assert await states_in_journal(api) == [("create", "applied"), ("update", "under_review"), ("update", "active")]
    assert (await api.admin("PUT", "/api/v1/identifiers/88.118.8/A", {"values": VALUES})).status in (201, 202)


async def test_with_a_national_link_the_national_node_decides(linked: Api) -> None:
    await applied(linked)
    assert (await verb(linked, "approve")).json["state"] == "under_review"
    early = await linked.admin("PUT", "/api/v1/identifiers/88.118.8/A", {"values": VALUES})
    assert (early.status, early.json["code"]) == (409, "prefix_under_review")
    assert (await verb(linked, "decide", {"decision": "approved"})).json["state"] == "active"
    assert (await verb(linked, "withdraw", {})).json["state"] == "withdrawing"
    refused = await verb(linked, "decide", {"decision": "rejected", "reason": "still printed"})
    assert (refused.json["state"], refused.json["reason"]) == ("active", "still printed")
    patched = await linked.admin("PATCH", f"{PREFIXES}/88.118.8", {"state": "withdrawn"})
    assert patched.json["state"] == "withdrawing"
    assert (await verb(linked, "decide", {"decision": "approved"})).json["state"] == "withdrawn"
    assert (await states_in_journal(linked))[-1] == ("withdraw", "withdrawn")


async def test_a_rejection_needs_a_reason_and_can_be_followed_by_a_new_application(api: Api) -> None:
    owner = await applied(api)
    silent = await verb(api, "reject", {})
    assert (silent.status, silent.json["errors"][0]["field"]) == (422, "reason")
    rejected = await verb(api, "reject", {"reason": "name too general"})
    assert (rejected.json["state"], rejected.json["reason"]) == ("rejected", "name too general")
    again = await apply_for(api, owner)
    assert (again.status, again.json["state"], again.json["reason"]) == (201, "applied", "")


async def test_a_rejected_prefix_is_free_for_another_enterprise(api: Api) -> None:
    await applied(api)
    await verb(api, "reject", {"reason": "no"})
    other = await api.prefix("88.118.998", "Valves")
    taken = await apply_for(api, other)
    assert (taken.status, taken.json["enterprise"]) == (201, other)


async def test_a_prefix_is_taken_from_its_application_on_and_for_ever(api: Api) -> None:
    owner = await applied(api)
    for state in ("applied", "under_review", "active", "suspended", "withdrawing", "withdrawn"):
        await put_in(api, state)
        refused = await apply_for(api, owner)
        assert (refused.status, refused.json["code"]) == (409, "prefix_exists"), state


@pytest.mark.parametrize("state", sorted(set(STATES) - {"active"}))
async def test_only_below_an_active_prefix_identifiers_are_written(api: Api, state: str) -> None:
    await api.prefix()
    await put_in(api, state)
    refused = await api.admin("PUT", "/api/v1/identifiers/88.118.8/A", {"values": VALUES})
    assert (refused.status, refused.json["code"]) == (409, f"prefix_{state}")
    (line, *_) = await api.admin.batch([{"identifier": "88.118.8/A", "values": VALUES}])
    assert line["code"] == f"prefix_{state}"


async def test_suspension_tells_why_and_ends(api: Api) -> None:
    await api.prefix()
    suspended = await verb(api, "suspend", {"reason": "licence expired"})
    assert (suspended.json["state"], suspended.json["reason"]) == ("suspended", "licence expired")
    resumed = await verb(api, "resume")
    assert (resumed.json["state"], resumed.json["reason"]) == ("active", "")
    assert (await verb(api, "resume")).json["code"] == "prefix_not_suspended"


async def test_resuming_is_no_way_round_a_review(api: Api) -> None:
    await applied(api)
    await put_in(api, "under_review")
    assert (await verb(api, "resume")).status == 409


async def test_an_enterprise_asks_for_the_withdrawal_and_an_administrator_decides(api: Api) -> None:
    owner = await api.prefix()
    holder = await api.holder("enterprise_administrator", owner)
    asked = await holder("POST", f"{PREFIXES}/88.118.8:withdraw", {"reason": "sold"})
    assert (asked.json["state"], asked.json["reason"]) == ("withdrawing", "sold")
    assert (await holder("POST", f"{PREFIXES}/88.118.8:decide", {"decision": "approved"})).status == 403
    assert (await verb(api, "decide", {"decision": "approved"})).json["state"] == "withdrawn"


async def test_nothing_is_decided_on_a_prefix_that_awaits_nothing(api: Api) -> None:
    await api.prefix()
    refused = await verb(api, "decide", {"decision": "approved"})
    assert (refused.status, refused.json["code"]) == (409, "nothing_to_decide")


async def test_a_transferred_prefix_is_the_other_enterprises_with_all_below_it(api: Api) -> None:
    giver, taker = await api.prefix(), await api.prefix("88.118.9", "Valves")
    await api.admin("PUT", "/api/v1/identifiers/88.118.8/A", {"values": VALUES})
    handed = await verb(api, "transfer", {"enterprise": taker, "reason": "merger"})
    assert (handed.status, handed.json["enterprise"], handed.json["state"]) == (200, taker, "active")
    before = await api.holder("enterprise_administrator", giver)
    after = await api.holder("enterprise_administrator", taker)
    change: tuple[str, str, Any] = ("PUT", "/api/v1/identifiers/88.118.8/A", {"values": []})
    assert (await before(*change)).status == 403
    assert (await after(*change)).status in (200, 202)
    assert (await before("GET", f"{PREFIXES}/88.118.8")).status == 403


async def test_a_transfer_needs_another_registered_enterprise_and_a_prefix_in_force(api: Api) -> None:
    owner = await api.prefix()
    for given, code in ((owner, "same_enterprise"), ("ent_none", "unknown_enterprise")):
        assert (await verb(api, "transfer", {"enterprise": given})).json["code"] == code
    other = await api.prefix("88.118.9", "Valves")
    await put_in(api, "under_review")
    assert (await verb(api, "transfer", {"enterprise": other})).json["code"] == "prefix_not_transferable"
    holder = await api.holder("enterprise_administrator", owner)
    assert (await holder("POST", f"{PREFIXES}/88.118.8:transfer", {"enterprise": other})).status == 403


async def test_of_two_approvals_one_wins_and_the_other_is_told(api: Api) -> None:
    await applied(api)
    replies = await asyncio.gather(*(verb(api, "approve") for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
    lost = next(reply for reply in replies if reply.status == 409)
    assert lost.json["code"] == "prefix_move_not_allowed"
    assert await states_in_journal(api) == [("create", "applied"), ("update", "under_review"), ("update", "active")]


async def test_of_two_applications_for_one_prefix_one_wins(api: Api) -> None:
    owner, other = await enterprise(api), await api.prefix("88.118.998", "Valves")
    replies = await asyncio.gather(*(apply_for(api, one) for one in (owner, other) * 3))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 5
    assert {reply.json["code"] for reply in replies if reply.status == 409} == {"prefix_exists"}


async def test_a_transaction_older_than_the_last_change_is_repeated(api: Api) -> None:
    await api.prefix()
    async with api.context.pool.acquire() as slow, slow.transaction():
        found = await existing(slow, "88.118.8")
        await slow.execute("SELECT pg_current_xact_id()")
        assert (await verb(api, "suspend", {})).status == 200
        with pytest.raises(ChangedMeanwhile):
            await stored(slow, found)


async def test_an_enterprise_applies_for_its_own_prefixes_only(api: Api) -> None:
    owner, other = await enterprise(api), await api.prefix("88.118.998", "Valves")
    holder = await api.holder("enterprise_administrator", owner)
    mine = await holder("POST", f"{PREFIXES}:apply", {"prefix": "88.118.8", "name": "More pumps"})
    assert (mine.status, mine.json["enterprise"], mine.json["state"]) == (201, owner, "applied")
    body = {"prefix": "88.118.9", "name": "x", "enterprise": other}
    assert (await holder("POST", f"{PREFIXES}:apply", body)).status == 403
    assert (await holder("POST", f"{PREFIXES}/88.118.8:approve")).status == 403


async def test_an_application_not_to_be_hosted_leads_nowhere_until_its_route_is_set(api: Api) -> None:
    owner = await enterprise(api)
    reply = await apply_for(api, owner, hosted=False)
    assert (reply.json["hosting"], reply.json["hosting_state"], reply.json["sites"]) == ("routed", "not_hosted", [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "prefix": "88.118"}, "prefix"),
        ({"name": "x", "prefix": "88.1.8"}, "prefix"),
        ({"name": "x", "prefix": "88.118.8.1"}, "prefix"),
        ({"prefix": "88.118.8"}, "name"),
        ({"name": "x", "enterprise": "ent_none"}, "enterprise"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
async def test_a_bad_application_names_the_field(api: Api, body: Any, field: str) -> None:
    owner = await enterprise(api)
    refused = await api.admin("POST", f"{PREFIXES}:apply", {"enterprise": owner} | body)
    assert (refused.status, [fault["field"] for fault in refused.json["errors"]]) == (422, [field]), refused.json


async def test_an_administrator_names_the_enterprise_it_applies_for(api: Api) -> None:
    refused = await api.admin("POST", f"{PREFIXES}:apply", {"name": "x", "prefix": "88.118.8"})
    assert (refused.status, refused.json["code"]) == (422, "unknown_enterprise")


async def test_an_enterprise_has_at_most_a_hundred_prefixes(api: Api) -> None:
    owner = await enterprise(api)
    await api.context.pool.execute(
        "INSERT INTO prefixes (prefix, name, enterprise_id, created_at, updated_at) "
        "SELECT '88.118.' || n, 'x', $1, now(), now() FROM generate_series(1000, 1098) AS n",
        owner,
    )
    refused = await apply_for(api, owner)
    assert (refused.status, refused.json["code"]) == (409, "too_many_prefixes")
    await put_in(api, "withdrawn", "88.118.1000")
    assert (await apply_for(api, owner)).status == 201


@pytest.mark.parametrize("state", ["suspended", "withdrawn"])
async def test_records_below_a_prefix_that_is_stopped_are_gone_for_all_but_its_enterprise(api: Api, state: Any) -> None:
    owner, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    path = "/api/v1/identifiers/88.118.8/SN1"
    await api.admin("PUT", path, {"values": []})
    stranger = await api.holder("enterprise_user", other)
    assert (await stranger("GET", path)).status == 200
    await put_in(api, state)
    gone = await stranger("GET", path)
    assert (gone.status, gone.json["code"]) == (410, f"prefix_{state}")
    detail = await stranger("GET", "/identityv2/data/detail?handle=88.118.8/SN1")
    assert (detail.json["status"], detail.json["error"]) == (-2, "unknown_identifier")
    for reader in (await api.holder("enterprise_user", owner), api.admin):
        assert (await reader("GET", path)).status == 200


async def test_prefixes_are_listed_by_their_state(api: Api) -> None:
    await applied(api)
    listed = await api.admin("GET", f"{PREFIXES}?state=applied")
    assert [item["prefix"] for item in listed.json["items"]] == ["88.118.8"]
    assert (await api.admin("GET", f"{PREFIXES}?state=lost")).json["code"] == "bad_state"


async def test_a_reason_has_an_end(api: Api) -> None:
    await api.prefix()
    async with transaction(api.context.pool) as connection:
        with pytest.raises(InvalidFields, match="characters"):
            await prefix_states.move(
                connection,
                Principal("acc", "administrator"),
                api.context.clock(),
                "88.118.8",
                "suspended",
                reason="x" * 1_025,
            )
