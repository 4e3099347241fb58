"""Routes: prefixes."""

from typing import Final

from registry.api import prefixes
from registry.api.routing import PAGING, Route
from registry.api.shapes import PrefixAnswer, PrefixPage, PrefixPatch, PrefixRequest
from registry.authority import Action

_PREFIX = {
    "prefix": "88.118.8",
    "name": "Example Pumps",
    "enterprise": "ent_3f9c0a7d51e2b846",
    "state": "active",
    "hosting": "here",
    "exact_case": False,
    "sites": [],
    "created_at": "2025-11-22T08:00:00.000Z",
    "updated_at": "2025-11-22T08:00:00.000Z",
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/prefixes",
        handler=prefixes.create,
        action=Action.CREATE_PREFIX,
        summary="Create a prefix",
        request=PrefixRequest,
        response=PrefixAnswer,
        statuses=(201,),
        refusals=(409,),
        request_example={"prefix": "88.118.8", "name": "Example Pumps"},
        response_example=_PREFIX,
    ),
    Route(
        method="GET",
        path="/api/v1/prefixes",
        handler=prefixes.page,
        action=Action.LIST_PREFIXES,
        summary="List prefixes",
        description="All for an administrator, otherwise those of the caller's enterprise.",
        response=PrefixPage,
        parameters=PAGING,
        response_example={"items": [_PREFIX], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/prefixes/{prefix}",
        handler=prefixes.get,
        action=Action.READ_PREFIX,
        summary="Read a prefix",
        response=PrefixAnswer,
        refusals=(404,),
        response_example=_PREFIX,
    ),
    Route(
        method="PATCH",
        path="/api/v1/prefixes/{prefix}",
        handler=prefixes.change,
        action=Action.CHANGE_PREFIX,
        summary="Change a prefix: suspend it, withdraw it, host it here or elsewhere",
        request=PrefixPatch,
        response=PrefixAnswer,
        refusals=(404, 409),
        request_example={"state": "suspended"},
        response_example={**_PREFIX, "state": "suspended"},
    ),
)
