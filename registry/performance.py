"""The performance of a day, M1 and M2, as the national node sees it (docking contract 5.1). Pure but for reading."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from registry import day_figures
from registry.database import Connection
from registry.day_figures import Measured, Peak, bounds
from registry.tables import sync_views

DAY_S: Final = 86_400
_US_PER_MS: Final = 1_000
_DECIMALS: Final = 3


def performance(
    prefix: str,
    day: date,
    *,
    resolution: Measured | None,
    peak: Peak | None,
    registration: Measured | None,
    measured_s: int,
) -> dict[str, Any]:
    """Return the members. Without samples the figures are null, never 0; a day with a gap says how much it holds.

    Milliseconds with three decimals. `measured_s` is how many seconds of the day were measured.
    """
    data: dict[str, Any] = {
        "prefix": prefix,
        "stat_date": day.isoformat(),
        **_latency("resolution", resolution, day),
        "resolution_qps_max": None if peak is None else peak.count,
        "resolution_qps_max_at": None if peak is None else _instant(peak.at),
        **_latency("registration", registration, day),
        "x_resolution_count": 0 if resolution is None else resolution.count,
        "x_registration_count": 0 if registration is None else registration.count,
        "x_registration_items": 0 if registration is None else registration.items,
    }
    if measured_s < DAY_S:
        data["x_measured_seconds"] = measured_s
    return data


async def of_day(connection: Connection, prefix: str, day: date, *, is_node: bool) -> dict[str, Any]:
    """Return what is known now of a prefix's day; of a day that runs, what there was so far."""
    # Which stretches were measured is forgotten after a while; of days that were told it is noted how much they hold.
    measured_s = await day_figures.seconds_measured(connection, day)
    return performance(
        prefix,
        day,
        resolution=await day_figures.lookup_latency(connection, day, day, prefix, below=is_node),
        peak=await day_figures.busiest_second(connection, day, prefix, below=is_node),
        registration=await day_figures.registration_latency(connection, day, day, prefix, below=is_node),
        measured_s=max(measured_s, await sync_views.seconds_noted(connection, bounds(day)[0])),
    )


def _latency(measure: str, measured: Measured | None, day: date) -> dict[str, Any]:
    before = f"{measure}_latency_"
    if measured is None:
        return {before + name: None for name in ("avg_ms", "max_at", "max_ms", "min_at", "min_ms")}
    return {
        before + "avg_ms": round(measured.sum_us / measured.count / _US_PER_MS, _DECIMALS),
        before + "max_at": _within(measured.max_at, day),
        before + "max_ms": measured.max_us / _US_PER_MS,
        before + "min_at": _within(measured.min_at, day),
        before + "min_ms": measured.min_us / _US_PER_MS,
    }


def _within(at: datetime, day: date) -> str:
    """Write an instant of the day; what was asked before midnight and answered after it ended at its last second."""
    start, end = bounds(day)
    return _instant(min(max(at, start), end - timedelta(seconds=1)))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
