"""Whatever the API description allows, and much that it does not: no request brings the registry down or surprises.

Requests are made from the description by schemathesis, and named things are put into them, so that they reach further
than "there is no such thing".
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # comes with schemathesis, without types
import pytest
import requests
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.app import make_app
from registry.service import takeover
from tests.enterprise_statements import details, documents
from tests.integration.authorisation.registry_samples import put_operator
from tests.integration.authorisation.world import PASSWORD, PREFIX, Caller, World
from tests.registry_api import running_api

NDJSON = "application/x-ndjson"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance]
ADMINISTRATOR, OWNER = Caller("administrator"), Caller("enterprise_administrator", "own")
SUBSTITUTED = 0.8
UNGUESSABLE = ("Idempotency-Key", "If-Match", "If-None-Match", "cursor", "since", "until", "applicant", "expires_at")
"""What has to have a certain form or meaning, and may be left out."""
PREFIX_STATES = ("active", "applied", "under_review", "suspended")
Names = Mapping[str, list[Any]]
"""What there is, by the name under which requests ask for it."""

schemathesis.serializer.alias(NDJSON, "application/json")  # one line is JSON


@dataclass(frozen=True)
class Served:
    """A registry with something of every kind in it."""

    url: str
    tokens: Mapping[Caller, str]
    names: Names


@pytest.fixture
async def served(registry_database: str, tmp_path: Path) -> AsyncIterator[Served]:
    async with running_api(registry_database, tmp_path, national_link=True) as api:
        world = World(api)
        await world.set_up()
        runner = web.AppRunner(make_app(api.context), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            names = await something_of_every_kind(world)
            tokens = {caller: str(world.people[caller].client.token) for caller in (ADMINISTRATOR, OWNER)}
            yield Served(f"http://{host}:{port}", tokens, names)
        finally:
            await runner.cleanup()


async def something_of_every_kind(world: World) -> Names:
    """Fill the registry, and say what is in it."""

    async def made(path: str, body: Any) -> str:
        return str((await world.do("POST", f"/api/v1{path}", body))["id"])

    person, username = await world.user("reader", world.mine)
    enterprises = [world.mine, *[await world.enterprise(state) for state in ("applied", "approved", "suspended")]]
    records = [await world.record() for _ in range(12)]
    operator = await put_operator(world, ADMINISTRATOR)
    operator_files = (await world.do("PUT", operator.path, operator.body))["details"]["org_id_images"]
    await world.do("PUT", f"/api/v1/aliases/{PREFIX}/ALIAS", {"identifier": records[0]})
    grant = {"subject": {"kind": "enterprise", "id": world.other}, "object": {"kind": "identifier", "name": records[0]}}
    row = json.dumps({"identifier": f"{PREFIX}/JOB", "values": []}).encode()
    job = await world.do("POST", "/api/v1/jobs?kind=import", data=row, headers={"Content-Type": NDJSON})
    papers = [await documents(world.people[ADMINISTRATOR].client, number=world.number) for _ in range(8)]
    files = [*operator_files, *[(await world.document())["id"] for _ in range(3)]]
    free = [f"88.118.{number}" for number in range(5_000, 5_010)]
    templates = [await world.template(publish=published) for published in (False, True) * 4]
    application = {
        "app_name": "Pump passport",
        "app_type": 2,
        "app_intro": "x",
        "app_users": 1,
        "recursive_service": "x",
        "app_developer": "x",
    }
    reservation = {"first": 10_000, "last": 10_001, "reason": "x"}
    return {
        "identifier": [*records, f"{PREFIX}/ALIAS"],
        "prefix": [PREFIX, *[await world.prefix(state) for state in PREFIX_STATES * 3], *free],
        "enterprise": enterprises,
        "enterprises": enterprises,
        "id": enterprises,
        "details": [details(number) for number in range(5_000, 5_010)],
        "documents": papers,
        "takeover_version": [takeover.VERSION],
        "current": [PASSWORD],
        "code": templates,
        "template": templates,
        "index": ["2000", "2001"],
        "grant": [await made("/grants", grant)],
        "group": [await made("/groups", {"name": "g", "enterprise": world.mine})],
        "account": [person],
        "accounts": [person],
        "username": [username],
        "token": [await made("/tokens", {"role": "reader", "label": "x"})],
        "file": files,
        "job": [job["id"]],
        "application": [await made("/applications", application)],
        "reservation": [await made("/prefix-reservations", reservation)],
    }


@pytest.mark.timeout(400)
async def test_no_request_of_the_description_is_answered_otherwise_than_it_says(served: Served) -> None:
    failures = await asyncio.to_thread(fuzz, served, ADMINISTRATOR, 6)
    assert not failures, "\n\n".join(failures)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("caller", [ADMINISTRATOR, OWNER], ids=str)
async def test_nor_are_very_many(served: Served, caller: Caller) -> None:
    failures = await asyncio.to_thread(fuzz, served, caller, 100)
    assert not failures, "\n\n".join(failures)


def fuzz(served: Served, caller: Caller, examples: int) -> list[str]:
    """Send examples of every operation, as it is described and as it is not, and tell what was wrong."""
    schema = schemathesis.openapi.from_url(f"{served.url}/api/v1/openapi.json")
    schema.config.generation.update(with_security_parameters=False)
    failures = []
    with requests.Session() as session:
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                send = sender(served, caller, session)
                try:
                    run(operation.as_strategy(generation_mode=mode), send, examples)
                except Unsatisfiable:
                    assert mode is GenerationMode.NEGATIVE, operation.label  # nothing there to be wrong
                except (AssertionError, FailureGroup, jsonschema.ValidationError) as error:
                    failures.append(f"{operation.label}, {mode.value}: {error}")
    return failures


def run(cases: st.SearchStrategy[Case[Any]], send: Callable[[Case[Any], int], None], examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, seed=st.integers(0, 2**32))
    def each(case: Case[Any], seed: int) -> None:
        send(case, seed)

    each()


def sender(served: Served, caller: Caller, session: requests.Session) -> Callable[[Case[Any], int], None]:
    headers = {"Authorization": f"Bearer {served.tokens[caller]}"}

    def send(case: Case[Any], seed: int) -> None:
        name_things(case, served.names, random.Random(seed))
        response = case.call(base_url=served.url, session=session, headers=headers, timeout=30)
        media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
        if media_type == NDJSON:
            case.validate_response(response, checks=CHECKS)
            check_lines(case, response.content)
        else:
            case.validate_response(response, checks=[*CHECKS, response_schema_conformance])

    return send


def name_things(case: Case[Any], names: Names, chance: random.Random) -> None:
    """Put things that there are in place of most names that were made up."""
    for place in (case.path_parameters, case.query, case.headers):
        for name in list(place or {}):
            if name in names and chance.random() < SUBSTITUTED:
                place[name] = chance.choice(names[name])
            elif name in UNGUESSABLE and chance.random() < SUBSTITUTED:
                del place[name]
    case.body = named(case.body, names, chance)


def named(body: Any, names: Names, chance: random.Random, member: str = "") -> Any:
    if isinstance(body, list):
        return [named(value, names, chance, member) for value in body]
    if member in names and type(names[member][0]) is type(body) and chance.random() < SUBSTITUTED:
        return chance.choice(names[member])
    if isinstance(body, dict):
        kept = {name: value for name, value in body.items() if name not in UNGUESSABLE or chance.random() > SUBSTITUTED}
        return {name: named(value, names, chance, name) for name, value in kept.items()}
    return body


def check_lines(case: Case[Any], content: bytes) -> None:
    """Check a stream of lines: each follows the schema, or where it ends with a summary, the last one does."""
    described = case.operation.schema.raw_schema
    operation = described["paths"][case.operation.path][case.operation.method.lower()]
    schema = operation["responses"]["200"]["content"][NDJSON]["schema"]
    lines = content.splitlines()
    for line in lines[-1:] if "BatchEnd" in schema["$ref"] else lines:
        jsonschema.Draft202012Validator(schema | {"components": described["components"]}).validate(json.loads(line))
