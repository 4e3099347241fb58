"""The file that `/monitor/v1/status` shows: how the services are, as the last round of the self-check saw them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

REGISTRATION: Final = "registration"
RESOLUTION: Final = "resolution "


class StatusFile:
    """The file of one node; `since` in it is when either service changed last."""

    def __init__(self, path: Path, prefix: str, version: str) -> None:
        self._path = path
        self._prefix = prefix
        self._version = version
        self._shown: tuple[str, str] = ("", "")
        self._since: datetime | None = None

    def write(
        self, states: Mapping[str, bool | None], at: datetime, *, lag_s: float | None, threshold_since: datetime | None
    ) -> None:
        """Put a round's outcome into the place of the one before; a disk that does not take it is told of elsewhere."""
        shown = (_word(states[REGISTRATION]), _word(states[RESOLUTION]))
        if shown != self._shown:
            self._shown, self._since = shown, at
        status = {
            "registration": shown[0],
            "resolution": shown[1],
            "since": _instant(self._since or at),
            "prefixes": [self._prefix],
            "version": self._version,
            "replica_lag_ms": None if lag_s is None else round(lag_s * 1000),
            "checked_at": _instant(at),
            "takeover_threshold_since": None if threshold_since is None else _instant(threshold_since),
        }
        fresh = self._path.with_suffix(".new")
        with suppress(OSError):
            fresh.write_text(json.dumps(status), "ascii")
            fresh.replace(self._path)


def _word(is_well: bool | None) -> str:  # noqa: FBT001 - the state itself
    return "unknown" if is_well is None else "up" if is_well else "down"


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
