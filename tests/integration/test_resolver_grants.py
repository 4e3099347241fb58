"""Grants on the resolver's faces: a value of grade 3 leaves with a grant that names it, and never without."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from identifiers.changes import Change, CredentialState, GrantInForce, GrantState, IdentityState, grant_key
from identifiers.values import Value
from tests.integration.running_worker import Worker, fill, running
from tests.unit.replica_states import MOMENT, identifier_change, prefix_change

PREFIX = "88.118.8"
NAME, OTHER = f"{PREFIX}/SN1", f"{PREFIX}/SN2"
KEY = "hdl:88.118.8/SN1"
TEMPLATE = "pump-1"
NAMED, SECRET = 2001, 2002
VALUES = (
    Value(1, "NOTE", b"text for all"),
    Value(NAMED, "PRICE", b"text of grade two", permissions=0b1100),
    Value(SECRET, "RECIPE", b"text of grade three", permissions=0b0100),
)
GRADES = {b"text for all": 1, b"text of grade two": 2, b"text of grade three": 3}

Ask = Callable[[Worker, str | None], Awaitable[bytes]]


def change(kind: str, key: str, state: Any) -> Change:
    return Change(9, 9, MOMENT, kind, key, "create", msgspec.json.encode(state))


def holder(token: str, account: str, *, identity: dict[str, Any] | None = None, **credential: Any) -> list[Change]:
    """Return the changes that make an account with a token, of the role reader unless they say otherwise."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    made = CredentialState(digest, account, **{"role": "reader", **credential})
    changes = [change("credential", digest, made)]
    if identity is not None:
        whole = {"enterprise": made.enterprise, "role": made.role, "state": "active", **identity}
        changes.append(change("identity", account, IdentityState(account, **whole)))
    return changes


def granted(subject: str, object_: str, *grants: GrantInForce) -> Change:
    kind = "identifier" if object_.startswith("hdl:") else "template"
    state = GrantState("account", subject, kind, object_, list(grants))  # type: ignore[arg-type] # one of the two
    return change("grant", grant_key(subject, object_), state)


def grant(*indexes: int, enterprise: str = "1", right: str = "read", expires_at: str | None = None) -> GrantInForce:
    return GrantInForce("grt", enterprise, right, list(indexes) or None, expires_at)  # type: ignore[arg-type] # as above


def changes() -> list[Change]:
    """Return two records, and one account for each way in which a grant counts or does not."""
    return [
        prefix_change(1, PREFIX),
        identifier_change(2, NAME, *VALUES, template=TEMPLATE),
        identifier_change(3, OTHER, *VALUES),
        *holder("administrator", "acc_admin", role="administrator"),
        *holder("owner", "acc_owner", enterprise="1"),
        *holder("stranger", "acc_stranger", enterprise="2", identity={}),
        *holder("auditor", "acc_auditor", role="auditor"),
        *holder("by identifier", "acc_identifier"),
        granted("acc_identifier", KEY, grant(SECRET)),
        *holder("by template", "acc_template"),
        granted("acc_template", TEMPLATE, grant(SECRET)),
        *holder("by whole template", "acc_whole"),
        granted("acc_whole", TEMPLATE, grant()),
        *holder("granted owner", "acc_granted_owner", enterprise="1"),
        granted("acc_granted_owner", KEY, grant(SECRET)),
        *holder("in a group", "acc_member", identity={"groups": ["grp_1"]}),
        granted("grp_1", KEY, grant(SECRET)),
        *holder("of an enterprise", "acc_colleague", enterprise="3", identity={}),
        granted("3", TEMPLATE, grant(SECRET)),
        *holder("moved away", "acc_moved", enterprise="3", identity={"enterprise": "2"}),
        *holder("demoted", "acc_demoted", role="administrator", identity={"role": "reader"}),
        *holder("expired", "acc_expired"),
        granted("acc_expired", KEY, grant(SECRET, expires_at="2020-01-01T00:00:00.000Z")),
        *holder("to come to an end", "acc_ending"),
        granted("acc_ending", KEY, grant(SECRET, expires_at="2999-01-01T00:00:00.000Z")),
        *holder("writer", "acc_writer"),
        granted("acc_writer", KEY, grant(right="write")),
        *holder("of a former owner", "acc_former"),
        granted("acc_former", KEY, grant(enterprise="7")),
        *holder("revoked", "acc_revoked"),
        granted("acc_revoked", KEY, grant(SECRET)),
        granted("acc_revoked", KEY),
        *holder("narrowed", "acc_identifier", scopes=["identifiers"]),
        *holder("narrowed to reading", "acc_identifier", scopes=["read"]),
    ]


SEEN = {
    None: [1],
    "administrator": [1, 2],
    "owner": [1, 2],
    "stranger": [1],
    "auditor": [1],
    "by identifier": [1, 3],
    "by template": [1, 3],
    "by whole template": [1, 2, 3],
    "granted owner": [1, 2, 3],
    "in a group": [1, 3],
    "of an enterprise": [1, 3],
    "moved away": [1],
    "demoted": [1],
    "expired": [1],
    "to come to an end": [1, 3],
    "writer": [1],
    "of a former owner": [1],
    "revoked": [1],
    "narrowed": [1],
    "narrowed to reading": [1, 3],
}
"""Which grades of the record each of them sees."""


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    writer = fill(tmp_path / "replica", changes())
    async with running(tmp_path) as one:
        yield one
    writer.close()


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token is not None else {}


async def handle_json(worker: Worker, token: str | None) -> bytes:
    return (await worker.ask(f"/api/handles/{NAME}", headers=bearer(token)))[2]


