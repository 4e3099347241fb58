"""What a record's values lead to in other tables: values that must be unique, references, values to search for.

Only items of the record's template count, and only templates with such items cost anything. The rows of a record are
written in the transaction that writes the record; all that its new values need is written each time, so a record whose
rows are missing, because its template asked for them later, has them after its next change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from identifiers.handle import parse_handle
from identifiers.identifier import HandleParts, Identifier
from identifiers.values import Value
from identifiers.visibility import is_beyond_owners
from registry.database import Connection
from registry.errors import ChangedMeanwhile, FieldError
from registry.tables import identifiers, prefixes, references, search_values, unique_values
from registry.tables.references import ELSEWHERE_PREFIX_ID, Place, ReferenceRow
from registry.tables.search_values import VALUE_CHARACTERS_MAX, SearchRow
from registry.tables.templates import Template
from registry.tables.unique_values import DIGEST_OCTETS, Claim


class NamedIdentifier(NamedTuple):
    """A value that names an identifier, and the template that one has to follow."""

    item_index: int
    permissions: int
    target: Identifier
    template: str | None


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the values of one record lead to: digests and search texts with their indexes, and identifiers named."""

    template_id: int = 0
    unique: frozenset[tuple[int, bytes]] = frozenset()
    search: frozenset[tuple[int, str]] = frozenset()
    references: tuple[NamedIdentifier, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.unique or self.search or self.references)


NOTHING_INDEXED: Final = Indexed()


class Shift(NamedTuple):
    """What a change of the record `key` means: `before` no longer holds, `after` does."""

    key: str
    before: Indexed
    after: Indexed


class Taken(NamedTuple):
    """A value that must be unique, at `item_index` of the record `key`, and the key of the record that has it."""

    key: str
    item_index: int
    holder: str


class Unreachable(NamedTuple):
    """A reference, at `item_index` of the record `key`, to what may not be referred to."""

    key: str
    item_index: int
    message: str


def needs_indexing(template: Template | None) -> bool:
    """Say whether records of a template lead to anything."""
    return template is not None and (template.needs_unique or template.needs_search or template.needs_references)


def index_values(template: Template | None, values: Iterable[Value]) -> Indexed:
    """Return what values lead to by the items of their template. Empty values lead to nothing.

    What only a grant opens is not searched for: what a search finds, and how far it got, would tell of it.
    """
    if template is None or not needs_indexing(template):
        return NOTHING_INDEXED
    unique: list[tuple[int, bytes]] = []
    search: list[tuple[int, str]] = []
    named: list[NamedIdentifier] = []
    for value in values:
        item = template.by_index.get(value.index)
        if item is None or not value.data:
            continue
        if item.unique:
            unique.append((value.index, blake2b(value.data, digest_size=DIGEST_OCTETS).digest()))
        if item.searchable and not is_beyond_owners(value) and (text := search_text(value.data)):
            search.append((value.index, text))
        if item.data_type == "reference":
            target = parse_handle(value.data.decode(errors="replace"))
            if isinstance(target, Identifier):
                named.append(NamedIdentifier(value.index, value.permissions, target, item.reference_template))
    return Indexed(template.id, frozenset(unique), frozenset(search), tuple(named))


