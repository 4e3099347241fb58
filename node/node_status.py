"""What a node adds to `GET /api/v1/status`: its processes, its files, and how reporting stands."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from node.paths import DataPaths
from registry.database import Pool, connected
from registry.states import instant
from registry.tables import read_only
from sync.status import ReporterStatus, reporter_status

Section = Callable[[], Awaitable[Any]]

HALTED_MAX: Final = 20
"""Halted streams shown by name; `idnode sync status` lists them all."""


def node_status(paths: DataPaths, pool: Pool, reporter: str = "") -> Mapping[str, Section]:
    """Return the sections by name; each reads anew when it is called. Without a `reporter` nothing is reported."""

    async def processes() -> Any:
        return await asyncio.to_thread(_processes, paths.node_file)

    async def spool() -> Any:
        return await asyncio.to_thread(_spool, paths.spool)

    async def sync() -> ReporterStatus:
        async with connected(pool) as connection:
            return await reporter_status(connection, reporter, datetime.now(UTC), HALTED_MAX)

    async def handle() -> Any:
        return await asyncio.to_thread(_handle, paths.node_file)

    async def takeover() -> Any:
        async with connected(pool) as connection:
            found = await read_only.find(connection)
        if found is None:
            return "none"
        return f"UNDER WAY since {instant(found.since)}, nothing is changed here: {found.reason}"

    sections = {"handle": handle, "processes": processes, "spool": spool, "take-over": takeover}
    return sections | ({"sync": sync} if reporter else {})


def _processes(node_file: Path) -> list[dict[str, Any]]:
    about = orjson.loads(node_file.read_bytes())
    return [{"name": name, "pid": pid} for name, pid in about["processes"].items()]


def _handle(node_file: Path) -> str:
    return str(orjson.loads(node_file.read_bytes())["handle"])


def _spool(directory: Path) -> dict[str, int]:
    sizes = [path.stat().st_size for path in directory.glob("*.json")]
    return {"segments": len(sizes), "octets": sum(sizes)}
