"""A chunk of a batch in the database: at first as if nothing of it existed, and row by row if something does.

A chunk is one transaction per prefix, unless it names an identifier twice: then the second mention is written after
the first, in a transaction of its own.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import asyncpg
import msgspec

from registry import origin
from registry.authority import Action, Principal, check_reaches
from registry.database import Connection, Pool, connected, transaction
from registry.errors import ChangedMeanwhile, Conflict, RegistryError, TooManyRequests
from registry.service import grants, indexed_values, templates
from registry.service.batch_answers import Answers, Rejection
from registry.service.batch_part import Part, RowsRefused
from registry.service.batch_policy import Policy, Reader, create, template_codes
from registry.service.batch_rows import Row
from registry.service.change import ATTEMPTS_MAX
from registry.service.indexed_values import Taken, Unreachable
from registry.service.prefixes import check_takes_registrations, unknown_prefix
from registry.service.records import may_be_restricted, standing
from registry.states import to_millisecond
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix

REFUSALS_MAX: Final = 10
"""A part whose rows depend on each other is tried again without the refused ones at most so many times."""
PREFIXES_KEPT: Final = timedelta(seconds=1)
"""A batch may go on below a prefix for so long after it was withdrawn from it."""

Opening = Callable[[], AbstractAsyncContextManager[Connection]]
"""Begins a transaction, or a part of one, that is undone when its block is left with an error."""


class ChunkWriter:
    """Writes the chunks of one batch. `clock` gives the present instant in UTC.

    `expects_existing`: whether rows are looked up before they are added, which a writer learns from its first chunk.
    """

    def __init__(self, pool: Pool, principal: Principal, clock: Callable[[], datetime], policy: Policy) -> None:
        self._pool = pool
        self._principal = principal
        self._clock = clock
        self._policy = policy
        self.expects_existing = not policy.may_create
        self._found: dict[str, Prefix] = {}
        self._found_at = clock()

    async def write(self, chunk: Sequence[Row | Rejection]) -> Answers:
        """Store a chunk's rows and answer every line.

        Where the enterprise's quota has no room for a transaction's rows, they are all rejected. Raises `Unavailable`;
        then some rows may be stored, and sending them again finds them unchanged.
        """
        answers, by_prefix = _sorted(chunk)
        now = self._clock()
        # Also when the clock was set back: what was found in the future is found again.
        if not by_prefix.keys() <= self._found.keys() or not timedelta(0) <= now - self._found_at <= PREFIXES_KEPT:
            async with connected(self._pool) as connection:
                found = await self._prefixes(connection, list(by_prefix), answers, by_prefix)
            self._found, self._found_at = {prefix.prefix: prefix for prefix in found}, now
        for prefix in [self._found[name] for name in by_prefix if name in self._found]:
            for rows in _rounds(by_prefix[prefix.prefix], prefix):
                try:
                    await self._write_part(partial(transaction, self._pool), prefix, rows, answers)
                except (Conflict, TooManyRequests) as refusal:
                    _reject_all(answers, rows, refusal.code, refusal.message)
        return answers

    async def store_within(self, connection: Connection, chunk: Sequence[Row | Rejection]) -> Answers:
        """Store a chunk in the caller's transaction. Raises what its quota says, and `ChangedMeanwhile`."""
        answers, by_prefix = _sorted(chunk)
        for prefix in await self._prefixes(connection, list(by_prefix), answers, by_prefix):
            for rows in _rounds(by_prefix[prefix.prefix], prefix):
                await self._write_part(partial(_savepoint, connection), prefix, rows, answers, attempts=1)
        return answers

    async def _prefixes(
        self, connection: Connection, names: Sequence[str], answers: Answers, by_prefix: dict[str, list[Row]]
    ) -> list[Prefix]:
        """Find the prefixes below which the principal may write; rows of others are rejected."""
        known = await prefixes.by_prefixes(connection, names)
        permitted = []
        for name in names:
            try:
                permitted.append(self._permitted(name, known.get(name)))
            except RegistryError as refusal:
                _reject_all(answers, by_prefix[name], refusal.code, refusal.message)
        return permitted

    def _permitted(self, name: str, prefix: Prefix | None) -> Prefix:
        if prefix is None:
            raise unknown_prefix(name)
        check_reaches(self._principal, Action.WRITE_IDENTIFIER, prefix.enterprise)
        check_takes_registrations(prefix)
        return prefix

    async def _write_part(
        self, begin: Opening, prefix: Prefix, rows: Sequence[Row], answers: Answers, *, attempts: int = ATTEMPTS_MAX
    ) -> None:
        """Store rows of one prefix, repeating what lost a race and leaving out what is refused.

        Raises `Conflict` or `TooManyRequests` when the quota has no room, `ChangedMeanwhile` where the caller repeats.
        """
        refusals = races = 0
        while rows:
            asked = self.expects_existing or any(row.faults for row in rows)
            part = Part(prefix, self._principal.account, to_millisecond(self._clock()))
            try:
                async with begin() as connection:
                    await self._decide(connection, part, rows, asked=asked)
                    await part.store(connection)
            except asyncpg.UniqueViolationError:
                self.expects_existing = True
                races += asked
            except (Conflict, TooManyRequests):
                if asked:
                    raise
                self.expects_existing = True  # what exists needs no room
            except RowsRefused as refused:
                rows = _without_refused(rows, refused, answers)
                refusals += 1
            except ChangedMeanwhile:
                races += 1
                if attempts == 1:
                    raise
            else:
                answers.add(part.answers)
                counts = part.answers.counts
                origin.note_registered(prefix.prefix, counts["created"] + counts["replaced"])
                return
            if races >= ATTEMPTS_MAX or refusals > REFUSALS_MAX:
                message = "others kept changing identifiers of the same chunk: send the row again"
                _reject_all(answers, rows, "concurrent_change", message)
                return

    async def _decide(self, connection: Connection, part: Part, rows: Sequence[Row], *, asked: bool) -> None:
        """Let the policy decide about each row by what is stored; without asking, everything is new."""
        if not asked:
            for row in rows:
                create(part, row)
            return
        stored = await identifiers.by_keys(connection, part.prefix.id, [row.key for row in rows])
        # Nothing known among thousands: the rest of the batch is probably new as well.
        self.expects_existing = bool(stored) or not self._policy.may_create
        reader = await self._reader(connection, part.prefix, stored)
        brought = {row.template.code: row.template for row in rows if row.template is not None}
        part.templates.update(brought)
        for code in sorted(template_codes(stored, part.templates)):
            part.templates[code] = await templates.stored(connection, code)
        for row in rows:
            self._policy.judge(part, row, stored.get(row.key), reader)

    async def _reader(self, connection: Connection, prefix: Prefix, stored: dict[str, Record]) -> Reader:
        admin, owner = standing(self._principal, prefix)
        restricted = [(record.key, record.template) for record in stored.values() if may_be_restricted(record.values)]
        granted = await grants.opened(connection, self._principal, prefix, restricted, "read") if restricted else {}
        return Reader(admin, owner, granted)


