"""How much of the traffic is turned away by limits of rate and number: a flood, or an attack (docking contract 5.2).

Read from the figures that workers and the registry publish, as what was added since the look before.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from node.monitor.watch import Probed

OF_COUNTED: Final = ('idnode_handle_datagrams_total{end="over_rate"}', "idnode_registry_rate_limited_total")
"""Turned away, and among those counted."""
UNCOUNTED: Final = ("idnode_connections_refused_total", "idnode_handle_connections_refused_total")
"""Turned away before anything was asked."""
COUNTED: Final = ("idnode_lookups_total{", 'idnode_registry_requests_total{outcome="answered"}')
PER_S_MIN: Final = 10.0
"""Less than so many turned away a second is somebody's mistake, whatever their share."""


class BlockedTraffic:
    """Looks at the figures of all processes of the host. `percent`: which share turned away is too much."""

    def __init__(self, metrics: Path, percent: int) -> None:
        self._metrics = metrics
        self._percent = percent
        self._seen: dict[tuple[str, str], float] = {}
        self._seen_at_s: float | None = None

    def look(self, now_s: float) -> Probed:
        """Judge what happened since the look before, at a moment in seconds; the first one says nothing."""
        before, since_s = self._seen, self._seen_at_s
        self._seen, self._seen_at_s = dict(_figures(self._metrics)), now_s
        if since_s is None or now_s <= since_s:
            return Probed(is_well=None)
        refused = self._added(before, UNCOUNTED)
        turned_away = refused + self._added(before, OF_COUNTED)
        total = max(turned_away, refused + self._added(before, COUNTED))
        if turned_away < PER_S_MIN * (now_s - since_s) or turned_away * 100 < self._percent * total:
            return Probed(is_well=True)
        share = round(100 * turned_away / total)
        return Probed(is_well=False, cause=f"limits turn {share} % of {total / (now_s - since_s):.0f} requests/s away")

    def _added(self, before: dict[tuple[str, str], float], names: tuple[str, ...]) -> float:
        """Return what was added to some series; a process that began anew counts from nothing."""
        added = 0.0
        for series, value in self._seen.items():
            if series[1].startswith(names):
                last = before.get(series, 0.0)
                added += value - last if value >= last else value
        return added


def _figures(metrics: Path) -> Iterator[tuple[tuple[str, str], float]]:
    for path in sorted(metrics.glob("*.prom")):
        if path.name.startswith(("worker", "registry")):
            try:
                lines = path.read_text("utf-8", "replace").splitlines()
            except OSError:
                continue
            for line in lines:
                name, _, value = line.rpartition(" ")
                if name.startswith((*OF_COUNTED, *UNCOUNTED, *COUNTED)):
                    yield (path.name, name), float(value)
