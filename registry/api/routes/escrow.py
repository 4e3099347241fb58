"""Routes: deposits with the disaster-recovery node. They are made with `idnode escrow …`, or by the node itself."""

from typing import Final

from registry.api import escrow
from registry.api.escrow import DepositRunList
from registry.api.routing import PAGING, Route
from registry.authority import Action

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/escrow/deposits",
        handler=escrow.deposits,
        action=Action.READ_STATUS,
        summary="List the runs that made deposits, the newest first",
        description="`SUCCESS` says that the deposit was handed in; `verdict` is what the platform says of it.",
        response=DepositRunList,
        parameters=PAGING[:1],
        response_example={
            "items": [
                {
                    "id": 12,
                    "prefix": "88.118",
                    "watermark": "2031-05-04T16:00:00.000Z",
                    "rev": 0,
                    "data_type": "FULL",
                    "start_time": "2031-05-04T18:00:00.000Z",
                    "end_time": "2031-05-04T18:03:11.000Z",
                    "status": "SUCCESS",
                    "remark": "",
                    "deposit_id": "20310504T1600Z-88.118-0",
                    "bytes": 104_857_600,
                    "files": 2,
                    "verdict": "accepted",
                    "verdict_at": "2031-05-04T19:00:00.000Z",
                    "verdict_text": None,
                }
            ]
        },
    ),
)
