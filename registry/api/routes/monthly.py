"""Routes: monthly operation reports."""

from typing import Final

from registry.api import monthly
from registry.api.monthly import MonthlyAnswer, MonthlyList
from registry.api.routing import OCTETS, PAGING, Route
from registry.authority import Action

_ROW: Final = {
    "month": "2031-04",
    "revision": 0,
    "made_at": "2031-04-30T17:00:10.000Z",
    "sent_at": "2031-05-05T01:00:00.000Z",
    "last_error": None,
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/monthly-reports",
        handler=monthly.page,
        action=Action.READ_STATUS,
        summary="List the monthly operation reports",
        response=MonthlyList,
        parameters=PAGING[:1],
        response_example={"items": [{**_ROW, "sla_percent": 99.994}]},
    ),
    Route(
        method="GET",
        path="/api/v1/monthly-reports/{month}",
        handler=monthly.get,
        action=Action.READ_STATUS,
        summary="Read the monthly operation report of a month, YYYY-MM",
        response=MonthlyAnswer,
        refusals=(404,),
        response_example={**_ROW, "report": {"month": "2031-04", "sla_percent": 99.994, "revision": 0}},
    ),
    Route(
        method="GET",
        path="/api/v1/monthly-reports/{month}/documents/{form}",
        handler=monthly.document,
        action=Action.READ_STATUS,
        summary="Fetch a month's report as `pdf`, `docx` or `html`",
        response_type=OCTETS,
        refusals=(404,),
    ),
)
