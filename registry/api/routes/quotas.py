"""Routes: how much each enterprise may keep and ask."""

from typing import Final

from registry.api import quotas
from registry.api.quota_shapes import QuotaAnswer, QuotaPage, QuotaRequest, QuotaRow
from registry.api.routing import PAGING, Route
from registry.authority import Action

_LIMITS: Final = {
    "identifiers_max": 1_000_000,
    "identifiers_per_day_max": 50_000,
    "octets_max": None,
    "job_rows_max": None,
    "requests_per_s_max": 100,
    "requests_burst_max": None,
}
_ROW: Final = {"enterprise": "ent_3f9c0a7d51e2b846", **_LIMITS, "updated_at": "2025-11-22T08:00:00.000Z"}
_USED: Final = {
    "identifiers": 250_000,
    "identifiers_today": 1_200,
    "octets": 120_000_000,
    "counted_at": "2025-11-22T08:00:00.000Z",
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/quotas",
        handler=quotas.page,
        action=Action.READ_QUOTA,
        summary="List the enterprises that have a quota",
        description="All for administrators and auditors, otherwise the caller's own.",
        response=QuotaPage,
        parameters=PAGING,
        response_example={"items": [_ROW], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/quotas/{enterprise}",
        handler=quotas.get,
        action=Action.READ_QUOTA,
        summary="Read the quota of an enterprise, and what is used of it",
        response=QuotaAnswer,
        refusals=(404,),
        response_example={**_ROW, "used": _USED},
    ),
    Route(
        method="PUT",
        path="/api/v1/quotas/{enterprise}",
        handler=quotas.put,
        action=Action.CHANGE_QUOTA,
        summary="Set the quota of an enterprise",
        description="In place of all limits it had; without members there is no limit any more. What is stored "
        "beyond a new limit stays.",
        request=QuotaRequest,
        response=QuotaRow,
        refusals=(404,),
        request_example=_LIMITS,
        response_example=_ROW,
    ),
)
