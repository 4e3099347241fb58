"""Lists of identifiers in one call: created, updated or withdrawn together, each entry with a result of its own.

Entries go through the same chunks as a batch, `CHUNK_ENTRIES` at a time: while one chunk is stored the next is checked.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final, Literal

import msgspec

from identifiers.changes import START
from identifiers.handle import check_new_handle
from identifiers.identifier import HandleParts, Invalid
from identifiers.values import PlainText, Value, ValuesError, check_values
from registry.authority import Action, Principal, authorise
from registry.context import RegistryContext
from registry.database import connected
from registry.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    InvalidFields,
    InvalidRequest,
    NotFound,
    RegistryError,
    TooLarge,
    one_field,
)
from registry.service import templates
from registry.service.batch import Pipeline, in_flight_max
from registry.service.batch_answers import Answers, Rejection, RowAnswer
from registry.service.batch_chunk import ChunkWriter
from registry.service.batch_policy import ListOp, ListPolicy
from registry.service.batch_rows import Row, forgives, plain_row, templated_row
from registry.service.identifiers import violates
from registry.tables.templates import Template

__all__ = ["ENTRIES_MAX", "Entry", "EntryResult", "EntryStatus", "ListOp", "write_list"]

ENTRIES_MAX: Final = 2_000
"""Most entries of one list."""
CHUNK_ENTRIES: Final = 300

_BY_INDEX: Final = attrgetter("index")

EntryStatus = Literal["created", "replaced", "unchanged", "withdrawn"]

_ERRORS: Final[Mapping[str, type[RegistryError]]] = {
    "unknown_prefix": NotFound,
    "unknown_identifier": NotFound,
    "identifier_withdrawn": Gone,
    "not_yours": Forbidden,
    "template_violated": InvalidFields,
    "bad_reference": InvalidFields,
    "bad_values": InvalidFields,
}
"""What an entry's rejection would be as the answer to a single request; a conflict where nothing is said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: the identifier as written, the code of its template, and its values. A deletion names only the first.

    Values may come in any order; they are checked here. Those that are nothing but text may come as `texts` instead.
    """

    identifier: str
    template: str | None = None
    values: tuple[Value, ...] = ()
    texts: tuple[PlainText, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What became of an entry: `error` says why nothing did."""

    identifier: str
    status: EntryStatus | None = None
    error: RegistryError | None = None


async def write_list(
    context: RegistryContext, principal: Principal, now: datetime, op: ListOp, entries: Sequence[Entry]
) -> list[EntryResult]:
    """Carry out a list of at most `ENTRIES_MAX` entries, independent of each other, and return results in their order.

    create   adds; a registration equal to what is stored is `unchanged`; a withdrawn identifier is revived,
             unless it has a successor (`identifier_withdrawn`); another record, or a second mention in the list, is an
             error (`identifier_exists`)
    update   replaces all values of the template and keeps those of the Handle system's own, below index 2000, that are
             not sent; mentions of one identifier apply in their order
    delete   withdraws; what is not registered is an error (`unknown_identifier`), and so is what was withdrawn before
             or by an earlier mention (`identifier_withdrawn`)

    Returns when the entries are committed and this host's replica has them, after `resolvable_wait_s` even if it has
    not. Raises `TooLarge` for a longer list, `Unavailable` when the database is away: some entries may be stored then,
    and the same list may be sent again.
    """
    if len(entries) > ENTRIES_MAX:
        raise TooLarge("too_many_rows", f"a list has at most {ENTRIES_MAX:,} entries", remedy="send several lists")
    authorise(principal, Action.WRITE_IDENTIFIER)
    known = {} if op == "delete" else await _templates(context, principal, entries)
    work = _List(context, op, entries, known, int(now.timestamp()))
    writer = ChunkWriter(context.pool, principal, context.clock, work.policy)
    async with asyncio.TaskGroup() as group:
        pipeline = Pipeline(group, writer, work.keep, in_flight_max(*known.values()))
        for start in range(0, len(entries), CHUNK_ENTRIES):
            chunk = work.read(range(start, min(start + CHUNK_ENTRIES, len(entries))))
            if chunk:
                await pipeline.add(chunk)
            await asyncio.sleep(0)  # the chunk's first statement goes out while the next one is read
        await pipeline.finish()
    if pipeline.failure is not None:
        raise pipeline.failure
    if work.reached != START:
        await context.barrier.wait(work.reached, context.settings.resolvable_wait_s)
    return [work.results[at] for at in range(len(entries))]


