"""What the reporter does about a row that was not taken (codes and reactions: docking contract 9.5)."""

from typing import Final, Literal

from sync.tables.table import Operation

Reaction = Literal[
    "taken",  # nothing to do: the collector holds this version or a later one
    "drop",  # a delete of something that is not there
    "send_as_add",  # the collector does not hold the key: the row again, as an addition
    "send_again",  # the collector's own fault
    "send_missing",  # something that the row refers to is not known there: that first, then the row again, once
    "keep_open",  # somebody has to correct the data
]

MISSING: Final = ("unknown_template", "unknown_prefix", "unknown_enterprise")
"""A reference of the row is not known at the collector."""
PERIOD_CLOSED: Final = "period_closed"
"""A fact for a period no longer open: it goes again as a revision."""

RESENDS_MAX: Final = 5
"""How often a row is sent again by itself before it waits for somebody to look."""


def react(code: str, operation: Operation, resends: int) -> Reaction:
    """Return what follows for a row of this operation, sent again `resends` times already."""
    if code == "stale":
        return "taken"
    if operation is Operation.DELETE and code in ("unknown_identifier", *MISSING):
        return "drop"
    if code in MISSING:
        return "keep_open" if resends else "send_missing"
    if resends >= RESENDS_MAX:
        return "keep_open"
    if code == "unknown_identifier" and operation is Operation.MODIFY:
        return "send_as_add"
    return "send_again" if code in ("internal", PERIOD_CLOSED) else "keep_open"
