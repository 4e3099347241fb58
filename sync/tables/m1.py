"""M1 and M2: the performance of a day, of the node and of an enterprise (docking contract 5.1)."""

from datetime import date

import msgspec

from registry.day_figures import Measured, Peak
from registry.performance import DAY_S, performance

__all__ = ["DAY_S", "performance_data"]


def performance_data(
    prefix: str,
    day: date,
    *,
    resolution: Measured | None,
    peak: Peak | None,
    registration: Measured | None,
    measured_s: int,
) -> msgspec.Raw:
    """Return the data of a row; see `registry.performance`."""
    data = performance(prefix, day, resolution=resolution, peak=peak, registration=registration, measured_s=measured_s)
    return msgspec.Raw(msgspec.json.encode(data))
