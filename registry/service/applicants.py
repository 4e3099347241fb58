"""The account that applies for an enterprise: it belongs to it from the application on, and administers it later."""

from datetime import datetime

from identifiers.changes import START, Cursor
from registry.authority import Principal
from registry.database import Connection
from registry.errors import one_field
from registry.service import accounts


async def lock(connection: Connection, account_id: str) -> None:
    """Wait for other transactions that change the account, until the end of ours. Before the first write."""
    await accounts.lock_identities(connection)
    await accounts.lock_credentials(connection, account_id)


async def check(connection: Connection, account_id: str) -> None:
    """Raise `NotFound` unless there is such an account, and `InvalidFields` unless it has the role of applicants."""
    account = await accounts.existing(connection, account_id)
    if account.role != "applicant":
        raise one_field(
            "bad_applicant", "applicant", f"this account has the role {account.role}: name one with the role applicant"
        )


async def attach(
    connection: Connection, principal: Principal, now: datetime, account_id: str, enterprise_id: str
) -> Cursor:
    """Let an applicant's account belong to the enterprise it applies for."""
    _, cursor = await accounts.change(connection, principal.account, now, account_id, enterprise=enterprise_id)
    return cursor or START


async def promote(
    connection: Connection, principal: Principal, now: datetime, account_id: str, enterprise_id: str
) -> Cursor:
    """Let an applicant's account administer its enterprise. One that has become something else stays as it is."""
    account = await accounts.existing(connection, account_id)
    if account.role != "applicant" or account.enterprise != enterprise_id:
        return START
    _, cursor = await accounts.change(connection, principal.account, now, account_id, role="enterprise_administrator")
    return cursor or START
