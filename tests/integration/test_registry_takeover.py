"""An emergency take-over: nothing is changed here meanwhile, and what another body registered comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from typer.testing import CliRunner

from node.cli import app
from node.node_status import node_status
from node.paths import DataPaths
from registry.app import make_app
from registry.database import connected, transaction
from registry.service import takeovers
from registry.service.takeovers import Content, Outcome, Taken
from sync import service
from sync.state_feed import StateFeed
from sync.takeover import AfterTakeovers
from tests.escrow import Desk, answers
from tests.integration.test_registry_snms_identifiers import TEMPLATE
from tests.registered_node import REPORTER, SCOPE, register, template, whole_node
from tests.registry_api import Api, Reply, running_api
from tests.sync_reporting import given_context

CONFLICTS = "/api/v1/takeover/conflicts"
URL = {"index": 1, "type": "URL", "data": "https://example.com/1"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        await running.prefix()
        yield running


async def put(api: Api, name: str, values: Any = (URL,)) -> Reply:
    return await api.admin("PUT", f"/api/v1/identifiers/88.118.8/{name}", {"values": list(values)})


async def values_of(api: Api, name: str) -> list[Any]:
    reply = await api.admin("GET", f"/api/v1/identifiers/88.118.8/{name}")
    return [value["data"]["value"] for value in reply.json["values"]]


def taken(name: str, *urls: str, state: Any = "active", **more: Any) -> Taken:
    texts = ({"format": "string", "value": url} for url in urls)
    values = [{"index": at, "type": "URL", "data": text} for at, text in enumerate(texts, 1)]
    content = Content(state, msgspec.Raw(json.dumps(values).encode()), created_at="2024-05-06T01:02:03.000Z", **more)
    return Taken(f"88.118.8/{name}", content)


async def merge(api: Api, *names: Taken) -> dict[Outcome, int]:
    async with transaction(api.context.pool) as connection:
        return dict(await takeovers.merge(connection, datetime.now(UTC), names))


async def test_an_operator_declares_and_ends_it_and_software_is_told(api: Api, tmp_path: Path) -> None:
    shown = node_status(DataPaths(tmp_path), api.context.pool)["take-over"]
    made = await api.admin("POST", "/snms/api/v5/template", {**TEMPLATE, "prefix": "88.118.8"})
    assert made.json["status"] == 1, made.body
    assert (await api.admin("POST", "/api/v1/takeover:start", {"reason": "flood"})).json["read_only"]
    refused = await put(api, "A")
    assert (refused.status, refused.json["code"]) == (409, "read_only")
    value = {"index": 2000, "type": "product_name", "data": {"format": "string", "value": "泵"}}
    asked = {"handle": "88.118.8/A", "templateVersion": "A10", "value": [value]}
    old = await api.admin("POST", "/identityv2/data", asked)
    assert (old.json["status"], old.json["message"]) == (-2, "应急接管期间，本节点不受理注册和变更")
    told = (await api.admin("GET", "/api/v1/takeover")).json
    assert (told["takeovers"][0]["reason"], told["takeovers"][0]["ended_at"]) == ("flood", None)
    assert (await shown()).endswith("nothing is changed here: flood")
    ended = (await api.admin("POST", "/api/v1/takeover:end")).json
    assert (ended["read_only"], ended["takeovers"][0]["ended_at"] is None) == (False, False)
    assert await shown() == "none"
    assert (await put(api, "A")).status < 300


async def test_what_is_new_is_registered_the_same_is_left_and_the_rest_waits_for_a_person(api: Api) -> None:
    await put(api, "SAME")
    await put(api, "OTHER")
    await put(api, "GONE")
    await api.admin("POST", "/api/v1/takeover:start", {"reason": "flood"})
    theirs = (
        taken("NEW", "https://example.com/new"),
        taken("SAME", "https://example.com/1"),
        taken("OTHER", "https://example.com/other"),
        taken("GONE", state="withdrawn", successor="88.118.8/NEW"),
        Taken("88.119/X", Content("active")),
        taken("ALSO", state="alias", successor="88.118.8/NEW", alias_kind="former"),
    )
    assert await merge(api, *theirs) == {"registered": 2, "same": 1, "conflict": 3}
    assert await values_of(api, "NEW") == ["https://example.com/new"]
    created = (await api.admin("GET", "/api/v1/identifiers/88.118.8/NEW")).json["created_at"]
    assert created == "2024-05-06T01:02:03.000Z"  # as it was registered there
    assert await merge(api, *theirs) == {"same": 3, "conflict": 3}

    listed = {one["identifier"]: one for one in (await api.admin("GET", CONFLICTS)).json["items"]}
    assert set(listed) == {"88.118.8/OTHER", "88.118.8/GONE", "88.119/X"}
    assert listed["88.119/X"]["ours"] is None
    assert listed["88.119/X"]["reason"].startswith("unknown_prefix")
    assert listed["88.118.8/OTHER"]["ours"]["values"][0]["data"]["value"] == "https://example.com/1"
    assert listed["88.118.8/OTHER"]["theirs"]["values"][0]["data"]["value"] == "https://example.com/other"

    async def decide(identifier: str, side: str) -> Reply:
        return await api.admin("POST", f"{CONFLICTS}:decide", {"identifier": identifier, "decision": side})

    assert (await decide("88.118.8/OTHER", "theirs")).status == 200
    assert (await decide("88.118.8/GONE", "theirs")).status == 200
    assert (await decide("88.119/X", "theirs")).json["code"] == "unknown_prefix"
    assert (await decide("88.119/X", "ours")).json["decision"] == "ours"
    assert (await decide("88.118.8/OTHER", "ours")).json["code"] == "conflict_decided"
    assert (await decide("88.118.8/SAME", "ours")).json["code"] == "unknown_conflict"
    assert await values_of(api, "OTHER") == ["https://example.com/other"]
    gone = await api.admin("GET", "/api/v1/identifiers/88.118.8/GONE")
    assert (gone.status, gone.json["code"]) == (410, "identifier_withdrawn")
    assert (await api.admin("GET", CONFLICTS)).json["items"] == []
    assert len((await api.admin("GET", f"{CONFLICTS}?state=all")).json["items"]) == 3
    assert (await put(api, "LATER")).json["code"] == "read_only"  # nobody else changes anything meanwhile


async def test_the_end_is_followed_by_full_sets_of_routes_once(api: Api, registry_database: str) -> None:
    await whole_node(api)
    async with given_context(registry_database) as context:
        while (await StateFeed(context).step()).read:
            pass
        after = AfterTakeovers(context)
        async with transaction(api.context.pool) as connection:
            await takeovers.begin(connection, datetime.now(UTC), "flood", "operator")
        assert not await after.step()
        async with transaction(api.context.pool) as connection:
            await takeovers.end(connection, datetime.now(UTC), "operator")
        assert await after.step()
        assert not await after.step()
        async with connected(api.context.pool) as connection:
            full = await connection.fetch(
                "SELECT DISTINCT s.table_id, s.scope FROM report_batches b JOIN report_streams s USING (stream_id) "
                "WHERE b.mode = 'full' ORDER BY 1, 2"
            )
    assert [tuple(row) for row in full] == [("T2", REPORTER), ("T7", SCOPE), ("T7", "88.118.8")]


@pytest.mark.slow
async def test_the_deposit_of_the_other_body_is_entered_from_the_command_line(
    api: Api, registry_database: str, database: str, tmp_path: Path
) -> None:
    await whole_node(api)
    await template(api, "PUMP")
    await register(api, f"{SCOPE}/A", "PUMP")
    await register(api, f"{SCOPE}/B", "PUMP")
    here = Desk(registry_database, tmp_path)
    await here.deposit()
    await here.restore(database)

    there = tmp_path / "there"
    there.mkdir()
    other = Desk(database, there)
    async with running_api(database, there, national_link=False) as running:
        body = replace(running, admin=running.client((tmp_path / "token").read_text()))
        await other.deposit()
        await register(body, f"{SCOPE}/C", "PUMP")
        await register(body, f"{SCOPE}/B", "PUMP", "改")
        alias = await body.admin("PUT", f"/api/v1/aliases/{SCOPE}/OLD", {"identifier": f"{SCOPE}/C", "kind": "former"})
        assert alias.status < 300, alias.body
        await other.deposit()
        async with serving(body) as url:
            await _given_back(registry_database, database, tmp_path, other, url)


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[str]:
    """Serve a registry where another node can reach it."""
    runner = web.AppRunner(make_app(api.context))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _given_back(registry_database: str, database: str, tmp_path: Path, other: Desk, url: str) -> None:
    config = tmp_path / "idnode.toml"
    config.write_text(f'database.dsn = "{registry_database}"\n')

    def operator(*arguments: str) -> Any:
        named = (*arguments, "--config", str(config), "--data-dir", str(tmp_path))
        # A command has an event loop of its own.
        return asyncio.to_thread(lambda: CliRunner().invoke(app, ["takeover", *named]))

    keys = ("--key", str(other.base / "own.pem"), "--signer", str(other.base / "own.pem.pub"))
    assert (await operator("start", "--reason", "flood")).exit_code == 0
    entered = await operator("import", str(other.backup), *keys)
    assert (entered.exit_code, entered.output.splitlines()[0]) == (0, "2 registered, 1 the same, 1 in conflict")
    shown = await operator("conflicts", "--json")
    assert [one["identifier"] for one in json.loads(shown.output)] == [f"{SCOPE}/B"]
    assert "1 settled, 0 refused" in (await operator("decide", "theirs", "--all")).output
    assert "0 conflicts" in (await operator("status")).output
    of_feed = await operator("import", "--feed", url, "--token-file", str(tmp_path / "token"))
    assert of_feed.output.splitlines()[0] == "0 registered, 4 the same, 0 in conflict", of_feed.output
    assert (await operator("end")).exit_code == 0
    mine, theirs = await answers(registry_database), await answers(database)
    of_names = [key for key in theirs if key[0] in ("identifier", "alias")]
    assert [_told(mine[key]) for key in of_names] == [_told(theirs[key]) for key in of_names]
    assert (await operator("import")).exit_code == 2


def _told(after: bytes) -> dict[str, Any]:
    state = json.loads(after)
    for name in ("version", "updated_at", "created_at"):
        state.pop(name, None)
    for value in state.get("values", ()):
        value.pop("timestamp", None)
    return dict(state)
