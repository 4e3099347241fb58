"""Who may read which value of a record: by the permission bits of each value, and by what grants add to them.

    public read                anyone; of secrets (HS_SECKEY) those of the next line
    admin read only            node administrators, the owning enterprise, holders of a read grant (grade 2)
    neither                    holders of a read grant, whoever they are (grade 3)

Nothing else decides, and every face asks here. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from identifiers.changes import GrantInForce, GrantState, ObjectKind, Right
from identifiers.values import ADMIN_READ, PUBLIC_READ, Value, is_public

ITEM_INDEX_MIN: Final = 2_000
"""Values from this index on are items of templates; those below are the Handle system's own, keys among them."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What grants allow on one record: every value, every item of its template, or values by their index."""

    all_indexes: bool = False
    indexes: frozenset[int] = frozenset()
    all_items: bool = False

    def __bool__(self) -> bool:
        return self.all_indexes or self.all_items or bool(self.indexes)

    def __or__(self, other: "Granted") -> "Granted":
        return Granted(
            self.all_indexes or other.all_indexes, self.indexes | other.indexes, self.all_items or other.all_items
        )

    def covers(self, index: int) -> bool:
        """Say whether the value with this index is meant."""
        return self.all_indexes or index in self.indexes or (self.all_items and index >= ITEM_INDEX_MIN)


NOTHING_GRANTED: Final = Granted()


def granted_by(kind: ObjectKind, indexes: Iterable[int] | None) -> Granted:
    """Return what one grant on an identifier or a template opens; `indexes` None: all it can."""
    if indexes is not None:
        return Granted(indexes=frozenset(indexes))
    return Granted(all_indexes=True) if kind == "identifier" else Granted(all_items=True)


def granted_in(states: Iterable[GrantState], *, enterprise: str, right: Right, now_s: float) -> Granted:
    """Return what the states of several pairs open together, at an instant, on a record of `enterprise`."""
    granted = NOTHING_GRANTED
    for state in states:
        for grant in state.grants:
            if grant.enterprise == enterprise and grant.right == right and not _ended(grant, now_s):
                granted |= granted_by(state.object_kind, grant.indexes)
    return granted


def is_readable(value: Value, *, admin: bool, owner: bool, granted: Granted = NOTHING_GRANTED) -> bool:
    """Say whether a reader may see a value.

    `admin`: an administrator of the node. `owner`: a member of the enterprise the record belongs to.
    """
    if is_public(value):
        return True
    if value.permissions & (ADMIN_READ | PUBLIC_READ) and (admin or owner):
        return True
    return granted.covers(value.index)


def readable(
    values: Iterable[Value], *, admin: bool, owner: bool, granted: Granted = NOTHING_GRANTED
) -> tuple[Value, ...]:
    """Return the values a reader may see, in their order; the arguments are those of `is_readable`."""
    return tuple(value for value in values if is_readable(value, admin=admin, owner=owner, granted=granted))


def is_beyond_owners(value: Value) -> bool:
    """Say whether only a grant opens the value, to whoever it may be: it has neither read bit."""
    return not is_readable(value, admin=True, owner=True)


def keep_unreadable(
    sent: Sequence[Value],
    stored: Iterable[Value],
    *,
    admin: bool,
    owner: bool,
    granted: Granted = NOTHING_GRANTED,
) -> tuple[Value, ...]:
    """Return the record a writer means who sends `sent` in place of `stored`, ascending by index if anything is added.

    Nobody can mean to remove what they cannot see: those values stay, unless their index is sent.
    """
    indexes = {value.index for value in sent}
    kept = [
        value
        for value in stored
        if value.index not in indexes and not is_readable(value, admin=admin, owner=owner, granted=granted)
    ]
    return tuple(sorted([*sent, *kept], key=lambda value: value.index)) if kept else tuple(sent)


def _ended(grant: GrantInForce, now_s: float) -> bool:
    return grant.expires_at is not None and datetime.fromisoformat(grant.expires_at).timestamp() <= now_s
