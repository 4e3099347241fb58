"""Handlers: the numbers that are given out as enterprise prefixes, and those that are kept back."""

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.prefix_shapes import (
    AllocationAnswer,
    AllocationRequest,
    ReservationAnswer,
    ReservationPage,
    ReservationRequest,
)
from registry.database import Connection
from registry.service import prefix_allocation
from registry.service.change import Outcome
from registry.states import instant
from registry.tables import prefix_allocation as table
from registry.tables.prefix_allocation import Allocation, Reservation


async def get(call: Call) -> Answer:
    """GET /api/v1/prefix-allocation."""
    async with call.connected() as connection:
        return answer(await _shown(connection, await prefix_allocation.get(connection, call.principal)))


async def put(call: Call) -> Answer:
    """PUT /api/v1/prefix-allocation."""
    body = await call.read(AllocationRequest)

    async def work(connection: Connection) -> Outcome:
        allocation, cursor = await prefix_allocation.put(
            connection, call.principal, call.now, node_prefix=body.node_prefix, first=body.first, last=body.last
        )
        return outcome(200, await _shown(connection, allocation), cursor)

    return await call.change(work)


async def reserve(call: Call) -> Answer:
    """POST /api/v1/prefix-reservations."""
    body = await call.read(ReservationRequest)

    async def work(connection: Connection) -> Outcome:
        reservation, cursor = await prefix_allocation.reserve(
            connection, call.principal, call.now, first=body.first, last=body.last, reason=body.reason
        )
        return outcome(201, _reservation(reservation), cursor)

    return await call.change(work)


async def release(call: Call) -> Answer:
    """DELETE /api/v1/prefix-reservations/{reservation}."""

    async def work(connection: Connection) -> Outcome:
        released, cursor = await prefix_allocation.release(connection, call.principal, call.path("reservation"))
        return outcome(200, _reservation(released), cursor)

    return await call.change(work)


async def page(call: Call) -> Answer:
    """GET /api/v1/prefix-reservations."""
    after, limit = call.page("prefix-reservations")
    async with call.connected() as connection:
        found = await prefix_allocation.reservations(connection, call.principal, after, limit)
    following = next_cursor("prefix-reservations", found, limit, found[-1].id if found else "")
    return answer(ReservationPage([_reservation(one) for one in found], following))


async def _shown(connection: Connection, allocation: Allocation) -> AllocationAnswer:
    number = await table.next_free(connection, allocation)
    return AllocationAnswer(
        node_prefix=allocation.node_prefix,
        first=allocation.first,
        last=allocation.last,
        next=f"{allocation.node_prefix}.{number}" if number is not None else None,
        updated_at=instant(allocation.updated_at),
    )


def _reservation(reservation: Reservation) -> ReservationAnswer:
    return ReservationAnswer(
        reservation.id, reservation.first, reservation.last, reservation.reason, instant(reservation.created_at)
    )