async def handle_json_one_by_one(worker: Worker, token: str | None) -> bytes:
    """Ask for each value by its index."""
    asked = [worker.ask(f"/api/handles/{NAME}?index={value.index}", headers=bearer(token)) for value in VALUES]
    return b"".join([(await one)[2] for one in asked])


async def link_json(worker: Worker, token: str | None) -> bytes:
    return (await worker.ask(f"/{NAME}", headers=bearer(token) | {"Accept": "application/json"}))[2]


async def link_page(worker: Worker, token: str | None) -> bytes:
    return (await worker.ask(f"/{NAME}?noredirect", headers=bearer(token) | {"Accept": "text/html"}))[2]


async def lookup(worker: Worker, token: str | None) -> bytes:
    headers = bearer(token) | {"Content-Type": "application/json"}
    body = json.dumps({"identifiers": [NAME]})
    return (await worker.ask("/api/v1/lookup", "POST", data=body, headers=headers))[2]


FACES: list[Ask] = [handle_json, handle_json_one_by_one, link_json, link_page, lookup]


@pytest.mark.parametrize("face", FACES)
async def test_every_face_shows_each_reader_what_is_theirs_and_no_more(worker: Worker, face: Ask) -> None:
    seen = {}
    for token in SEEN:
        body = await face(worker, token)
        seen[token] = [grade for text, grade in GRADES.items() if text in body]
    assert seen == SEEN


@pytest.mark.parametrize("face", FACES)
async def test_a_grant_on_one_identifier_or_template_opens_no_other_record(worker: Worker, face: Ask) -> None:
    for token in ("by identifier", "by template", "by whole template"):
        assert b"grade three" in await face(worker, token)
        body = (await worker.ask(f"/api/handles/{OTHER}", headers=bearer(token)))[2]
        assert b"grade" not in body


async def test_look_ups_of_many_name_the_indexes_they_withhold(worker: Worker) -> None:
    body = json.dumps({"identifiers": [NAME, f"{PREFIX}/none"]})
    withheld = {}
    for token in (None, "owner", "by template", "by whole template"):
        headers = bearer(token) | {"Content-Type": "application/json"}
        found, absent = json.loads((await worker.ask("/api/v1/lookup", "POST", data=body, headers=headers))[2])[
            "results"
        ]
        assert absent["outcome"] == "absent"
        withheld[token] = found.get("withheld")
    assert withheld == {None: [NAMED, SECRET], "owner": [SECRET], "by template": [NAMED], "by whole template": None}


async def test_look_ups_of_many_refuse_a_token_that_proves_nothing(worker: Worker) -> None:
    headers = bearer("invented") | {"Content-Type": "application/json"}
    body = json.dumps({"identifiers": [NAME]})
    status, answered, refusal = await worker.ask("/api/v1/lookup", "POST", data=body, headers=headers)
    assert (status, json.loads(refusal)["code"]) == (401, "token_invalid")
    assert answered["WWW-Authenticate"] == 'Bearer realm="idnode"'


async def test_a_value_of_grade_three_is_refused_to_those_who_insist_without_a_grant(worker: Worker) -> None:
    path = f"/api/handles/{NAME}?index={SECRET}&publicOnly=false"
    codes = {}
    for token in (None, "administrator", "stranger", "by template"):
        codes[token] = json.loads((await worker.ask(path, headers=bearer(token)))[2])["responseCode"]
    assert codes == {None: 401, "administrator": 401, "stranger": 401, "by template": 1}


async def test_no_redirect_leads_to_an_address_that_is_not_public(tmp_path: Path) -> None:
    hidden = Value(1, "URL", b"https://secret.example.com/", permissions=0b0100)
    records = [
        *changes(),
        identifier_change(4, f"{PREFIX}/SN3", hidden),
        granted("acc_identifier", "hdl:88.118.8/SN3", grant()),
    ]
    writer = fill(tmp_path / "replica", records)
    async with running(tmp_path) as worker:
        for token in (None, "administrator", "by identifier"):
            status, headers, _ = await worker.ask(f"/{PREFIX}/SN3", headers=bearer(token))
            assert (status, headers.get("Location")) == (200, None)
    writer.close()


async def test_a_disabled_account_is_refused_on_every_face(tmp_path: Path) -> None:
    gone = holder("disabled", "acc_identifier", identity={"state": "disabled"})
    writer = fill(tmp_path / "replica", [*changes(), *gone])
    headers = bearer("disabled") | {"Content-Type": "application/json"}
    body = json.dumps({"identifiers": [NAME]})
    async with running(tmp_path) as worker:
        for path, method, more in (
            (f"/api/handles/{NAME}", "GET", {}),
            (f"/{NAME}", "GET", {}),
            ("/api/v1/lookup", "POST", {"data": body}),
        ):
            status, _, answer = await worker.ask(path, method, headers=headers, **more)
            assert status == 401, path
            assert b"grade" not in answer
    writer.close()


async def test_a_grant_or_its_end_counts_with_the_next_look_up(tmp_path: Path) -> None:
    writer = fill(tmp_path / "replica", changes())
    long_name = f"{PREFIX}/" + "泵" * 240
    async with running(tmp_path) as worker:
        writer.apply([identifier_change(20, long_name, *VALUES)])
        for state, expected in ((grant(SECRET), True), (None, False), (grant(), True)):
            given = (state,) if state is not None else ()
            writer.apply([granted("acc_stranger", f"hdl:{long_name}", *given)])
            body = (await worker.ask(f"/api/handles/{quote(long_name)}", headers=bearer("stranger")))[2]
            assert (b"grade three" in body) == expected
    writer.close()
