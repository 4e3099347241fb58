"""Changes taken together count as they do one by one."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from identifiers.changes import Change
from resolver.effective import EffectiveTimes

NOW = datetime(2026, 11, 22, 16, 0, 2, tzinfo=UTC)
"""Just after midnight in Beijing."""


def change(age_ms: int, kind: str, op: str) -> Change:
    return Change(1, 1, NOW - timedelta(milliseconds=age_ms), kind, "k", op, b"{}")  # type: ignore[arg-type] # of the three


@given(
    st.lists(
        st.builds(
            change,
            st.sampled_from([0, 1, 1, 40, 1_999, 2_001, 5_000]),
            st.sampled_from(["identifier", "identifier", "prefix"]),
            st.sampled_from(["create", "create", "replace"]),
        ),
        max_size=30,
    )
)
def test_changes_of_one_moment_count_each(changes: list[Change]) -> None:
    together, singly = EffectiveTimes(), EffectiveTimes()
    together.seen(changes, NOW.timestamp())
    for one in changes:
        singly.seen([one], NOW.timestamp())
    drained = together.drain()
    assert drained == singly.drain()
    counted = [one for one in changes if (one.kind, one.op) == ("identifier", "create")]
    assert sum(day["count"] for day in drained) == len(counted)
    ages_us = [max(1, int((NOW - one.at) / timedelta(microseconds=1))) for one in counted]
    assert abs(sum(day["sum_us"] for day in drained) - sum(ages_us)) <= len(counted)
