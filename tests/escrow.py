"""Deposits under test: a filled registry, keys, and what lookups would be answered from."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from identifiers import sm2
from registry.snapshot import open_snapshot
from sync.escrow.depositing import Depositor, Handed
from sync.escrow.keys import public_pem, write_pair
from sync.escrow.restoring import Restored, restore
from sync.escrow.settings import EscrowSettings, Sizes
from tests.registered_node import REPORTER

SMALL = Sizes(group=4_096, volume=10_000)
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
            keep_token=lambda token: (self.base / "token").write_text(token) and None,
        )


async def answers(dsn: str) -> dict[tuple[str, str], bytes]:
    """Return everything lookups are answered from, credentials apart: records, tombstones, prefixes, aliases, grants."""
    connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
    try:
        async with connection.transaction(isolation="repeatable_read"):
            snapshot = await open_snapshot(connection)
            return {
                (change.kind, change.key): change.after
                async for batch in snapshot.states()
                for change in batch
                if change.kind != "credential"
            }
    finally:
        await connection.close()
