import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.figures import Figures
from loadtest.keys import KeyFile, KeyPattern
from loadtest.machine import this_machine
from loadtest.plan import Plan
from loadtest.plots import Axis, Line, duration, latency_axis, line_plot, linear_axis
from loadtest.recorder import Recorder
from loadtest.report import render_report, write_report
from loadtest.schedule import NS_PER_S

VOID = {"meta", "circle", "path", "br"}


class Outline(HTMLParser):
    """Follows the nesting of a document, and gathers what it refers to and says."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.references: list[str] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def figures(*names: str, wrong: int = 0, keys: KeyPattern | KeyFile | None = None) -> Figures:
    series = []
    for name in names:
        recorder = Recorder(name, frozenset({200}), begin_ns=0)
        recorder.arrived = 3003
        for second in range(1, 4):
            for latency_us in range(1, 1001):
                recorder.answered(200, latency_us * 1000)
            recorder.close_second(second * NS_PER_S, outstanding=0)
        for _ in range(wrong):
            recorder.answered(503, 1000)
        series.append(recorder.series())
    plan = Plan(url="http://127.0.0.1:8080", keys=keys or KeyPattern("88.118.8", 100), rate=1000, duration_s=3)
    return Figures(
        plan=plan,
        machine=this_machine(),
        began_at="2026-03-14T08:00:00+00:00",
        elapsed_s=3.0,
        client_us=9.5,
        client_busy=0.01,
        reopened=0,
        failures={"the <server> closed & left": 2},
        series=series,
    )


def test_the_report_shows_the_figures_the_plan_and_the_machine() -> None:
    said = Outline(render_report(figures("reads"))).text
    for text in ("1,000", "500 µs", "990 µs", "999 µs", "88.118.8", "1,000/s", "http://127.0.0.1:8080", "9.5 µs"):
        assert text in said, text
    assert this_machine().processor in said
    assert "Every answer was right." in said


def test_the_report_needs_nothing_from_outside() -> None:
    markup = render_report(figures("reads", "accepted", "resolvable"))
    outline = Outline(markup)
    assert outline.references == []
    assert "script" not in outline.counts
    assert "link" not in outline.counts
    assert "@import" not in markup
    assert "url(" not in markup
    # The target's own address is shown as text; nothing else looks like an address.
    assert set(re.findall(r"https?://[^\s<\"]+", markup)) == {"http://127.0.0.1:8080"}


def test_the_report_is_well_formed_with_three_plots_and_light_and_dark() -> None:
    markup = render_report(figures("reads", "accepted"))
    outline = Outline(markup)
    assert outline.open == []
    assert outline.counts["svg"] == 3
    assert "prefers-color-scheme: dark" in markup
    assert "<server>" not in markup
    assert "the <server> closed & left" in outline.text


def test_a_run_with_wrong_answers_says_so_first() -> None:
    said = Outline(render_report(figures("reads", wrong=7))).text
    assert "7 of 3,003 requests did not get the answer they should have" in said
    assert "Every answer was right." not in said


def test_a_run_without_any_answer_still_has_a_report() -> None:
    empty = msgspec.structs.replace(figures("reads"), series=[Recorder("reads", frozenset({200}), begin_ns=0).series()])
    assert Outline(render_report(empty)).open == []


def test_the_figures_stand_beside_the_report_and_can_be_read_again(tmp_path: Path) -> None:
    written = figures("reads", keys=KeyFile("keys.txt"))
    data = write_report(written, tmp_path / "run.html")
    assert data == tmp_path / "run.json"
    assert msgspec.json.decode(data.read_bytes(), type=Figures) == written
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == render_report(written)
    with pytest.raises(ValueError, match="beside it"):
        write_report(written, tmp_path / "run.json")


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "0 µs"), (850, "850 µs"), (1240, "1.24 ms"), (999_000, "999 ms"), (3_000_000, "3 s"), (83_500_000, "83.5 s")],
)
def test_times_are_shown_for_people(microseconds: float, text: str) -> None:
    assert duration(microseconds) == text


@given(st.floats(0, 1e12))
def test_a_linear_axis_holds_its_highest_value_at_round_ticks(highest: float) -> None:
    axis = linear_axis("x", highest)
    assert axis.high >= highest * 0.999
    assert 2 <= len(axis.ticks) <= 7
    assert axis.ticks[0][0] == 0


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_a_latency_axis_holds_both_ends_in_whole_decades(one: float, other: float) -> None:
    low, high = sorted((one, other))
    axis = latency_axis("latency", low, high)
    # The logarithm of a number just below a decade rounds to the decade: a shift no eye can see.
    assert axis.low <= max(low, 1) * (1 + 1e-9)
    assert axis.high >= high * (1 - 1e-9)
    assert axis.low < axis.high


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1e7)), max_size=20))
def test_no_point_of_a_plot_lies_outside_it(points: list[tuple[float, float]]) -> None:
    drawing = line_plot(
        "t", Axis("x", 0, 10, []), latency_axis("y", 1, 1e7), [Line("a", points, ["tip"] * len(points))]
    )
    for across, down in re.findall(r'cx="([-0-9.e]+)" cy="([-0-9.e]+)"', drawing):
        assert 0 <= float(across) <= 720
        assert 0 <= float(down) <= 300
