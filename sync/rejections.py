"""What the reporter does about a row that was not taken (codes and reactions: docking contract 9.5)."""

from typing import Final, Literal

from sync.tables.table import Operation

Reaction = Literal[
    "taken",  # nothing to do: the collector holds this version or a later one
    "drop",  # a delete of something that is not there
    "send_as_add",  # the collector does not hold the key: the row again, as an addition
    "send_again",  # the collector's own fault
    "keep_open",  # somebody has to correct the data
]

RESENDS_MAX: Final = 5
"""How often a row is sent again by itself before it waits for somebody to look."""


def react(code: str, operation: Operation, resends: int) -> Reaction:
    """Return what follows for a row of this operation, sent again `resends` times already.

    `unknown_template`, `unknown_prefix` and `unknown_enterprise` stay open: the tables that would supply what is
    missing are not reported yet.
    """
    if code == "stale":
        return "taken"
    if code == "unknown_identifier" and operation is Operation.DELETE:
        return "drop"
    if resends >= RESENDS_MAX:
        return "keep_open"
    if code == "unknown_identifier" and operation is Operation.MODIFY:
        return "send_as_add"
    return "send_again" if code == "internal" else "keep_open"
