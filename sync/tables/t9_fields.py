"""The columns of T9 下属企业节点主数据 and their constraints (docking contract 4.9 and 3.1)."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from sync.tables.table import Operation, Problem


class Column(NamedTuple):
    """A column: text of at most `length` code points; `form` narrows it further."""

    name: str
    length: int
    form: str = "text"


COLUMNS: Final = (
    Column("enterprise_prefix", 64),
    Column("identifier", 255),
    Column("created_on", 10, "date"),
    Column("metadata_id", 255),
    Column("product_type", 255),
    Column("product_brand", 255),
    Column("product_name", 255),
    Column("manufacturer_name", 255),
    Column("produced_at", 32, "date or instant"),
    Column("expires_at", 32, "date or instant"),
    Column("terminal_type", 255),
    Column("owner", 255),
    Column("purpose", 255),
    Column("serial_or_imei", 64),
    Column("access_licence_no", 64),
    Column("access_mark_code", 64),
    Column("access_mark_serial", 64),
)
MAPPED: Final = tuple(column.name for column in COLUMNS[4:])
"""The columns that a template's master-data mapping fills from an identifier's values."""

REQUIRED: Final = ("enterprise_prefix", "identifier", "created_on", "metadata_id")
REQUIRED_OF_DELETE: Final = ("enterprise_prefix", "identifier")
REQUIRED_OF_ACTIVE: Final = ("terminal_type", "owner", "purpose", "serial_or_imei")
"""Columns 11 to 14, for identifiers whose template describes active identifier carriers (`object_type` 1)."""

_BY_NAME: Final = {column.name: column for column in COLUMNS}
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def check(data: Mapping[str, Any]) -> Problem | None:
    """Return the first thing wrong with a row's data, or None. Absent and null mean the same (3.1)."""
    known = {name: value for name, value in data.items() if value is not None}
    operation = known.pop("operation_type", None)
    if operation not in tuple(Operation) or isinstance(operation, bool):
        return Problem("enum", "operation_type", "must be 1 (add), 2 (delete) or 3 (modify)")
    required = REQUIRED_OF_DELETE if operation == Operation.DELETE else REQUIRED
    for name in required:
        if name not in known:
            return Problem("required", name, "is required and absent")
    for name, value in known.items():
        problem = check_column(name, value)
        if problem:
            return problem
    return None


def check_column(name: str, value: object) -> Problem | None:
    """Return what is wrong with one column's value, or None; members beginning with `x_` are nobody's business."""
    if name.startswith("x_"):
        return None
    column = _BY_NAME.get(name)
    if column is None:
        return Problem("schema", name, "is not a column of T9")
    if not isinstance(value, str):
        return Problem("schema", name, "must be a string")
    if not value or value != value.strip() or _CONTROLS.search(value) or not unicodedata.is_normalized("NFC", value):
        return Problem("format", name, "must be non-empty NFC text without control characters or outer white space")
    if len(value) > column.length:
        return Problem("length", name, f"has {len(value)} characters, at most {column.length} are allowed")
    if column.form != "text" and not _is_time(value, with_time_of_day="instant" in column.form):
        return Problem("format", name, f"{value!r} is not a {column.form}")
    return None


def _is_time(value: str, *, with_time_of_day: bool) -> bool:
    if not (_DATE.fullmatch(value) or (with_time_of_day and _INSTANT.fullmatch(value))):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
