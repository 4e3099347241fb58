from pathlib import Path

import msgspec
import pytest

from loadtest.bench import measures
from loadtest.bench.__main__ import GROUPS
from loadtest.bench.bench_page import render_bench, strip
from loadtest.bench.dataset import batches, row
from loadtest.bench.measures import MEASURES, Outcome, not_measured, ratio
from loadtest.bench.results import Results, merged, read_results, taken, write_results
from loadtest.bench.settings import BATCH_ROWS, Settings, keys_of, quick

SETTINGS = Settings(work=Path("bench/work"))


@pytest.mark.parametrize(
    ("measure", "value", "verdict"),
    [
        (measures.LOOKUP_THROUGHPUT, 1.01, "aim reached"),
        (measures.LOOKUP_THROUGHPUT, 0.85, "reached"),
        (measures.LOOKUP_THROUGHPUT, 0.84, "missed"),
        (measures.LOOKUP_CPU, 1.25, "aim reached"),
        (measures.LOOKUP_CPU, 1.7, "reached"),
        (measures.LOOKUP_CPU, 1.71, "missed"),
        (measures.MEMORY, 20.0, "reached"),
        (measures.MEMORY, 80.1, "missed"),
        (measures.REGISTER, None, "not measured"),
    ],
)
def test_a_verdict_follows_from_what_is_to_be_reached(
    measure: measures.Measure, value: float | None, verdict: str
) -> None:
    assert measure.verdict(value) == verdict


def test_a_ratio_is_that_of_the_medians_with_each_rounds_own_as_spread() -> None:
    outcome = ratio(measures.AIOHTTP_THROUGHPUT, [100, 400, 120], [30, 40, 40], {"a": 1})
    assert (outcome.value, outcome.rounds) == (3.0, [3.3333, 10.0, 3.0])


def test_every_measure_is_taken_by_exactly_one_group() -> None:
    covered = [measure.name for _, group in GROUPS for measure in group]
    assert sorted(covered) == sorted(MEASURES)


def test_results_keep_older_measures_and_replace_those_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    first = [Outcome("memory", 50.0, [50.0]), Outcome("growth", 0.8, [0.8])]
    write_results(path, merged(path, taken(first, SETTINGS, measured_at="2026-03-01")))
    second = merged(path, taken([Outcome("growth", 0.95, [0.95])], SETTINGS, measured_at="2026-03-02"))
    write_results(path, second)
    read = read_results(path)
    assert {name: (one.outcome.value, one.measured_at) for name, one in read.measures.items()} == {
        "growth": (0.95, "2026-03-02"),
        "memory": (50.0, "2026-03-01"),
    }
    assert list(read.measures) == ["growth", "memory"]


def test_a_results_file_of_another_shape_is_not_carried_on(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    path.write_text('{"measures": {"growth": 1}}')
    assert merged(path, {}) == Results({})


def test_the_page_has_a_row_a_verdict_and_the_spread_for_each_measure() -> None:
    outcomes = [
        ratio(measures.LOOKUP_THROUGHPUT, [90.0, 96.0], [100.0, 100.0], {"nginx per second": 100}),
        not_measured(measures.TAIL, "nginx is not <installed>"),
        Outcome("memory", 93.5, [93.5]),
    ]
    markup = render_bench(Results(taken(outcomes, SETTINGS, measured_at="2026-03-02T10:00:00+00:00")))
    for text in (
        "0.93",
        "0.9 … 0.96",
        "reached",
        "not measured",
        "nginx is not &lt;installed&gt;",
        "93.5 MB",
        "missed",
    ):
        assert text in markup, text
    assert "2026-03-02T10:00:00+00:00" in markup
    assert "not to be compared" not in markup
    assert "://" not in markup


def test_a_quick_run_says_that_its_figures_mean_nothing() -> None:
    sizes = quick(SETTINGS)
    assert sizes.records < SETTINGS.records
    markup = render_bench(Results(taken([Outcome("memory", 1.0, [1.0])], sizes, measured_at="2026-03-02")))
    assert "not to be compared" in markup


def test_nothing_measured_is_a_page_too() -> None:
    assert "nothing measured yet" in render_bench(Results({}))
    assert strip(measures.MEMORY, []) == ""


def test_batches_hold_every_record_once() -> None:
    pieces = list(batches(keys_of(BATCH_ROWS + 3)))
    lines = [piece.splitlines(keepends=True) for piece in pieces]
    assert [len(piece) for piece in lines] == [BATCH_ROWS, 3]
    assert lines[1][2] == row(f"88.118.8/SN{BATCH_ROWS + 2:07d}")
    first = msgspec.json.decode(lines[0][0])
    assert first["identifier"] == "88.118.8/SN0000000"
    assert [value["type"] for value in first["values"]] == ["URL", "name", "model", "batch", "produced"]
