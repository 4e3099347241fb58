"""Emergency take-over: declared and ended, and what another body registered meanwhile (docking contract 7.6).

While one is under way nothing is changed here but by `merge` and `decide`, and look-ups go on. What the other body
holds is entered record by record: what is not here is registered, the same is left alone, anything else waits for a
person. Entering the same again changes nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec

from identifiers.changes import AliasKind
from identifiers.handle import parse_handle
from identifiers.identifier import HandleParts, Identifier, Invalid
from identifiers.parse import parse
from identifiers.value_json import decode_stored
from registry.authority import Action, Principal, authorise
from registry.database import Connection
from registry.errors import Conflict, NotFound, RegistryError
from registry.service import aliases, identifiers
from registry.service.targets import find_target
from registry.states import instant, to_millisecond
from registry.tables import aliases as alias_rows
from registry.tables import identifiers as records
from registry.tables import prefixes, read_only, takeovers
from registry.tables.aliases import FOREIGN_PREFIX_ID
from registry.tables.identifiers import Record
from registry.tables.takeovers import Disagreement

ACCOUNT: Final = "takeover-import"
"""Stands in the journal and the audit log for what comes from the other body."""
IMPORTER: Final = Principal(ACCOUNT, "administrator")

Decision = Literal["ours", "theirs"]
Outcome = Literal["registered", "same", "conflict"]


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a name stands for, on one of the two sides."""

    state: Literal["active", "withdrawn", "alias"]
    values: msgspec.Raw = msgspec.Raw(b"[]")
    template: str | None = None
    successor: str | None = None
    alias_kind: AliasKind | None = None
    created_at: str | None = None

    @property
    def compared(self) -> tuple[object, ...]:
        """What both sides have to agree on: everything but instants."""
        values = sorted(decode_stored(bytes(self.values)), key=lambda value: value.index)
        plain = tuple(msgspec.structs.replace(value, timestamp=0) for value in values)
        return self.state, plain, self.template, self.successor, self.alias_kind


@dataclass(frozen=True, slots=True)
class Taken:
    """A name as the body that took over holds it."""

    identifier: str
    content: Content


async def begin(connection: Connection, now: datetime, reason: str, by: str) -> None:
    """Take no changes from the end of this transaction on, and put the take-over on record."""
    await read_only.begin(connection, now, reason=reason, ordered_by=by)
    await takeovers.begin(connection, now, reason, by)


async def end(connection: Connection, now: datetime, by: str) -> bool:
    """Take changes again; False if they were taken all along.

    The next deposit is a FULL one, and T2 and T7 are told in full.
    """
    await takeovers.end(connection, now, by)
    return await read_only.end(connection)


async def merge(connection: Connection, now: datetime, taken: Sequence[Taken]) -> Counter[Outcome]:
    """Enter what the other body holds, in the caller's transaction, and count what became of it."""
    await takeovers.admit_import(connection)
    done: Counter[Outcome] = Counter()
    same: list[str] = []
    for one, place in zip(taken, await _places(connection, taken), strict=True):
        ours = place.ours
        fault = await _enter(connection, now, one) if ours is None and not place.fault else place.fault
        if not fault and (ours is None or ours.compared == one.content.compared):
            done["registered" if ours is None else "same"] += 1
            same.append(place.key)
        else:
            await takeovers.note(connection, _disagreement(place, one, fault, now))
            done["conflict"] += 1
    await takeovers.settle(connection, same)
    return done


async def decide(
    connection: Connection, principal: Principal, now: datetime, identifier: str, decision: Decision
) -> Disagreement:
    """Settle a conflict: leave what is here, or put what the other body holds in its place.

    Raises `NotFound` without such a conflict, `Conflict` for one that was decided, and what refuses the change.
    """
    authorise(principal, Action.DECLARE_TAKEOVER)
    (place,) = await _places(connection, [Taken(identifier, Content("active"))])
    found = await takeovers.by_key(connection, place.key)
    if found is None:
        raise NotFound("unknown_conflict", f"there is no conflict of {identifier}", remedy="read the list of conflicts")
    if found.decision is not None:
        message = f"the conflict of {identifier} was decided already: {found.decision}"
        raise Conflict("conflict_decided", message, remedy="change the record itself")
    if decision == "theirs":
        await takeovers.admit_import(connection)
        theirs = msgspec.json.decode(found.theirs, type=Content)
        await _put(connection, principal, now, Taken(found.identifier, theirs))
    await takeovers.decide(connection, found.key, decision, now, principal.account)
    decided = await takeovers.by_key(connection, found.key)
    assert decided is not None  # noqa: S101 - it is locked
    return decided


