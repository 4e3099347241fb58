"""What a user of the Handle protocol may do: grants in HS_ADMIN values, and groups in HS_VLIST values (10, 17.1).

Pure: whoever asks hands in the records that are needed, one after another, because groups may be kept anywhere. The
question is a generator that yields names of records and is sent their values; see `decide`.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final, NamedTuple

from identifiers.handle import fold, parse_reference
from identifiers.hs_admin import parse_admin
from identifiers.hs_vlist import parse_vlist
from identifiers.identifier import Invalid
from identifiers.octets import WireError
from identifiers.values import Reference, Value

VLIST_DEPTH_MAX: Final = 32
VLIST_REFERENCES_MAX: Final = 1_024
PREFIXES: Final = "0.NA/"
"""Beginning of the names under which prefixes are records."""

Values = Sequence[Value]
Question = Generator[str, Values | None, bool]
"""Yields the name of a record, is sent its values (None: it cannot be had), and returns the answer."""


class GroupBounds(NamedTuple):
    """How deep groups may contain groups, and how many of their members are looked at in all."""

    depth: int = VLIST_DEPTH_MAX
    references: int = VLIST_REFERENCES_MAX


GROUP_BOUNDS: Final = GroupBounds()


class Need(NamedTuple):
    """Bits of one HS_ADMIN value on the record with this name."""

    name: str
    bits: int


Alternative = tuple[Need, ...]
"""Needs that must all be met."""
Needs = tuple[Alternative, ...]
"""Any one of them is enough. None at all: only service administrators may; an empty one: every user may."""

EVERY_USER: Final[Needs] = ((),)
SERVICE_ONLY: Final[Needs] = ()


def read_administrators(written: str) -> tuple[Reference, ...]:
    """Read users as settings name them: `300:88.118/ADMIN, 301:88.118/ADMIN`. Raises ValueError naming what is none."""
    found = []
    for text in filter(None, map(str.strip, written.split(","))):
        read = parse_reference(text)
        if isinstance(read, Invalid):
            raise ValueError(f"{text[:255]!r} is no user: {read.message}")  # noqa: TRY004 - what is wrong is the text
        found.append(read)
    return tuple(found)


def folded_name(name: str) -> str:
    """Return a name for comparing users with grants: prefixes without case, suffixes exactly, `0.` without case."""
    prefix, slash, suffix = name.partition("/")
    if not slash:
        return PREFIXES + fold(name)
    return fold(name) if prefix.startswith("0.") else f"{fold(prefix)}/{suffix}"


def matches(user: Reference, grant: Reference) -> bool:
    """Say whether a grant names a user itself; its index 0 means every index."""
    return grant.index in (user.index, 0) and folded_name(grant.handle) == folded_name(user.handle)


def may(user: Reference, needs: Needs, service: Iterable[Reference], bounds: GroupBounds = GROUP_BOUNDS) -> Question:
    """Ask whether a user meets one of the alternatives, or is a service administrator."""
    if (yield from is_member(user, service, bounds)):
        return True
    for alternative in needs:
        met = True
        for need in alternative:
            values = yield need.name
            met = yield from is_member(user, _granted(values or (), need.bits), bounds)
            if not met:
                break
        if met:
            return True
    return False


def is_member(user: Reference, grants: Iterable[Reference], bounds: GroupBounds = GROUP_BOUNDS) -> Question:
    """Ask whether a user is named by a grant, or by a group that one names, however deep, within bounds (10.2)."""
    waiting = deque((grant, 0) for grant in grants)
    if any(matches(user, grant) for grant, _ in waiting):
        return True
    seen: set[tuple[str, int]] = set()
    counted = len(waiting)
    while waiting:
        group, depth = waiting.popleft()
        place = folded_name(group.handle), group.index
        if group.index == 0 or depth >= bounds.depth or place in seen:
            continue
        seen.add(place)
        members = _members((yield group.handle) or (), group.index)
        for member in members[: max(0, bounds.references - counted)]:
            counted += 1
            if matches(user, member):
                return True
            waiting.append((member, depth + 1))
    return False


def decide(question: Question, read: Callable[[str], Values | None]) -> bool:
    """Answer a question with a reader of records that need not be waited for."""
    try:
        name = next(question)
        while True:
            name = question.send(read(name))
    except StopIteration as end:
        return bool(end.value)


def _granted(values: Values, bits: int) -> list[Reference]:
    """Return whom single HS_ADMIN values give all of these rights. Data that is none gives nobody anything."""
    granted = []
    for value in values:
        if fold(value.type) != "HS_ADMIN":
            continue
        try:
            admin = parse_admin(value.data)
        except WireError:
            continue
        if admin.permissions & bits == bits:
            granted.append(Reference(admin.handle, admin.index))
    return granted


def _members(values: Values, index: int) -> Sequence[Reference]:
    for value in values:
        if value.index == index and fold(value.type) == "HS_VLIST":
            try:
                return parse_vlist(value.data)
            except WireError:
                return ()
    return ()
