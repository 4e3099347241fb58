"""Events as rows of E1 and E2 (docking contract 5.2). Pure."""

from typing import Any, Final

import msgspec

from registry.tables.node_events import Event, Recorded
from sync.batch import Row
from sync.calendar_time import instant

EVENT_TABLES: Final = ("E1", "E2")
_CAUSE_CHARACTERS_MAX: Final = 1024


def event_data(event: Event) -> dict[str, Any]:
    """Return the data of a row of E1 or E2."""
    told = {
        "prefix": event.prefix,
        "event_type": event.event_type,
        "event_no": event.event_no,
        "related_event_no": event.related_event_no,
        "occurred_at": instant(event.occurred_at),
        "cause": _text(event.cause),
        "abnormal_type": event.abnormal_type,
    }
    return {name: value for name, value in told.items() if value is not None}


def event_row(recorded: Recorded) -> Row:
    """Return an event as a row."""
    return Row(
        n=0,
        key=recorded.event.event_no,
        op="upsert",
        ver=1,
        at=instant(recorded.recorded_at),
        data=msgspec.Raw(msgspec.json.encode(event_data(recorded.event))),
    )


def table_of(prefix: str, reporter: str) -> str:
    """Return which table tells of a prefix's events: E1 of the node's own, E2 of an enterprise's."""
    return "E1" if prefix == reporter else "E2"


def _text(cause: str | None) -> str | None:
    """Return a cause as the contract's text: without control characters, bounded, and None rather than empty."""
    if cause is None:
        return None
    clean = " ".join("".join(one if one.isprintable() else " " for one in cause).split())
    return clean[:_CAUSE_CHARACTERS_MAX] or None
