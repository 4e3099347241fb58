"""Routes: grants."""

from typing import Final, Literal

from registry.api import grants
from registry.api.grant_shapes import GrantAnswer, GrantPage, GrantRequest
from registry.api.routing import PAGING, Parameter, Route
from registry.authority import Action

_REQUEST: Final = {
    "subject": {"kind": "enterprise", "id": "ent_3f9c0a7d51e2b846"},
    "object": {"kind": "template", "name": "product-1"},
    "right": "read",
    "indexes": [2001, 2002],
}
_GRANT: Final = {
    "id": "grt_5b1e93c7a04d26f8",
    "enterprise": "ent_c04a7d9e18b3f562",
    **_REQUEST,
    "granted_by": "acc_71b0c2f4a98d3e56",
    "created_at": "2025-11-22T08:00:00.000Z",
    "expires_at": None,
    "revoked_at": None,
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/grants",
        handler=grants.give,
        action=Action.CHANGE_GRANT,
        summary="Grant a right to read or write values that are not for everyone",
        description="Read: values that are not public. Write: data of existing records, by PUT and PATCH; their "
        "template, types and permissions stay. A grant opens records of one enterprise. The same grant again is "
        "answered with the one in force. Answers once this host's resolver knows it, at most two seconds later.",
        request=GrantRequest,
        response=GrantAnswer,
        statuses=(200, 201),
        refusals=(404, 409, 410),
        request_example=_REQUEST,
        response_example=_GRANT,
    ),
    Route(
        method="GET",
        path="/api/v1/grants",
        handler=grants.page,
        action=Action.READ_GRANT,
        summary="List grants in force",
        description="All for an administrator and an auditor, otherwise those that the caller's enterprise gave, and "
        "those that the caller received: itself, with its enterprise, or in a group.",
        response=GrantPage,
        refusals=(404,),
        parameters=(
            Parameter("identifier", "only those on this identifier"),
            Parameter("template", "only those on the template with this code"),
            Parameter("subject", "only those to the account, group or enterprise with this id"),
            Parameter("ended", "`true`: also those revoked or expired", schema=Literal["true", "false"]),
            *PAGING,
        ),
        response_example={"items": [_GRANT], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/grants/{grant}",
        handler=grants.get,
        action=Action.READ_GRANT,
        summary="Read a grant",
        response=GrantAnswer,
        refusals=(404,),
        response_example=_GRANT,
    ),
    Route(
        method="DELETE",
        path="/api/v1/grants/{grant}",
        handler=grants.revoke,
        action=Action.CHANGE_GRANT,
        summary="Revoke a grant",
        description="Answers once this host's resolver knows it, at most two seconds later.",
        response=GrantAnswer,
        refusals=(404,),
        response_example={**_GRANT, "revoked_at": "2025-11-23T08:00:00.000Z"},
    ),
)
