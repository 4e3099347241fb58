import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.schedule import NS_PER_S, Schedule


@given(st.floats(0.01, 1_000_000), st.integers(0, 10**18))
def test_arrivals_keep_their_rate_without_drifting(rate: float, begin_ns: int) -> None:
    schedule = Schedule(rate)
    schedule.begin(begin_ns)
    taken = [schedule.take() for _ in range(1000)]
    assert taken[0] == begin_ns
    assert taken == sorted(taken)
    assert abs(taken[-1] - begin_ns - 999 * NS_PER_S / rate) <= 1


def test_a_new_beginning_starts_the_rate_again() -> None:
    schedule = Schedule(10)
    schedule.begin(5)
    schedule.take()
    schedule.begin(1_000)
    assert [schedule.take(), schedule.take()] == [1_000, 1_000 + NS_PER_S // 10]


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Schedule(rate)