def search_text(data: bytes) -> str:
    """Return the text under which a value is found; empty for data that is none."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return "" if "\x00" in text else text[:VALUE_CHARACTERS_MAX]


async def check_references(
    connection: Connection, wanted: Sequence[tuple[str, Indexed]], together: Sequence[tuple[str, str | None]] = ()
) -> tuple[dict[str, list[ReferenceRow]], list[Unreachable]]:
    """Find what records refer to: the rows to store for each key, and the references that may not be.

    An identifier below a prefix that is hosted here must be registered and active, and of the template that the item
    names. `together` are records (key, template) written in the same transaction. Of identifiers that other nodes keep
    nothing is known, so they are taken. Rows have no prefix of their own yet.
    """
    named = [(key, one) for key, indexed in wanted for one in indexed.references]
    if not named:
        return {}, []
    targets = await _targets(connection, {one.target.spelling: one.target for _, one in named}.values())
    templates = {
        head.key: head.template
        for head in await identifiers.heads(connection, sorted(place for place, hosted in targets.values() if hosted))
        if head.state == "active"
    }
    beside = dict(together)
    rows: dict[str, list[ReferenceRow]] = {}
    faults: list[Unreachable] = []
    waiting: dict[str, list[tuple[str, NamedIdentifier]]] = {}
    for key, one in named:
        place, hosted = targets[one.target.spelling]
        row = ReferenceRow(0, key, one.item_index, one.permissions, place.prefix_id, place.key, one.target.spelling)
        rows.setdefault(key, []).append(row)
        if not hosted or place.key == key:
            continue
        if place.key not in templates:
            waiting.setdefault(place.key, []).append((key, one))
        if fault := _fault(one, templates if place.key in templates else beside, place.key):
            faults.append(_unreachable(key, one, fault))
    for refused in faults:  # grows: who refers to a record that is left out is left out too
        for key, one in waiting.pop(refused.key, ()):
            faults.append(_unreachable(key, one, "is refused itself"))
    return rows, faults


async def _targets(connection: Connection, targets: Iterable[Identifier]) -> dict[str, tuple[Place, bool]]:
    """Return where identifiers are, by their spelling, and whether their prefixes are hosted here."""
    targets = list(targets)
    known = await prefixes.by_prefixes(connection, list({_prefix_of(target) for target in targets}))
    places = {}
    for target in targets:
        prefix = known.get(_prefix_of(target))
        key = target.key
        if prefix is not None and prefix.exact_case:
            exact = parse_handle(target.spelling, exact_case=True)
            key = exact.key if isinstance(exact, Identifier) else key
        place = Place(prefix.id if prefix else ELSEWHERE_PREFIX_ID, key)
        places[target.spelling] = place, prefix is not None and prefix.hosting == "here"
    return places


def _fault(one: NamedIdentifier, templates: Mapping[str, str | None], key: str) -> str:
    if key not in templates:
        return "is not registered, or no more: register it first"
    if one.template is not None and templates[key] != one.template:
        return f"is not of the template {one.template}"
    return ""


def _unreachable(key: str, one: NamedIdentifier, reason: str) -> Unreachable:
    return Unreachable(key, one.item_index, f"refers to {one.target.spelling}, which {reason}")


async def store(
    connection: Connection, prefix_id: int, shifts: Sequence[Shift], named: dict[str, list[ReferenceRow]]
) -> list[Taken]:
    """Write what changes of records of one prefix mean; `named` are the rows of `check_references`.

    Returns the values that other records have: unless there are none, the transaction must not be committed. Raises
    `ChangedMeanwhile` when that changed while this was found out.
    """
    claims = [_claim(shift, shift.after, found) for shift in shifts for found in shift.after.unique]
    released = [
        _claim(shift, shift.before, found)
        for shift in shifts
        for found in shift.before.unique
        if shift.before.template_id != shift.after.template_id or found not in shift.after.unique
    ]
    if released:
        await unique_values.release(connection, prefix_id, released)
    taken = await _claimed_by_others(connection, prefix_id, claims)
    if taken:
        return taken
    if stale := [SearchRow(*one, shift.key) for shift in shifts for one in shift.before.search - shift.after.search]:
        await search_values.remove(connection, prefix_id, stale)
    if added := [SearchRow(*one, shift.key) for shift in shifts for one in shift.after.search]:
        await search_values.add(connection, prefix_id, added)
    await _store_references(connection, prefix_id, shifts, named)
    return []


async def _claimed_by_others(connection: Connection, prefix_id: int, claims: Sequence[Claim]) -> list[Taken]:
    own: dict[tuple[int, int, bytes], str] = {}
    first = [(claim, own.setdefault(claim[:3], claim.key)) for claim in claims]
    if taken := [Taken(claim.key, claim.item_index, holder) for claim, holder in first if holder != claim.key]:
        return taken  # by other records of this very transaction
    if not claims or await unique_values.claim(connection, prefix_id, claims):
        return []
    holders = await unique_values.holders(connection, prefix_id, claims)
    if len(holders) < len(claims):  # given up by its holder between the two statements
        raise ChangedMeanwhile(claims[0].key)
    return [Taken(claim.key, claim.item_index, holder) for claim, holder in holders.items() if holder != claim.key]


async def other_faults(
    connection: Connection, prefix_id: int, key: str, template: Template, values: Sequence[Value]
) -> list[FieldError]:
    """Say what storing a record would be refused for beyond its own values: what it refers to, what others have.

    Only reads: so everything that is wrong with a record can be told at once.
    """
    indexed = index_values(template, values)
    _, unreachable = await check_references(connection, [(key, indexed)])
    taken = await held_by_others(connection, prefix_id, key, indexed)
    return [*(reference_fault(values, one) for one in unreachable), *(taken_fault(values, one) for one in taken)]


async def held_by_others(connection: Connection, prefix_id: int, key: str, indexed: Indexed) -> list[Taken]:
    """Return the values of a record that must be unique and that other records have, as of now."""
    claims = [Claim(indexed.template_id, *found, key) for found in indexed.unique]
    held = await unique_values.holders(connection, prefix_id, claims) if claims else {}
    return [Taken(claim.key, claim.item_index, holder) for claim, holder in held.items() if holder != key]


async def _store_references(
    connection: Connection, prefix_id: int, shifts: Sequence[Shift], named: dict[str, list[ReferenceRow]]
) -> None:
    gone = [
        (shift.key, index)
        for shift in shifts
        for index in {one.item_index for one in shift.before.references}
        - {one.item_index for one in shift.after.references}
    ]
    if gone:
        await references.remove(connection, prefix_id, gone)
    rows = [row._replace(prefix_id=prefix_id) for shift in shifts for row in named.get(shift.key, ())]
    if rows:
        await references.put(connection, prefix_id, rows)


def taken_fault(values: Sequence[Value], taken: Taken) -> FieldError:
    """Say which of the values sent another record has."""
    field = _field_at(values, taken.item_index)
    return FieldError(field, f"the value must be unique, and {taken.holder.removeprefix('hdl:')} has it")


def reference_fault(values: Sequence[Value], unreachable: Unreachable) -> FieldError:
    """Say which of the values sent refers to what it may not."""
    return FieldError(_field_at(values, unreachable.item_index), f"it {unreachable.message}")


def _field_at(values: Sequence[Value], index: int) -> str:
    place = next((at for at, value in enumerate(values) if value.index == index), None)
    return "values" if place is None else f"values[{place}].data"


def _claim(shift: Shift, indexed: Indexed, found: tuple[int, bytes]) -> Claim:
    return Claim(indexed.template_id, *found, shift.key)


def _prefix_of(identifier: Identifier) -> str:
    assert isinstance(identifier.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    return identifier.parts.prefix
