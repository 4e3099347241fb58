"""Readers of the change feed under test."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

from tests.registry_api import Client
from tests.support import eventually


async def changes(client: Client, tables: Sequence[str], after: str = "oldest") -> tuple[str, list[dict[str, Any]]]:
    """Return the cursor behind the changes of some tables, and the changes."""
    path = f"/api/v1/changes?after={after}&tables={','.join(tables)}&limit=5000"
    reply = await client("GET", path, headers={"Accept-Encoding": "identity"})
    assert reply.status == 200, reply.body
    head, *rows = reply.lines
    return head["next"], rows


async def snapshot(client: Client, tables: Sequence[str]) -> list[dict[str, Any]]:
    """Take a snapshot of some tables and return its rows."""
    asked = await client("POST", "/feed/v1/snapshots", {"tables": list(tables)})
    path = f"/feed/v1/snapshots/{asked.json['snapshot_id']}"

    async def ready() -> bool:
        return bool((await client("GET", path)).json["status"] == "ready")

    await eventually(ready)
    parts = (await client("GET", path)).json["parts"]
    texts = [gzip.decompress((await client("GET", part["path"])).body) for part in parts]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def latest(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Apply rows as a reader does who drops what is not newer."""
    held: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        before = held.get((row["table"], row["key"]))
        if before is None or before["ver"] <= row["ver"]:
            held[row["table"], row["key"]] = row
    return held
