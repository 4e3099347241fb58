"""What a node adds to `GET /api/v1/status` about its own processes and files."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from node.paths import DataPaths

Section = Callable[[], Awaitable[Any]]


def node_status(paths: DataPaths) -> Mapping[str, Section]:
    """Return the sections by name; each reads anew when it is called."""

    async def processes() -> Any:
        return await asyncio.to_thread(_processes, paths.node_file)

    async def spool() -> Any:
        return await asyncio.to_thread(_spool, paths.spool)

    return {"processes": processes, "spool": spool}


def _processes(node_file: Path) -> list[dict[str, Any]]:
    about = orjson.loads(node_file.read_bytes())
    return [{"name": name, "pid": pid} for name, pid in about["processes"].items()]


def _spool(directory: Path) -> dict[str, int]:
    sizes = [path.stat().st_size for path in directory.glob("*.json")]
    return {"segments": len(sizes), "octets": sum(sizes)}
