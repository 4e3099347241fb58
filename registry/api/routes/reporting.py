"""Routes: what is wrong with the reports to the national node, and what an operator orders about it."""

from typing import Final

from registry.api import reporting
from registry.api.reporting_shapes import (
    Dismissed,
    DismissRequest,
    FindingList,
    FullSetRequest,
    Ordered,
    PauseRequest,
    ResendRequest,
    ResentAnswer,
    StreamRequest,
    UnpauseRequest,
)
from registry.api.routing import Route
from registry.authority import Action

_STREAM: Final = {"table": "T9", "scope": "88.118.8"}
_ROWS: Final = {**_STREAM, "keys": ["88.118.8/PUMP-1"]}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/sync/findings",
        handler=reporting.findings,
        action=Action.READ_STATUS,
        summary="List what is not in order with the reports: since when, and what to do",
        description="The same as `idnode sync check`: the link, halted streams, what is late, data that a table needs.",
        response=FindingList,
        response_example={
            "items": [
                {
                    "what": "data needed",
                    "since": None,
                    "detail": "T2 ip_address: no address is entered at which the node resolves (resolution)",
                    "remedy": "PUT /api/v1/operator/resolution",
                }
            ]
        },
    ),
    Route(
        method="POST",
        path="/api/v1/sync:retry",
        handler=reporting.retry,
        action=Action.CHANGE_OPERATOR,
        summary="Try the link and every waiting stream soon, whatever was planned",
        response=Ordered,
        statuses=(202,),
        refusals=(409,),
        response_example={"ordered": "everything that waits is tried within 15 seconds", "directive_id": None},
    ),
    Route(
        method="POST",
        path="/api/v1/sync:pause",
        handler=reporting.pause,
        action=Action.CHANGE_OPERATOR,
        summary="Send nothing of some tables, or of all; it is queued meanwhile",
        request=PauseRequest,
        response=Ordered,
        refusals=(409,),
        request_example={"tables": ["T9"], "reason": "maintenance at the collector"},
        response_example={"ordered": "paused: T9", "directive_id": None},
    ),
    Route(
        method="POST",
        path="/api/v1/sync:unpause",
        handler=reporting.unpause,
        action=Action.CHANGE_OPERATOR,
        summary="Send paused tables again, also what the national node has paused",
        request=UnpauseRequest,
        response=Ordered,
        refusals=(409,),
        request_example={"tables": ["T9"]},
        response_example={"ordered": "goes on: T9", "directive_id": None},
    ),
    Route(
        method="POST",
        path="/api/v1/sync/streams:resume",
        handler=reporting.resume,
        action=Action.CHANGE_OPERATOR,
        summary="Let a halted stream go on, once its cause is removed",
        request=StreamRequest,
        response=Ordered,
        refusals=(404, 409),
        request_example=_STREAM,
        response_example={"ordered": "T9/88.118.8 goes on", "directive_id": None},
    ),
    Route(
        method="POST",
        path="/api/v1/sync/streams:send-full",
        handler=reporting.send_full,
        action=Action.CHANGE_OPERATOR,
        summary="Send the complete set of a stream's rows",
        description="Its outcome is told among the directives, under `directive_id`.",
        request=FullSetRequest,
        response=Ordered,
        statuses=(202,),
        refusals=(409,),
        request_example=_STREAM,
        response_example={
            "ordered": "the full set of T9/88.118.8",
            "directive_id": "operator-0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10",
        },
    ),
    Route(
        method="POST",
        path="/api/v1/sync/open-rows:resend",
        handler=reporting.resend,
        action=Action.CHANGE_OPERATOR,
        summary="Send refused rows of a stream again as they were sent",
        request=ResendRequest,
        response=ResentAnswer,
        refusals=(404, 409),
        request_example=_ROWS,
        response_example={"queued": ["88.118.8/PUMP-1"], "not_stored": [], "never_sent": []},
    ),
    Route(
        method="POST",
        path="/api/v1/sync/open-rows:dismiss",
        handler=reporting.dismiss,
        action=Action.CHANGE_OPERATOR,
        summary="Close open rows without sending them",
        request=DismissRequest,
        response=Dismissed,
        refusals=(409,),
        request_example=_ROWS,
        response_example={"closed": 1},
    ),
)
