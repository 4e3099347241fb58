"""Routes: groups."""

from typing import Any, Final

from registry.api import groups
from registry.api.groups_shapes import GroupAnswer, GroupPage, GroupPatch, GroupRequest, MembersPatch
from registry.api.routing import PAGING, Route
from registry.authority import Action

_LISTED: Final[dict[str, Any]] = {
    "id": "grp_52d0f1a7c3e94b86",
    "name": "Pump service",
    "description": "Workshops that repair our pumps",
    "enterprise": "ent_3f9c0a7d51e2b846",
    "state": "active",
    "created_at": "2026-11-22T08:00:00.000Z",
    "updated_at": "2026-11-22T08:00:00.000Z",
}
_MEMBERS: Final = {"accounts": ["acc_71b0c2f4a98d3e56"], "enterprises": ["ent_5b1e8a20c7d94f63"]}
_NOBODY: Final[dict[str, Any]] = {"accounts": [], "enterprises": []}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/groups",
        handler=groups.create,
        action=Action.CHANGE_GROUP,
        summary="Make a group of accounts and enterprises, to grant them something together",
        request=GroupRequest,
        response=GroupAnswer,
        statuses=(201,),
        request_example={"name": "Pump service", "description": "Workshops that repair our pumps"},
        response_example={**_LISTED, "members": _NOBODY},
    ),
    Route(
        method="GET",
        path="/api/v1/groups",
        handler=groups.page,
        action=Action.READ_GROUP,
        summary="List groups",
        description="All for the node's own staff, otherwise those of the caller's enterprise and those it is in.",
        response=GroupPage,
        parameters=PAGING,
        response_example={"items": [_LISTED], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/groups/{group}",
        handler=groups.get,
        action=Action.READ_GROUP,
        summary="Read a group; its members only if it is the caller's enterprise's",
        response=GroupAnswer,
        refusals=(404,),
        response_example={**_LISTED, "members": _MEMBERS},
    ),
    Route(
        method="PATCH",
        path="/api/v1/groups/{group}",
        handler=groups.change,
        action=Action.CHANGE_GROUP,
        summary="Rename or describe a group",
        request=GroupPatch,
        response=GroupAnswer,
        refusals=(404,),
        request_example={"description": "Workshops and dealers"},
        response_example={**_LISTED, "members": _MEMBERS},
    ),
    Route(
        method="POST",
        path="/api/v1/groups/{group}:change-members",
        handler=groups.change_members,
        action=Action.CHANGE_GROUP,
        summary="Add members to a group and remove others",
        description="An account of any enterprise, or an enterprise with all its accounts, now and later.",
        request=MembersPatch,
        response=GroupAnswer,
        refusals=(404,),
        request_example={"add": _MEMBERS},
        response_example={**_LISTED, "members": _MEMBERS},
    ),
    Route(
        method="DELETE",
        path="/api/v1/groups/{group}",
        handler=groups.withdraw,
        action=Action.CHANGE_GROUP,
        summary="Dissolve a group for good: grants to it reach nobody any more",
        response=GroupAnswer,
        refusals=(404,),
        response_example={**_LISTED, "state": "withdrawn", "members": _NOBODY},
    ),
)
