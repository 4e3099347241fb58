"""How often somebody may try to sign in: the rule, without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.service.throttle import (
    FAILURES_MAX,
    LOCK_FIRST,
    LOCK_MAX,
    WINDOW,
    subject_of_address,
    subject_of_name,
    waiting_time,
    with_failure,
    without_failure,
)
from registry.tables.users import Failures

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def after(failures: int, *, locks: bool, apart: timedelta = SECOND) -> tuple[Failures, datetime]:
    found, at = Failures(), NOW
    for _ in range(failures):
        at += apart
        found = with_failure(found, at, locks=locks)
    return found, at


def test_nine_failures_stop_nobody() -> None:
    found, at = after(FAILURES_MAX - 1, locks=True)
    assert waiting_time(found, at) <= timedelta(0)


def test_after_ten_within_the_window_an_address_waits_until_the_first_is_forgotten() -> None:
    found, at = after(FAILURES_MAX, locks=False)
    assert waiting_time(found, at) == WINDOW - (FAILURES_MAX - 1) * SECOND
    assert waiting_time(found, NOW + SECOND + WINDOW) <= timedelta(0)
    assert found.locked_until is None


def test_failures_spread_over_a_longer_time_stop_no_address() -> None:
    found, at = after(50, locks=False, apart=WINDOW / 5)
    assert waiting_time(found, at) <= timedelta(0)


def test_a_name_is_locked_for_longer_after_each_further_failure_up_to_a_limit() -> None:
    locks = []
    for failures in range(FAILURES_MAX, FAILURES_MAX + 9):
        found, at = after(failures, locks=True, apart=2 * WINDOW)
        locks.append(waiting_time(found, at))
    assert locks[:4] == [LOCK_FIRST, 2 * LOCK_FIRST, 4 * LOCK_FIRST, 8 * LOCK_FIRST]
    assert locks[-1] == LOCK_MAX


def test_a_million_failures_lock_no_longer_than_the_limit() -> None:
    found = with_failure(Failures((), 10**6, None), NOW, locks=True)
    assert waiting_time(found, NOW) == LOCK_MAX


@given(st.integers(0, 30))
def test_a_try_taken_back_leaves_what_was_before(failures: int) -> None:
    before, at = after(failures, locks=False)
    tried_at = at + SECOND
    back = without_failure(with_failure(before, tried_at, locks=False), tried_at)
    assert back.consecutive == before.consecutive
    assert set(back.recent) <= set(before.recent)
    assert tried_at not in back.recent


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.17", "address 192.0.2.17"),
        ("::ffff:192.0.2.17", "address 192.0.2.17"),
        ("2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "address 2001:db8:1:2::/64"),
        ("unknown", "address unknown"),
        ("x" * 1000, "address " + "x" * 64),
    ],
)
def test_an_ipv6_site_is_one_address(address: str, subject: str) -> None:
    assert subject_of_address(address) == subject


def test_a_name_counts_alike_however_it_is_written_and_is_not_kept() -> None:
    assert subject_of_name("Demo-Pump") == subject_of_name("demo-pump")
    assert subject_of_name("é") == subject_of_name("é")
    assert "demo" not in subject_of_name("demo-pump")
