"""The retry policy: full jitter below a capped exponential."""

from random import Random

import pytest

from sync.retry import RETRY_AFTER_S_MAX, RETRY_AFTER_S_MIN, RetryPolicy


@pytest.mark.parametrize(("failures", "ceiling"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (10_000_000, 300)])
def test_waits_are_spread_over_everything_below_the_ceiling(failures: int, ceiling: float) -> None:
    policy, random = RetryPolicy(), Random(1)
    waits = [policy.delay_s(failures, random) for _ in range(500)]
    assert 0 <= min(waits) < 0.05 * ceiling
    assert 0.95 * ceiling < max(waits) <= ceiling


def test_the_collectors_own_wish_comes_first_within_reason() -> None:
    policy, random = RetryPolicy(), Random(1)
    assert policy.delay_s(1, random, 42.0) == 42.0
    assert policy.delay_s(1, random, 0.0) == RETRY_AFTER_S_MIN
    assert policy.delay_s(1, random, 1e9) == RETRY_AFTER_S_MAX
