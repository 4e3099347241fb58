"""Events sent past the database: each is told once, whatever was under way when it went and whoever is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.event_numbers import event_number
from registry.tables import node_events
from registry.tables.node_events import Event
from sync import making, service
from sync.batch import Limits
from sync.context import Context
from sync.courier import Courier
from sync.database import connected, transaction
from sync.delivery import Delivery
from sync.direct_events import DirectEvents
from sync.event_outbox import EventOutbox
from sync.events import EventFeed
from sync.link import Link
from sync.outbox import pauses, streams
from sync.outbox.streams import Stream
from sync.tables import tables
from sync.transports.http import HttpTransport
from tests.support import eventually
from tests.sync_reporting import REPORTER, given_context, top_node
from tests.told_events import ToldEvents

AT = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)


def abnormal(condition: str, prefix: str = REPORTER) -> Event:
    """Return an event of the self-check."""
    return Event(prefix, condition, "abnormal", event_number(prefix, AT), AT, cause="gone", abnormal_type=2)


def recovered(event: Event) -> Event:
    """Return the one that ends it."""
    at = AT + timedelta(minutes=5)
    number = event_number(event.prefix, at)
    return Event(event.prefix, event.condition, "recovered", number, at, related_event_no=event.event_no)


@dataclass
class Reporter:
    """The parts of the reporting process that events go through."""

    context: Context
    told: ToldEvents
    outbox: Path
    unentered: list[Event]

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start the parts, anew from what is on the disk."""
        self.link = Link(self.context, Limits())
        self.delivery = Delivery(self.context, self.link, poll_s=0.02)
        self.direct = DirectEvents(
            self.context, self.link, self.delivery, lambda: self.unentered, EventOutbox(self.outbox)
        )
        self.feed = EventFeed(self.context, self.direct)
        self.courier = Courier(self.context, self.link)

    async def enter(self, *events: Event) -> None:
        """Do what the self-check does when the database answers."""
        async with connected(self.context.pool) as connection:
            for event in events:
                await node_events.insert(connection, event, AT)
        self.unentered = [one for one in self.unentered if one not in events]

    async def stream(self) -> Stream:
        async with transaction(self.context.pool) as connection:
            return (await streams.lock_scopes(connection, REPORTER, "E1", [REPORTER]))[REPORTER]

    async def deliver(self) -> None:
        """Hand over what is queued of the node's own events, comparing both sides first."""
        assert await self.link.is_up()
        await self.courier.deliver(await self.stream(), compare_first=True)

    async def put_in_flight(self, *, submitted: bool) -> None:
        """Leave the queued batch as a kill does around its first attempt."""
        assert await self.link.is_up()
        stream = await self.stream()
        async with transaction(self.context.pool) as connection:
            taken = await making.take(connection, self.context, stream.stream_id)
        assert taken is not None
        if submitted:
            await self.context.transport.submit(taken[1])

    async def fetch(self, query: str) -> list[Any]:
        async with connected(self.context.pool) as connection:
            return [tuple(row) for row in await connection.fetch(query)]


@pytest.fixture
async def reporter(registry_database: str, tmp_path: Path) -> AsyncIterator[Reporter]:
    await service.prepare(registry_database)
    told = ToldEvents()
    async with (
        top_node(tmp_path / "node", before=told.note) as collector,
        given_context(registry_database) as context,
    ):
        transport = HttpTransport(collector.url, REPORTER)
        # Only the events: a table that is not reported holds nothing back.
        of_events = {name: table for name, table in context.tables.items() if name in ("E1", "E2")}
        try:
            yield Reporter(replace(context, transport=transport, tables=of_events), told, tmp_path / "outbox", [])
        finally:
            await transport.aclose()


async def check_all_told_once(reporter: Reporter, *events: Event) -> None:
    """Check that both sides know each event once, and that the streams go on."""
    await reporter.deliver()
    assert sorted(one["event_no"] for one in reporter.told.events) == sorted(one.event_no for one in events)
    sequences = reporter.told.sequences("E1", REPORTER)
    assert sequences == list(range(1, len(sequences) + 1))
    stored = "SELECT sequence, state FROM report_batches ORDER BY sequence"
    assert await reporter.fetch(stored) == [(number, "acknowledged") for number in sequences]
    assert await reporter.fetch("SELECT event_no FROM node_events WHERE queued_at IS NULL") == []
    assert len(await reporter.fetch("SELECT FROM node_events")) == len(events)
    assert await reporter.fetch("SELECT halted_reason FROM report_streams WHERE halted_reason IS NOT NULL") == []
    assert await reporter.fetch("SELECT code FROM report_rejections") == []
    assert not reporter.direct.holds
    announced = await reporter.fetch("SELECT after::json ->> 'rows' FROM journal WHERE kind = 'fact'")
    assert sum(int(count) for (count,) in announced) == len(events), "the change feed tells each of them"


