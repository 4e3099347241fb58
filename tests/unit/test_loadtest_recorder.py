import random

from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.recorder import LATENCY_US_MAX, SIGNIFICANT_DIGITS, Recorder
from loadtest.schedule import NS_PER_S

FOUND = frozenset({200})
US = 1000


def test_percentiles_are_those_of_the_latencies() -> None:
    recorder = Recorder("reads", FOUND, begin_ns=0)
    latencies = list(range(1, 1001))
    random.Random(1).shuffle(latencies)
    for latency in latencies:
        recorder.answered(200, latency * US)
    second = recorder.close_second(NS_PER_S, outstanding=3)
    assert (second.answered, second.p50_us, second.p99_us, second.max_us) == (1000, 500, 990, 1000)
    latency = recorder.series().latency
    assert (latency.at["50"], latency.at["99"], latency.at["99.9"], latency.max_us) == (500, 990, 999, 1000)
    assert latency.mean_us == 500.5


@settings(max_examples=20)  # a histogram takes 50 ms
@given(st.lists(st.integers(0, LATENCY_US_MAX), min_size=1, max_size=50))
def test_folding_loses_nothing_that_the_histogram_keeps(latencies: list[int]) -> None:
    recorder = Recorder("reads", FOUND, begin_ns=0)
    whole = HdrHistogram(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)
    for latency in latencies:
        recorder.answered(200, latency * US)
        whole.record_value(max(latency, 1))
    recorder.close_second(NS_PER_S, outstanding=0)
    latency = recorder.series().latency
    assert latency.count == len(latencies)
    assert latency.at["90"] == whole.get_value_at_percentile(90)
    assert HdrHistogram.decode(latency.hdr).get_total_count() == len(latencies)


def test_the_rate_counts_only_answers_within_the_run() -> None:
    recorder = Recorder("reads", FOUND, begin_ns=0)
    for _ in range(100):
        recorder.answered(200, US)
    recorder.close_second(2 * NS_PER_S, outstanding=50)
    for _ in range(50):
        recorder.answered(200, 3 * NS_PER_S)
    series = recorder.series()
    assert series.rate == 50
    assert (series.answered, series.latency.count) == (150, 150)


def test_everything_without_a_right_answer_is_wrong_in_its_second_and_in_the_whole() -> None:
    recorder = Recorder("reads", FOUND, begin_ns=0)
    recorder.answered(200, US)
    recorder.answered(503, US)
    recorder.gave_up(5 * NS_PER_S)
    recorder.lost += 1
    recorder.dropped += 2
    assert recorder.close_second(NS_PER_S, outstanding=0).wrong == 5
    assert recorder.close_second(2 * NS_PER_S, outstanding=0).wrong == 0
    series = recorder.series()
    assert (series.wrong, series.unexpected, series.timed_out, series.lost, series.dropped) == (5, 1, 1, 1, 2)
    assert series.statuses == {200: 1, 503: 1}


def test_a_restart_forgets_the_warm_up() -> None:
    recorder = Recorder("reads", FOUND, begin_ns=0)
    recorder.answered(503, NS_PER_S)
    recorder.close_second(NS_PER_S, outstanding=0)
    recorder.restart(2 * NS_PER_S)
    recorder.answered(200, US)
    second = recorder.close_second(3 * NS_PER_S, outstanding=0)
    assert (second.at_s, second.span_s) == (1.0, 1.0)
    assert (recorder.series().wrong, recorder.series().answered) == (0, 1)


def test_a_run_without_answers_has_figures_too() -> None:
    series = Recorder("reads", FOUND, begin_ns=0).series()
    assert (series.answered, series.rate, series.latency.count, series.latency.max_us) == (0, 0.0, 0, 0)
