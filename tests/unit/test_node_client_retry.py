"""What is tried again, and when it is given up."""

import pytest

from node.client.errors import RefusedError, UnavailableError
from node.client.retry import NEVER, RetryPolicy, retrying

QUICK = RetryPolicy(first_s=0.001, longest_s=0.002, give_up_after_s=5)


class Flaky:
    """Fails a number of times, then answers."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or UnavailableError("busy")
        self.attempts = 0

    async def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise self.error
        return "done"


async def test_what_is_unavailable_is_tried_until_it_answers() -> None:
    flaky = Flaky(4)
    waits: list[float] = []
    assert await retrying(QUICK, flaky, lambda _error, delay_s: waits.append(delay_s)) == "done"
    assert (flaky.attempts, len(waits)) == (5, 4)
    assert all(0 < delay_s <= 0.002 for delay_s in waits)


async def test_a_refusal_is_final() -> None:
    flaky = Flaky(1, RefusedError("no", status=403))
    with pytest.raises(RefusedError):
        await retrying(QUICK, flaky)
    assert flaky.attempts == 1


@pytest.mark.parametrize("policy", [NEVER, RetryPolicy(first_s=10, give_up_after_s=1)])
async def test_the_last_failure_is_raised_when_the_time_does_not_reach_for_another_attempt(policy: RetryPolicy) -> None:
    flaky = Flaky(1)
    with pytest.raises(UnavailableError):
        await retrying(policy, flaky)
    assert flaky.attempts == 1


def test_waits_grow_to_a_limit_and_never_vanish() -> None:
    policy = RetryPolicy(first_s=1, longest_s=8)
    for failures, ceiling in [(1, 1), (2, 2), (3, 4), (4, 8), (50, 8), (5000, 8)]:
        assert ceiling / 2 <= policy.delay_s(failures, None) <= ceiling


@pytest.mark.parametrize(("wish_s", "delay_s"), [(0.0, 0.0), (7.0, 7.0), (86_400.0, 60.0)])
def test_the_nodes_own_wish_is_followed_within_reason(wish_s: float, delay_s: float) -> None:
    assert RetryPolicy().delay_s(1, wish_s) == delay_s
