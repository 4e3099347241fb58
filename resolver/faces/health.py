"""`/livez`, `/readyz`, `/metrics` and `/monitor/v1/status`: for supervisors, load balancers and Prometheus."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp.web import BaseRequest, Response

from resolver.faces.desk import Desk
from resolver.faces.exposition import CONTENT_TYPE, merged
from resolver.faces.monitor_status import PATH as MONITOR_STATUS
from resolver.faces.monitor_status import monitor_status
from resolver.faces.request_target import Target
from resolver.metrics import Figures

PATHS: Final = ("/livez", "/readyz", "/metrics", MONITOR_STATUS)
FILE_OCTETS_MAX: Final = 4 << 20
STALE_S: Final = 10.0
"""A process rewrites its metrics every second; what is older than this is of a process that stands or is gone."""

_LAG: Final = "idnode_replica_lag_seconds "
_JSON: Final = {"Content-Type": "application/json", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class MetricFiles:
    """The figures all processes of the node leave in one directory."""

    directory: Path

    def read(self) -> Iterator[tuple[str, str]]:
        """Yield process and exposition, for those that still write theirs."""
        for path in sorted(self.directory.glob("*.prom")):
            try:
                stat = path.stat()
                if stat.st_size <= FILE_OCTETS_MAX and time.time() - stat.st_mtime <= STALE_S:
                    yield path.stem, path.read_text("utf-8", "replace")
            except FileNotFoundError:
                continue

    def lag_s(self) -> float | None:
        """Return the follower's lag in seconds, None when no follower tells it."""
        for _, text in self.read():
            for line in text.splitlines():
                if line.startswith(_LAG):
                    return float(line.removeprefix(_LAG))
        return None


class Health:
    """Serves these paths. `writes_possible` asks whether the registry takes writes now."""

    def __init__(
        self,
        desk: Desk,
        process: str,
        figures: Figures,
        files: MetricFiles,
        writes_possible: Callable[[], Awaitable[bool]],
    ) -> None:
        self._desk = desk
        self._process = process
        self._figures = figures
        self._files = files
        self._writes_possible = writes_possible
        self.draining = False

    async def serve(self, request: BaseRequest, target: Target) -> Response:
        """Answer GET and HEAD on these paths."""
        if request.method not in ("GET", "HEAD"):
            return Response(status=405, headers={"Allow": "GET, HEAD"})
        if target.path == "/livez":
            return _json(200, {"status": "alive"})
        if target.path == "/readyz":
            return await self._readiness()
        if target.path == MONITOR_STATUS:
            return _json(*monitor_status(self._files.directory.parent / "monitor.json"))
        return Response(body=(await self._exposition()).encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _readiness(self) -> Response:
        """Ready means: lookups can be answered. Writes and the follower are told of, and do not decide."""
        reader = self._desk.reader
        lookups = reader is not None and not self.draining
        body: dict[str, Any] = {
            "status": "draining" if self.draining else "ready" if lookups else "starting",
            "lookups": lookups,
            "writes": await self._writes_possible(),
        }
        if reader is not None:
            cursor = reader.cursor()
            body["replica"] = {"cursor": f"{cursor.xid} {cursor.seq}", "lag_s": self._files.lag_s()}
        return _json(200 if lookups else 503, body)

    async def _exposition(self) -> str:
        own = (self._process, (await self._figures.exposition()).decode())
        return merged([own, *(found for found in self._files.read() if found[0] != self._process)])


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(status=status, headers=_JSON, body=orjson.dumps(body))
