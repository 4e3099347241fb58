"""Handlers: keys with which an enterprise's own node signs its reports."""

from datetime import datetime

from registry.api.call import Answer, Call, answer, outcome
from registry.api.report_key_shapes import ReportKeyAnswer, ReportKeyList, ReportKeyRequest
from registry.database import Connection
from registry.service import report_keys
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.report_keys import ReportKey


async def page(call: Call) -> Answer:
    """GET /api/v1/prefixes/{prefix}/report-keys."""
    async with call.connected() as connection:
        found = await report_keys.of_prefix(connection, call.principal, call.path("prefix"))
    return answer(ReportKeyList([_shown(key) for key in found]))


async def put(call: Call) -> Answer:
    """PUT /api/v1/prefixes/{prefix}/report-keys/{label}."""
    body = await call.read(ReportKeyRequest)
    prefix = call.path("prefix")
    wanted = ReportKey(
        key_id=f"{prefix}#{call.path('label')}",
        prefix=prefix,
        algorithm="",
        public_key=body.public_key,
        not_before=body.not_before,
        not_after=body.not_after,
        created_at=call.now,
        revoked_at=None,
    )

    async def work(connection: Connection) -> Outcome:
        made, cursor = await report_keys.register(connection, call.principal, wanted, call.context.read_report_key)
        return outcome(201, _shown(made), cursor)

    return await call.change(work)


async def revoke(call: Call) -> Answer:
    """DELETE /api/v1/prefixes/{prefix}/report-keys/{label}."""
    prefix, label = call.path("prefix"), call.path("label")

    async def work(connection: Connection) -> Outcome:
        ended, cursor = await report_keys.revoke(connection, call.principal, call.now, prefix, label)
        return outcome(200, _shown(ended), cursor)

    return await call.change(work)


def _shown(key: ReportKey) -> ReportKeyAnswer:
    return ReportKeyAnswer(
        key_id=key.key_id,
        label=key.label,
        algorithm=key.algorithm,
        public_key=key.public_key,
        not_before=_instant(key.not_before),
        not_after=_instant(key.not_after),
        created_at=instant(key.created_at),
        revoked_at=_instant(key.revoked_at),
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
