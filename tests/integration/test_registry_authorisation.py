"""Who may do what, tried over HTTP: every route, as every kind of caller, on a thing of one enterprise."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.api.routes import ROUTES
from registry.authority import AUTHORITY, ROLES, SCOPES, Action, Principal, Reach, authorise, check_reaches
from registry.errors import Forbidden, Unauthenticated
from registry.service import feed_snapshots
from registry.snms import routes as snms_routes
from tests.integration.authorisation import snms_expected, snms_samples
from tests.integration.authorisation.registry_expected import EXPECTED
from tests.integration.authorisation.registry_samples import SAMPLES
from tests.integration.authorisation.world import CALLERS, Caller, World, answers, differences
from tests.registry_api import Api, running_api


@pytest.fixture
async def api(registry_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(feed_snapshots, "BUILDING_MAX", len(CALLERS))  # a slow disk must not refuse the next caller
    async with running_api(registry_database, tmp_path, national_link=True) as running:
        yield running


@pytest.fixture
async def world(api: Api) -> World:
    world = World(api)
    await world.set_up()
    return world


def test_every_route_of_the_registry_has_its_expected_answers() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(EXPECTED), "each route needs an entry"
    assert set(SAMPLES) == set(EXPECTED), "each entry needs a request"


async def test_every_route_lets_in_exactly_whom_it_should(world: World) -> None:
    found = await answers(world, SAMPLES, registry_answer)
    wrong = differences(EXPECTED, found)
    assert not wrong, "\n".join(wrong)


def test_every_snms_call_has_its_expected_answers() -> None:
    assert {(route.method, route.path) for route in snms_routes.ROUTES} == set(snms_expected.EXPECTED)
    assert set(snms_samples.SAMPLES) == set(snms_expected.EXPECTED), "each entry needs a request"


async def test_every_snms_call_lets_in_exactly_whom_it_should(world: World) -> None:
    found = await answers(world, snms_samples.SAMPLES, snms_answer)
    wrong = differences(snms_expected.EXPECTED, found)
    assert not wrong, "\n".join(wrong)


def snms_answer(caller: Caller, status: int, body: bytes) -> str:
    """Do as `registry_answer` for the envelope; a file that is given has none."""
    if status != 200:
        return "?"
    said = json.loads(body)["status"] if body.startswith(b"{") else 1
    return {1: "+", -1 if caller.role is None else -3: "-"}.get(said, "?")


def registry_answer(caller: Caller, status: int, body: bytes) -> str:
    """Tell a request that was carried out from one that was refused, and both from a fault of the test."""
    if status < 300:
        return "+"
    if status == 409 and b'"not_reporting"' in body:  # who may give orders is told that this node has nothing to order
        return "+"
    if status == 404 and b'"unknown_snapshot"' in body:  # who may not see a snapshot is not told that it is there
        return "-"
    return "-" if status == (401 if caller.role is None else 403) else "?"


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
