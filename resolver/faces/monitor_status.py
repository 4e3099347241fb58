"""`/monitor/v1/status`: whether the node works, as its self-check last saw it (docking contract 11).

Needs no token, costs a read of a small file, and is answered while the registry and PostgreSQL are away.
"""

import time
from pathlib import Path
from typing import Any, Final

import orjson

PATH: Final = "/monitor/v1/status"
STALE_S: Final = 180.0
"""The self-check writes every round, at least once a minute; an older file is of one that stands."""
OCTETS_MAX: Final = 65_536


def monitor_status(file: Path) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of the answer; 503 while no self-check runs."""
    try:
        stat = file.stat()
        if stat.st_size <= OCTETS_MAX and time.time() - stat.st_mtime <= STALE_S:
            found: dict[str, Any] = orjson.loads(file.read_bytes())
            return 200, found
    except (OSError, ValueError):
        pass
    return 503, {"registration": "unknown", "resolution": "unknown", "detail": "no self-check runs on this node"}
