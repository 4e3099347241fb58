"""T3 二级节点系统统计数据 and T8 下属企业节点统计数据: a day's counts (docking contract 4.3, 4.8)."""

from collections.abc import Sequence
from datetime import date
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from registry.day_figures import Registered, Requests

SOURCES_PER_PART: Final = 5_000
_SOURCES_OCTETS_MAX: Final = 240 * 1024
"""What the sources of a part may take of a line's 256 KiB (9.13): fewer fit where addresses are long."""
_OCTETS_BESIDE_ADDRESS: Final = 31


def row_key(prefix: str, day: date) -> str:
    """Return the key of a day's fact of any table."""
    return f"{prefix}|{day.isoformat()}"


def sources_per_part(requests: Requests) -> int:
    """Return how many sources a part has."""
    return min(SOURCES_PER_PART, _SOURCES_OCTETS_MAX // (requests.longest_address + _OCTETS_BESIDE_ADDRESS))


def parts_of(requests: Requests) -> int:
    """Return in how many parts a day with so many sources is told; one without any is one part."""
    return max(1, -(-requests.sources // sources_per_part(requests)))


def statistics_data(
    prefix: str,
    day: date,
    registered: Registered,
    requests: Requests,
    sources: Sequence[tuple[str, int]],
    *,
    part: int = 1,
    **more: Any,
) -> msgspec.Raw:
    """Return the data of one part; the scalars are the same in all of them, and the sources follow each other."""
    parts = parts_of(requests)
    data = {
        "stat_date": day.isoformat(),
        "prefix": prefix,
        "registrations_day": registered.added,
        "registrations_total": registered.total,
        "resolution_requests": requests.requests,
        "resolution_successes": requests.successes,
        "sources": [{"ip": str(ip_address(address)), "count": count} for address, count in sources],
        **({"part": part, "parts": parts} if parts > 1 else {}),
        **more,
    }
    return msgspec.Raw(msgspec.json.encode(data))
