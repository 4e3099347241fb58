"""Enterprises over the API: from the application to the withdrawal."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.service import takeover
from tests.documents import PDF
from tests.enterprise_statements import application, details, documents, full_details, upload
from tests.registry_api import Api, Client, Reply, running_api

ENTERPRISES = "/api/v1/enterprises"
ALLOCATION = {"node_prefix": "88.118", "first": 1, "last": 999_999}
REASON = {"reason": "The licence cannot be read"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        assert (await running.admin("PUT", "/api/v1/prefix-allocation", ALLOCATION)).status < 300
        yield running


@pytest.fixture
async def linked(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    """Run a node with a national node that decides after the review."""
    async with running_api(registry_database, tmp_path, national_link=True) as running:
        assert (await running.admin("PUT", "/api/v1/prefix-allocation", ALLOCATION)).status < 300
        yield running


async def apply(client: Client, number: int = 1, **rest: Any) -> Any:
    reply = await client("POST", ENTERPRISES, await application(client, number, **rest))
    assert reply.status == 201, reply.body
    assert reply.headers["Location"] == f"{ENTERPRISES}/{reply.json['id']}"
    return reply.json


async def step(client: Client, enterprise: str, verb: str, body: Any = None, **headers: str) -> Reply:
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client("POST", f"{ENTERPRISES}/{enterprise}:{verb}", body, headers=sent)


async def active(api: Api, number: int = 1) -> tuple[Client, Any]:
    """Let an enterprise apply and be approved."""
    applicant = await api.holder("applicant")
    applied = await apply(applicant, number)
    approved = await step(api.admin, applied["id"], "approve")
    assert approved.status == 200, approved.body
    return applicant, approved.json


async def journal_states(api: Api, kind: str, key: str) -> list[str]:
    rows = await api.context.pool.fetch(
        "SELECT after FROM journal WHERE kind = $1 AND key = $2 ORDER BY xid, seq", kind, key
    )
    return [json.loads(row["after"])["state"] for row in rows]


async def test_an_application_is_rejected_corrected_and_approved(api: Api) -> None:
    applicant = await api.holder("applicant")
    reviewer = await api.holder("reviewer")
    applied = await apply(applicant)
    assert (applied["state"], applied["version"], applied["details"]) == ("applied", 1, details())
    assert applied["prefixes"] == [{"prefix": "88.118.1", "state": "applied"}]
    assert (applied["takeover_version"], applied["verification"]["status"]) == (takeover.VERSION, "pending")

    rejected = (await step(reviewer, applied["id"], "reject", REASON)).json
    assert (rejected["state"], rejected["reason"]) == ("rejected", REASON["reason"])
    assert rejected["prefixes"] == [{"prefix": "88.118.1", "state": "rejected"}]

    corrected = await step(
        applicant, applied["id"], "correct", {"details": full_details(), "documents": applied["documents"]}
    )
    assert corrected.status == 200, corrected.body
    assert (corrected.json["state"], corrected.json["reason"]) == ("applied", None)
    assert corrected.json["details"] == full_details()
    assert corrected.json["prefixes"] == [{"prefix": "88.118.1", "state": "applied"}]

    approved = (await step(reviewer, applied["id"], "approve")).json
    assert (approved["state"], approved["national"]) == ("active", None)
    assert approved["prefixes"] == [{"prefix": "88.118.1", "state": "active"}]
    assert await journal_states(api, "enterprise", applied["id"]) == ["applied", "rejected", "applied", "active"]
    whoami = (await applicant("GET", "/api/v1/whoami")).json
    assert (whoami["role"], whoami["enterprise"]) == ("enterprise_administrator", applied["id"])


async def test_without_a_wish_the_next_free_prefix_is_applied_for(api: Api) -> None:
    applied = await apply(await api.holder("applicant"), prefix=None)
    assert applied["prefixes"] == [{"prefix": "88.118.1", "state": "applied"}]


async def test_a_correction_may_be_for_another_prefix(api: Api) -> None:
    applicant = await api.holder("applicant")
    applied = await apply(applicant)
    body = {"details": details(), "documents": applied["documents"], "prefix": "88.118.77"}
    early = await step(applicant, applied["id"], "correct", body)
    assert (early.status, early.json["code"]) == (409, "prefix_applied_for")
    await step(api.admin, applied["id"], "reject", REASON)
    corrected = (await step(applicant, applied["id"], "correct", body)).json
    assert {one["prefix"]: one["state"] for one in corrected["prefixes"]} == {
        "88.118.1": "rejected",
        "88.118.77": "applied",
    }


async def test_where_a_national_node_decides_approval_waits_for_it(linked: Api) -> None:
    applicant = await linked.holder("applicant")
    applied = await apply(applicant)
    approved = (await step(linked.admin, applied["id"], "approve")).json
    assert (approved["state"], approved["national"]["decision"]) == ("approved", "waiting")
    assert approved["prefixes"] == [{"prefix": "88.118.1", "state": "under_review"}]
    assert (await applicant("GET", "/api/v1/whoami")).json["role"] == "applicant"
    unfounded = await step(linked.admin, applied["id"], "decide", {"decision": "rejected"})
    assert (unfounded.status, unfounded.json["code"]) == (422, "reason_missing")
    refused = (await step(linked.admin, applied["id"], "decide", {"decision": "rejected", **REASON})).json
    assert (refused["state"], refused["reason"]) == ("rejected", REASON["reason"])
    assert (refused["national"]["decision"], refused["prefixes"][0]["state"]) == ("rejected", "rejected")

    await step(applicant, applied["id"], "correct", {"details": details(), "documents": applied["documents"]})
    await step(linked.admin, applied["id"], "approve")
    confirmed = (await step(linked.admin, applied["id"], "decide", {"decision": "approved"})).json
    assert (confirmed["state"], confirmed["prefixes"][0]["state"]) == ("active", "active")
    assert confirmed["national"]["decision"] == "approved"
    assert (await applicant("GET", "/api/v1/whoami")).json["role"] == "enterprise_administrator"


async def test_of_two_reviewers_one_wins_and_the_other_gets_a_conflict(api: Api) -> None:
    applied = await apply(await api.holder("applicant"))
    reviewers = [await api.holder("reviewer") for _ in range(2)]
    replies = await asyncio.gather(
        step(reviewers[0], applied["id"], "approve"),
        step(reviewers[1], applied["id"], "reject", REASON),
    )
    assert sorted(reply.status for reply in replies) == [200, 409]
    assert next(reply for reply in replies if reply.status == 409).json["code"] == "enterprise_move_not_allowed"
    assert len(await journal_states(api, "enterprise", applied["id"])) == 2


async def test_a_reviewer_approves_only_what_was_read(api: Api) -> None:
    applicant = await api.holder("applicant")
    applied = await apply(applicant)
    read = await api.admin("GET", f"{ENTERPRISES}/{applied['id']}")
    await step(applicant, applied["id"], "correct", {"details": full_details(), "documents": applied["documents"]})
    stale = await step(api.admin, applied["id"], "approve", If_Match=read.headers["ETag"])
    assert (stale.status, stale.json["code"]) == (412, "version_mismatch")
    assert (await step(api.admin, applied["id"], "approve", If_Match='"2"')).status == 200


async def test_a_change_is_reviewed_again_and_holds_only_when_it_is_approved(api: Api) -> None:
    owner, enterprise = await active(api)
    verification = {"status": "verified", "method": "business register", "expires_on": "2099-12-31"}
    assert (await step(api.admin, enterprise["id"], "verify", verification)).json["verification"][
        "status"
    ] == "verified"
    body = {"details": details(org_name="示例机械新名有限公司"), "documents": enterprise["documents"]}
    asked = (await step(owner, enterprise["id"], "request-change", body)).json
    assert (asked["state"], asked["name"]) == ("change_requested", enterprise["name"])
    assert asked["proposed"]["details"]["org_name"] == "示例机械新名有限公司"

    kept = (await step(api.admin, enterprise["id"], "reject", REASON)).json
    assert (kept["state"], kept["name"], kept["proposed"]) == ("active", enterprise["name"], None)
    assert (kept["reason"], kept["verification"]["status"]) == (REASON["reason"], "verified")

    await step(owner, enterprise["id"], "request-change", body)
    changed = (await step(api.admin, enterprise["id"], "approve")).json
    assert (changed["state"], changed["name"], changed["proposed"]) == ("active", "示例机械新名有限公司", None)
    assert changed["verification"]["status"] == "pending", "another name is to be verified again"
    assert changed["prefixes"] == [{"prefix": "88.118.1", "state": "active"}]


async def test_a_change_of_what_identifies_nobody_keeps_the_verification(api: Api) -> None:
    owner, enterprise = await active(api)
    await step(api.admin, enterprise["id"], "verify", {"status": "verified", "method": "business register"})
    body = {"details": details(website="https://example.com"), "documents": enterprise["documents"]}
    await step(owner, enterprise["id"], "request-change", body)
    assert (await step(api.admin, enterprise["id"], "approve")).json["verification"]["status"] == "verified"


async def test_a_verification_ends_with_its_last_day_and_a_failure_has_a_reason(api: Api) -> None:
    _, enterprise = await active(api)
    past = {"status": "verified", "method": "business register", "expires_on": "2001-01-01"}
    assert (await step(api.admin, enterprise["id"], "verify", past)).json["verification"]["status"] == "expired"
    failed = await step(api.admin, enterprise["id"], "verify", {"status": "failed", "method": "visit"})
    assert (failed.status, failed.json["code"]) == (422, "reason_missing")
    nowhen = await step(api.admin, enterprise["id"], "verify", {**past, "expires_on": "2001-02-30"})
    assert (nowhen.status, nowhen.json["code"]) == (422, "bad_date")
    bare = await api.prefix("88.118.9", "Bare")
    nothing = await step(api.admin, bare, "verify", past)
    assert (nothing.status, nothing.json["code"]) == (409, "nothing_to_verify")


async def test_suspension_takes_the_prefixes_along_and_gives_back_those_it_took(api: Api) -> None:
    _, enterprise = await active(api)
    mine = enterprise["id"]
    await api.prefix("88.118.50", "x", enterprise=mine)
    await api.admin("POST", "/api/v1/prefixes/88.118.50:suspend", {"reason": "before"})
    suspended = (await step(api.admin, mine, "suspend", REASON)).json
    assert (suspended["state"], suspended["reason"]) == ("suspended", REASON["reason"])
    assert {one["state"] for one in suspended["prefixes"]} == {"suspended"}
    again = await step(api.admin, mine, "suspend", REASON)
    assert (again.status, again.json["code"]) == (409, "enterprise_move_not_allowed")
    assert "resume" in again.json["remedy"]
    resumed = (await step(api.admin, mine, "resume")).json
    assert (resumed["state"], resumed["reason"]) == ("active", None)
    assert {one["prefix"]: one["state"] for one in resumed["prefixes"]} == {
        "88.118.1": "active",
        "88.118.50": "suspended",
    }


async def test_an_enterprise_is_withdrawn_when_no_prefix_is_in_force_and_gives_its_name_free(api: Api) -> None:
    owner, enterprise = await active(api)
    early = await step(owner, enterprise["id"], "withdraw", {})
    assert (early.status, early.json["code"]) == (409, "enterprise_has_prefixes")
    assert "88.118.1" in early.json["detail"]
    await api.admin("POST", "/api/v1/prefixes/88.118.1:withdraw", {"reason": "gone"})
    assert (await step(owner, enterprise["id"], "withdraw", {"reason": "closed"})).json["state"] == "withdrawn"
    again = await apply(await api.holder("applicant"), prefix="88.118.2")
    assert (again["name"], again["state"]) == (enterprise["name"], "applied")


async def test_an_applicant_withdraws_and_may_apply_anew(api: Api) -> None:
    applicant = await api.holder("applicant")
    applied = await apply(applicant)
    second = await applicant("POST", ENTERPRISES, await application(applicant, 2))
    assert (second.status, second.json["code"]) == (409, "applied_already")
    withdrawn = (await step(applicant, applied["id"], "withdraw", {})).json
    assert (withdrawn["state"], withdrawn["prefixes"][0]["state"]) == ("withdrawn", "rejected")
    assert (await apply(applicant, 2))["state"] == "applied"


async def test_name_and_certificate_stand_for_one_enterprise(api: Api) -> None:
    await apply(await api.holder("applicant"))
    other = await api.holder("applicant")
    body = await application(other, 2)
    for changed, code, field in (
        ({"org_name": details()["org_name"]}, "enterprise_name_taken", "details.org_name"),
        ({"org_id_number": details()["org_id_number"]}, "certificate_taken", "details.org_id_number"),
    ):
        refused = await other("POST", ENTERPRISES, {**body, "details": {**body["details"], **changed}})
        assert (refused.status, refused.json["code"]) == (409, code)
        assert [fault["field"] for fault in refused.json["errors"]] == [field]
    assert (await other("POST", ENTERPRISES, body)).status == 201


async def test_of_two_applications_with_one_certificate_one_wins(api: Api) -> None:
    clients = [await api.holder("applicant") for _ in range(2)]
    bodies = [await application(client, at + 1) for at, client in enumerate(clients)]
    for body in bodies:
        body["details"]["org_id_number"] = details()["org_id_number"]
    replies = await asyncio.gather(
        *(client("POST", ENTERPRISES, body) for client, body in zip(clients, bodies, strict=True))
    )
    assert sorted(reply.status for reply in replies) == [201, 409]


async def test_a_refused_application_leaves_nothing_behind(api: Api) -> None:
    await api.prefix("88.118.1", "Others")
    applicant = await api.holder("applicant")
    refused = await applicant("POST", ENTERPRISES, await application(applicant))
    assert (refused.status, refused.json["code"]) == (409, "prefix_exists")
    assert (await applicant("GET", ENTERPRISES)).json["items"] == []
    assert (await applicant("GET", "/api/v1/whoami")).json["enterprise"] is None


async def test_every_fault_of_an_application_is_named_at_once(api: Api) -> None:
    applicant = await api.holder("applicant")
    body = {"details": {}, "documents": {}, "takeover_version": takeover.VERSION}
    refused = await applicant("POST", ENTERPRISES, body)
    assert (refused.status, refused.json["code"]) == (422, "bad_details")
    assert {fault["field"] for fault in refused.json["errors"]} >= {f"details.{name}" for name in details()}


async def test_the_present_text_about_take_over_has_to_be_accepted(api: Api) -> None:
    applicant = await api.holder("applicant")
    terms = (await api.client(None)("GET", "/api/v1/takeover-terms")).json
    assert terms["version"] == takeover.VERSION
    assert "接管" in terms["text"]
    old = await applicant("POST", ENTERPRISES, await application(applicant, takeover_version="2001-01"))
    assert (old.status, old.json["code"]) == (422, "takeover_text_changed")


async def test_an_administrator_applies_for_an_account_that_applies(api: Api) -> None:
    applicant = await api.holder("applicant")
    account = (await applicant("GET", "/api/v1/whoami")).json["account"]
    applied = await apply(api.admin, applicant=account)
    assert (applied["applicant"], (await applicant("GET", ENTERPRISES)).json["items"][0]["id"]) == (
        account,
        applied["id"],
    )
    reader = await api.holder("reader")
    wrong = (await reader("GET", "/api/v1/whoami")).json["account"]
    refused = await api.admin("POST", ENTERPRISES, await application(api.admin, 2, applicant=wrong))
    assert (refused.status, refused.json["code"]) == (422, "bad_applicant")
    unknown = await api.admin("POST", ENTERPRISES, await application(api.admin, 2, applicant="acc_none"))
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_account")


async def test_an_enterprise_made_with_its_prefix_states_its_details_by_a_change(api: Api) -> None:
    mine = await api.prefix("88.118.8", "Pumps")
    read = (await api.admin("GET", f"{ENTERPRISES}/{mine}")).json
    assert (read["state"], read["details"], read["persons_withheld"]) == ("active", None, False)
    owner = await api.holder("enterprise_administrator", mine)
    body = {"details": details(), "documents": await documents(owner)}
    assert (await step(owner, mine, "request-change", body)).status == 200
    assert (await step(api.admin, mine, "approve")).json["details"] == details()


async def test_a_prefix_made_by_name_does_not_make_an_applicant_an_owner(api: Api) -> None:
    applied = await apply(await api.holder("applicant"))
    refused = await api.admin("POST", "/api/v1/prefixes", {"prefix": "88.118.5", "name": applied["name"]})
    assert (refused.status, refused.json["code"]) == (409, "enterprise_not_approved")


async def test_who_sees_which_enterprise_and_what_of_it(api: Api) -> None:
    owner, enterprise = await active(api)
    mine = enterprise["id"]
    other_owner, other = await active(api, 2)
    path = f"{ENTERPRISES}/{mine}"
    whole = [api.admin, owner, await api.holder("reviewer"), await api.holder("auditor")]
    for client in whole:
        shown = (await client("GET", path)).json
        assert (shown["details"], shown["persons_withheld"]) == (details(), False)
        assert shown["documents"] == enterprise["documents"]
    for role in ("enterprise_user", "reader"):
        shown = (await (await api.holder(role, mine))("GET", path)).json
        assert (shown["details"]["org_name"], shown["persons_withheld"]) == (enterprise["name"], True)
        assert (shown["documents"], [name for name in shown["details"] if name.startswith(("legal", "contact"))]) == (
            None,
            [],
        )
    for client in (other_owner, await api.holder("applicant"), await api.holder("reader")):
        refused = await client("GET", path)
        assert (refused.status, refused.json["code"]) == (403, "not_yours")
    assert [one["id"] for one in (await other_owner("GET", ENTERPRISES)).json["items"]] == [other["id"]]
    assert (await (await api.holder("applicant"))("GET", ENTERPRISES)).json["items"] == []
    assert (await api.client(None)("GET", path)).status == 401
    assert (await api.admin("GET", f"{ENTERPRISES}/ent_none")).json["code"] == "unknown_enterprise"


async def test_who_may_take_which_step(api: Api) -> None:
    owner, enterprise = await active(api)
    mine = enterprise["id"]
    other, _ = await active(api, 2)
    stated = {"details": details(), "documents": enterprise["documents"]}
    callers = {
        "owner": owner,
        "other": other,
        "user": await api.holder("enterprise_user", mine),
        "auditor": await api.holder("auditor"),
        "reviewer": await api.holder("reviewer"),
        "applicant": await api.holder("applicant"),
    }
    bodies: dict[str, Any] = {
        "request-change": stated,
        "approve": None,
        "reject": REASON,
        "decide": {"decision": "approved"},
        "verify": {"status": "pending", "method": "x"},
        "suspend": REASON,
        "resume": None,
        "withdraw": {},
    }
    may = {"request-change": {"owner"}, "withdraw": {"owner"}, "suspend": set(), "resume": set()}
    for verb, body in bodies.items():
        for caller, client in callers.items():
            reply = await step(client, mine, verb, body)
            allowed = caller in may.get(verb, {"reviewer"})
            assert (reply.status != 403) == allowed, (verb, caller, reply.body)


async def test_lists_are_filtered_and_paged(api: Api) -> None:
    for number in (1, 2, 3):
        await apply(await api.holder("applicant"), number)
    await api.prefix("88.118.9", "Pumps")
    first = (await api.admin("GET", f"{ENTERPRISES}?state=applied&limit=2")).json
    second = (await api.admin("GET", f"{ENTERPRISES}?state=applied&limit=2&cursor={first['next']}")).json
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    assert [one["name"] for one in (await api.admin("GET", f"{ENTERPRISES}?name=PUMP")).json["items"]] == ["Pumps"]
    assert (await api.admin("GET", f"{ENTERPRISES}?name=%25")).json["items"] == []
    assert (await api.admin("GET", f"{ENTERPRISES}?state=tired")).json["code"] == "bad_state"
    assert (await api.admin("GET", f"{ENTERPRISES}?name={'x' * 256}")).json["code"] == "name_too_long"


async def test_documents_are_the_applicants_own_and_belong_to_one_enterprise(api: Api) -> None:
    applicant, other = await api.holder("applicant"), await api.holder("applicant")
    applied = await apply(applicant)
    body = await application(other, 2)
    body["documents"]["org_id_images"] = applied["documents"]["org_id_images"]
    used = await other("POST", ENTERPRISES, body)
    assert (used.status, used.json["code"]) == (422, "bad_files")
    assert [fault["field"] for fault in used.json["errors"]] == ["documents.org_id_images[0]"]
    foreign = (await upload(applicant, PDF))["id"]
    for file_id in (foreign, "fil_none"):
        body["documents"]["org_id_images"] = [file_id]
        assert (await other("POST", ENTERPRISES, body)).json["code"] == "bad_files"
    body["documents"]["org_id_images"] = body["documents"]["legal_rep_id_images"]
    assert (await other("POST", ENTERPRISES, body)).json["code"] == "bad_files"
