"""What has to be done by hand, by its date: the agreement that ends, a contact not notified, a report not sent."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from registry.tables import node_events, service_notes
from sync.calendar_time import beijing_day
from sync.database import Connection

EXPIRY_DAYS: Final = (30, 90, 180)
"""Days before the end of the agreement from which on it is reminded of (docking contract 2)."""
_NOT_SENT: Final = """
SELECT month, made_at, last_error FROM monthly_reports AS m
WHERE reporter = $1 AND sent_at IS NULL AND last_error IS NOT NULL
  AND revision = (SELECT max(revision) FROM monthly_reports AS n WHERE (n.reporter, n.month) = (m.reporter, m.month))
ORDER BY month LIMIT 12"""


class Reminder(NamedTuple):
    """One thing to be done."""

    what: str
    since: datetime | None
    detail: str
    remedy: str


async def find(connection: Connection, reporter: str, now: datetime) -> Sequence[Reminder]:
    """Return what has to be done by hand."""
    found = [
        *_of_agreement(await service_notes.agreement(connection), beijing_day(now)),
        *_of_contact(await service_notes.contacts(connection)),
    ]
    for row in await connection.fetch(_NOT_SENT, reporter):
        remedy = "remove the cause; it is sent by itself. If `stale`: `idnode sync report --revise`"
        found.append(Reminder("monthly report", row["made_at"], f"{row['month']}: {row['last_error']}", remedy))
    for event in await node_events.open_events(connection):
        detail = f"{event.prefix}: {event.condition}: {event.cause or ''}"
        found.append(Reminder("open event", event.occurred_at, detail, "see `idnode sync event list`"))
    return found


def _of_agreement(agreement: service_notes.Agreement | None, today: date) -> list[Reminder]:
    if agreement is None:
        return []
    left = (agreement.expires_on - today).days
    if left > max(EXPIRY_DAYS):
        return []
    if left < 0:
        detail = f"the docking agreement ended on {agreement.expires_on}"
    else:
        before = min(days for days in EXPIRY_DAYS if left <= days)
        detail = f"the docking agreement ends on {agreement.expires_on}, in less than {before} days"
    return [Reminder("agreement", None, detail, "renew it, then enter it: `idnode sync agreement`")]


def _of_contact(contacts: Sequence[service_notes.Contact]) -> list[Reminder]:
    if not contacts or contacts[0].signed_on is not None:
        return []
    remedy = "`idnode sync contact form`, have it signed and handed over, then `idnode sync contact signed`"
    return [Reminder("emergency contact", contacts[0].entered_at, "the change is not notified", remedy)]