class _List:
    """The entries of one list, and what became of them so far."""

    def __init__(
        self,
        context: RegistryContext,
        op: ListOp,
        entries: Sequence[Entry],
        known: Mapping[str | None, Template | RegistryError | None],
        timestamp_s: int,
    ) -> None:
        self.policy = ListPolicy(op)
        self.results: dict[int, EntryResult] = {}
        self.reached = START
        self._context = context
        self._entries = entries
        self._known = known
        self._timestamp_s = timestamp_s
        self._named: set[str] = set()

    def read(self, places: Iterable[int]) -> list[Row | Rejection]:
        """Check entries by every rule that needs no database, and return those that pass."""
        chunk: list[Row | Rejection] = []
        for at in places:
            row = _read(at, self._entries[at], self._known, self.policy.op, self._timestamp_s)
            if isinstance(row, RegistryError):
                self.results[at] = EntryResult(self._entries[at].identifier, error=row)
                continue
            if row.key in self._named:
                self.policy.repeated.add(at)
            self._named.add(row.key)
            chunk.append(row)
        return chunk

    async def keep(self, answers: Answers) -> None:
        """Take the answers to a chunk that is stored."""
        self.reached = max(self.reached, answers.cursor)
        self._context.barrier.wake()
        for at, line in answers.lines.items():
            self.results[at] = _result(self._entries[at], line)


async def _templates(
    context: RegistryContext, principal: Principal, entries: Sequence[Entry]
) -> dict[str | None, Template | RegistryError | None]:
    """Find the templates that entries name, or why they cannot be used."""
    found: dict[str | None, Template | RegistryError | None] = {None: None}
    async with connected(context.pool) as connection:
        for code in {entry.template for entry in entries} - {None}:
            assert code is not None  # noqa: S101 - it was taken out in the line before
            try:
                found[code] = await templates.usable(connection, principal, code)
            except RegistryError as refusal:
                found[code] = refusal
    return found


def _read(
    at: int,
    entry: Entry,
    known: Mapping[str | None, Template | RegistryError | None],
    op: ListOp,
    timestamp_s: int,
) -> Row | RegistryError:
    """Check an entry by every rule that needs no database."""
    found = check_new_handle(entry.identifier)
    if isinstance(found, Invalid):
        return InvalidRequest(found.code, found.message, errors=(FieldError("identifier", found.message),))
    if op == "delete":
        assert isinstance(found.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
        return Row(at, found.parts.prefix, found.key, found.spelling, msgspec.json.encode(found.spelling), b"[]")
    template = known[entry.template]
    if isinstance(template, RegistryError):
        return template
    if (
        entry.texts
        and not entry.values
        and (row := plain_row(at, found, entry.texts, template, timestamp_s)) is not None
    ):
        return row
    sent = entry.values + tuple(Value(index, type_, text.encode()) for index, type_, text in entry.texts)
    try:
        check_values(sent)
    except ValuesError as error:
        return one_field("bad_values", error.field or "values", error.message)
    values = [msgspec.structs.replace(value, timestamp=timestamp_s) for value in sent]
    values.sort(key=_BY_INDEX)
    row = templated_row(at, found, values, template)
    if template is not None and row.faults and not forgives(template):
        return violates(template, row.faults)
    return row


def _result(entry: Entry, line: bytes) -> EntryResult:
    answer = _decode_answer(line)
    if answer.status in ("created", "replaced", "unchanged", "withdrawn"):
        return EntryResult(entry.identifier, status=answer.status)
    fault = FieldError(answer.field or "identifier", answer.message)
    error = _ERRORS.get(answer.code, Conflict)(answer.code, answer.message, errors=(fault,))
    return EntryResult(entry.identifier, error=error)


_decode_answer = msgspec.json.Decoder(RowAnswer).decode
