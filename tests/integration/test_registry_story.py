"""One enterprise from its application to a withdrawn identifier, over HTTP on a node as a user runs it.

After each step the public port is asked what it resolves, on all its faces and as every party to the story.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from registry.service import takeover
from tests.documents import document
from tests.enterprise_statements import full_details, upload
from tests.registry_api import Client
from tests.support import NodeProcess

API = "/api/v1"
PREFIX, PARTNERS_PREFIX = "88.118.1", "88.118.2"
PASSWORD = "demo-password-1"
TEMPLATE = "pump"
SERIAL, NAME, PRICE, RECIPE, PART = 2000, 2001, 2002, 2003, 2004
ITEMS = [
    {"index": SERIAL, "name": "序列号", "type": "serial", "required": True, "unique": True},
    {"index": NAME, "name": "名称", "type": "label", "searchable": True, "length_max": 64},
    {"index": PRICE, "name": "单价", "type": "price", "data_type": "number", "decimals": 2, "grade": 2},
    {"index": RECIPE, "name": "配方", "type": "recipe", "domain": "rnd", "grade": 3},
    {"index": PART, "name": "部件", "type": "part", "data_type": "reference"},
]
COUNT = 2_000
LABEL, COST, SECRET = "Axial pump", "1999.50", "alloy 42, secret"
ONE, TWO, THREE = (f"{PREFIX}/SN{number:04d}" for number in (1, 2, 3))


def link(number: int) -> str:
    return f"https://example.com/pump/{number}"


def values(number: int, **changed: str) -> list[dict[str, Any]]:
    """Describe a pump: a link, and all items of its template. It was made from the one before it."""
    texts = {SERIAL: f"S-{number:04d}", NAME: LABEL, PRICE: COST, RECIPE: SECRET}
    if number > 1:
        texts[PART] = f"{PREFIX}/SN{number - 1:04d}"
    types = {int(str(item["index"])): str(item["type"]) for item in ITEMS}
    shown = [
        {"index": index, "type": types[index], "data": changed.get(types[index], text)} for index, text in texts.items()
    ]
    return [{"index": 1, "type": "URL", "data": link(number)}, *shown]


@dataclass
class Seen:
    """What somebody sees of an identifier, face by face: indexes of values, and every octet that was sent."""

    handle_json: list[int] = field(default_factory=list)
    lookup: list[int] = field(default_factory=list)
    registry: list[int] = field(default_factory=list)
    snms: list[int] = field(default_factory=list)
    octets: bytes = b""

    @property
    def agreed(self) -> list[int]:
        """The indexes, in which all faces have to agree."""
        assert self.handle_json == self.lookup, self
        assert self.registry in (self.lookup, []), self  # nothing for who may not ask there
        assert self.snms == self.registry, self
        return self.lookup

    def tells(self, text: str) -> bool:
        return text.encode() in self.octets


@dataclass(frozen=True)
class Stage:
    """A node, its administrator, and whoever has come into the story."""

    admin: Client

    def client(self, token: str | None) -> Client:
        return Client(self.admin.session, token, self.admin.base)

    @property
    def anyone(self) -> Client:
        return self.client(None)

    async def sign_in(self, username: str) -> Client:
        begun = await ask(self.anyone, "POST", f"{API}/sessions", {"username": username, "password": PASSWORD})
        return self.client(begun["token"])

    async def user(self, role: str, enterprise: str | None = None) -> Client:
        """Make a user, who signs in."""
        username = f"demo-{role.replace('_', '-')}-{(enterprise or 'node')[-4:]}"
        body = {"role": role, "enterprise": enterprise, "username": username, "password": PASSWORD}
        await ask(self.admin, "POST", f"{API}/accounts", body)
        return await self.sign_in(username)

    async def look(self, client: Client, name: str) -> Seen:
        """Ask every face for an identifier."""
        seen = Seen()
        reply = await client("GET", f"/api/handles/{name}")
        if reply.status == 200:
            seen.handle_json = [value["index"] for value in reply.json.get("values", [])]
        found = await client("POST", f"{API}/lookup", {"identifiers": [name]})
        seen.lookup = [value["index"] for value in found.json["results"][0].get("values", [])]
        page = await client("GET", f"/{name}?noredirect")
        link = await client("GET", f"/{name}")
        record = await client("GET", f"{API}/identifiers/{name}")
        if record.status == 200:
            seen.registry = [value["index"] for value in record.json["values"]]
        detail = await client("GET", f"/identityv2/data/detail?handle={name}")
        if detail.json["status"] == 1:
            seen.snms = [value["index"] for value in detail.json["data"]["value"]]
        for answer in (reply, found, page, link, record, detail):
            seen.octets += answer.body + repr(answer.headers).encode()
        return seen

    async def outcomes(self, names: Sequence[str]) -> list[str]:
        """Look up names as nobody in particular."""
        found = await ask(self.anyone, "POST", f"{API}/lookup", {"identifiers": list(names)})
        return [result["outcome"] for result in found["results"]]


async def ask(client: Client, method: str, path: str, body: Any = None, **rest: Any) -> Any:
    """Send a request that has to succeed at once: 202 would say that the resolver does not know of it yet."""
    reply = await client(method, path, body, **rest)
    assert reply.status in (200, 201), (method, path, reply.status, reply.body)
    return reply.json


async def refused(client: Client, method: str, path: str, body: Any = None, **rest: Any) -> tuple[int, str]:
    """Send a request that has to be refused; return status and code."""
    reply = await client(method, path, body, **rest)
    assert reply.status >= 400, (method, path, reply.status, reply.body)
    return reply.status, reply.json["code"]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with NodeProcess(tmp_path / "data") as node, aiohttp.ClientSession(auto_decompress=False) as session:
        stage = Stage(Client(session, node.token, node.url))
        await ask(stage.admin, "PUT", f"{API}/prefix-allocation", {"node_prefix": "88.118"})
        yield stage


async def become_an_enterprise(stage: Stage) -> tuple[Client, str]:
    """Apply, be rejected with a reason, correct what was wrong, and be approved."""
    applicant = await stage.user("applicant")
    reviewer = await stage.user("reviewer")
    statement: dict[str, Any] = {"details": full_details(), "documents": await papers(applicant), "hosted": True}
    wrong = {
        **statement,
        "details": {**full_details(), "org_id_number": "91990000MA0DEMAT2X", "industry_category": "X"},
    }
    terms = {"takeover_version": takeover.VERSION}
    reply = await applicant("POST", f"{API}/enterprises", {**wrong, **terms})
    assert {fault["field"] for fault in reply.json["errors"]} >= {"details.org_id_number", "details.industry_category"}

    applied = await ask(applicant, "POST", f"{API}/enterprises", {**statement, **terms})
    path = f"{API}/enterprises/{applied['id']}"
    assert (applied["state"], applied["prefixes"]) == ("applied", [{"prefix": PREFIX, "state": "applied"}])
    assert applied["details"] == full_details()
    assert await refused(applicant, "POST", f"{path}:approve") == (403, "role_not_allowed")
    assert await refused(applicant, "PUT", f"{API}/identifiers/{ONE}", {"values": []}) == (403, "role_not_allowed")

    reason = "The licence cannot be read"
    await ask(reviewer, "POST", f"{path}:reject", {"reason": reason})
    rejected = await ask(applicant, "GET", path)
    assert (rejected["state"], rejected["reason"]) == ("rejected", reason)
    assert await stage.outcomes([ONE]) == ["absent"]

    licence = (await upload(applicant, document(99)))["id"]
    statement["documents"] = {**statement["documents"], "org_id_images": [licence]}
    corrected = await ask(applicant, "POST", f"{path}:correct", statement)
    assert (corrected["state"], corrected["documents"]["org_id_images"]) == ("applied", [licence])
    approved = await ask(reviewer, "POST", f"{path}:approve")
    assert (approved["state"], approved["prefixes"]) == ("active", [{"prefix": PREFIX, "state": "active"}])
    assert await refused(reviewer, "POST", f"{path}:reject", {"reason": "late"}) == (409, "enterprise_move_not_allowed")

    page = await stage.anyone("GET", f"/{ONE}")
    assert (page.status, b"nothing is registered" in page.body) == (404, True)
    whoami = await ask(applicant, "GET", f"{API}/whoami")
    assert (whoami["role"], whoami["enterprise"]) == ("enterprise_administrator", applied["id"])
    return applicant, str(applied["id"])


async def papers(client: Client) -> dict[str, list[str]]:
    """Upload every document that an application may have."""
    names = (
        "org_id_images",
        "legal_rep_id_images",
        "contact_id_images",
        "service_build_contracts",
        "service_operation_contracts",
        "data_escrow_contracts",
        "service_escrow_contracts",
    )
    return {name: [(await upload(client, document(at)))["id"]] for at, name in enumerate(names)}


async def publish_a_template(owner: Client) -> None:
    body = {"code": TEMPLATE, "name": "泵", "prefix": PREFIX, "version": "A1", "items": ITEMS}
    draft = await ask(owner, "POST", f"{API}/templates", body)
    assert draft["state"] == "draft"
    one = {"values": values(1), "template": TEMPLATE}
    status, _ = await refused(owner, "PUT", f"{API}/identifiers/{ONE}", one)
    assert status in (409, 422)
    assert (await ask(owner, "POST", f"{API}/templates/{TEMPLATE}:publish"))["state"] == "published"


async def register_many(stage: Stage, owner: Client) -> None:
    names = [f"{PREFIX}/SN{number:04d}" for number in range(1, COUNT + 1)]
    rows = [{"identifier": name, "values": values(number)} for number, name in enumerate(names, 1)]
    bad = {"identifier": f"{PREFIX}/BAD", "values": [{"index": PRICE, "type": "price", "data": "1.999"}]}
    taken = {"identifier": f"{PREFIX}/TAKEN", "values": values(1)}
    *answers, last = await owner.batch([*rows, bad, taken], f"?template={TEMPLATE}")
    summary = last["summary"]
    assert (summary["created"], summary["rejected"], summary["resolvable"]) == (COUNT, 2, True), answers[:2]
    assert [answer["code"] for answer in answers[-2:]] == ["template_violated", "unique_value_taken"]
    again = (await owner.batch(rows[:100], f"?template={TEMPLATE}"))[-1]["summary"]
    assert again["unchanged"] == 100

    for half in (names[:1_000], names[1_000:]):
        assert await stage.outcomes(half) == ["found"] * 1_000
    opened = await stage.anyone("GET", f"/{ONE}")
    assert (opened.status, opened.headers["Location"]) == (302, link(1))
    found = await ask(owner, "GET", f"{API}/identifiers:search?prefix={PREFIX}&index={NAME}&begins=Axial&limit=5")
    assert [one["identifier"] for one in found["items"]] == names[:5]
    referrers = await ask(owner, "GET", f"{API}/identifiers:referrers?identifier={ONE}")
    assert [one["source"] for one in referrers["items"]] == [TWO]


async def change_one(stage: Stage, owner: Client) -> None:
    stale = {"values": [{"index": NAME, "type": "label", "data": "Axial pump, mark 2"}]}
    path = f"{API}/identifiers/{ONE}"
    assert (await ask(owner, "PATCH", path, stale, headers={"If-Match": '"1"'}))["version"] == 2
    assert await refused(owner, "PATCH", path, stale, headers={"If-Match": '"1"'}) == (412, "version_mismatch")
    assert (await stage.look(stage.anyone, ONE)).tells("mark 2")
    versions = await ask(owner, "GET", f"{API}/identifiers:history?identifier={ONE}")
    account = (await ask(owner, "GET", f"{API}/whoami"))["account"]
    assert [(one["version"], one["actor"]) for one in versions["items"]] == [(2, account), (1, account)]


async def share_with_a_partner(stage: Stage, owner: Client) -> None:
    """Grant grade 2 by the template and grade 3 by one identifier; what is not granted stays where it is."""
    partner_enterprise = await ask(
        stage.admin, "POST", f"{API}/prefixes", {"prefix": PARTNERS_PREFIX, "name": "Partners"}
    )
    enterprise = partner_enterprise["enterprise"]
    partner = await stage.user("enterprise_user", enterprise)
    everyone = [1, SERIAL, NAME]
    named = [*everyone, PRICE]

    async def seen(client: Client, name: str) -> list[int]:
        found = await stage.look(client, name)
        assert found.tells(SECRET) == (RECIPE in found.agreed), (name, found)
        assert found.tells(COST) == (PRICE in found.agreed), (name, found)
        return [index for index in found.agreed if index != PART]

    strangers = [stage.anyone, partner, await stage.user("reader"), await stage.user("auditor")]
    for stranger in strangers:
        assert await seen(stranger, ONE) == everyone
    for one in (owner, stage.admin):
        assert await seen(one, ONE) == named, "grade 3 opens by a grant only, whoever asks"

    subject = {"kind": "enterprise", "id": enterprise}
    of_template = {"subject": subject, "object": {"kind": "template", "name": TEMPLATE}, "indexes": [PRICE]}
    of_one = {"subject": subject, "object": {"kind": "identifier", "name": ONE}, "indexes": [RECIPE]}
    assert await refused(partner, "POST", f"{API}/grants", of_one) == (403, "role_not_allowed")
    by_template = await ask(owner, "POST", f"{API}/grants", of_template)
    by_name = await ask(owner, "POST", f"{API}/grants", of_one)
    assert await seen(partner, ONE) == [*named, RECIPE]
    assert await seen(partner, TWO) == named
    for stranger in (strangers[0], *strangers[2:]):
        assert await seen(stranger, ONE) == everyone
    assert await refused(partner, "PATCH", f"{API}/identifiers/{ONE}", {"remove": [NAME]}) == (403, "not_yours")
    exposure = await ask(owner, "GET", f"{API}/exposure")
    assert exposure["items"][0]["identifiers"] == COUNT
    assert by_template["id"] in json.dumps(exposure)

    await ask(owner, "DELETE", f"{API}/grants/{by_name['id']}")
    assert await seen(partner, ONE) == named
    await ask(owner, "DELETE", f"{API}/grants/{by_template['id']}")
    assert await seen(partner, ONE) == everyone


async def name_it_anew(stage: Stage, owner: Client) -> None:
    alias = f"{PREFIX}/OLD-LABEL"
    await ask(owner, "PUT", f"{API}/aliases/{alias}", {"identifier": ONE, "kind": "former"})
    opened = await stage.anyone("GET", f"/{alias}")
    assert (opened.status, opened.headers["Location"]) == (302, link(1))
    assert opened.headers["Link"] == f'</{ONE}>; rel="canonical successor-version"'
    result = (await ask(stage.anyone, "POST", f"{API}/lookup", {"identifiers": [alias]}))["results"][0]
    assert (result["outcome"], result["alias"], result["record"]) == ("found", "former", ONE)
    assert (await stage.look(stage.anyone, alias)).handle_json == (await stage.look(stage.anyone, ONE)).handle_json
    taken = {"values": values(3, serial="NEW"), "template": TEMPLATE}
    status, _ = await refused(owner, "PUT", f"{API}/identifiers/{alias}", taken)
    assert status == 409


async def withdraw_one(stage: Stage, owner: Client) -> None:
    """Withdraw an identifier: it says where to go, and nobody gets its name again."""
    await ask(owner, "DELETE", f"{API}/identifiers/{TWO}?successor={THREE}")
    gone = await stage.anyone("GET", f"/api/handles/{TWO}")
    assert (gone.status, gone.json["responseCode"]) == (404, 100)
    assert gone.headers["Link"] == f'</{THREE}>; rel="successor-version"'
    page = await stage.anyone("GET", f"/{TWO}")
    assert (page.status, THREE.encode() in page.body) == (410, True)
    result = (await ask(stage.anyone, "POST", f"{API}/lookup", {"identifiers": [TWO]}))["results"][0]
    assert (result["outcome"], result["successor"]) == ("gone", THREE)
    assert await refused(stage.anyone, "GET", f"{API}/identifiers/{TWO}") == (401, "token_missing")
    assert await refused(owner, "GET", f"{API}/identifiers/{TWO}") == (410, "identifier_withdrawn")
    again = {"values": values(2), "template": TEMPLATE}
    assert await refused(owner, "PUT", f"{API}/identifiers/{TWO}", again) == (409, "identifier_withdrawn")
    assert await stage.outcomes([ONE, THREE]) == ["found", "found"]


async def everything_is_on_record(stage: Stage, owner: Client, enterprise: str) -> None:
    """Find each step in the audit log with who took it; passwords and tokens are nowhere in it."""
    account = (await ask(owner, "GET", f"{API}/whoami"))["account"]
    log = (await stage.admin("GET", f"{API}/audit:export")).lines
    own = {(entry["action"], entry["object"]) for entry in log if entry["actor"] == account}
    told = "\n".join(f"{action} {object_}" for action, object_ in own)
    for step in (enterprise, f"template {TEMPLATE}", ONE, TWO, "grant", "OLD-LABEL"):
        assert step in told, step
    whole = json.dumps(log)
    assert PASSWORD not in whole
    assert str(owner.token) not in whole
    auditor = await stage.sign_in("demo-auditor-node")
    assert (await auditor("GET", f"{API}/audit?limit=1")).status == 200


async def the_prefix_is_stopped_and_goes_on(stage: Stage, enterprise: str) -> None:
    """Suspend the enterprise: nothing of it resolves; resume it: everything does."""
    path = f"{API}/enterprises/{enterprise}"
    await ask(stage.admin, "POST", f"{path}:suspend", {"reason": "contract ended"})
    assert await stage.outcomes([ONE, THREE]) == ["gone", "gone"]
    assert (await stage.anyone("GET", f"/{ONE}")).status == 410
    await ask(stage.admin, "POST", f"{path}:resume")
    assert await stage.outcomes([ONE, THREE]) == ["found", "found"]


@pytest.mark.timeout(300)
async def test_an_enterprise_comes_registers_shares_and_withdraws(stage: Stage) -> None:
    owner, enterprise = await become_an_enterprise(stage)
    await publish_a_template(owner)
    await register_many(stage, owner)
    await change_one(stage, owner)
    await share_with_a_partner(stage, owner)
    await name_it_anew(stage, owner)
    await withdraw_one(stage, owner)
    await everything_is_on_record(stage, owner, enterprise)
    await the_prefix_is_stopped_and_goes_on(stage, enterprise)
