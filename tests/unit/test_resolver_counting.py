"""Counting: every lookup once, in every figure the national statistics ask for."""

from hypothesis import given
from hypothesis import strategies as st

from resolver.counting import Tallies

LOOKUPS = st.lists(
    st.tuples(
        st.sampled_from(["88.118.8", "88.118.9", ""]),
        st.sampled_from(["127.0.0.1", "::1"]),
        st.sampled_from(["found", "absent", "gone"]),
        st.sampled_from(["handle-json", "redirect"]),
        st.integers(1_700_000_000, 1_700_000_005),
        st.integers(0, 20_000_000),
    ),
    max_size=60,
)


@given(LOOKUPS)
def test_figures_equal_a_recount(lookups: list[tuple]) -> None:
    tallies = Tallies()
    for lookup in lookups:
        tallies.record(*lookup[:2], lookup[2], lookup[3], *lookup[4:])
    drained = {entry["prefix"]: entry for entry in tallies.drain()}
    assert set(drained) == {lookup[0] for lookup in lookups}
    for prefix, entry in drained.items():
        mine = [lookup for lookup in lookups if lookup[0] == prefix]
        latencies = [lookup[5] for lookup in mine]
        assert entry["latency"]["count"] == len(mine)
        assert entry["latency"]["sum_us"] == sum(latencies)
        assert entry["latency"]["min_us"] == min(latencies)
        assert entry["latency"]["max_us"] == max(latencies)
        assert entry["latency"]["max_at"] == next(lookup[4] for lookup in mine if lookup[5] == max(latencies))
        assert sum(entry["faces"].values()) == len(mine)
        assert dict(map(tuple, entry["seconds"])) == {
            second: sum(lookup[4] == second for lookup in mine) for second in {lookup[4] for lookup in mine}
        }
        expected = {} if not prefix else {(a, o): 0 for _, a, o, *_ in mine}
        for _, address, outcome, *_ in mine:
            if prefix:
                expected[address, outcome] += 1
        assert {(address, outcome): n for address, outcome, n in entry["sources"]} == expected
    assert tallies.outcomes.total() == sum(tallies.histogram) == len(lookups)


def test_totals_survive_a_drain_and_tallies_do_not() -> None:
    tallies = Tallies()
    tallies.record("88.118.8", "127.0.0.1", "found", "handle-json", 5, 10)
    tallies.drain()
    assert tallies.drain() == []
    tallies.record("88.118.8", "127.0.0.1", "found", "handle-json", 6, 10)
    assert tallies.outcomes["handle-json", "found"] == 2
    assert tallies.sum_us == 20


def test_a_kept_source_is_stale_after_a_drain() -> None:
    tallies = Tallies()
    before = tallies.generation
    tallies.source("88.118.8", "127.0.0.1", "handle-json", "found")
    assert tallies.keys == 1
    tallies.drain()
    assert tallies.generation != before
    assert tallies.keys == 0


def test_no_tally_tells_of_two_days_of_beijing() -> None:
    midnight = 1_700_064_000  # 2023-11-16 in Beijing
    tallies = Tallies()
    kept = tallies.source("88.118.8", "127.0.0.1", "handle-json", "found")
    tallies.count(kept, midnight - 1, 10)
    tallies.count(kept, midnight - 1, 30)
    tallies.count(kept, midnight, 20)
    tallies.count(kept, midnight - 1, 5)  # the clock was set back
    drained = [
        (one["day_at"], one["latency"]["count"], one["latency"]["max_us"], one["sources"], one["seconds"])
        for one in tallies.drain()
    ]
    assert drained == [
        (midnight - 86_400, 2, 30, [["127.0.0.1", "found", 2]], [[midnight - 1, 2]]),
        (midnight, 1, 20, [["127.0.0.1", "found", 1]], [[midnight, 1]]),
        (midnight - 86_400, 1, 5, [["127.0.0.1", "found", 1]], [[midnight - 1, 1]]),
    ]
    assert tallies.outcomes["handle-json", "found"] == 4
    assert tallies.sum_us == 65


def test_an_extreme_has_the_second_of_its_answer_and_a_request_that_of_its_arrival() -> None:
    tallies = Tallies()
    tallies.record("88.118.8", "127.0.0.1", "found", "handle-json", 1_700_000_000, 1_500_000, 1_700_000_001)
    (entry,) = tallies.drain()
    assert entry["seconds"] == [[1_700_000_000, 1]]
    assert entry["latency"]["max_at"] == entry["latency"]["min_at"] == 1_700_000_001
