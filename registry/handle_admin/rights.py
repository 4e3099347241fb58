"""Whether a Handle user may do something, by what the database holds; and who they are to the registry's services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from identifiers.handle import fold, parse_handle
from identifiers.handle_requests import Group
from identifiers.handle_rights import GROUP_BOUNDS, GroupBounds, Needs, Question, Values, may
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


@dataclass(frozen=True, slots=True)
class Deciding:
    """What decides beside the database: the node's administrators, and bounds of groups.

    `elsewhere`: groups by the name of their record, as a worker has read them for one operation.
    """

    administrators: tuple[Reference, ...] = ()
    bounds: GroupBounds = GROUP_BOUNDS
    elsewhere: Mapping[str, Values] = field(default_factory=dict)

    def with_groups(self, groups: Sequence[Group]) -> "Deciding":
        """Return the same for an operation with which groups were handed over."""
        return replace(self, elsewhere={group.name: group.values for group in groups}) if groups else self


def actor_of(user: Reference | None) -> str:
    """Return how journal and audit log name a user: `300:88.118.8/ADMIN`."""
    return NOBODY if user is None else f"{user.index}:{user.handle}"


def owner(user: Reference | None, prefix: Prefix) -> Principal:
    """Return a user as the enterprise whose prefix it writes below."""
    return Principal(actor_of(user), "enterprise_administrator", prefix.enterprise)


def node(user: Reference) -> Principal:
    """Return a service administrator as an administrator of the node."""
    return Principal(actor_of(user), "administrator")


async def is_allowed(connection: Connection, user: Reference, needs: Needs, deciding: Deciding) -> bool:
    """Say whether a user meets one of the alternatives. Of records elsewhere only the groups handed over count."""
    question = may(user, needs, deciding.administrators, deciding.bounds)
    return await _answered(connection, question, deciding.elsewhere)


async def values_of(connection: Connection, name: str, elsewhere: Mapping[str, Values]) -> Values | None:
    """Return every value of a record here, whoever may read them; None without one.

    A prefix that is not answered for here has the values from elsewhere, and, unless it was withdrawn, what is kept.
    """
    parsed = parse_handle(name)
    if isinstance(parsed, Invalid):
        return None
    assert isinstance(parsed.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    prefix = await prefixes.by_prefix(connection, fold(parsed.parts.named_prefix or parsed.parts.prefix))
    is_here = prefix is not None and (prefix.hosting == "here" or parsed.parts.named_prefix is not None)
    if prefix is not None and is_here and prefix.state in ("active", "withdrawing"):
        return await _stored(connection, name, prefix)
    kept = await _stored(connection, name, prefix) if prefix is not None and prefix.state == "suspended" else None
    handed = elsewhere.get(name, ())
    return (*handed, *(kept or ())) or None


async def _stored(connection: Connection, name: str, prefix: Prefix) -> Values | None:
    parsed = parse_handle(name, exact_case=prefix.exact_case)
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


async def _answered(connection: Connection, question: Question, elsewhere: Mapping[str, Values]) -> bool:
    try:
        name = next(question)
        while True:
            name = question.send(await values_of(connection, name, elsewhere))
    except StopIteration as end:
        return bool(end.value)
