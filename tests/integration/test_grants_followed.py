"""From a grant in the registry to what a resolver shows, by following the journal and by a snapshot."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from identifiers.changes import START
from registry.journal_source import PostgresJournalSource
from resolver.environment import MapLimits
from resolver.replica import ReplicaWriter
from tests.integration.running_worker import running
from tests.registry_api import Api, Client, running_api

NAME = "88.118.8/SN1"
GRANTS = "/api/v1/grants"
OPEN, SHUT = True, False

Follow = Callable[[PostgresJournalSource, Path], Awaitable[ReplicaWriter]]


async def by_journal(source: PostgresJournalSource, directory: Path) -> ReplicaWriter:
    """Fill a replica with every change there was."""
    writer = ReplicaWriter.create_next(directory, "epoch", MapLimits(1 << 20, 1 << 26))
    changes = await source.changes(START, 10_000)
    writer.apply(changes)
    writer.publish()
    return writer


async def by_snapshot(source: PostgresJournalSource, directory: Path) -> ReplicaWriter:
    """Fill a replica with what is the case now."""
    writer = ReplicaWriter.create_next(directory, "epoch", MapLimits(1 << 20, 1 << 26))
    async with source.snapshot() as snapshot:
        async for batch in snapshot.states():
            writer.apply(batch, snapshot.cursor)
    writer.publish()
    return writer


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running_one:
        yield running_one


class Story:
    """An owner with one secret value, a reader of another enterprise, and what the reader is shown."""

    def __init__(self, api: Api, directory: Path, follow: Follow) -> None:
        self.api = api
        self.directory = directory
        self.follow = follow

    async def begin(self) -> None:
        self.owner = await self.api.holder("enterprise_administrator", await self.api.prefix())
        self.others = await self.api.prefix("88.118.9", "Others")
        self.reader = await self.api.holder("reader", self.others)
        self.account = (await self.reader("GET", "/api/v1/whoami")).json["account"]
        items = [{"index": 2000, "name": "Recipe", "type": "recipe", "grade": 3}]
        template = {"code": "pump-1", "name": "Pumps", "items": items, "publish": True}
        await self.ask(self.owner, "POST", "/api/v1/templates", template)
        values = [{"index": 2000, "type": "recipe", "data": "secret recipe"}]
        put = {"values": values, "template": "pump-1"}
        await self.ask(self.owner, "PUT", f"/api/v1/identifiers/{NAME}", put)

    async def ask(self, client: Client, method: str, path: str, body: Any = None) -> Any:
        reply = await client(method, path, body)
        assert reply.status < 300, reply.body
        return reply.json

    async def grant(self, kind: str, subject: str, *, template: bool = True) -> str:
        object_ = {"kind": "template", "name": "pump-1"} if template else {"kind": "identifier", "name": NAME}
        body = {"subject": {"kind": kind, "id": subject}, "object": object_, "indexes": [2000]}
        return str((await self.ask(self.owner, "POST", GRANTS, body))["id"])

    async def shown(self) -> bool:
        """Return whether registry and resolver show the reader the secret; they must agree."""
        headers = {"Authorization": f"Bearer {self.reader.token}"}
        source = PostgresJournalSource(self.api.dsn)
        writer = await self.follow(source, self.directory / "replica")
        await source.aclose()
        async with running(self.directory) as worker:
            body = (await worker.ask(f"/api/handles/{NAME}", headers=headers))[2]
        writer.close()
        resolved = b"secret recipe" in body
        read = (await self.reader("GET", f"/api/v1/identifiers/{NAME}")).body
        assert (b"secret recipe" in read) == resolved
        return resolved


@pytest.fixture(params=[by_journal, by_snapshot])
async def story(api: Api, tmp_path: Path, request: pytest.FixtureRequest) -> Story:
    told = Story(api, tmp_path, request.param)
    await told.begin()
    return told


@pytest.mark.parametrize("template", [True, False])
async def test_a_grant_opens_a_value_until_it_is_revoked(story: Story, template: bool) -> None:  # noqa: FBT001 - a case
    assert await story.shown() is SHUT
    grant = await story.grant("account", story.account, template=template)
    assert await story.shown() is OPEN
    await story.ask(story.owner, "DELETE", f"{GRANTS}/{grant}")
    assert await story.shown() is SHUT


async def test_a_grant_to_an_enterprise_reaches_its_accounts(story: Story) -> None:
    await story.grant("enterprise", story.others)
    assert await story.shown() is OPEN


@pytest.mark.parametrize("member", ["accounts", "enterprises"])
async def test_a_grant_to_a_group_reaches_whoever_is_in_it_and_only_while_they_are(story: Story, member: str) -> None:
    group = (await story.ask(story.api.admin, "POST", "/api/v1/groups", {"name": "Maintenance"}))["id"]
    await story.grant("group", group)
    assert await story.shown() is SHUT
    one = {member: [story.account if member == "accounts" else story.others]}
    members = f"/api/v1/groups/{group}:change-members"
    await story.ask(story.api.admin, "POST", members, {"add": one})
    assert await story.shown() is OPEN
    await story.ask(story.api.admin, "POST", members, {"remove": one})
    assert await story.shown() is SHUT
    await story.ask(story.api.admin, "POST", members, {"add": one})
    await story.ask(story.api.admin, "DELETE", f"/api/v1/groups/{group}")
    assert await story.shown() is SHUT


async def test_a_disabled_account_sees_nothing_any_more(story: Story) -> None:
    await story.grant("account", story.account)
    assert await story.shown() is OPEN
    await story.ask(story.api.admin, "PATCH", f"/api/v1/accounts/{story.account}", {"state": "disabled"})
    assert await story.shown() is SHUT
