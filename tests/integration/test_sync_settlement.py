"""What receipts and later changes do to rows that were refused, step by step, with everything else standing still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sync import making, settlement
from sync.batch import Batch, Receipt, Rejection
from sync.batcher import Batcher
from sync.context import Context
from sync.database import transaction
from sync.outbox import streams
from tests.support import eventually
from tests.sync_reporting import Source, batcher_of, given_context

SCOPE = "88.118.8"
KEY = f"{SCOPE}/A"


class Outbox:
    """The outbox with the test in the place of the delivery and the collector."""

    def __init__(self, source: Source, context: Context) -> None:
        self.source = source
        self.context = context
        self.batcher = batcher_of(context)

    async def take(self) -> Batch:
        (stream,) = await self.source.fetch("SELECT stream_id FROM report_streams")
        async with transaction(self.context.pool) as connection:
            taken = await making.take(connection, self.context, stream["stream_id"])
        assert taken is not None
        return taken[1]

    async def settle(self, batch: Batch, *rejections: Rejection) -> None:
        receipt = Receipt(
            batch_id=batch.batch_id,
            receipt_id="r-1",
            status="partial" if rejections else "accepted",
            table="T9",
            scope=SCOPE,
            sequence=batch.sequence,
            next_sequence=batch.sequence + 1,
            received_at="2031-05-06T16:10:04Z",
            rows_sha256=batch.rows_sha256,
            rows_accepted=batch.row_count - len(rejections),
            rows_rejected=len(rejections),
        )
        (stream,) = await self.source.fetch("SELECT stream_id FROM report_streams")
        async with transaction(self.context.pool) as connection:
            now, table = self.context.now(), self.context.tables["T9"]
            await settlement.settle(connection, table, stream["stream_id"], batch, receipt, rejections, now)

    async def told(self) -> list[tuple[int, int]]:
        """Take the next batch, accept it, and return version and operation of its rows."""
        batch = await self.take()
        await self.settle(batch)
        table = self.context.tables["T9"]
        return [(row.ver, table.operation(row)) for row in making.rows_of(batch)]

    async def nothing_waits(self) -> bool:
        return await self.source.fetch("SELECT 1 FROM report_batches WHERE state <> 'acknowledged'") == []


@asynccontextmanager
async def outbox(dsn: str) -> AsyncIterator[Outbox]:
    async with Source(dsn) as source, given_context(dsn) as context:
        await source.template()
        yield Outbox(source, context)


def refused(code: str) -> Rejection:
    return Rejection(n=1, key=KEY, code=code)


async def test_a_row_that_waits_to_be_sent_again_is_overtaken_by_a_later_change(registry_database: str) -> None:
    """Else the withdrawal would go first, and the old addition would bring the identifier back to life."""
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        await box.settle(await box.take(), refused("internal"))
        await box.source.write(("withdraw", KEY, ""))
        await box.batcher.step()
        assert not await box.batcher.resend()
        assert await box.told() == [(2, 2)]
        assert await box.nothing_waits()
        assert await box.source.open_rows() == {}


async def test_a_row_is_sent_again_only_behind_everything_that_was_queued_before(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        first = await box.take()
        await box.source.write(("withdraw", KEY, ""))
        await box.batcher.step()
        await box.settle(first, refused("internal"))
        assert not await box.batcher.resend()
        await box.settle(await box.take(), refused("unknown_identifier"))
        assert not await box.batcher.resend()
        assert await box.source.open_rows() == {}


async def test_a_modification_of_something_unknown_comes_again_as_an_addition(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        assert await box.told() == [(1, 1)]
        await box.source.write(("update", KEY, "new"))
        await box.batcher.step()
        await box.settle(await box.take(), refused("unknown_identifier"))
        assert await box.batcher.resend()
        assert await box.told() == [(2, 1)]
        assert await box.source.open_rows() == {}


async def test_a_withheld_identifier_that_was_corrected_is_deleted_like_any_other(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""), template=None)
        await box.batcher.step()
        await box.source.write(("update", KEY, "corrected"))
        await box.batcher.step()
        await box.source.write(("withdraw", KEY, ""))
        await box.batcher.step()
        assert await box.told() == [(2, 1)]
        assert await box.told() == [(3, 2)]


async def test_a_receipt_that_comes_twice_changes_nothing_the_second_time(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        first = await box.take()
        await box.settle(first, refused("internal"))
        assert await box.batcher.resend()
        assert await box.told() == [(1, 1)]
        await box.settle(first, refused("internal"))
        assert await box.source.open_rows() == {}
        assert not await box.batcher.resend()


async def test_of_two_rows_for_one_key_in_a_batch_the_later_one_decides(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""), ("withdraw", KEY, ""))
        await box.batcher.step()
        batch = await box.take()
        assert batch.row_count == 2
        await box.settle(batch, refused("format"))
        assert await box.source.open_rows() == {}


async def test_the_sixth_time_a_row_fails_it_waits_for_somebody(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        for _ in range(5):
            await box.settle(await box.take(), refused("internal"))
            assert await box.batcher.resend()
        await box.settle(await box.take(), refused("internal"))
        assert not await box.batcher.resend()
        assert await box.source.open_rows() == {KEY: ("internal", None)}


async def test_foreign_text_in_a_rejection_cannot_break_the_outbox(registry_database: str) -> None:
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        strange = Rejection(n=1, key="other", code="x\x00" * 100, message="\x00" * 10_000, field="f\x00" * 1_000)
        await box.settle(await box.take(), strange)
        ((code, field),) = (await box.source.open_rows()).values()
    assert len(code) == 64
    assert field is not None
    assert "\x00" not in code + field


async def test_the_batcher_decides_only_after_a_receipt_under_way_is_settled(registry_database: str) -> None:
    """Whether a key is held must not change between the decision and the commit."""
    async with outbox(registry_database) as box:
        await box.source.write(("create", KEY, ""))
        await box.batcher.step()
        await box.settle(await box.take(), refused("format"))
        await box.source.fetch("UPDATE report_rejections SET standing = 'present'")
        await box.source.write(("update", KEY, "new"))
        (stream,) = await box.source.fetch("SELECT stream_id FROM report_streams")
        async with transaction(box.context.pool) as connection:
            await streams.lock(connection, stream["stream_id"])
            step = asyncio.create_task(_step(box.batcher))
            await eventually(lambda: _waiting_for_a_lock(box.source))
            await connection.execute("UPDATE report_rejections SET standing = 'unsure'")
        await step
        assert await box.told() == [(2, 1)]


async def _step(batcher: Batcher) -> None:
    await batcher.step()


async def _waiting_for_a_lock(source: Source) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return await source.fetch(waiting) != []
