"""The data of a Handle JSON value as one text, for a cell or a line."""

from typing import Any

import orjson


def data_text(data: Any) -> str:
    """Return text as it is, and data of any other format as its JSON."""
    if isinstance(data, str):
        return data
    if isinstance(data, dict) and isinstance(data.get("value"), str):
        return str(data["value"])
    return orjson.dumps(data).decode()
