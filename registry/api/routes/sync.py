"""Routes: how reporting to the national node stands. Orders are given with `idnode sync …`."""

from typing import Final

from registry.api import sync
from registry.api.routing import PAGING, Route
from registry.api.sync_shapes import DirectiveList, OpenRowList, SentBatchList, StreamList, SyncStatus
from registry.authority import Action

_LIMIT: Final = PAGING[:1]

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/sync/status",
        handler=sync.status,
        action=Action.READ_STATUS,
        summary="Tell how the way to the national node is: up or down, its addresses, what is paused",
        description="Empty where the node does not report. `read_only` is set during an emergency take-over.",
        response=SyncStatus,
    ),
    Route(
        method="GET",
        path="/api/v1/sync/streams",
        handler=sync.streams,
        action=Action.READ_STATUS,
        summary="List the streams of reports: what is acknowledged, what waits, what is wrong",
        response=StreamList,
        parameters=_LIMIT,
    ),
    Route(
        method="GET",
        path="/api/v1/sync/batches",
        handler=sync.batches,
        action=Action.READ_STATUS,
        summary="List the newest batches with their receipts",
        response=SentBatchList,
        parameters=_LIMIT,
    ),
    Route(
        method="GET",
        path="/api/v1/sync/open-rows",
        handler=sync.open_rows,
        action=Action.READ_STATUS,
        summary="List rows that were refused, or are not fit to be sent",
        response=OpenRowList,
        parameters=_LIMIT,
    ),
    Route(
        method="GET",
        path="/api/v1/sync/directives",
        handler=sync.directives,
        action=Action.READ_STATUS,
        summary="List what the national node asked of this node, and what became of it",
        response=DirectiveList,
        parameters=_LIMIT,
    ),
)
