"""Handlers: the log of deposits with the disaster-recovery node."""

from datetime import datetime
from typing import Any

import msgspec

from registry.api.call import Answer, Call, answer
from registry.api.paging import read_limit
from registry.api.shapes import Instant
from registry.states import instant
from registry.tables import escrow_log


class DepositRun(msgspec.Struct, frozen=True):
    """One run. Without `status` it goes on, or its process was killed; `verdict` is the platform's."""

    id: int
    prefix: str
    watermark: Instant | None
    rev: int
    data_type: str
    start_time: Instant
    end_time: Instant | None
    status: str | None
    remark: str
    deposit_id: str | None
    bytes: int | None
    files: int | None
    verdict: str | None
    verdict_at: Instant | None
    verdict_text: str | None


class DepositRunList(msgspec.Struct, frozen=True):
    """Runs, the newest first."""

    items: list[DepositRun]


async def deposits(call: Call) -> Answer:
    """GET /api/v1/escrow/deposits."""
    async with call.connected() as connection:
        rows = await escrow_log.newest(connection, read_limit(call.query("limit")))
    return answer(DepositRunList([_run(row) for row in rows]))


def _run(row: dict[str, Any]) -> DepositRun:
    told = {name: instant(one) if isinstance(one, datetime) else one for name, one in row.items()}
    return msgspec.convert(told, DepositRun)
