"""A client that registers through faults: it repeats what was not acknowledged and remembers what was."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp

from tests.support import NodeProcess

PREFIX = "88.118.8"
RETRY_STATUSES = {409, 429, 500, 502, 503, 504}
_PATIENCE_S = 60.0
_PAUSE_S = 0.05


@dataclass
class Registrations:
    """What was sent, and of it what the node acknowledged."""

    node: NodeProcess
    acknowledged: dict[str, str] = field(default_factory=dict)
    refusals: int = 0

    async def prepare(self) -> None:
        """Create the prefix."""
        async with aiohttp.ClientSession(headers=self.node.authorization) as session:
            body = {"prefix": PREFIX, "name": "Example Pumps"}
            async with session.post(self.node.url + "/api/v1/prefixes", json=body) as answer:
                assert answer.status == 201, await answer.text()

    async def register(self, numbers: range, writers: int = 8) -> None:
        """Register PREFIX/SN<number> for each number, each repeated until it is acknowledged."""
        waiting = iter(numbers)
        url, headers = self.node.url, self.node.authorization
        async with aiohttp.ClientSession(url, headers=headers) as session, asyncio.TaskGroup() as tasks:
            for _ in range(writers):
                tasks.create_task(self._write(session, waiting))

    async def _write(self, session: aiohttp.ClientSession, waiting: Iterator[int]) -> None:
        for number in waiting:
            await self._until_acknowledged(session, f"{PREFIX}/SN{number:06d}", f"https://example.com/{number}")

    async def _until_acknowledged(self, session: aiohttp.ClientSession, identifier: str, location: str) -> None:
        body = {"values": [{"index": 1, "type": "URL", "data": location}]}
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with session.put(f"/api/v1/identifiers/{identifier}", json=body) as answer:
                    if answer.status in (200, 201, 202):
                        await answer.json()
                        self.acknowledged[identifier] = location
                        return
                    assert answer.status in RETRY_STATUSES, f"{answer.status}: {await answer.text()}"
            except (aiohttp.ClientError, ConnectionError):
                pass
            self.refusals += 1
            await asyncio.sleep(_PAUSE_S)  # a client's pause before it tries again, not a wait for a condition
        raise AssertionError(f"{identifier} was not acknowledged within {_PATIENCE_S} s")


async def resolved_location(session: aiohttp.ClientSession, identifier: str) -> str | None:
    """Return the URL value of an identifier as the Handle JSON face shows it, None if it is not found."""
    async with session.get(f"/api/handles/{identifier}") as answer:
        if answer.status != 200:
            return None
        record = await answer.json()
        return next(value["data"]["value"] for value in record["values"] if value["type"] == "URL")
