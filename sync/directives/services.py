"""Who does what directives ask for outside the delivery: full sets, facts again, verdicts on deposits."""

from sync import full_sets
from sync import resend_facts as facts_again
from sync.batch import Period
from sync.context import Context
from sync.database import Connection
from sync.directives.duties import Declined, Services
from sync.escrow import log
from sync.full_sets import NoFullSet
from sync.resend_facts import CannotResend


async def full_set(context: Context, connection: Connection, table: str, scope: str) -> str:
    """Queue the full set of a stream."""
    try:
        rows = await full_sets.send_full(connection, context, table, scope)
    except NoFullSet as error:
        raise Declined(str(error)) from error
    return f"the full set of {table}/{scope} is queued, {rows} rows"


async def facts(context: Context, connection: Connection, table: str, scope: str, period: Period | str) -> str:
    """Queue the facts of a period again."""
    try:
        days = await facts_again.resend_facts(context, connection, table, scope, period)
    except CannotResend as error:
        raise Declined(str(error)) from error
    return f"{table}/{scope} of {days} days is queued again"


async def _verdict(connection: Connection, deposit_id: str, verdict: str, text: str) -> str:
    if verdict not in ("accepted", "rejected"):
        raise Declined(f"{verdict[:40]} is no verdict: accepted or rejected")
    if not await log.judge(connection, deposit_id, verdict, text):
        raise Declined(f"no deposit {deposit_id} was made here")
    return f"deposit {deposit_id} is noted as {verdict}"


SERVICES = Services(full_set=full_set, facts=facts, verdict=_verdict)
