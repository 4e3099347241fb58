"""What a row's members must be to each other and to their batch, written from the contract anew (3.3, 3.4, 4, 5).

Independent of what reporters use for the same rules, so that a mistake there does not pass here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any, Final

from identifiers.prefix_or_range import prefix_or_range_fault
from sync.calendar_time import BEIJING
from sync.collecting.header import Handed
from sync.tables.table import Problem

Data = Mapping[str, Any]
Condition = Callable[[Data, Handed], Problem | None]

_USCC_CHARACTERS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_MODULUS: Final = 31
_CARD_CHECKS: Final = "10X98765432"
_CARD: Final = re.compile(r"[0-9]{17}[0-9X]")
_EVENT_NO: Final = re.compile(r"(?P<prefix>[0-9.]+)-(?P<moment>[0-9]{14})-[0-9A-HJKMNP-TV-Z]{8}")
_CARD_SIDES: Final = 2
_RESOLUTION: Final = "resolution"
_REGISTRATION: Final = "registration"


def check_conditions(table: str, data: Data, header: Handed) -> Problem | None:
    """Return the first rule that a row in good form breaks, or None."""
    return next((found for rule in _RULES.get(table, ()) if (found := rule(data, header)) is not None), None)


def is_uscc(text: str) -> bool:
    """Whether 18 characters are a unified social credit code: the weighted sum of all is divisible by 31."""
    if len(text) != 18 or any(character not in _USCC_CHARACTERS for character in text):  # noqa: PLR2004 - GB 32100-2015
        return False
    positions = [_USCC_CHARACTERS.index(character) for character in text]
    # Horner's way, from the last character backwards: the sum of c_i 3^i.
    total = reduce(lambda rest, position: (rest * 3 + position) % _USCC_MODULUS, reversed(positions[:17]), 0)
    return (total + positions[17]) % _USCC_MODULUS == 0


def is_identity_card(text: str) -> bool:
    """Whether 18 characters are a resident identity card number with its check character."""
    if not _CARD.fullmatch(text):
        return False
    total = reduce(lambda rest, digit: (rest * 2 + int(digit)) % 11, text[:17], 0)
    return _CARD_CHECKS[total * 2 % 11] == text[17]


def _numbers(data: Data, _: Handed) -> Problem | None:
    if data["org_id_type"] == 1 and not is_uscc(data["org_id_number"]):
        return Problem("format", "org_id_number", "is no unified social credit code: its check character is wrong")
    for who in ("legal_rep", "contact"):
        if data[f"{who}_id_type"] == 1 and not is_identity_card(data[f"{who}_id_number"]):
            return Problem("format", f"{who}_id_number", "is no resident identity card number")
    return None


def _region(data: Data, _: Handed) -> Problem | None:
    """Each level shares the leading digits of the one above."""
    places = {"org_address_": data, **{f"{name}.": site for name, site in data.items() if name.startswith("site_")}}
    for before, place in places.items():
        levels = [
            None if place is None else place.get((before if before[-1] == "_" else "") + level)
            for level in ("province", "city", "county")
        ]
        for above, below, digits in ((levels[0], levels[1], 2), (levels[1], levels[2], 4)):
            if above and below and above[:digits] != below[:digits]:
                return Problem("format", f"{before}city", f"{below} does not lie in {above}")
    return None


def _contracts(data: Data, _: Handed) -> Problem | None:
    for name in ("service_build", "service_operation", "identity_check"):
        if data[name]["mode"] == 2 and not data[name].get("contracts"):  # noqa: PLR2004 - entrusted (3.2)
            return Problem("required", f"{name}.contracts", "who is entrusted shows the sealed contract")
    if len(data["legal_rep_id_images"]) < _CARD_SIDES and data["legal_rep_id_type"] == 1:
        return Problem("required", "legal_rep_id_images", "front and back of the identity card")
    return None


def _route(data: Data, _: Handed) -> Problem | None:
    fault = prefix_or_range_fault(data["code_type"], data["prefix_or_range"])
    return None if fault is None else Problem("format", "prefix_or_range", fault)


def _route_is_ours(data: Data, header: Handed) -> Problem | None:
    ends = data["prefix_or_range"].split("..")
    inside = all(f"{end}.".startswith(f"{header.scope}.") for end in ends)
    if data["code_type"] == "Handle" and len(ends) == 1 and not inside:
        return Problem("forbidden", "prefix_or_range", f"the batch is for {header.scope}")
    return None


def _day_is_the_periods(data: Data, header: Handed) -> Problem | None:
    day = datetime.fromisoformat(header.period.start).astimezone(BEIJING).date().isoformat()
    if header.period.kind == "day" and data["stat_date"] != day:
        return Problem("format", "stat_date", f"the batch tells of {day}")
    return None


def _month_is_the_periods(data: Data, header: Handed) -> Problem | None:
    month = datetime.fromisoformat(header.period.start).astimezone(BEIJING).strftime("%Y-%m")
    if header.period.kind == "month" and data["month"] != month:
        return Problem("format", "month", f"the batch tells of {month}")
    return None


def _day_is_over(data: Data, header: Handed) -> Problem | None:
    if header.period.end > header.created_at:
        return Problem("format", "stat_date", f"the batch was made before {data['stat_date']} was over")
    return None


def _counts(data: Data, _: Handed) -> Problem | None:
    if data["resolution_successes"] > data["resolution_requests"]:
        return Problem("format", "resolution_successes", "are more than the requests")
    if (data.get("part") is None) != (data.get("parts") is None) or (data.get("part") or 1) > (data.get("parts") or 1):
        return Problem("format", "part", "goes with parts, and counts from 1 to it")
    return None


def _measures(data: Data, _: Handed) -> Problem | None:
    day = data["stat_date"]
    for measure in (_RESOLUTION, _REGISTRATION):
        names = [f"{measure}_latency_{name}" for name in ("avg_ms", "max_at", "max_ms", "min_at", "min_ms")]
        values = [data.get(name) for name in names]
        measured = data[f"x_{measure}_count"] > 0
        for name, value in zip(names, values, strict=True):
            if measured and value is None:
                return Problem("required", name, "is required of a day with samples")
            if not measured and value is not None:
                return Problem("format", name, "a day without samples has no figure, not even 0")
        if measured and not data[names[4]] <= data[names[0]] <= data[names[2]]:
            return Problem("format", names[0], "does not lie between the least and the greatest")
    if (data.get("resolution_qps_max") is None) != (data.get("resolution_qps_max_at") is None):
        return Problem("required", "resolution_qps_max_at", "goes with resolution_qps_max")
    for name, value in data.items():
        if name.endswith("_at") and value is not None and _beijing_date(value) != day:
            return Problem("format", name, f"does not lie within {day}")
    return None


def _event(data: Data, _: Handed) -> Problem | None:
    number = _EVENT_NO.fullmatch(data["event_no"])
    if number is None or number["prefix"] != data["prefix"]:
        return Problem("format", "event_no", "must be <prefix>-<yyyyMMddHHmmss>-<8 characters>")
    if data["event_type"] == "recovered" and data.get("related_event_no") is None:
        return Problem("required", "related_event_no", "a recovery names the abnormal event it ends")
    if data["event_type"] == "abnormal" and data.get("abnormal_type") is None:
        return Problem("required", "abnormal_type", "is required of an abnormal event")
    if data["event_type"] == "abnormal" and data.get("related_event_no") is not None:
        return Problem("schema", "related_event_no", "an abnormal event is related to none")
    return None


def _beijing_date(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone(BEIJING).date().isoformat()


_ORGANISATION: Final[Sequence[Condition]] = (_numbers, _region)
_STATISTICS: Final[Sequence[Condition]] = (_day_is_the_periods, _day_is_over, _counts)
_RULES: Final[Mapping[str, Sequence[Condition]]] = {
    "T1": (*_ORGANISATION, _contracts),
    "T2": (_route,),
    "T3": _STATISTICS,
    "T5": (_month_is_the_periods,),
    "T6": _ORGANISATION,
    "T7": (_route, _route_is_ours),
    "T8": _STATISTICS,
    "T10": (_month_is_the_periods,),
    "M1": (_day_is_the_periods, _day_is_over, _measures),
    "M2": (_day_is_the_periods, _day_is_over, _measures),
    "E1": (_event,),
    "E2": (_event,),
}
