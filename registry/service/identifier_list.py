"""Lists of identifiers in one call: created, updated or withdrawn together, each entry with a result of its own.

Entries go through the same chunks as a batch: while one chunk is stored and another one is read by the follower, the
next is checked. The first chunk is small, so that those behind have something to do early, and so is the last one,
which the caller waits for; there are few, since each costs as much as many entries. Where several lists are under way
they keep each other busy, and are not cut.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Final, Literal, TypeVar

import msgspec

from identifiers.changes import START, Cursor
from identifiers.handle import check_new_handle
from identifiers.identifier import Invalid
from identifiers.values import Value, ValuesError, check_values
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
    one_field,
)
from registry.service import templates
from registry.service.batch import Pipeline, in_flight_max
from registry.service.batch_answers import MESSAGE_CHARACTERS_MAX, Answers, Rejection
from registry.service.batch_chunk import ChunkWriter
from registry.service.batch_policy import ListOp, ListPolicy
from registry.service.batch_rows import Row, forgives, plain_row, templated_row
from registry.service.identifiers import violates
from registry.tables.templates import Template

__all__ = ["Entry", "EntryResult", "EntryStatus", "ListOp", "cut", "write_list"]

T = TypeVar("T")

CHUNK_ENTRIES_MAX: Final = 750
_FIRST_ENTRIES: Final = 250
_LAST_ENTRIES: Final = 500
_BY_INDEX: Final = attrgetter("index")

EntryStatus = Literal["created", "replaced", "unchanged", "withdrawn"]

_NOTHING_KNOWN: Final[Mapping[str, Template]] = MappingProxyType({})
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


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry: the identifier as written, the code of its template, and its values. A deletion names only the first.

    Values may come in any order; they are checked here. Those that `plain_values` has rendered are `plain` instead.
    """

    identifier: str
    template: str | None = None
    values: tuple[Value, ...] = ()
    plain: bytes | None = None


class EntryResult(msgspec.Struct, frozen=True):
    """What became of an entry: `error` says why nothing did."""

    identifier: str
    status: EntryStatus | None = None
    error: RegistryError | None = None


def cut(entries: Sequence[T], *, alone: Callable[[], bool]) -> Iterator[Sequence[T]]:
    """Cut a list into chunks of at most `CHUNK_ENTRIES_MAX`; while it is not `alone`, what is left is one chunk."""
    at, most = 0, _FIRST_ENTRIES
    while left := len(entries) - at:
        whole = left < _FIRST_ENTRIES + _LAST_ENTRIES or not alone()
        size = left if whole else min(most, left - _LAST_ENTRIES)
        yield entries[at : at + size]
        at, most = at + size, min(most * 3, CHUNK_ENTRIES_MAX)


async def write_list(
    context: RegistryContext,
    principal: Principal,
    now: datetime,
    op: ListOp,
    chunks: AsyncIterator[Sequence[Entry]],
    known: Mapping[str, Template] = _NOTHING_KNOWN,
) -> tuple[list[EntryResult], Cursor]:
    """Carry out a list of entries, independent of each other, and return results in their order.

    create   adds; a registration equal to what is stored is `unchanged`; a withdrawn identifier is revived, unless it
             was withdrawn for good or has a successor (`identifier_withdrawn`); another record, or a second mention in
             the list, is an error (`identifier_exists`)
    update   replaces all values of the template and keeps those of the Handle system's own, below index 2000, that are
             not sent; mentions of one identifier apply in their order
    delete   withdraws; what is not registered is an error (`unknown_identifier`), and so is what was withdrawn before
             or by an earlier mention (`identifier_withdrawn`)

    `chunks` are taken one by one, each while those before are being stored; the caller bounds them. `known` are
    templates by their codes that need not be looked up; more may come with each chunk. Returns, with the
    position that the replica has to reach, when the entries are committed. Raises `Unavailable` when the database is
    away, and what `chunks` raises: some entries may be stored then, and the same list may be sent again.
    """
    authorise(principal, Action.WRITE_IDENTIFIER)
    work = _List(context, principal, op, int(now.timestamp()), known)
    context.lists_under_way.add(work)
    try:
        return await _carry_out(work, context, principal, chunks)
    finally:
        context.lists_under_way.discard(work)


