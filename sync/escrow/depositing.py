"""One run: decide the kind, read one snapshot, package, check the own output, hand in, keep a copy (contract 7.4).

Pending: a run whose row in the log has no end. What its process leaves behind is a folder of the work directory: with a
signed manifest the next run hands in what is missing of it; without one it is thrown away, and the next one is FULL.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from registry.snapshot import Snapshot, open_snapshot
from sync.calendar_time import BEIJING, beijing_day
from sync.database import Connection
from sync.escrow import log, opening
from sync.escrow.errors import (
    ConfigurationUnusable,
    DatabaseFailed,
    EscrowError,
    NoEntry,
    PackagingFailed,
    VerificationFailed,
)
from sync.escrow.handing_in import Target, hand_in, target_of
from sync.escrow.keys import keys_of
from sync.escrow.log import Run
from sync.escrow.opening import SLICES, Deposit
from sync.escrow.packaging import IdnodeFormat, Keys, signature_of
from sync.escrow.private_tables import NODE, PRIVATE
from sync.escrow.reading import Base, Reading
from sync.escrow.settings import EscrowSettings, Sizes
from sync.escrow.shape import REPORT_TABLES, Counts, Entry, EscrowFormat, Head, Kind, Package
from sync.escrow.told import Memory

CONNECT_TIMEOUT_S: Final = 10.0
SUNDAY: Final = 6
_SESSION: Final = {
    "application_name": "idnode-escrow",
    "jit": "off",
    "timezone": "UTC",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
_DATABASE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_log = logging.getLogger(__name__)


class Handed(NamedTuple):
    """What became of a run."""

    package: Package
    resumed: bool


class Depositor:
    """Makes deposits by the settings. `target`, `sleep` and `sizes` are seams for tests."""

    def __init__(
        self,
        settings: EscrowSettings,
        now: Callable[[], datetime],
        *,
        target: Target | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        sizes: Sizes | None = None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._target = target
        self._sleep = sleep
        self._sizes = sizes

    async def deposit(self, prefix: str, kind: Kind | None = None) -> Handed:
        """Hand in the deposit of one prefix; without a kind the one that is due.

        Raises EscrowError, whose exit code says what failed; the run is in the log then, unless there is no database.
        """
        if prefix not in self._settings.prefixes:
            raise NoEntry(f"{prefix} has no escrow entry: add it to escrow.prefixes")
        keys = keys_of(self._settings)
        target = self._target or target_of(self._settings)
        try:
            async with _connected(self._settings.dsn) as books:
                if not await log.alone(books):
                    raise DatabaseFailed("another deposit is being made: wait until it has ended")
                return await self._run(books, prefix, kind, keys, target)
        finally:
            await target.aclose()

    async def _run(self, books: Connection, prefix: str, kind: Kind | None, keys: Keys, target: Target) -> Handed:
        last = await log.last(books, prefix)
        waiting = await asyncio.to_thread(self._waiting, last, keys) if last is not None else None
        if last is not None and waiting is not None and kind in (None, last.kind):
            run = await log.begin_again(books, last, self._now())
        else:
            waiting = None
            base = await self._base(books, prefix, last, kind)
            run = await log.begin(books, prefix, "DIFF" if base else "FULL", self._now())
        package: Package | None = None
        try:
            package = waiting or await self._made(books, run, prefix, base, keys)
            await hand_in(target, package.files, self._sleep)
        except (Exception, asyncio.CancelledError) as error:
            text = str(error) or type(error).__name__
            await log.end(books, run, self._now(), package, f"{type(error).__name__}: {text}")
            raise
        await log.end(books, run, self._now(), package)
        await asyncio.to_thread(self._keep, package)
        _log.info("deposit %s was handed in", package.manifest.id)
        return Handed(package, resumed=waiting is not None)

    async def _base(self, books: Connection, prefix: str, last: Run | None, kind: Kind | None) -> Base | None:
        """Return the deposit that a DIFF goes on from; None for a FULL one."""
        base = last.base if last is not None and last.status == "SUCCESS" else None
        if last is not None and base is not None and not await log.can_go_on(books, prefix, base, last.epoch):
            base = None
        if kind == "DIFF" and base is None:
            raise ConfigurationUnusable(
                "no DIFF can be made: the last deposit failed, or there is none: make a FULL one"
            )
        if kind is None and self._now().astimezone(BEIJING).weekday() == SUNDAY:
            return None
        return None if kind == "FULL" else base

    async def _made(self, books: Connection, run: int, prefix: str, base: Base | None, keys: Keys) -> Package:
        async with AsyncExitStack() as stack:
            reader = await stack.enter_async_context(_connected(self._settings.dsn))
            await stack.enter_async_context(reader.transaction(isolation="repeatable_read", readonly=True))
            snapshot = await open_snapshot(reader)
            head = await self._head(books, prefix, snapshot, base)
            await log.taken(books, run, head.kind, head.watermark, head.id, snapshot.cursor, snapshot.epoch)
            work = await asyncio.to_thread(self._fresh, prefix, head.id)
            reading = Reading(reader, snapshot, Memory(books, prefix), prefix, base, self._settings.default_template)
            form: EscrowFormat = IdnodeFormat(keys, self._sizes)
            counts = Counts()
            stream = form.build(head, _read_out(reading), counts, work)
            package = await form.package(head, _then_closed(stream, stack), counts, work)
        await asyncio.to_thread(self._check, work, keys)
        return package

    async def _head(self, books: Connection, prefix: str, snapshot: Snapshot, base: Base | None) -> Head:
        return Head(
            id=await log.new_id(books, prefix, snapshot.taken_at),
            kind="DIFF" if base else "FULL",
            prefix=prefix,
            watermark=snapshot.taken_at,
            prev_id=base.deposit_id if base else None,
            objects=(*REPORT_TABLES, *PRIVATE, NODE),
        )

    def _fresh(self, prefix: str, deposit_id: str) -> Path:
        """Make the folder of a run; what earlier ones left behind there is of no use any more."""
        try:
            self._settings.work_dir.mkdir(parents=True, exist_ok=True)
            for left in self._settings.work_dir.glob(f"[0-9]*Z-{prefix}-[0-9]*"):
                shutil.rmtree(left)
            work = self._settings.work_dir / deposit_id
            work.mkdir(mode=0o700)
        except OSError as error:
            raise PackagingFailed(f"escrow.work_dir cannot be used: {error}") from error
        return work

    def _waiting(self, last: Run, keys: Keys) -> Package | None:
        """Return the finished files of the last run, if it ended before they were handed in."""
        if last.status == "SUCCESS" or last.deposit_id is None:
            return None
        work = self._settings.work_dir / last.deposit_id
        try:
            return self._check(work, keys)
        except EscrowError:
            return None

    def _check(self, work: Path, keys: Keys) -> Package:
        """Read the finished files again, as the other side would. Raises VerificationFailed."""
        try:
            found = opening.find([work], keys.own.public)
            if any(one.manifest.id != work.name for one in found):
                raise VerificationFailed("these are the files of another deposit")
            for one in found:
                opening.check_volumes(one, keys.own.public)
                if one.manifest.own:
                    _read_through(one, keys, work)
            sent = next(one for one in found if not one.manifest.own)
        except (EscrowError, StopIteration) as error:
            raise VerificationFailed(f"the deposit just made is not right, and was not handed in: {error}") from error
        manifest = sent.directory / f"{sent.manifest.id}.manifest.json"
        signatures = [signature_of(path) for path in (*sent.volumes, manifest)]
        return Package(work, (*sent.volumes, *signatures, manifest), sent.manifest)

    def _keep(self, package: Package) -> None:
        """Move the files to the backup; that this fails does not undo that they were handed in."""
        manifest = package.manifest
        day = beijing_day(datetime.fromisoformat(manifest.watermark))
        folder = self._settings.backup_dir / manifest.prefix / day.isoformat()
        try:
            (folder / SLICES).mkdir(parents=True, exist_ok=True, mode=0o700)
            for file in [path for path in package.directory.rglob("*") if path.is_file()]:
                shutil.move(file, (folder / SLICES if ".zip.sm2." in file.name else folder) / file.name)
            shutil.rmtree(package.directory)
        except OSError as error:
            _log.error("the copy of deposit %s cannot be kept: %s", manifest.id, error)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Lend a connection; whatever the database does not do becomes DatabaseFailed."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=_SESSION)
        try:
            yield connection
        finally:
            await connection.close()
    except _DATABASE as error:
        raise DatabaseFailed(f"the database cannot be read: {error or type(error).__name__}") from error


async def _read_out(reading: Reading) -> AsyncIterator[Entry]:
    """Give the entries; a database that goes away is not to be taken for a disk that is full."""
    try:
        async for entry in reading.entries():
            yield entry
    except _DATABASE as error:
        raise DatabaseFailed(f"the database cannot be read: {error or type(error).__name__}") from error


async def _then_closed(stream: AsyncIterator[bytes], stack: AsyncExitStack) -> AsyncIterator[bytes]:
    """Give the snapshot back as soon as it has been read: encrypting takes long, and needs it no more."""
    async for octets in stream:
        yield octets
    await stack.aclose()


def _read_through(one: Deposit, keys: Keys, work: Path) -> None:
    with opening.opened(one, keys.own, work) as (_, pages):
        for _ in pages:
            pass
