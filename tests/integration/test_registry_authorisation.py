"""Who may do what, tried over the API: every route, as each kind of caller, on a thing of one enterprise."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.api.routes import ROUTES
from registry.api.routing import NDJSON, Route
from registry.authority import AUTHORITY, ROLES, SCOPES, Action, Principal, Reach, authorise, check_reaches
from registry.errors import Forbidden, Unauthenticated
from tests.registry_api import VALUES, Api, Client, running_api

CALLERS = ("administrator", "owner", "other enterprise", "own reader", "other reader", "free reader", "nobody")
EVERYONE = set(CALLERS)
KNOWN = EVERYONE - {"nobody"}
ADMINISTRATOR = {"administrator"}
WRITERS = {"administrator", "owner"}
READERS = {"administrator", "owner", "own reader"}
ENTERPRISES = {"administrator", "owner", "other enterprise"}

ALLOWED: dict[tuple[str, str], set[str]] = {
    ("PUT", "/api/v1/identifiers/{identifier}"): WRITERS,
    ("GET", "/api/v1/identifiers/{identifier}"): KNOWN,  # of others' the public values
    ("PATCH", "/api/v1/identifiers/{identifier}"): WRITERS,
    ("DELETE", "/api/v1/identifiers/{identifier}"): WRITERS,
    ("GET", "/api/v1/identifiers"): READERS,
    ("POST", "/api/v1/identifiers:batch"): ENTERPRISES,  # lines below others' prefixes are rejected
    ("POST", "/api/v1/prefixes"): ADMINISTRATOR,
    ("GET", "/api/v1/prefixes"): KNOWN,  # each sees its own
    ("GET", "/api/v1/prefixes/{prefix}"): READERS,
    ("PATCH", "/api/v1/prefixes/{prefix}"): ADMINISTRATOR,
    ("POST", "/api/v1/templates"): WRITERS,
    ("GET", "/api/v1/templates"): KNOWN,  # each sees its own and the node's
    ("GET", "/api/v1/templates/{code}"): READERS,
    ("DELETE", "/api/v1/templates/{code}"): WRITERS,
    ("POST", "/api/v1/tokens"): ADMINISTRATOR,
    ("GET", "/api/v1/tokens"): ADMINISTRATOR,
    ("DELETE", "/api/v1/tokens/{token}"): ADMINISTRATOR,
    ("GET", "/api/v1/whoami"): KNOWN,
    ("GET", "/api/v1/status"): ADMINISTRATOR,
    ("GET", "/api/v1/openapi.json"): EVERYONE,
    ("GET", "/api/v1/docs"): EVERYONE,
}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def callers(api: Api, mine: str, other: str) -> dict[str, Client]:
    return {
        "administrator": api.admin,
        "owner": await api.holder("enterprise_administrator", mine),
        "other enterprise": await api.holder("enterprise_administrator", other),
        "own reader": await api.holder("reader", mine),
        "other reader": await api.holder("reader", other),
        "free reader": await api.holder("reader"),
        "nobody": api.client(None),
    }


class Sample:
    """A request for each route, on things of the enterprise `mine`, fresh for each caller."""

    def __init__(self, api: Api, mine: str) -> None:
        self.api = api
        self.mine = mine
        self.number = 0

    async def request(self, route: Route) -> tuple[str, dict[str, Any]]:
        """Prepare what the route acts on, and return the path and what to send."""
        self.number += 1
        name, code = f"88.118.8/SN{self.number}", f"t{self.number}"
        items = [{"index": 2000, "name": "n", "type": "n"}]
        if "{identifier}" in route.path:
            await self.api.admin("PUT", f"/api/v1/identifiers/{name}", {"values": VALUES})
        if "{code}" in route.path:
            body = {"code": code, "name": "T", "items": items, "enterprise": self.mine}
            await self.api.admin("POST", "/api/v1/templates", body)
        token = ""
        if "{token}" in route.path:
            token = (await self.api.admin("POST", "/api/v1/tokens", {"role": "reader", "label": "x"})).json["id"]
        path = route.path.format(identifier=name, prefix="88.118.8", code=code, token=token)
        bodies: dict[tuple[str, str], Any] = {
            ("PUT", "/api/v1/identifiers/{identifier}"): {"values": []},
            ("PATCH", "/api/v1/identifiers/{identifier}"): {"remove": [1]},
            ("POST", "/api/v1/prefixes"): {"prefix": f"88.118.{100 + self.number}", "name": "x"},
            ("PATCH", "/api/v1/prefixes/{prefix}"): {"name": "x"},
            ("POST", "/api/v1/templates"): {"code": code, "name": "T", "items": items, "enterprise": self.mine},
            ("POST", "/api/v1/tokens"): {"role": "reader", "label": "x"},
        }
        if route.request_type == NDJSON:
            return path, {"data": b"", "headers": {"Content-Type": NDJSON}}
        if route.path == "/api/v1/identifiers":
            path += "?prefix=88.118.8"
        return path, {"body": bodies.get((route.method, route.path))}


async def test_every_route_lets_in_exactly_whom_it_should(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    clients, sample = await callers(api, mine, other), Sample(api, mine)
    assert {(route.method, route.path) for route in ROUTES} == set(ALLOWED), "each route needs an entry above"
    wrong = []
    for route in ROUTES:
        for caller, client in clients.items():
            path, sent = await sample.request(route)
            reply = await client(route.method, path, **sent)
            allowed = caller in ALLOWED[route.method, route.path]
            expected = "success" if allowed else "401" if caller == "nobody" else "403"
            found = "success" if reply.status < 300 else str(reply.status)
            if found != expected:
                wrong.append(
                    f"{caller}: {route.method} {route.path} gave {reply.status}, not {expected}: {reply.body!r}"
                )
    assert not wrong, "\n".join(wrong)


async def test_head_is_as_guarded_as_get(api: Api) -> None:
    await api.prefix()
    assert (await api.client(None)("HEAD", "/api/v1/prefixes/88.118.8")).status == 401
    assert (await api.admin("HEAD", "/api/v1/prefixes/88.118.8")).status == 200


@pytest.mark.parametrize("action", list(Action))
def test_every_action_has_an_answer_for_every_role(action: Action) -> None:
    assert set(AUTHORITY[action]) == {*ROLES, None}
    assert AUTHORITY[action]["administrator"] is Reach.EVERYTHING
    for role in (*ROLES, None):
        principal = Principal("acc", role, "ent") if role else None
        if AUTHORITY[action][role] is Reach.NOTHING:
            with pytest.raises(Forbidden if role else Unauthenticated):
                authorise(principal, action)
        else:
            assert authorise(principal, action) is AUTHORITY[action][role]


@pytest.mark.parametrize(
    ("role", "of", "action", "expected"),
    [
        ("administrator", "other", Action.WRITE_IDENTIFIER, Reach.EVERYTHING),
        ("enterprise_administrator", "mine", Action.WRITE_IDENTIFIER, Reach.EVERYTHING),
        ("enterprise_administrator", "other", Action.WRITE_IDENTIFIER, None),
        ("enterprise_administrator", None, Action.WRITE_IDENTIFIER, None),
        ("enterprise_administrator", "other", Action.READ_IDENTIFIER, Reach.OWN_AND_PUBLIC),
        ("reader", "mine", Action.READ_IDENTIFIER, Reach.EVERYTHING),
        ("reader", "other", Action.READ_IDENTIFIER, Reach.OWN_AND_PUBLIC),
        ("reader", None, Action.READ_TEMPLATE, Reach.EVERYTHING),
        ("reader", "other", Action.READ_TEMPLATE, None),
    ],
)
def test_an_action_reaches_things_by_whose_they_are(role: Any, of: str | None, action: Action, expected: Any) -> None:
    principal = Principal("acc", role, None if role == "administrator" else "mine")
    if expected is None:
        with pytest.raises(Forbidden):
            check_reaches(principal, action, of)
    else:
        assert check_reaches(principal, action, of) is expected


def test_who_has_no_enterprise_owns_nothing() -> None:
    with pytest.raises(Forbidden):
        check_reaches(Principal("acc", "reader"), Action.LIST_IDENTIFIERS, None)


def test_a_narrowed_token_does_only_what_its_scopes_name() -> None:
    narrowed = Principal("acc", "enterprise_administrator", "mine", frozenset({"read", "templates"}))
    assert check_reaches(narrowed, Action.CREATE_TEMPLATE, "mine") is Reach.EVERYTHING
    assert authorise(narrowed, Action.READ_IDENTIFIER) is Reach.OWN_AND_PUBLIC
    assert authorise(narrowed, Action.CHANGE_OWN_ACCOUNT)
    with pytest.raises(Forbidden, match="narrowed"):
        authorise(narrowed, Action.WRITE_IDENTIFIER)


def test_every_guarded_action_belongs_to_some_scope() -> None:
    open_to_all = {
        Action.READ_API_DESCRIPTION,
        Action.READ_CODE_TABLES,
        Action.SIGN_IN,
        Action.READ_OWN_ACCOUNT,
        Action.CHANGE_OWN_ACCOUNT,
    }
    assert set().union(*SCOPES.values()) | open_to_all == set(Action)
