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
    ),
)