async def _carry_out(
    work: "_List", context: RegistryContext, principal: Principal, chunks: AsyncIterator[Sequence[Entry]]
) -> tuple[list[EntryResult], Cursor]:
    writer = ChunkWriter(context.pool, principal, context.clock, work.policy)
    cut_short: RegistryError | None = None
    async with asyncio.TaskGroup() as group:
        pipeline = Pipeline(group, writer, work.keep)
        try:
            async for entries in chunks:
                chunk = await work.read(entries)
                pipeline.at_once_max = in_flight_max(*work.templates.values())
                if chunk:
                    await pipeline.add(chunk)
                await asyncio.sleep(0)  # the chunk's first statement goes out while the next one is read
                if pipeline.failure is not None:
                    break
        except RegistryError as error:
            cut_short = error
        await pipeline.finish()
    if failure := pipeline.failure or cut_short:
        raise failure
    return [work.results[at] for at in range(len(work.entries))], work.reached


class _List:
    """The entries of one list as far as they were read, and what became of them."""

    def __init__(
        self,
        context: RegistryContext,
        principal: Principal,
        op: ListOp,
        timestamp_s: int,
        known: Mapping[str, Template],
    ) -> None:
        self.policy = ListPolicy(op)
        self.entries: list[Entry] = []
        self.templates: dict[str | None, Template | RegistryError | None] = {None: None}
        """Those that entries name, or why they cannot be used."""
        self.results: dict[int, EntryResult] = {}
        self.reached = START
        self._context = context
        self._principal = principal
        self._timestamp_s = timestamp_s
        self._known = known
        self._named: set[str] = set()

    async def read(self, entries: Sequence[Entry]) -> list[Row | Rejection]:
        """Check entries by every rule that needs no records, and return those that pass."""
        await self._learn_templates({entry.template for entry in entries} - self.templates.keys())
        chunk: list[Row | Rejection] = []
        for at, entry in enumerate(entries, len(self.entries)):
            row = _read(at, entry, self.templates[entry.template], self.policy.op, self._timestamp_s)
            if isinstance(row, RegistryError):
                self.results[at] = EntryResult(entry.identifier, error=row)
                continue
            if row.key in self._named:
                self.policy.repeated.add(at)
            self._named.add(row.key)
            chunk.append(row)
        self.entries += entries
        return chunk

    async def keep(self, answers: Answers) -> None:
        """Take the answers to a chunk that is stored."""
        self.reached = max(self.reached, answers.cursor)
        self._context.barrier.wake()
        for at, status in answers.statuses.items():
            name = self.entries[at].identifier
            self.results[at] = (
                EntryResult(name, status)
                if status in ("created", "replaced", "unchanged", "withdrawn")
                else EntryResult(name, error=_error(answers.rejections[at]))
            )

    async def _learn_templates(self, codes: set[str | None]) -> None:
        for code in codes:
            assert code is not None  # noqa: S101 - None is known from the start
            try:
                self.templates[code] = await self._usable(code)
            except RegistryError as refusal:
                self.templates[code] = refusal

    async def _usable(self, code: str) -> Template:
        if (known := self._known.get(code)) is not None:
            templates.check_usable(self._principal, known)
            return known
        async with connected(self._context.pool) as connection:
            return await templates.usable(connection, self._principal, code)


def _read(
    at: int, entry: Entry, template: Template | RegistryError | None, op: ListOp, timestamp_s: int
) -> Row | RegistryError:
    """Check an entry by every rule that needs no database."""
    found = check_new_handle(entry.identifier)
    if isinstance(found, Invalid):
        return InvalidRequest(found.code, found.message, errors=(FieldError("identifier", found.message),))
    if op == "delete":
        return plain_row(at, found, b"[]", None)
    if isinstance(template, RegistryError):
        return template
    if entry.plain is not None:
        return plain_row(at, found, entry.plain, template)
    try:
        check_values(entry.values)
    except ValuesError as error:
        return one_field("bad_values", error.field or "values", error.message)
    values = [msgspec.structs.replace(value, timestamp=timestamp_s) for value in entry.values]
    values.sort(key=_BY_INDEX)
    row = templated_row(at, found, values, template)
    if template is not None and row.faults and not forgives(template):
        return violates(template, row.faults)
    return row


def _error(rejection: Rejection) -> RegistryError:
    """Make of a rejected line what it would be as the answer to a single request."""
    message = rejection.message[:MESSAGE_CHARACTERS_MAX]
    fault = FieldError(rejection.field or "identifier", message)
    return _ERRORS.get(rejection.code, Conflict)(rejection.code, message, errors=(fault,))
