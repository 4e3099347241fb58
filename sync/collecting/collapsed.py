"""How often an identifier may come in one batch of T9 (docking contract 4.9, "collapsing")."""

from collections.abc import Mapping
from typing import Any, Final

from sync.tables.table import Problem

PAIRS: Final = frozenset({(1, 2), (2, 1)})
"""Operations of two rows of one key in one batch: added and deleted, or deleted and added again."""


def collapsed(row: Mapping[str, Any], told: dict[str, list[int]]) -> Problem | None:
    """Return why a row does not go with those of its key before it in the batch, which `told` remembers, or None."""
    operation = (row.get("data") or {}).get("operation_type")
    if operation is None:
        return None
    before = told.setdefault(row["key"], [])
    before.append(operation)
    if len(before) == 1 or tuple(before) in PAIRS:
        return None
    before.pop()
    return Problem("format", "operation_type", "the changes of a period come as one row, or as two (4.9)")