async def test_what_was_sent_without_the_database_is_entered_and_never_queued(reporter: Reporter) -> None:
    first, later = abnormal("database"), abnormal("registration")
    await reporter.enter(first)
    assert await reporter.feed.step() == 1
    await reporter.deliver()
    reporter.unentered = [later, recovered(first)]
    events = [first, *reporter.unentered]
    assert await reporter.direct.send() == 2
    assert await reporter.direct.send() == 0
    assert len(reporter.told.events) == 3, "told while nothing was asked of the database"
    # The self-check may enter them before the reports know: they are not queued for that.
    await reporter.enter(*reporter.unentered)
    assert await reporter.feed.step() == 0
    await check_all_told_once(reporter, *events)


async def test_an_event_told_past_the_database_is_known_there_before_the_self_check_enters_it(
    reporter: Reporter,
) -> None:
    reporter.unentered = [abnormal("database")]
    assert await reporter.direct.send() == 1
    assert await reporter.feed.step() == 0
    assert await reporter.direct.send() == 0, "told already, though the self-check has not entered it yet"
    events = list(reporter.unentered)
    await reporter.enter(*events)
    await check_all_told_once(reporter, *events)


@pytest.mark.parametrize("submitted", [False, True])
async def test_a_batch_in_flight_when_the_database_went_keeps_its_place_or_gets_a_new_one(
    reporter: Reporter, *, submitted: bool
) -> None:
    before, queued, during = abnormal("disk"), abnormal("clock"), abnormal("database")
    await reporter.enter(before)
    await reporter.feed.step()
    await reporter.put_in_flight(submitted=submitted)
    await reporter.enter(queued)
    await reporter.feed.step()
    reporter.unentered = [during]
    assert await reporter.direct.send() == 1
    assert reporter.told.sequences("E1", REPORTER)[-1] == 1 + submitted
    await reporter.enter(during)
    assert await reporter.feed.step() == 0
    await check_all_told_once(reporter, before, queued, during)


async def test_a_kill_after_each_step_tells_an_event_once(reporter: Reporter) -> None:
    event = abnormal("database")
    reporter.unentered, reporter.told.answers_lost = [event], 1
    assert await reporter.direct.send() == 0
    reporter.start()
    assert reporter.direct.holds
    assert await reporter.direct.send() == 1
    reporter.start()
    await reporter.enter(event)
    assert await reporter.feed.step() == 0
    assert EventOutbox(reporter.outbox).entries == ()
    await check_all_told_once(reporter, event)


async def test_an_answer_lost_until_the_database_is_back_is_asked_for_again_before_anything_else(
    reporter: Reporter,
) -> None:
    event, other = abnormal("database"), abnormal("disk")
    reporter.unentered, reporter.told.answers_lost = [event], 2
    await reporter.direct.send()
    reporter.start()
    await reporter.enter(event, other)
    assert await reporter.feed.step() == 0
    assert reporter.direct.holds
    reporter.start()
    assert await reporter.feed.step() == 1
    await check_all_told_once(reporter, event, other)


async def test_an_outbox_that_was_entered_already_is_entered_again_without_effect(reporter: Reporter) -> None:
    event = abnormal("database")
    reporter.unentered = [event]
    await reporter.direct.send()
    entry = reporter.outbox.read_bytes()
    await reporter.feed.step()
    reporter.outbox.write_bytes(entry)
    reporter.start()
    await reporter.enter(event)
    assert await reporter.feed.step() == 0
    await check_all_told_once(reporter, event)


async def test_while_the_outbox_holds_something_nobody_else_hands_events_over(reporter: Reporter) -> None:
    reporter.delivery.leave_events_to(lambda: reporter.direct.holds)
    reporter.unentered = [abnormal("database", "88.118.9")]
    await reporter.direct.send()
    assert reporter.direct.holds
    await reporter.feed.step()
    assert not reporter.direct.holds
    assert [(one["prefix"], one["event_type"]) for one in reporter.told.events] == [("88.118.9", "abnormal")]
    assert reporter.told.sequences("E2", "88.118.9") == [1]


async def test_events_wait_until_the_collector_knows_the_node(reporter: Reporter) -> None:
    context = replace(reporter.context, tables=tables(REPORTER))
    unknown = Reporter(context, reporter.told, reporter.outbox, [abnormal("database")])
    assert await unknown.direct.send() == 0
    assert not unknown.direct.holds
    assert reporter.told.events == []


async def test_events_wait_while_their_table_is_paused(reporter: Reporter) -> None:
    async with transaction(reporter.context.pool) as connection:
        await pauses.begin(connection, REPORTER, ["E1"], AT, ordered_by="operator", reason="")
    delivering = asyncio.create_task(reporter.delivery.run())
    reporter.unentered = [abnormal("database")]
    await eventually(lambda: reporter.delivery.is_paused("E1"))
    assert await reporter.direct.send() == 0
    delivering.cancel()
    with suppress(asyncio.CancelledError):
        await delivering


async def test_a_file_that_is_no_outbox_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_bytes(b"[{]")
    with pytest.raises(ValueError, match="outbox is no outbox of events"):
        EventOutbox(tmp_path / "outbox")
