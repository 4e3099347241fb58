"""Judging rows one by one (docking contract 4.9 and 9.5): pure, given what is held of the key."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sync.tables.t9_fields import check
from sync.tables.table import Operation, Problem


class Held(NamedTuple):
    """What the collector holds of a key; deleted keys keep their version."""

    ver: int
    deleted: bool


def judge(row: Mapping[str, Any], scope: str, held: Held | None) -> Problem | None:
    """Return why a row is rejected, or None if it is to be stored."""
    data = row["data"]
    problem = check(data) or _inconsistent(row, data, scope)
    if problem:
        return problem
    if held is not None and held.ver >= row["ver"]:
        return Problem("stale", "ver", f"version {held.ver} is held already")
    if (held is None or held.deleted) and data["operation_type"] != Operation.ADD:
        return Problem("unknown_identifier", "identifier", "was never added, or is deleted")
    return None


def _inconsistent(row: Mapping[str, Any], data: Mapping[str, Any], scope: str) -> Problem | None:
    if (row["op"] == "delete") != (data["operation_type"] == Operation.DELETE):
        return Problem("schema", "operation_type", f"does not go with op {row['op']}")
    if data["enterprise_prefix"] != scope:
        return Problem("forbidden", "enterprise_prefix", f"the batch is for {scope}")
    if data["identifier"] != row["key"]:
        return Problem("schema", "identifier", "is not the row's key")
    if not data["identifier"].upper().startswith(f"{scope.upper()}/"):
        return Problem("unknown_prefix", "identifier", f"does not lie below {scope}")
    return None
