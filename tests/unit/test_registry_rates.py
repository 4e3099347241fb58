"""Rate limits: a token bucket an enterprise."""

from datetime import UTC, datetime, timedelta

import pytest

from registry import rates
from registry.errors import TooManyRequests
from registry.rates import RateLimits
from registry.tables.quotas import Limits

NOW = datetime(2025, 11, 22, 8, tzinfo=UTC)


def admitted(limits: RateLimits, own: Limits, now: datetime, enterprise: str = "ent_1") -> int:
    """Send requests until one is refused, and return how many were let in."""
    for count in range(1_000):
        try:
            limits.admit(enterprise, own, now)
        except TooManyRequests:
            return count
    return 1_000


def test_without_a_rate_everything_is_let_in() -> None:
    assert admitted(RateLimits(), Limits(), NOW) == 1_000


def test_a_burst_is_let_in_at_once_and_then_the_rate() -> None:
    limits, own = RateLimits(), Limits(requests_per_s_max=2, requests_burst_max=10)
    assert admitted(limits, own, NOW) == 10
    assert admitted(limits, own, NOW + timedelta(seconds=3)) == 6
    assert admitted(limits, own, NOW + timedelta(hours=1)) == 10


def test_without_a_burst_a_second_may_be_sent_at_once() -> None:
    assert admitted(RateLimits(), Limits(requests_per_s_max=5), NOW) == 5


def test_a_refusal_says_when_to_come_again() -> None:
    limits, own = RateLimits(), Limits(requests_per_s_max=1)
    limits.admit("ent_1", own, NOW)
    with pytest.raises(TooManyRequests) as refused:
        limits.admit("ent_1", own, NOW)
    assert (refused.value.code, refused.value.retry_after_s) == ("rate_limited", 1)
    limits.admit("ent_1", own, NOW + timedelta(seconds=1))


def test_enterprises_do_not_take_from_each_other() -> None:
    limits, own = RateLimits(), Limits(requests_per_s_max=3)
    assert admitted(limits, own, NOW, "ent_1") == 3
    assert admitted(limits, own, NOW, "ent_2") == 3


def test_the_node_has_a_rate_for_those_without_one() -> None:
    assert admitted(RateLimits(4), Limits(), NOW) == 4
    assert admitted(RateLimits(4), Limits(requests_per_s_max=9), NOW) == 9


def test_a_clock_that_is_set_back_gives_nothing_and_locks_nobody_out() -> None:
    limits, own = RateLimits(), Limits(requests_per_s_max=3)
    assert admitted(limits, own, NOW) == 3
    assert admitted(limits, own, NOW - timedelta(hours=1)) == 0
    assert admitted(limits, own, NOW + timedelta(seconds=1)) == 3


def test_the_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "BUCKETS_MAX", 3)
    limits, own = RateLimits(), Limits(requests_per_s_max=1)
    for number in range(10):
        limits.admit(f"ent_{number}", own, NOW)
        assert len(limits._buckets) <= 3
