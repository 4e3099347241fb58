"""Routes: emergency take-overs, and what did not agree after one."""

from typing import Final

from registry.api import takeover
from registry.api.routing import PAGING, Parameter, Route
from registry.api.takeover_shapes import ConflictList, ConflictRow, DecisionRequest, TakeoverRequest, TakeoverState
from registry.authority import Action

_STATE: Final = {
    "read_only": True,
    "takeovers": [
        {
            "started_at": "2031-05-06T01:02:03.000Z",
            "reason": "the data centre is flooded",
            "started_by": "acc_71b0c2f4a98d3e56",
            "ended_at": None,
            "ended_by": None,
        }
    ],
    "conflicts_open": 0,
}
_CONTENT: Final = {
    "state": "active",
    "values": [{"index": 1, "type": "URL", "data": {"format": "string", "value": "https://example.com/1"}}],
}
_CONFLICT: Final = {
    "identifier": "88.118.8/SN0001",
    "reason": "different content",
    "ours": _CONTENT,
    "theirs": {"state": "withdrawn"},
    "found_at": "2031-05-07T01:02:03.000Z",
    "decision": None,
    "decided_at": None,
    "decided_by": None,
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/takeover",
        handler=takeover.get,
        action=Action.READ_STATUS,
        summary="Tell whether another body serves for this node, and of earlier take-overs",
        response=TakeoverState,
        response_example=_STATE,
    ),
    Route(
        method="POST",
        path="/api/v1/takeover:start",
        handler=takeover.start,
        action=Action.DECLARE_TAKEOVER,
        summary="Declare an emergency take-over: from now on nothing is changed here, and look-ups go on",
        request=TakeoverRequest,
        response=TakeoverState,
        refusals=(422,),
        request_example={"reason": "the data centre is flooded"},
        response_example=_STATE,
    ),
    Route(
        method="POST",
        path="/api/v1/takeover:end",
        handler=takeover.end,
        action=Action.DECLARE_TAKEOVER,
        summary="End the take-over: changes are taken again",
        description="The next deposit is a FULL one and made soon, and T2 and T7 are told in full.",
        response=TakeoverState,
        response_example={**_STATE, "read_only": False},
    ),
    Route(
        method="GET",
        path="/api/v1/takeover/conflicts",
        handler=takeover.conflicts,
        action=Action.READ_STATUS,
        summary="List identifiers of which the body that took over holds something else",
        response=ConflictList,
        parameters=(Parameter("state", "`open` (without it), or `all` for those decided too"), *PAGING),
        response_example={"items": [_CONFLICT], "next": None},
    ),
    Route(
        method="POST",
        path="/api/v1/takeover/conflicts:decide",
        handler=takeover.decide,
        action=Action.DECLARE_TAKEOVER,
        summary="Settle a conflict: keep what is here, or take what the other body holds",
        request=DecisionRequest,
        response=ConflictRow,
        refusals=(404, 409, 422),
        request_example={"identifier": "88.118.8/SN0001", "decision": "theirs"},
        response_example={**_CONFLICT, "decision": "theirs"},
    ),
)
