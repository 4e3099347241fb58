"""A chunk of a batch in the database: at first as if nothing of it existed, and row by row if something does.

A chunk is one transaction per prefix, unless it names an identifier twice: then the second mention is written after
the first, in a transaction of its own.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

import asyncpg
import msgspec

from registry.authority import Action, Principal, check_reaches
from registry.database import Connection, Pool, connected, transaction
from registry.errors import ChangedMeanwhile, RegistryError
from registry.service.batch_answers import Answers, Rejection
from registry.service.batch_part import Part
from registry.service.batch_rows import Row
from registry.service.change import ATTEMPTS_MAX
from registry.service.prefixes import check_takes_registrations, unknown_prefix
from registry.states import to_millisecond
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template

OnConflict = Literal["skip", "replace", "fail"]

# Inside a JSON string the quotation marks would be escaped, so this finds members and nothing else.
_TIMESTAMP: Final = re.compile(rb',"timestamp":"[^"]*"')


class ChunkWriter:
    """Writes the chunks of one batch. `clock` gives the present instant in UTC."""

    def __init__(
        self,
        pool: Pool,
        principal: Principal,
        clock: Callable[[], datetime],
        on_conflict: OnConflict,
        template: Template | None,
    ) -> None:
        self._pool = pool
        self._principal = principal
        self._clock = clock
        self._on_conflict = on_conflict
        self._template = template
        self._expects_existing = False

    async def write(self, chunk: Sequence[Row | Rejection]) -> Answers:
        """Store a chunk's rows and answer every line.

        Raises `Unavailable`; then some of its rows may be stored, and sending them again finds them unchanged.
        """
        answers = Answers()
        by_prefix: dict[str, list[Row]] = {}
        for item in chunk:
            if isinstance(item, Row):
                by_prefix.setdefault(item.prefix, []).append(item)
            else:
                answers.reject(item)
        for name, prefix in (await self._prefixes(list(by_prefix))).items():
            if isinstance(prefix, RegistryError):
                _reject_all(answers, by_prefix[name], prefix.code, prefix.message)
                continue
            for rows in _rounds(by_prefix[name], prefix):
                await self._write_part(prefix, rows, answers)
        return answers

    async def _prefixes(self, names: Sequence[str]) -> dict[str, Prefix | RegistryError]:
        """Find the prefixes, or why nothing may be registered below them."""
        async with connected(self._pool) as connection:
            known = await prefixes.by_prefixes(connection, names)
        return {name: self._permitted(known.get(name)) or unknown_prefix(name) for name in names}

    def _permitted(self, prefix: Prefix | None) -> Prefix | RegistryError | None:
        if prefix is not None:
            try:
                check_reaches(self._principal, Action.WRITE_IDENTIFIER, prefix.enterprise)
                check_takes_registrations(prefix)
            except RegistryError as refusal:
                return refusal
        return prefix

    async def _write_part(self, prefix: Prefix, rows: Sequence[Row], answers: Answers) -> None:
        for _ in range(ATTEMPTS_MAX):
            part = Part(prefix, self._template, self._principal.account, to_millisecond(self._clock()))
            try:
                async with transaction(self._pool) as connection:
                    if self._expects_existing:
                        await self._judge(connection, part, rows)
                    else:
                        for row in rows:
                            part.create(row)
                    await part.store(connection)
            except asyncpg.UniqueViolationError:
                self._expects_existing = True
            except ChangedMeanwhile:
                continue
            else:
                answers.add(part.answers)
                return
        message = "others kept changing identifiers of the same chunk: send the row again"
        _reject_all(answers, rows, "concurrent_change", message)

    async def _judge(self, connection: Connection, part: Part, rows: Sequence[Row]) -> None:
        """Compare each row with what is stored, and decide what becomes of it."""
        stored = await identifiers.by_keys(connection, part.prefix.id, [row.key for row in rows])
        # Nothing known among thousands: the rest of the batch is probably new as well.
        self._expects_existing = bool(stored)
        for row in rows:
            record = stored.get(row.key)
            if record is None:
                part.create(row)
            elif record.state == "withdrawn":
                part.reject(row, "identifier_withdrawn", "it was withdrawn, and is never given again")
            elif _same(row, record, self._template):
                part.leave(row, "unchanged")
            elif self._on_conflict == "replace":
                part.replace(row, record)
            elif self._on_conflict == "skip":
                part.leave(row, "skipped")
            else:
                part.reject(row, "identifier_exists", f"it exists with other values, as version {record.version}")


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


def _same(row: Row, stored: Record, template: Template | None) -> bool:
    if (template.code if template else None) != stored.template:
        return False
    return _TIMESTAMP.sub(b"", row.values) == _TIMESTAMP.sub(b"", stored.values)


def _reject_all(answers: Answers, rows: Sequence[Row], code: str, message: str) -> None:
    for row in rows:
        answers.reject(Rejection(row.line, row.spelling, code, "identifier", message))
