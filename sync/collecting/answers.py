"""What collectors read of queries and answer with alike."""

from typing import Any, Final

import msgspec
from aiohttp import web

from sync.collecting.problems import Problem

NUMBER_DIGITS_MAX: Final = 9


def number(request: web.Request, name: str, default: int) -> int:
    """Return a number of the query; raises Problem."""
    text = request.query.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX):
        raise Problem(400, "malformed", f"{name} must be a number")
    return int(text)


def as_json(value: Any, status: int = 200) -> web.Response:
    """Return a value as an answer."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
