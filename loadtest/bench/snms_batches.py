"""Records a second through the SNMS API: batchCreate with 1,500 records a call, from one caller or several at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from loadtest.bench import settings
from loadtest.bench.api import NodeApi
from loadtest.peers.served import ServerFailed

if TYPE_CHECKING:
    from loadtest.bench.running_node import BenchNode

CALL_RECORDS = 1_500
TIMEOUT_S = 120
VERSION = "A10"
ITEMS = (("product_name", 64), ("model", 32), ("batch", 32), ("produced_on", 10))
TEMPLATE = {
    "prefix": settings.SNMS_PREFIX,
    "version": VERSION,
    "industryCategory": "C",
    "industrySpecific": "34",
    "industryTrade": "344",
    "industrySubclass": "3441",
    "type": 2,
    "items": [
        {
            "name": name,
            "idType": name,
            "idIndex": 2000 + at,
            "required": at == 0,
            "metadata": {"type": "string", "minLength": 0, "maxLength": longest},
        }
        for at, (name, longest) in enumerate(ITEMS)
    ],
}


async def snms_rate(node: BenchNode, records: int, callers: int = 1) -> float:
    """Return the records a second of one round; every entry must have succeeded. Bodies are made before.

    Each caller sends its next call when the one before is answered.
    """
    async with NodeApi(node.served.url, node.token) as api:
        await api.ensure_prefix(settings.SNMS_PREFIX)
    headers = {"Authorization": f"Bearer {node.token}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(node.served.url, timeout=timeout, headers=headers) as session:
        await _ensure_template(session)
        bodies = _bodies(records, run=f"{time.time_ns():x}")
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for first in range(callers):
                group.create_task(_call(session, bodies[first::callers]))
        return records / (time.perf_counter() - began)


def _bodies(records: int, *, run: str) -> list[bytes]:
    """Return the bodies of the calls, for identifiers that no other round has."""
    entries = [_entry(f"{run}-{number:06d}") for number in range(records)]
    return [msgspec.json.encode(entries[at : at + CALL_RECORDS]) for at in range(0, records, CALL_RECORDS)]


def _entry(serial: str) -> dict[str, Any]:
    texts = (f"Axial piston pump {serial}", "A10-VSO-71", f"B{serial[-4:]}", "2026-03-14")
    return {
        "handle": f"{settings.SNMS_PREFIX}/{serial}",
        "templateVersion": VERSION,
        "value": [
            {"index": 2000 + at, "type": ITEMS[at][0], "data": {"format": "string", "value": text}}
            for at, text in enumerate(texts)
        ],
    }


async def _ensure_template(session: aiohttp.ClientSession) -> None:
    named = {"prefix": settings.SNMS_PREFIX, "version": VERSION}
    async with session.get("/snms/api/v5/template", params=named) as answer:
        if (await answer.json())["status"] == 1:
            return
    async with session.post("/snms/api/v5/template", json=TEMPLATE) as answer:
        said = await answer.json()
    if said["status"] != 1:
        raise ServerFailed(f"the template was not created: {said}")


async def _call(session: aiohttp.ClientSession, bodies: list[bytes]) -> None:
    for body in bodies:
        await _create(session, body)


async def _create(session: aiohttp.ClientSession, body: bytes) -> None:
    async with session.post("/identityv2/data/batchCreate", data=body) as answer:
        said = msgspec.json.decode(await answer.read())
    failed = [one for one in said["data"] or () if one["code"] != 1]
    if said["status"] != 1 or failed:
        raise ServerFailed(f"batchCreate: {failed[:1] or said}")