class _Place(NamedTuple):
    """Where a name stands here: its key, what is there, and why nothing can be."""

    key: str
    ours: Content | None
    fault: str = ""


async def _places(connection: Connection, taken: Sequence[Taken]) -> list[_Place]:
    """Find many names with a query for each prefix."""
    found = [parse_handle(one.identifier) if "/" in one.identifier else parse(one.identifier) for one in taken]
    named = {_prefix_named(one) for one in found if isinstance(one, Identifier)}
    hosted = {name: await prefixes.by_prefix(connection, name) for name in named if name}
    places: list[tuple[int, str, str]] = []
    for one, parsed in zip(taken, found, strict=True):
        if isinstance(parsed, Invalid):
            places.append((-1, one.identifier, f"{parsed.code}: {parsed.message}"))
            continue
        name = _prefix_named(parsed)
        prefix = hosted.get(name)
        if prefix is not None and prefix.exact_case:
            parsed = parse_handle(one.identifier, exact_case=True)  # noqa: PLW2901 - the same name under its own rule
            assert isinstance(parsed, Identifier)  # noqa: S101 - the same text parsed a moment ago
        if name and prefix is None:
            places.append((-1, parsed.key, f"unknown_prefix: the prefix {name} is not registered here"))
        else:
            places.append((FOREIGN_PREFIX_ID if prefix is None else prefix.id, parsed.key, ""))
    stored: dict[tuple[int, str], Record] = {}
    for prefix_id in {prefix_id for prefix_id, _, fault in places if not fault}:
        keys = [key for other, key, _ in places if other == prefix_id]
        for key, record in (await records.by_keys(connection, prefix_id, keys)).items():
            stored[prefix_id, key] = record
    return [
        _Place(key, await _content(connection, stored.get((prefix_id, key))), fault) for prefix_id, key, fault in places
    ]


def _prefix_named(found: Identifier) -> str:
    """Return the prefix a Handle stands below; none for a name of another scheme."""
    return (found.parts.named_prefix or found.parts.prefix) if isinstance(found.parts, HandleParts) else ""


async def _content(connection: Connection, stored: Record | None) -> Content | None:
    if stored is None:
        return None
    kind: AliasKind | None = None
    if stored.state == "alias":
        alias = await alias_rows.by_key(connection, stored.prefix_id, stored.key)
        kind = None if alias is None else alias.kind
    return Content(
        state=stored.state,  # type: ignore[arg-type] # the table's own check allows no other
        values=msgspec.Raw(stored.values),
        template=stored.template,
        successor=stored.successor,
        alias_kind=kind,
        created_at=instant(stored.created_at),
    )


async def _enter(connection: Connection, now: datetime, one: Taken) -> str:
    """Register a name that is not here; return why it is refused, or nothing."""
    try:
        async with connection.transaction():
            await _put(connection, IMPORTER, now, one)
    except RegistryError as error:
        return f"{error.code}: {error.message}"
    return ""


async def _put(connection: Connection, principal: Principal, now: datetime, one: Taken) -> None:
    """Let a name stand for what it stands for at the other body."""
    theirs, name = one.content, one.identifier
    begun = to_millisecond(now if theirs.created_at is None else datetime.fromisoformat(theirs.created_at))
    if theirs.state == "alias":
        kind = theirs.alias_kind or "same"
        await aliases.put(connection, principal, now, name, identifier=theirs.successor or "", kind=kind)
        return
    target = await find_target(connection, name, for_registration=False)
    stored = await records.by_key(connection, target.prefix.id, target.identifier.key)
    if theirs.state == "active" or stored is None:
        values = decode_stored(bytes(theirs.values))
        template = theirs.template if theirs.state == "active" else None
        at = begun if stored is None else now
        await identifiers.put(connection, principal, at, name, values=values, template=template, revive=True)
    if theirs.state == "withdrawn":
        await identifiers.withdraw(connection, principal, now, name, successor=theirs.successor, for_good=False)


def _disagreement(place: _Place, one: Taken, fault: str, now: datetime) -> Disagreement:
    here = None if place.ours is None else msgspec.json.encode(place.ours).decode()
    theirs = msgspec.json.encode(one.content).decode()
    return Disagreement(place.key, one.identifier, fault or "different content", here, theirs, now)
