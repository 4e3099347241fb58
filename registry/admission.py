"""Whether a request is let in now: the rate limit of the enterprise that sends it."""

from datetime import datetime

from registry.authority import Principal
from registry.context import RegistryContext
from registry.database import connected
from registry.quota_memo import MEMO


async def admit(context: RegistryContext, principal: Principal, now: datetime) -> None:
    """Count a request against its enterprise's rate. Raises `TooManyRequests`. The node's own accounts have no rate."""
    if principal.enterprise is None:
        return
    if not MEMO.fresh(now):
        async with connected(context.pool) as connection:
            await MEMO.refresh(connection, now)
    context.rates.admit(principal.enterprise, MEMO.recall(principal.enterprise), now)
