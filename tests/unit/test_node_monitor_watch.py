"""When probes become events: the rule of 51 %, how long a state holds, and stretches without service."""

from datetime import UTC, datetime, timedelta

import pytest

from node.monitor.watch import Condition, Holds, Probed, Stretches, Watch, judged
from registry.tables.node_events import Event

START = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)
HOLDS = Holds(timedelta(seconds=30), timedelta(seconds=60))
WELL, FAILED, UNKNOWN = Probed(is_well=True), Probed(is_well=False, cause="503"), Probed(is_well=None)


@pytest.mark.parametrize(
    ("probed", "percent", "is_well"),
    [
        ([WELL, WELL, FAILED], 51, True),
        ([WELL, FAILED, FAILED], 51, False),
        ([WELL, FAILED], 51, True),
        ([WELL, FAILED], 50, False),
        ([UNKNOWN, FAILED], 51, False),
        ([UNKNOWN, UNKNOWN], 51, None),
        ([], 51, None),
        ([FAILED, WELL, WELL], 100, True),
    ],
)
def test_a_round_fails_from_the_set_share_on(probed: list[Probed], percent: int, *, is_well: bool | None) -> None:
    assert judged(probed, percent).is_well is is_well


def told(*states: tuple[int, Probed]) -> list[tuple[Event, int]]:
    """Feed a watch at seconds from the start; return the events with the second at which they came."""
    watch = Watch(Condition("88.118", "registration", 2), HOLDS)
    found = []
    for second, probed in states:
        if (event := watch.take(probed, START + timedelta(seconds=second))) is not None:
            found.append((event, second))
    return found


def test_a_failure_is_told_after_thirty_seconds_and_dated_when_it_began() -> None:
    [(event, second)] = told((0, WELL), (10, FAILED), (20, FAILED), (30, FAILED), (40, FAILED), (50, FAILED))
    assert second == 40
    assert event.occurred_at == START + timedelta(seconds=10)
    assert (event.event_type, event.abnormal_type, event.cause) == ("abnormal", 2, "503")
    assert event.event_no.startswith("88.118-20310506010213-")
    assert len(event.event_no) == len("88.118-20310506010213-") + 8


def test_recovery_is_told_after_sixty_seconds_once_and_names_its_event() -> None:
    states = [(second, FAILED) for second in range(0, 40, 10)]
    states += [(second, WELL) for second in range(40, 200, 10)]
    (abnormal, _), (recovered, second) = told(*states)
    assert second == 100
    assert recovered.occurred_at == START + timedelta(seconds=40)
    assert recovered.related_event_no == abnormal.event_no
    assert recovered.abnormal_type is None


def test_flapping_gives_one_pair_and_short_failures_none() -> None:
    flapping = [(second, FAILED if second % 20 else WELL) for second in range(0, 300, 10)]
    assert told(*flapping) == []
    open_then_flapping = [(s, FAILED) for s in range(0, 40, 10)] + [
        (s, WELL if s % 50 else FAILED) for s in range(40, 300, 10)
    ]
    assert [event.event_type for event, _ in told(*open_then_flapping)] == ["abnormal"]


def test_what_cannot_be_probed_says_nothing() -> None:
    assert told((0, FAILED), (10, UNKNOWN), (20, UNKNOWN), (29, FAILED)) == []
    assert len(told((0, FAILED), (10, UNKNOWN), (30, FAILED))) == 1


def test_stretches_without_service_are_to_the_round_without_waiting() -> None:
    stretches = Stretches("registration")
    ids = iter("ab")
    changes = [
        stretches.take(is_well, START + timedelta(seconds=second), lambda: next(ids))
        for second, is_well in ((0, True), (10, False), (20, False), (30, True), (40, False), (50, None))
    ]
    assert [change and (change.outage_id, change.ended_at is None) for change in changes] == [
        None,
        ("a", True),
        None,
        ("a", False),
        ("b", True),
        ("b", False),
    ]
    ended = changes[3]
    assert ended is not None
    assert ended.ended_at == START + timedelta(seconds=30)
    assert ended.started_at == START + timedelta(seconds=10)
