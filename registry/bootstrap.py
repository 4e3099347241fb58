"""The first start: an administrator, so that somebody can issue everything else."""

from datetime import UTC, datetime

from registry import audit_months, journal
from registry.database import Connection
from registry.journal_days import ensure_partitions
from registry.service import accounts as account_service
from registry.tables import accounts


async def ensure_administrator(connection: Connection) -> str | None:
    """Issue an administrator's token if none counts, and return it; None if there is one. It is kept nowhere.

    This is a new registry's first change, so the journal's partitions are made before it.
    """
    now = datetime.now(UTC)
    async with connection.transaction():
        # Two processes may start at once.
        await journal.serialise(connection, "bootstrap", "administrator")
        if await accounts.administrator_exists(connection, now):
            return None
        await ensure_partitions(connection, now)
        await audit_months.ensure_partitions(connection, now)
        _, secret, _ = await account_service.issue(
            connection,
            None,
            now,
            role="administrator",
            enterprise=None,
            label="first administrator",
            expires_at=None,
        )
        return secret
