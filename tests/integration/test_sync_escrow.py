"""Deposits: what is in them, that a registry comes back from them, and that nothing wrong with them goes unseen."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from sync import service
from tests.escrow import Desk, answers
from tests.registered_node import SCOPE, register, template, whole_node
from tests.registry_api import Api, running_api


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        yield running


@pytest.fixture
def desk(registry_database: str, tmp_path: Path) -> Desk:
    return Desk(registry_database, tmp_path)


async def test_full(api: Api, desk: Desk, database: str) -> None:
    await whole_node(api)
    await template(api, "PUMP")
    for number in range(3):
        await register(api, f"{SCOPE}/A{number}", "PUMP")
    handed = await desk.deposit()
    print(handed.package.manifest)
    await desk.restore(database)
    here, there = await answers(desk.settings.dsn), await answers(database)
    for k in here: 
        if here[k]!=there.get(k): print(k, here[k], there.get(k))
    await register(api, f"{SCOPE}/A7", "PUMP")
    await api.admin("DELETE", f"/api/v1/identifiers/{SCOPE}/A1")
    handed = await desk.deposit()
    print(handed.package.manifest)
