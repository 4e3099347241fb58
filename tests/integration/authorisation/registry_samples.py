"""A request for every route of /api/v1, about a thing of the first enterprise."""

import copy
import json
from typing import Any

import pyotp

from identifiers.signing_keys import generate
from registry.api.routes.operator import ROUTES as OPERATOR_ROUTES
from registry.api.routing import NDJSON, OCTETS
from registry.database import transaction
from registry.service import takeovers
from registry.service.takeovers import Content, Taken
from tests.documents import PNG, document
from tests.enterprise_statements import application, details, documents
from tests.integration.authorisation.world import (
    ITEMS,
    NAMED,
    PASSWORD,
    PREFIX,
    RECORD,
    Caller,
    Make,
    Person,
    Sample,
    World,
    personal,
)
from tests.support import eventually

API = "/api/v1"
REASON = {"reason": "for a reason"}
ROUTE = {"addresses": [{"ip": "192.0.2.17", "tcp_port": 2641}]}
APPLICATION = {
    "app_name": "Pump passport",
    "app_type": 2,
    "app_intro": "Shows the record of a pump.",
    "app_users": 12,
    "recursive_service": "192.0.2.53 port 2641",
    "app_developer": "Pumps",
    "enterprise_prefix": PREFIX,
}
ADDRESS = {
    "code_type": "Handle",
    "prefix_or_range": "88.118",
    "ip_address": "192.0.2.17",
    "endpoints": [{"protocol": "TCP", "port": 2641}],
    "tls": False,
}


def fixed(path: str, body: Any = None, **rest: Any) -> Make:
    """Make the same request every time."""

    async def make(_: World, __: Caller) -> Sample:
        return Sample(f"{API}{path}", body, **rest)

    return make


# Identifiers.


