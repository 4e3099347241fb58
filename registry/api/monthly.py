"""Handlers: monthly operation reports and their documents."""

from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from registry.api.call import Answer, Call, answer
from registry.api.paging import read_limit
from registry.api.shapes import Instant
from registry.errors import NotFound
from registry.states import instant
from registry.tables import monthly_views
from registry.tables.monthly_views import MonthlyView

_ENDINGS: Final = ("pdf", "docx", "html")


class MonthlyRow(msgspec.Struct, frozen=True):
    """The newest revision of a month's report. `last_error`: why the national node did not take it."""

    month: str
    revision: int
    sla_percent: float
    made_at: Instant
    sent_at: Instant | None
    last_error: str | None


class MonthlyList(msgspec.Struct, frozen=True):
    """The newest months first."""

    items: list[MonthlyRow]


class MonthlyAnswer(msgspec.Struct, frozen=True):
    """A month's report; `report` is in the form of the reporting profile."""

    month: str
    revision: int
    made_at: Instant
    sent_at: Instant | None
    last_error: str | None
    report: dict[str, Any]


async def page(call: Call) -> Answer:
    """GET /api/v1/monthly-reports."""
    limit = read_limit(call.query("limit"))
    async with call.connected() as connection:
        found = await monthly_views.newest(connection, limit)
    return answer(
        MonthlyList(
            [
                MonthlyRow(
                    one.month, one.revision, one.report["sla_percent"], instant(one.made_at), _sent(one), one.last_error
                )
                for one in found
            ]
        )
    )


async def get(call: Call) -> Answer:
    """GET /api/v1/monthly-reports/{month}."""
    month = call.path("month")
    async with call.connected() as connection:
        found = await monthly_views.of_month(connection, month)
    if found is None:
        raise _unknown(month)
    return answer(
        MonthlyAnswer(found.month, found.revision, instant(found.made_at), _sent(found), found.last_error, found.report)
    )


async def document(call: Call) -> web.Response:
    """GET /api/v1/monthly-reports/{month}/documents/{form}."""
    month, form = call.path("month"), call.path("form")
    async with call.connected() as connection:
        found = await monthly_views.document(connection, month, form) if form in _ENDINGS else None
    if found is None:
        raise _unknown(month)
    name, media_type, content = found
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(body=content, content_type=media_type, headers=headers)


def _sent(found: MonthlyView) -> str | None:
    return None if found.sent_at is None else instant(found.sent_at)


def _unknown(month: str) -> NotFound:
    return NotFound(
        "unknown_report",
        f"there is no such report of {month[:16]}",
        remedy="GET /api/v1/monthly-reports lists them; documents are pdf, docx and html",
    )
