"""Whether a Handle user may do something, by what the database holds; and who they are to the registry's services."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from identifiers.handle import fold, parse_handle
from identifiers.handle_rights import Needs, Question, Values, may
from identifiers.identifier import HandleParts, Invalid
from identifiers.value_json import decode_stored
from identifiers.values import Reference
from registry.authority import Principal
from registry.database import Connection
from registry.tables import identifiers, prefixes
from registry.tables.prefixes import Prefix

KEPT: Final = timedelta(seconds=1)
"""A right to create that was taken away may count for this much longer, like a token that was revoked."""
VERDICTS_MAX: Final = 10_000
NOBODY: Final = "handle:anonymous"


def actor_of(user: Reference | None) -> str:
    """Return how journal and audit log name a user: `300:88.118.8/ADMIN`."""
    return NOBODY if user is None else f"{user.index}:{user.handle}"


def owner(user: Reference | None, prefix: Prefix) -> Principal:
    """Return a user as the enterprise whose prefix it writes below."""
    return Principal(actor_of(user), "enterprise_administrator", prefix.enterprise)


def node(user: Reference) -> Principal:
    """Return a service administrator as an administrator of the node."""
    return Principal(actor_of(user), "administrator")


async def is_allowed(connection: Connection, user: Reference, needs: Needs, service: Iterable[Reference]) -> bool:
    """Say whether a user meets one of the alternatives. Records and groups kept elsewhere count as absent."""
    return await _answered(connection, may(user, needs, service))


async def values_of(connection: Connection, name: str) -> Values | None:
    """Return every value of a record here, whoever may read them; None without one."""
    parsed = parse_handle(name)
    if isinstance(parsed, Invalid):
        return None
    assert isinstance(parsed.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    prefix = await prefixes.by_prefix(connection, fold(parsed.parts.named_prefix or parsed.parts.prefix))
    if prefix is None:
        return None
    if prefix.exact_case:
        parsed = parse_handle(name, exact_case=True)
        if isinstance(parsed, Invalid):
            return None
    record = await identifiers.by_key(connection, prefix.id, parsed.key)
    return decode_stored(record.values) if record is not None and record.state == "active" else None


class CreationMemo:
    """Who was found to have the right to create below which prefix within the last second; full, it starts over."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, str], tuple[Prefix, datetime]] = {}

    def recall(self, user: Reference, prefix: str, now: datetime) -> Prefix | None:
        """Return the prefix below which the user was found to have it."""
        found = self._known.get((user.handle, user.index, prefix))
        return found[0] if found is not None and timedelta(0) <= now - found[1] < KEPT else None

    def remember(self, user: Reference, prefix: Prefix, now: datetime) -> None:
        """Keep what the database said at `now`."""
        if len(self._known) >= VERDICTS_MAX:
            self._known = {}
        self._known[user.handle, user.index, prefix.prefix] = prefix, now

    def forget(self) -> None:
        """Ask the database again."""
        self._known = {}


async def _answered(connection: Connection, question: Question) -> bool:
    try:
        name = next(question)
        while True:
            name = question.send(await values_of(connection, name))
    except StopIteration as end:
        return bool(end.value)
