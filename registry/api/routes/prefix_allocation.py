"""Routes: the numbers that are given out as enterprise prefixes, and those that are kept back."""

from typing import Final

from registry.api import prefix_allocation
from registry.api.prefix_shapes import (
    AllocationAnswer,
    AllocationRequest,
    ReservationAnswer,
    ReservationPage,
    ReservationRequest,
)
from registry.api.routing import PAGING, Route
from registry.authority import Action

_ALLOCATION: Final = {
    "node_prefix": "88.118",
    "first": 1,
    "last": 999_999,
    "next": "88.118.9",
    "updated_at": "2025-11-22T08:00:00.000Z",
}
_RESERVATION: Final = {
    "id": "rsv_2f6a91c07be3d458",
    "first": 1,
    "last": 7,
    "reason": "the node's own services",
    "created_at": "2025-11-22T08:00:00.000Z",
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/prefix-allocation",
        handler=prefix_allocation.get,
        action=Action.RESERVE_PREFIXES,
        summary="Read how enterprise prefixes are given out, and which is the next",
        response=AllocationAnswer,
        refusals=(404,),
        response_example=_ALLOCATION,
    ),
    Route(
        method="PUT",
        path="/api/v1/prefix-allocation",
        handler=prefix_allocation.put,
        action=Action.RESERVE_PREFIXES,
        summary="Set the node's own prefix and the numbers that are given out below it",
        request=AllocationRequest,
        response=AllocationAnswer,
        request_example={"node_prefix": "88.118", "first": 1, "last": 999_999},
        response_example=_ALLOCATION,
    ),
    Route(
        method="POST",
        path="/api/v1/prefix-reservations",
        handler=prefix_allocation.reserve,
        action=Action.RESERVE_PREFIXES,
        summary="Keep numbers back: only administrators give them out",
        request=ReservationRequest,
        response=ReservationAnswer,
        statuses=(201,),
        request_example={"first": 1, "last": 7, "reason": "the node's own services"},
        response_example=_RESERVATION,
    ),
    Route(
        method="GET",
        path="/api/v1/prefix-reservations",
        handler=prefix_allocation.page,
        action=Action.RESERVE_PREFIXES,
        summary="List the numbers kept back",
        response=ReservationPage,
        parameters=PAGING,
        response_example={"items": [_RESERVATION], "next": None},
    ),
    Route(
        method="DELETE",
        path="/api/v1/prefix-reservations/{reservation}",
        handler=prefix_allocation.release,
        action=Action.RESERVE_PREFIXES,
        summary="Give reserved numbers free",
        response=ReservationAnswer,
        refusals=(404,),
        response_example=_RESERVATION,
    ),
)
