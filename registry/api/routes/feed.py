"""Routes: the change feed and its snapshots."""

from typing import Annotated, Final

from msgspec import Meta

from registry.api import feed
from registry.api.feed_shapes import SnapshotAnswer, SnapshotRequest
from registry.api.routing import NDJSON, Parameter, Route
from registry.authority import Action
from registry.service.feed import LIMIT_MAX, WAIT_MAX_S
from registry.service.feed_rows import FeedRow

_CURSOR: Final = "ARsNmhUHcS0fAAAAAAAAB9J__________w"
_SNAPSHOT: Final = {
    "snapshot_id": "snp_71b0c2f4a98d3e56",
    "status": "ready",
    "tables": ["PFX", "REC"],
    "scope": None,
    "asked_at": "2031-05-06T16:20:00Z",
    "expires_at": "2031-05-07T16:20:00Z",
    "cursor": _CURSOR,
    "taken_at": "2031-05-06T16:20:00Z",
    "x_epoch": "1b0d9a1507712d1f",
    "parts": [
        {
            "n": 1,
            "table": "REC",
            "rows": 2,
            "bytes": 312,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "path": "/feed/v1/snapshots/snp_71b0c2f4a98d3e56/parts/1",
        }
    ],
}
_ROW: Final = {
    "c": _CURSOR,
    "at": "2031-05-06T16:20:09Z",
    "table": "REC",
    "scope": "88.118.8",
    "key": "hdl:88.118.8/SN0001",
    "op": "upsert",
    "ver": 3,
    "data": {"spelling": "88.118.8/SN0001", "state": "active", "values": []},
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/changes",
        also_at="/feed/v1/changes",
        handler=feed.changes,
        action=Action.READ_FEED,
        summary="Follow all changes in the order of their commits: one JSON object a line",
        description="The first line is the head: `next` is the cursor to ask with again, valid also when `count` is 0. "
        "A change carries the whole new state, so applying one twice ends the same. Tables: `PFX` prefixes, `REC` "
        "identifiers and aliases, and those of the national reports on a node that reports. Administrators and "
        "auditors see all that their role may read, enterprises their own prefixes, readers of the node public "
        "values only. Also at `/feed/v1/changes`.",
        response=FeedRow,
        response_type=NDJSON,
        refusals=(400, 409, 410, 429),
        parameters=(
            Parameter("after", "a cursor, or `oldest`, or `now`", required=True),
            Parameter(
                "limit", "changes in an answer; 1000 without it", schema=Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
            ),
            Parameter("tables", "only these tables, such as `REC` or `T7,T9`; may be repeated"),
            Parameter("scope", "only this prefix and what is below it; may be repeated"),
            Parameter(
                "wait",
                "seconds to wait for a change if there is none yet",
                schema=Annotated[int, Meta(ge=0, le=WAIT_MAX_S)],
            ),
        ),
        response_example=_ROW,
    ),
    Route(
        method="POST",
        path="/api/v1/snapshots",
        also_at="/feed/v1/snapshots",
        handler=feed.create_snapshot,
        action=Action.READ_FEED,
        summary="Ask for everything as of one instant, to begin following with",
        description="It is built in the background: read it until it is `ready`. One of the same that is younger than "
        "an hour is used again (200). Kept for a day.",
        request=SnapshotRequest,
        response=SnapshotAnswer,
        statuses=(200, 202),
        refusals=(429,),
        request_example={"tables": ["PFX", "REC"]},
        response_example={
            **_SNAPSHOT,
            "status": "building",
            "cursor": None,
            "taken_at": None,
            "parts": [],
        },
    ),
    Route(
        method="GET",
        path="/api/v1/snapshots/{id}",
        also_at="/feed/v1/snapshots/{id}",
        handler=feed.get_snapshot,
        action=Action.READ_FEED,
        summary="See whether a snapshot is ready, and its parts",
        response=SnapshotAnswer,
        refusals=(404,),
        response_example=_SNAPSHOT,
    ),
    Route(
        method="GET",
        path="/api/v1/snapshots/{id}/parts/{n}",
        also_at="/feed/v1/snapshots/{id}/parts/{n}",
        handler=feed.get_part,
        action=Action.READ_FEED,
        summary="Fetch a part of a snapshot: gzip, one row a line",
        description="`Range` is understood, so that a fetch that broke off can go on.",
        response=FeedRow,
        response_type=feed.GZIP,
        statuses=(200, 206),
        refusals=(404, 416),
        response_example={name: value for name, value in _ROW.items() if name != "c"},
    ),
    Route(
        method="DELETE",
        path="/api/v1/snapshots/{id}",
        also_at="/feed/v1/snapshots/{id}",
        handler=feed.delete_snapshot,
        action=Action.READ_FEED,
        summary="Remove a snapshot, or stop its building",
        statuses=(204,),
        refusals=(404,),
    ),
)