@asynccontextmanager
async def _savepoint(connection: Connection) -> AsyncIterator[Connection]:
    async with connection.transaction():
        yield connection


def _sorted(chunk: Sequence[Row | Rejection]) -> tuple[Answers, dict[str, list[Row]]]:
    """Answer the lines that are rejected already, and put the others by their prefixes."""
    answers = Answers()
    by_prefix: dict[str, list[Row]] = {}
    for item in chunk:
        if isinstance(item, Row):
            by_prefix.setdefault(item.prefix, []).append(item)
        else:
            answers.reject(item)
    return answers, by_prefix


def _rounds(rows: Sequence[Row], prefix: Prefix) -> list[list[Row]]:
    """Put the first mention of each identifier into the first list, the second into the second, and so on."""
    if prefix.exact_case:
        rows = [msgspec.structs.replace(row, key="hdl:" + row.spelling) for row in rows]
    mentions: Counter[str] = Counter()
    rounds: list[list[Row]] = []
    for row in rows:
        mention = mentions[row.key]
        if mention == len(rounds):
            rounds.append([])
        rounds[mention].append(row)
        mentions[row.key] = mention + 1
    return rounds


def _without_refused(rows: Sequence[Row], refused: RowsRefused, answers: Answers) -> list[Row]:
    """Answer the rows that are refused, and return the others."""
    left = []
    for row in rows:
        if (taken := refused.taken.get(row.key)) is not None:
            message = indexed_values.taken_fault((), taken).message
            answers.reject(Rejection(row.line, row.spelling, "unique_value_taken", _value(taken), message))
        elif (unreachable := refused.unreachable.get(row.key)) is not None:
            message = indexed_values.reference_fault((), unreachable).message
            answers.reject(Rejection(row.line, row.spelling, "bad_reference", _value(unreachable), message))
        else:
            left.append(row)
    return left


def _value(fault: Taken | Unreachable) -> str:
    return f"values: index {fault.item_index}"


def _reject_all(answers: Answers, rows: Sequence[Row], code: str, message: str) -> None:
    for row in rows:
        answers.reject(Rejection(row.line, row.spelling, code, "identifier", message))
