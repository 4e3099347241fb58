"""The node's API as the bench uses it: a prefix, batches of records, one look-up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import aiohttp
import msgspec

from loadtest.peers.served import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

BATCH_TIMEOUT_S = 600
STARTING_S_MAX = 60
CONFLICT = 409
UNAVAILABLE = 503


class _Summary(msgspec.Struct):
    created: int = 0
    unchanged: int = 0


class _LastLine(msgspec.Struct):
    summary: _Summary


class NodeApi:
    """A session with a node; its writes are authorised by a token, its look-ups are anybody's."""

    def __init__(self, url: str, token: str) -> None:
        self._session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=BATCH_TIMEOUT_S))
        self._authorised = {"Authorization": f"Bearer {token}"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ensure_prefix(self, prefix: str) -> None:
        """Create a prefix, unless it is there already; waits while the registry is starting."""
        order = {"prefix": prefix, "name": "bench"}
        for _ in range(STARTING_S_MAX):
            async with self._session.post("/api/v1/prefixes", json=order, headers=self._authorised) as answer:
                if answer.ok or answer.status == CONFLICT:
                    return
                said = await answer.text()
            if answer.status != UNAVAILABLE:
                break
            await asyncio.sleep(1)
        raise ServerFailed(f"the prefix {prefix} was not created: {said}")

    async def put(self, identifier: str, values: list[dict[str, Any]]) -> None:
        """Create or replace a record, and wait until it resolves."""
        url = f"/api/v1/identifiers/{quote(identifier)}"
        async with self._session.put(url, json={"values": values}, headers=self._authorised) as answer:
            if not answer.ok:
                raise ServerFailed(f"{identifier} was not registered: {await answer.text()}")

    async def create_template(self, template: dict[str, Any]) -> None:
        """Create a template, unless it is there already."""
        async with self._session.post("/api/v1/templates", json=template, headers=self._authorised) as answer:
            if not answer.ok and answer.status != CONFLICT:
                raise ServerFailed(f"the template was not created: {await answer.text()}")

    async def register(self, batches: Iterable[bytes], *, rows: int, in_flight: int) -> None:
        """Send batches of NDJSON rows, `in_flight` at a time; raise ServerFailed unless all `rows` are registered."""
        waiting = iter(batches)
        taken: list[int] = []

        async def send() -> None:
            # Not one expression: the senders share the iterator, and each takes its next batch when it is free.
            for batch in waiting:
                registered = await self._send(batch)
                taken.append(registered)

        async with asyncio.TaskGroup() as senders:
            for _ in range(in_flight):
                senders.create_task(send())
        if sum(taken) != rows:
            raise ServerFailed(f"{rows - sum(taken):,} of {rows:,} rows were not registered")

    async def read(self, identifier: str) -> bytes:
        """Return the body that a look-up answers; raise ServerFailed when it is not that identifier's record."""
        async with self._session.get(f"/api/handles/{quote(identifier)}") as answer:
            body = await answer.read()
        said = msgspec.json.decode(body)
        if (said.get("responseCode"), said.get("handle")) != (1, identifier) or not said.get("values"):
            raise ServerFailed(f"{identifier} resolves to {body[:200]!r}")
        return body

    async def _send(self, batch: bytes) -> int:
        headers = self._authorised | {"Content-Type": "application/x-ndjson"}
        request = self._session.post(
            "/api/v1/identifiers:batch", params={"on_conflict": "skip"}, data=batch, headers=headers
        )
        async with request as answer:
            body = await answer.read()
        try:
            summary = msgspec.json.decode(body.rstrip(b"\n").rpartition(b"\n")[2], type=_LastLine).summary
        except msgspec.DecodeError as error:
            raise ServerFailed(f"a batch was answered {answer.status} {body[-200:]!r}") from error
        return summary.created + summary.unchanged


async def ensure_prefix(url: str, token: str, prefix: str) -> None:
    """Create a prefix on the node at `url`, unless it is there already."""
    async with NodeApi(url, token) as api:
        await api.ensure_prefix(prefix)