async def put_identifier(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/identifiers/{PREFIX}/NEW{world.number}", {"values": RECORD})


async def get_identifier(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/identifiers/{await world.record()}", shows=NAMED)


async def patch_identifier(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/identifiers/{await world.record()}", {"remove": [2000]})


async def delete_identifier(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/identifiers/{await world.record()}")


async def list_identifiers(world: World, _: Caller) -> Sample:
    name = await world.record(f"{PREFIX}/A{world.number}")
    return Sample(f"{API}/identifiers?prefix={PREFIX}&limit=1000", shows=name)


async def batch(world: World, _: Caller) -> Sample:
    row = {"identifier": f"{PREFIX}/B{world.number}", "values": RECORD}
    return Sample(f"{API}/identifiers:batch", data=json.dumps(row).encode(), media_type=NDJSON, shows='"created":1')


async def search(world: World, _: Caller) -> Sample:
    code = await world.template(publish=True)
    name = f"{PREFIX}/F{world.number}"
    await world.do("PUT", f"{API}/identifiers/{name}", {"values": RECORD, "template": code})
    return Sample(f"{API}/identifiers:search?prefix={PREFIX}&template={code}", shows=name)


async def history(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/identifiers:history?identifier={await world.record()}", shows=NAMED)


def references(verb: str, *, of_source: bool) -> Make:
    """Refer from one record to another by a value that is not public."""

    async def make(world: World, _: Caller) -> Sample:
        item = {"index": 2000, "name": "部件", "type": "part", "data_type": "reference", "grade": 2}
        code = f"t{world.number}"
        template = {"code": code, "name": "T", "items": [item], "enterprise": world.mine, "publish": True}
        await world.do("POST", f"{API}/templates", template)
        target, source = await world.record(), f"{PREFIX}/R{world.number}"
        body = {"values": [{"index": 2000, "type": "part", "data": target}], "template": code}
        await world.do("PUT", f"{API}/identifiers/{source}", body)
        asked, shown = (source, target) if of_source else (target, source)
        return Sample(f"{API}/identifiers:{verb}?identifier={asked}", shows=shown)

    return make


async def put_alias(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/aliases/{PREFIX}/ALIAS{world.number}", {"identifier": await world.record()})


async def _alias(world: World) -> tuple[str, str]:
    target, alias = await world.record(), f"{PREFIX}/ALIAS{world.number}"
    await world.do("PUT", f"{API}/aliases/{alias}", {"identifier": target})
    return target, alias


async def list_aliases(world: World, _: Caller) -> Sample:
    target, alias = await _alias(world)
    return Sample(f"{API}/aliases?identifier={target}", shows=alias)


async def on_alias(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/aliases/{(await _alias(world))[1]}")


# Prefixes.


async def create_prefix(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/prefixes", {"prefix": f"88.118.{world.number}", "name": "x", "enterprise": world.mine})


async def apply_for_prefix(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/prefixes:apply", {"name": "x", "enterprise": world.mine})


def on_prefix(verb: str = "", body: Any = None, state: str = "active") -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(f"{API}/prefixes/{await world.prefix(state)}{verb}", body)

    return make


async def transfer(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/prefixes/{await world.prefix()}:transfer", {"enterprise": world.other})


def on_routed_prefix(verb: str, body: Any = None, *, hosting_applied: bool = False) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        path = f"{API}/prefixes/{await world.prefix()}"
        await world.do("PUT", f"{path}/route", ROUTE)
        if hosting_applied:
            owner = world.people[Caller("enterprise_administrator", "own")].client
            assert (await owner("POST", f"{path}:host")).json["hosting_state"] == "applied"
        return Sample(path + verb, body)

    return make


async def reserve(world: World, _: Caller) -> Sample:
    number = 10_000 + world.number
    return Sample(f"{API}/prefix-reservations", {"first": number, "last": number, "reason": "x"})


async def release(world: World, caller: Caller) -> Sample:
    made = await world.do("POST", f"{API}/prefix-reservations", (await reserve(world, caller)).body)
    return Sample(f"{API}/prefix-reservations/{made['id']}")


# Templates and grants.


async def create_template(world: World, _: Caller) -> Sample:
    body = {"code": f"t{world.number}", "name": "T", "items": ITEMS, "enterprise": world.mine}
    return Sample(f"{API}/templates", body)


async def list_templates(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/templates?limit=1000", shows=f'"{await world.template()}"')


def on_template(verb: str = "", body: Any = None, *, published: bool = False) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(f"{API}/templates/{await world.template(publish=published)}{verb}", body)

    return make


async def copy_template(world: World, _: Caller) -> Sample:
    code = await world.template(publish=True, shared=True, enterprise=world.other)
    return Sample(f"{API}/templates/{code}:copy", {"code": f"t{world.number}", "enterprise": world.mine})


async def see_exposure(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/exposure?limit=1000", shows=f'"{await world.template(publish=True)}"')


async def _grant_body(world: World) -> dict[str, Any]:
    third = {"prefix": f"88.118.{world.number}", "name": f"Third {world.number}"}
    subject = {"kind": "enterprise", "id": (await world.do("POST", f"{API}/prefixes", third))["enterprise"]}
    named = {"kind": "identifier", "name": await world.record()}
    return {"subject": subject, "object": named, "indexes": [2001]}


async def give_grant(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/grants", await _grant_body(world))


async def _grant(world: World) -> str:
    return str((await world.do("POST", f"{API}/grants", await _grant_body(world)))["id"])


async def list_grants(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/grants?limit=1000", shows=await _grant(world))


async def on_grant(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/grants/{await _grant(world)}")


# One's own account.


@personal
async def sign_in(world: World, caller: Caller) -> Sample:
    person = world.people.get(caller) or next(iter(world.people.values()))
    return Sample(f"{API}/sessions", {"username": person.username, "password": PASSWORD})


@personal
async def sign_out(world: World, caller: Caller) -> Sample:
    if caller.role is None:
        return Sample(f"{API}/sessions/current")
    begun = await world.do("POST", f"{API}/sessions", (await sign_in(world, caller)).body)
    return Sample(f"{API}/sessions/current", client=world.api.client(begun["token"]))


def on_own_account(tail: str = "", body: Any = None, *, enrolled: bool = False) -> Make:
    @personal
    async def make(world: World, caller: Caller) -> Sample:
        person = world.people.get(caller)
        if enrolled and person is not None:
            return await _enrolled(world, person, tail, body)
        return Sample(f"{API}/accounts/me{tail}", body)

    return make


async def _enrolled(world: World, person: Person, tail: str, body: Any) -> Sample:
    await world.do("POST", f"{API}/accounts/{person.account}:reset-totp")
    begun = await person.client("POST", f"{API}/accounts/me:enrol-totp", {"current": PASSWORD})
    return Sample(f"{API}/accounts/me{tail}", body or {"code": pyotp.TOTP(begun.json["secret"]).now()})


@personal
async def enrol(world: World, caller: Caller) -> Sample:
    if (person := world.people.get(caller)) is not None:
        await world.do("POST", f"{API}/accounts/{person.account}:reset-totp")
    return Sample(f"{API}/accounts/me:enrol-totp", {"current": PASSWORD})


@personal
async def change_details(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/accounts/me", {"email": f"a{world.number}@example.com"})


@personal
async def own_token(world: World, caller: Caller) -> Sample:
    person = world.people.get(caller)
    token = "tok_0"
    if person is not None:
        token = (await person.client("POST", f"{API}/accounts/me/tokens", {"label": "x"})).json["id"]
    return Sample(f"{API}/accounts/me/tokens/{token}")


# Accounts, tokens and groups of an enterprise.


async def create_account(world: World, _: Caller) -> Sample:
    body = {"role": "reader", "enterprise": world.mine, "username": f"new-{world.number}", "password": PASSWORD}
    return Sample(f"{API}/accounts", body)


async def list_accounts(world: World, _: Caller) -> Sample:
    account, _name = await world.user("reader", world.mine)
    return Sample(f"{API}/accounts?limit=1000", shows=account)


def on_account(verb: str = "", body: Any = None) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        account, _name = await world.user("reader", world.mine)
        return Sample(f"{API}/accounts/{account}{verb}", body)

    return make


async def issue_token(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/tokens", {"role": "reader", "enterprise": world.mine, "label": "x"})


async def _token(world: World) -> str:
    body = {"role": "reader", "enterprise": world.mine, "label": "x"}
    return str((await world.do("POST", f"{API}/tokens", body))["id"])


async def list_tokens(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/tokens?limit=1000", shows=await _token(world))


async def revoke_token(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/tokens/{await _token(world)}")


async def create_group(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/groups", {"name": f"group {world.number}", "enterprise": world.mine})


async def _group(world: World) -> str:
    return str((await world.do("POST", f"{API}/groups", {"name": f"{world.number}", "enterprise": world.mine}))["id"])


async def list_groups(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/groups?limit=1000", shows=await _group(world))


def on_group(verb: str = "", body: Any = None) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(f"{API}/groups/{await _group(world)}{verb}", body)

    return make


def audited(path: str) -> Make:
    """Look for something that the first enterprise's administrator did."""

    async def make(world: World, _: Caller) -> Sample:
        owner = world.people[Caller("enterprise_administrator", "own")]
        name = f"{PREFIX}/LOGGED{world.number}"
        assert (await owner.client("PUT", f"{API}/identifiers/{name}", {"values": RECORD})).status < 300
        return Sample(f"{API}{path}", shows=name)

    return make


def on_snapshot(rest: str = "") -> Make:
    """Ask about a snapshot of what the first enterprise may see."""

    async def make(world: World, _: Caller) -> Sample:
        owner = world.people[Caller("enterprise_administrator", "own")].client
        asked = (await owner("POST", f"{API}/snapshots", {"tables": ["REC"], "scope": PREFIX})).json["snapshot_id"]

        async def is_ready() -> bool:
            return bool((await owner("GET", f"{API}/snapshots/{asked}")).json["status"] == "ready")

        await eventually(is_ready)
        return Sample(f"{API}/snapshots/{asked}{rest}")

    return make


# Enterprises and their files.


@personal
async def apply(world: World, caller: Caller) -> Sample:
    # Those who may apply do so with documents of their own; an applicant, once.
    sends = await world.api.holder(caller.role) if caller.role in ("administrator", "applicant") else None
    return Sample(f"{API}/enterprises", await application(sends or world.api.admin, world.number), client=sends)


async def list_enterprises(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/enterprises?limit=1000", shows=world.mine)


def on_enterprise(verb: str, body: Any = None, state: str = "active") -> Make:
    async def make(world: World, _: Caller) -> Sample:
        enterprise = await world.enterprise(state)
        return Sample(f"{API}/enterprises/{enterprise}{verb}", body, owner=enterprise)

    return make


def stating(verb: str, state: str) -> Make:
    """State an enterprise anew, with documents that whoever sends it has uploaded."""

    @personal
    async def make(world: World, caller: Caller) -> Sample:
        number = world.number
        enterprise = await world.enterprise(state, number)
        path = f"{API}/enterprises/{enterprise}"
        client = await world.client(caller, Sample(path, owner=enterprise))
        if caller.role not in ("administrator", "enterprise_administrator", "applicant"):
            given = (await world.do("GET", path))["documents"]
        else:
            given = await documents(client, number=world.number)
        return Sample(path + verb, {"details": details(number), "documents": given}, owner=enterprise)

    return make


@personal
async def upload_file(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/files?name=a.pdf", data=document(world.number), media_type=OCTETS)


def on_file(tail: str = "") -> Make:
    async def make(world: World, _: Caller) -> Sample:
        found = await world.do("GET", f"{API}/enterprises/{world.mine}")
        return Sample(f"{API}/files/{found['documents']['org_id_images'][0]}{tail}")

    return make


# Jobs and quotas.


async def create_job(world: World, _: Caller) -> Sample:
    row = json.dumps({"identifier": f"{PREFIX}/J{world.number}", "values": RECORD}).encode()
    return Sample(f"{API}/jobs?kind=import", data=row, media_type=NDJSON)


async def _job(world: World, caller: Caller) -> str:
    sample = await create_job(world, caller)
    owner = world.people[Caller("enterprise_user", "own")].client
    reply = await owner("POST", sample.path, data=sample.data, headers={"Content-Type": NDJSON})
    assert reply.status == 202, reply.body
    return str(reply.json["id"])


async def list_jobs(world: World, caller: Caller) -> Sample:
    return Sample(f"{API}/jobs", shows=await _job(world, caller))


def on_job(tail: str = "") -> Make:
    async def make(world: World, caller: Caller) -> Sample:
        return Sample(f"{API}/jobs/{await _job(world, caller)}{tail}")

    return make


async def list_quotas(world: World, _: Caller) -> Sample:
    await world.do("PUT", f"{API}/quotas/{world.mine}", {"identifiers_max": 1_000_000})
    return Sample(f"{API}/quotas", shows=world.mine)


async def get_quota(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/quotas/{world.mine}")


async def put_quota(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/quotas/{world.mine}", {"identifiers_max": 1_000_000})


async def report_keys(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/prefixes/{PREFIX}/report-keys")


async def put_report_key(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/prefixes/{PREFIX}/report-keys/k{world.number}", {"public_key": REPORT_KEY})


async def revoke_report_key(world: World, _: Caller) -> Sample:
    path = f"{API}/prefixes/{PREFIX}/report-keys/k{world.number}"
    await world.do("PUT", path, {"public_key": REPORT_KEY})
    return Sample(path)


# The operator and applications.

REPORT_KEY = generate("88.118.8#test").public().pem()


def on_month(suffix: str = "") -> Make:
    """Make a request about a month's report."""

    async def make(world: World, _: Caller) -> Sample:
        async with world.api.context.pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO monthly_reports VALUES ('88.118', '2031-04', 0, '{\"sla_percent\": 100}', '{}', now()) "
                "ON CONFLICT DO NOTHING"
            )
            await connection.execute(
                "INSERT INTO monthly_documents VALUES ('88.118', '2031-04', 0, 'r.pdf', 'application/pdf', "
                "sha256('x'), 'x') ON CONFLICT DO NOTHING"
            )
        return Sample(f"{API}/monthly-reports/2031-04{suffix}")

    return make


async def recover_event(world: World, _: Caller) -> Sample:
    entered = await world.api.admin("POST", f"{API}/events", {"prefix": PREFIX, "abnormal_type": 4, "condition": "x"})
    return Sample(f"{API}/events/{entered.json['event_no']}:recover", {})


async def decide_conflict(world: World, _: Caller) -> Sample:
    taken = Taken(f"88.999/CONFLICT-{world.number}", Content("active"))
    async with transaction(world.api.context.pool) as connection:
        await takeovers.merge(connection, world.api.context.clock(), [taken])
    return Sample(f"{API}/takeover/conflicts:decide", {"identifier": taken.identifier, "decision": "ours"})


STREAM = {"table": "T9", "scope": "88.118.8"}
ORDERS = ("streams:resume", "streams:send-full", "open-rows:resend")
NOTE = {"kind": "maintenance", "started_at": "2031-04-12T18:00:00Z", "description": "upgrade"}
CONTACT = {"name": "Li", "telephone": "+86 10 1", "email": "duty@example.com"}
AGREEMENT = {"signed_on": "2030-06-01", "expires_on": "2033-05-31"}


def on_note(body: Any = None) -> Make:
    """Make a request about a note of its own."""

    async def make(world: World, _: Caller) -> Sample:
        entered = await world.do("POST", f"{API}/sync/notes", NOTE)
        return Sample(f"{API}/sync/notes/{entered['note_id']}", body)

    return make


def entered_before(path: str, first: str, entered: Any, method: str, body: Any = None) -> Make:
    """Make a request about something that is entered first."""

    async def make(world: World, _: Caller) -> Sample:
        await world.do(method, API + first, entered)
        return Sample(API + path, body)

    return make


SYNC = ("/sync/status", "/sync/streams", "/sync/batches", "/sync/open-rows", "/sync/directives", "/escrow/deposits")


async def _operator(world: World) -> dict[str, Any]:
    example = next(one.request_example for one in OPERATOR_ROUTES if one.path == f"{API}/operator" and one.request)
    body: dict[str, Any] = copy.deepcopy(example)
    media_type = {"Content-Type": OCTETS}
    picture = (await world.do("POST", f"{API}/files?name=a", data=PNG, headers=media_type))["id"]
    paper = (await world.document())["id"]
    stated = body["details"]
    for name in ("org_id_images", "legal_rep_id_images", "contact_id_images"):
        stated[name] = [picture]
    for name in ("data_escrow", "service_escrow"):
        stated[name]["contracts"] = [paper]
    stated["identity_check"]["data_sources"] = [paper]
    return body


async def get_operator(world: World, _: Caller) -> Sample:
    await world.do("PUT", f"{API}/operator", await _operator(world))
    return Sample(f"{API}/operator")


async def put_operator(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/operator", await _operator(world))


async def operator_file(world: World, _: Caller) -> Sample:
    stored = await world.do("PUT", f"{API}/operator", await _operator(world))
    return Sample(f"{API}/operator/files/{stored['details']['org_id_images'][0]}")


async def _application(world: World) -> str:
    return str((await world.do("POST", f"{API}/applications", APPLICATION))["id"])


async def list_applications(world: World, _: Caller) -> Sample:
    return Sample(f"{API}/applications?limit=1000", shows=await _application(world))


def on_application(body: Any = None) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(f"{API}/applications/{await _application(world)}", body)

    return make


SAMPLES: dict[tuple[str, str], Make] = {
    ("PUT", "/identifiers/{identifier}"): put_identifier,
    ("GET", "/identifiers/{identifier}"): get_identifier,
    ("PATCH", "/identifiers/{identifier}"): patch_identifier,
    ("DELETE", "/identifiers/{identifier}"): delete_identifier,
    ("GET", "/identifiers"): list_identifiers,
    ("POST", "/identifiers:batch"): batch,
    ("GET", "/identifiers:search"): search,
    ("GET", "/identifiers:history"): history,
    ("GET", "/identifiers:references"): references("references", of_source=True),
    ("GET", "/identifiers:referrers"): references("referrers", of_source=False),
    ("GET", "/identifiers:graph"): references("graph", of_source=True),
    ("GET", "/aliases"): list_aliases,
    ("PUT", "/aliases/{identifier}"): put_alias,
    ("GET", "/aliases/{identifier}"): on_alias,
    ("DELETE", "/aliases/{identifier}"): on_alias,
    ("POST", "/prefixes"): create_prefix,
    ("POST", "/prefixes:apply"): apply_for_prefix,
    ("GET", "/prefixes"): fixed("/prefixes?limit=1000", shows=f'"{PREFIX}"'),
    ("GET", "/prefixes/{prefix}"): fixed(f"/prefixes/{PREFIX}"),
    ("PATCH", "/prefixes/{prefix}"): on_prefix(body={"name": "y"}),
    ("POST", "/prefixes/{prefix}:approve"): on_prefix(":approve", state="applied"),
    ("POST", "/prefixes/{prefix}:reject"): on_prefix(":reject", REASON, state="applied"),
    ("POST", "/prefixes/{prefix}:decide"): on_prefix(":decide", {"decision": "approved"}, state="under_review"),
    ("POST", "/prefixes/{prefix}:suspend"): on_prefix(":suspend", REASON),
    ("POST", "/prefixes/{prefix}:resume"): on_prefix(":resume", state="suspended"),
    ("POST", "/prefixes/{prefix}:withdraw"): on_prefix(":withdraw", REASON),
    ("POST", "/prefixes/{prefix}:transfer"): transfer,
    ("GET", "/prefixes/{prefix}/route"): fixed(f"/prefixes/{PREFIX}/route"),
    ("PUT", "/prefixes/{prefix}/route"): on_prefix("/route", ROUTE),
    ("POST", "/prefixes/{prefix}:host"): on_routed_prefix(":host"),
    ("POST", "/prefixes/{prefix}:decide-hosting"): on_routed_prefix(
        ":decide-hosting", {"decision": "approved"}, hosting_applied=True
    ),
    ("GET", "/prefix-allocation"): fixed("/prefix-allocation"),
    ("PUT", "/prefix-allocation"): fixed("/prefix-allocation", {"node_prefix": "88.118"}),
    ("POST", "/prefix-reservations"): reserve,
    ("GET", "/prefix-reservations"): fixed("/prefix-reservations"),
    ("DELETE", "/prefix-reservations/{reservation}"): release,
    ("POST", "/templates"): create_template,
    ("GET", "/templates"): list_templates,
    ("GET", "/templates/{code}"): on_template(),
    ("PATCH", "/templates/{code}"): on_template(body={"name": "U"}),
    ("DELETE", "/templates/{code}"): on_template(),
    ("POST", "/templates/{code}:publish"): on_template(":publish"),
    ("POST", "/templates/{code}:copy"): copy_template,
    ("POST", "/templates/{code}/items/{index}:regrade"): on_template(
        "/items/2001:regrade", {"grade": 3}, published=True
    ),
    ("GET", "/exposure"): see_exposure,
    ("POST", "/grants"): give_grant,
    ("GET", "/grants"): list_grants,
    ("GET", "/grants/{grant}"): on_grant,
    ("DELETE", "/grants/{grant}"): on_grant,
    ("POST", "/sessions"): sign_in,
    ("DELETE", "/sessions/current"): sign_out,
    ("GET", "/whoami"): fixed("/whoami"),
    ("GET", "/accounts/me"): on_own_account(),
    ("PATCH", "/accounts/me"): change_details,
    ("POST", "/accounts/me:change-password"): on_own_account(
        ":change-password", {"current": PASSWORD, "new": PASSWORD}
    ),
    ("POST", "/accounts/me:enrol-totp"): enrol,
    ("POST", "/accounts/me:confirm-totp"): on_own_account(":confirm-totp", enrolled=True),
    ("POST", "/accounts/me:disable-totp"): on_own_account(":disable-totp", {"current": PASSWORD}, enrolled=True),
    ("POST", "/accounts/me/tokens"): on_own_account("/tokens", {"label": "x"}),
    ("GET", "/accounts/me/tokens"): on_own_account("/tokens"),
    ("DELETE", "/accounts/me/tokens/{token}"): own_token,
    ("POST", "/accounts"): create_account,
    ("GET", "/accounts"): list_accounts,
    ("GET", "/accounts/{account}"): on_account(),
    ("PATCH", "/accounts/{account}"): on_account(body={"label": "y"}),
    ("POST", "/accounts/{account}:unlock"): on_account(":unlock"),
    ("POST", "/accounts/{account}:reset-password"): on_account(":reset-password", {"password": PASSWORD}),
    ("POST", "/accounts/{account}:reset-totp"): on_account(":reset-totp"),
    ("POST", "/tokens"): issue_token,
    ("GET", "/tokens"): list_tokens,
    ("DELETE", "/tokens/{token}"): revoke_token,
    ("POST", "/groups"): create_group,
    ("GET", "/groups"): list_groups,
    ("GET", "/groups/{group}"): on_group(),
    ("PATCH", "/groups/{group}"): on_group(body={"description": "y"}),
    ("POST", "/groups/{group}:change-members"): on_group(":change-members", {}),
    ("DELETE", "/groups/{group}"): on_group(),
    ("GET", "/audit"): audited("/audit?limit=1000"),
    ("GET", "/audit:export"): audited("/audit:export"),
    ("GET", "/changes"): audited("/changes?after=oldest&limit=5000"),
    ("POST", "/snapshots"): fixed("/snapshots", {}),
    ("GET", "/snapshots/{id}"): on_snapshot(),
    ("GET", "/snapshots/{id}/parts/{n}"): on_snapshot("/parts/1"),
    ("DELETE", "/snapshots/{id}"): on_snapshot(),
    ("POST", "/enterprises"): apply,
    ("GET", "/enterprises"): list_enterprises,
    ("GET", "/enterprises/{enterprise}"): on_enterprise("", state="applied"),
    ("POST", "/enterprises/{enterprise}:correct"): stating(":correct", "applied"),
    ("POST", "/enterprises/{enterprise}:request-change"): stating(":request-change", "active"),
    ("POST", "/enterprises/{enterprise}:approve"): on_enterprise(":approve", state="applied"),
    ("POST", "/enterprises/{enterprise}:reject"): on_enterprise(":reject", REASON, "applied"),
    ("POST", "/enterprises/{enterprise}:decide"): on_enterprise(":decide", {"decision": "approved"}, "approved"),
    ("POST", "/enterprises/{enterprise}:verify"): on_enterprise(
        ":verify", {"status": "verified", "method": "business register"}
    ),
    ("POST", "/enterprises/{enterprise}:suspend"): on_enterprise(":suspend", REASON),
    ("POST", "/enterprises/{enterprise}:resume"): on_enterprise(":resume", state="suspended"),
    ("POST", "/enterprises/{enterprise}:withdraw"): on_enterprise(":withdraw", REASON, "applied"),
    ("GET", "/takeover-terms"): fixed("/takeover-terms"),
    ("POST", "/files"): upload_file,
    ("GET", "/files/{file}"): on_file(),
    ("GET", "/files/{file}/content"): on_file("/content"),
    ("GET", "/regions"): fixed("/regions"),
    ("GET", "/industries"): fixed("/industries"),
    ("POST", "/jobs"): create_job,
    ("GET", "/jobs"): list_jobs,
    ("GET", "/jobs/{job}"): on_job(),
    ("GET", "/jobs/{job}/results"): on_job("/results"),
    ("POST", "/jobs/{job}:cancel"): on_job(":cancel"),
    ("GET", "/prefixes/{prefix}/report-keys"): report_keys,
    ("PUT", "/prefixes/{prefix}/report-keys/{label}"): put_report_key,
    ("DELETE", "/prefixes/{prefix}/report-keys/{label}"): revoke_report_key,
    ("GET", "/quotas"): list_quotas,
    ("GET", "/quotas/{enterprise}"): get_quota,
    ("PUT", "/quotas/{enterprise}"): put_quota,
    **{("GET", path): fixed(path) for path in SYNC},
    ("GET", "/sync/findings"): fixed("/sync/findings"),
    ("POST", "/sync:retry"): fixed("/sync:retry"),
    ("POST", "/sync:pause"): fixed("/sync:pause", {"tables": ["T9"]}),
    ("POST", "/sync:unpause"): fixed("/sync:unpause", {}),
    **{("POST", f"/sync/{name}"): fixed(f"/sync/{name}", STREAM) for name in ORDERS},
    ("POST", "/sync/open-rows:dismiss"): fixed("/sync/open-rows:dismiss", {**STREAM, "keys": ["88.118.8/A"]}),
    ("GET", "/sync/notes"): fixed("/sync/notes"),
    ("POST", "/sync/notes"): fixed("/sync/notes", NOTE),
    ("GET", "/sync/notes/{note}"): on_note(),
    ("PUT", "/sync/notes/{note}"): on_note(NOTE),
    ("DELETE", "/sync/notes/{note}"): on_note(),
    ("GET", "/sync/contacts"): fixed("/sync/contacts"),
    ("POST", "/sync/contacts"): fixed("/sync/contacts", CONTACT),
    ("POST", "/sync/contacts:sign"): entered_before(
        "/sync/contacts:sign", "/sync/contacts", CONTACT, "POST", {"signed_on": "2031-05-07"}
    ),
    ("GET", "/sync/agreement"): entered_before("/sync/agreement", "/sync/agreement", AGREEMENT, "PUT"),
    ("PUT", "/sync/agreement"): fixed("/sync/agreement", AGREEMENT),
    ("GET", "/monitor/metrics"): fixed(f"/monitor/metrics?date=2031-05-06&scope={PREFIX}"),
    ("GET", "/monitor/events"): fixed("/monitor/events"),
    ("GET", "/monthly-reports"): fixed("/monthly-reports"),
    ("GET", "/monthly-reports/{month}"): on_month(),
    ("GET", "/monthly-reports/{month}/documents/{form}"): on_month("/documents/pdf"),
    ("POST", "/events"): fixed("/events", {"prefix": PREFIX, "abnormal_type": 4}),
    ("POST", "/events/{event}:recover"): recover_event,
    ("GET", "/operator"): get_operator,
    ("PUT", "/operator"): put_operator,
    ("GET", "/operator/files/{file}"): operator_file,
    ("GET", "/operator/resolution"): fixed("/operator/resolution"),
    ("PUT", "/operator/resolution"): fixed("/operator/resolution", {"addresses": [ADDRESS]}),
    ("POST", "/applications"): fixed("/applications", APPLICATION),
    ("GET", "/applications"): list_applications,
    ("GET", "/applications/{application}"): on_application(),
    ("PUT", "/applications/{application}"): on_application(APPLICATION),
    ("DELETE", "/applications/{application}"): on_application(),
    ("GET", "/status"): fixed("/status"),
    ("GET", "/openapi.json"): fixed("/openapi.json"),
    ("GET", "/docs"): fixed("/docs"),
    # Last, because nothing can be changed between the two.
    ("GET", "/takeover"): fixed("/takeover"),
    ("POST", "/takeover:start"): fixed("/takeover:start", {"reason": "flood"}),
    ("POST", "/takeover:end"): fixed("/takeover:end"),
    ("GET", "/takeover/conflicts"): fixed("/takeover/conflicts"),
    ("POST", "/takeover/conflicts:decide"): decide_conflict,
}
SAMPLES = {(method, API + path): make for (method, path), make in SAMPLES.items()}
