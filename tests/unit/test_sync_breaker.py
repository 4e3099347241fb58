"""The circuit breaker of an access point, case by case."""

from datetime import UTC, datetime, timedelta
from random import Random

from sync.breaker import FAILURES_MAX, TRIAL_S_MAX, Breaker
from sync.retry import RetryPolicy

NOW = datetime(2031, 5, 6, tzinfo=UTC)


class Highest(Random):
    """Chooses the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def given_breaker() -> Breaker:
    return Breaker(RetryPolicy(base_s=10.0, factor=2.0, cap_s=40.0), Highest())


def opened() -> Breaker:
    breaker = given_breaker()
    for _ in range(FAILURES_MAX):
        breaker.failed(NOW)
    return breaker


def test_a_few_failures_do_not_open_it_and_a_success_forgets_them() -> None:
    breaker = given_breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(NOW)
    assert breaker.take(NOW)
    breaker.succeeded()
    breaker.failed(NOW)
    assert (breaker.state, breaker.failures) == ("closed", 1)


def test_many_failures_in_a_row_open_it_for_a_while() -> None:
    breaker = opened()
    assert breaker.state == "open"
    assert not breaker.take(NOW + timedelta(seconds=9.9))
    assert breaker.take(NOW + timedelta(seconds=10))


def test_one_request_tries_whether_it_works_again() -> None:
    breaker, later = opened(), NOW + timedelta(seconds=10)
    assert [breaker.take(later), breaker.take(later)] == [True, False]
    assert breaker.state == "half_open"
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.take(later)


def test_a_failed_trial_opens_it_for_longer() -> None:
    breaker, later = opened(), NOW + timedelta(seconds=10)
    assert breaker.take(later)
    breaker.failed(later)
    assert not breaker.take(later + timedelta(seconds=19.9))
    assert breaker.take(later + timedelta(seconds=20))


def test_the_servers_own_wish_counts() -> None:
    breaker = given_breaker()
    for _ in range(FAILURES_MAX):
        breaker.failed(NOW, retry_after_s=3.0)
    assert breaker.tried_again_at == NOW + timedelta(seconds=3)


def test_a_trial_that_never_ends_is_given_up() -> None:
    breaker, later = opened(), NOW + timedelta(seconds=10)
    assert breaker.take(later)
    assert not breaker.take(later + TRIAL_S_MAX)
    assert breaker.take(later + TRIAL_S_MAX + timedelta(seconds=1))


def test_an_operator_may_have_it_tried_now() -> None:
    breaker = opened()
    breaker.try_now()
    assert [breaker.take(NOW), breaker.take(NOW)] == [True, False]
