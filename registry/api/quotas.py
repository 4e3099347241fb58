"""Handlers: quotas of enterprises."""

from contextlib import suppress
from dataclasses import asdict

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.quota_shapes import QuotaAnswer, QuotaPage, QuotaRequest, QuotaRow, QuotaUse
from registry.database import Connection
from registry.errors import Unavailable
from registry.quota_memo import MEMO
from registry.service import quotas
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.quotas import Limits, Quota


async def put(call: Call) -> Answer:
    """PUT /api/v1/quotas/{enterprise}."""
    enterprise = call.path("enterprise")
    body = await call.read(QuotaRequest)
    wanted = Limits(
        body.identifiers_max,
        body.identifiers_per_day_max,
        body.octets_max,
        body.job_rows_max,
        body.requests_per_s_max,
        body.requests_burst_max,
    )

    async def work(connection: Connection) -> Outcome:
        changed, cursor = await quotas.change(connection, call.principal, call.now, enterprise, wanted)
        return outcome(200, _row(changed), cursor)

    changed = await call.change(work)
    MEMO.forget()
    if wanted.counted:
        # If this fails it is done within about a minute, with the other maintenance.
        with suppress(Unavailable):
            async with call.connected() as connection:
                await quotas.recount(connection, enterprise, call.now)
    return changed


async def get(call: Call) -> Answer:
    """GET /api/v1/quotas/{enterprise}."""
    enterprise = call.path("enterprise")
    async with call.connected() as connection:
        found, use = await quotas.get(connection, call.principal, call.now, enterprise)
    limits = found.limits if found is not None else Limits()
    used = None
    if found is not None and limits.counted:
        counted_at = instant(found.counted_at) if found.counted_at else None
        used = QuotaUse(use.identifiers, use.identifiers_today, use.octets, counted_at)
    updated_at = instant(found.updated_at) if found is not None else None
    return answer(QuotaAnswer(enterprise=enterprise, **asdict(limits), updated_at=updated_at, used=used))


async def page(call: Call) -> Answer:
    """GET /api/v1/quotas."""
    after, limit = call.page("quotas")
    async with call.connected() as connection:
        found = await quotas.page(connection, call.principal, after, limit)
    following = next_cursor("quotas", found, limit, found[-1].enterprise if found else "")
    return answer(QuotaPage([_row(quota) for quota in found], following))


def _row(quota: Quota) -> QuotaRow:
    return QuotaRow(enterprise=quota.enterprise, **asdict(quota.limits), updated_at=instant(quota.updated_at))
