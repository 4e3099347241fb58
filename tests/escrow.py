"""Deposits under test: a filled registry, keys, and what lookups would be answered from."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from identifiers import sm2
from registry.snapshot import open_snapshot
from sync.escrow.depositing import Depositor, Handed
from sync.escrow.keys import public_pem, write_pair
from sync.escrow.private_tables import PRIVATE, columns, names
from sync.escrow.restoring import Restored, restore
from sync.escrow.settings import EscrowSettings, Sizes
from tests.registered_node import REPORTER

SMALL = Sizes(group=1_024, volume=2_500)
"""A deposit of some kilobytes then has several groups and volumes."""


class Desk:
    """Everything on one directory: keys, work, backup, and `platform`, where deposits arrive."""

    def __init__(self, dsn: str, base: Path, **changed: Any) -> None:
        self.base = base
        self.own, self.platform = sm2.generate(), sm2.generate()
        write_pair(base / "own.pem", self.own)
        (base / "platform.pub").write_text(public_pem(self.platform))
        self.arrived = base / "platform"
        self.settings = EscrowSettings(
            **{
                "dsn": dsn,
                "prefixes": (REPORTER,),
                "platform_key_file": base / "platform.pub",
                "private_key_file": base / "own.pem",
                "directory": self.arrived,
                "work_dir": base / "work",
                "backup_dir": base / "backup",
                **changed,
            }
        )

    @property
    def backup(self) -> Path:
        return self.settings.backup_dir

    async def deposit(self, kind: Any = None, **seams: Any) -> Handed:
        """Make a deposit on a Wednesday, so that the kind is not decided by the day."""
        given: dict[str, Any] = {"sizes": SMALL, "now": lambda: datetime(2031, 5, 7, 1, tzinfo=UTC), **seams}
        now = given.pop("now")
        return await Depositor(self.settings, now, **given).deposit(REPORTER, kind)

    def keep_token(self, token: str) -> None:
        (self.base / "token").write_text(token)

    async def restore(self, dsn: str, paths: list[Path] | None = None, *, own: bool = False) -> Restored:
        """Restore what arrived, with the platform's key, or the node's own copies with its own."""
        work = self.base / "restoring"
        work.mkdir(exist_ok=True)
        return await restore(
            paths or ([self.backup] if own else [self.arrived]),
            dsn,
            key=self.own if own else self.platform,
            signer=self.own.public,
            work=work,
            keep_token=self.keep_token,
        )


async def answers(dsn: str) -> dict[tuple[str, str], bytes]:
    """Return what lookups are answered from: records, tombstones, prefixes, other names, grants, who may be granted.

    Left out are tokens, which no deposit has, and administrators, of whom a restored registry has one more.
    """
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    try:
        async with connection.transaction(isolation="repeatable_read"):
            snapshot = await open_snapshot(connection)
            return {
                (change.kind, change.key): change.after
                async for batch in snapshot.states()
                for change in batch
                if change.kind != "credential" and b'"role":"administrator"' not in change.after
            }
    finally:
        await connection.close()


_SIDES = (
    "SELECT prefix_id, template_id, index, digest, key FROM unique_values ORDER BY 1, 2, 3, 4",
    """SELECT prefix_id, key, index, permissions, target_prefix_id, target_key, target FROM identifier_references
    ORDER BY 1, 2, 3""",
    "SELECT prefix_id, index, value, key FROM search_values ORDER BY 1, 2, 3, 4",
    r"""SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conrelid::regclass::text !~ '_\d{6,8}$'
    ORDER BY 1, 2""",
    r"""SELECT tablename::text, indexname::text, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename !~ '_\d{6,8}$' ORDER BY 1, 2""",
)


async def sides_of(dsn: str) -> list[list[tuple[Any, ...]]]:
    """Return what is made of records beside them, and every constraint and index.

    Not those of a day's or month's partition: a day later there are others.
    """
    connection = await asyncpg.connect(dsn)
    try:
        return [[tuple(row) for row in await connection.fetch(statement)] for statement in _SIDES]
    finally:
        await connection.close()


async def rows_of(dsn: str) -> dict[str, list[str]]:
    """Return the rows of every table that is deposited, without what is not."""
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    try:
        found = {}
        for name, table in PRIVATE.items():
            own = names(await columns(connection, table))
            statement = f'SELECT row_to_json(r)::text FROM (SELECT {own} FROM "{name}") AS r'
            found[name] = sorted(row[0] for row in await connection.fetch(statement))
        return found
    finally:
        await connection.close()


async def runs_of(dsn: str) -> list[tuple[str, str | None]]:
    """Return kind and status of every run, the oldest first, as software that knows the other names reads them."""
    connection = await asyncpg.connect(dsn)
    try:
        return [
            tuple(row)
            for row in await connection.fetch('SELECT "DATA_TYPE", "STATUS" FROM "ESCROW_RECORD_LOG" ORDER BY "ID"')
        ]
    finally:
        await connection.close()
