"""The bench's results as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench.measures import MEASURES, Measure
from loadtest.html_page import facts, page, table

if TYPE_CHECKING:
    from loadtest.bench.results import Results, Taken

STRIP_WIDTH, STRIP_HEIGHT = 220, 28
_EDGE = 6
_CLASSES = {"aim reached": "good", "reached": "good", "missed": "bad", "not measured": "bad"}


def render_bench(results: Results) -> str:
    """Return the page: the table of measures, then the figures and the circumstances of each."""
    head = ("measure", "value", "to reach", "aim", "verdict", "rounds (line: to reach, dashed: aim)", "spread")
    rows = [_row(MEASURES[name], taken) for name, taken in results.measures.items()]
    dates = sorted({taken.measured_at for taken in results.measures.values()})
    lead = f"measured {' … '.join(dict.fromkeys((dates[0], dates[-1])))}" if dates else "nothing measured yet"
    if any(taken.settings.quick for taken in results.measures.values()):
        lead += " · quick run: it shows that the bench works, its figures are not to be compared"
    details = (_details(MEASURES[name], taken) for name, taken in results.measures.items())
    return page("Side by side", lead, [table(head, rows), *details])


def _row(measure: Measure, taken: Taken) -> list[str]:
    outcome = taken.outcome
    sign = "≥" if measure.higher_is_better else "≤"
    spread = f"{min(outcome.rounds):g} … {max(outcome.rounds):g}" if outcome.rounds else ""
    return [
        escape(measure.title),
        f"<b>{_amount(outcome.value, measure)}</b>",
        f"{sign} {_amount(measure.to_reach, measure)}",
        "" if measure.aim is None else _amount(measure.aim, measure),
        f'<span class="{_CLASSES[outcome.verdict]}">{outcome.verdict}</span>',
        strip(measure, outcome.rounds),
        spread,
    ]


def strip(measure: Measure, rounds: list[float]) -> str:
    """Return a small drawing: a dot for each round, a line at what is to be reached, a dashed one at the aim."""
    if not rounds:
        return ""
    marks = [measure.to_reach] + ([] if measure.aim is None else [measure.aim])
    highest = max(*rounds, *marks) * 1.05

    def across(value: float) -> float:
        return _EDGE + value / highest * (STRIP_WIDTH - 2 * _EDGE)

    middle = STRIP_HEIGHT / 2
    lines = [
        f'<path class="mark{kind}" d="M{across(value):.1f} 4V{STRIP_HEIGHT - 4}"/>'
        for value, kind in zip(marks, ("", " aim"), strict=False)
    ]
    dots = [
        f'<circle class="dot line-1" cx="{across(value):.1f}" cy="{middle}" r="3.5"><title>{value:g}</title></circle>'
        for value in rounds
    ]
    label = escape(f"{measure.title}: {', '.join(f'{value:g}' for value in rounds)}", quote=True)
    base = f'<path class="grid" d="M{_EDGE} {middle}H{STRIP_WIDTH - _EDGE}"/>'
    frame = f'viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}" style="width:{STRIP_WIDTH}px"'
    return f'<svg {frame} role="img" aria-label="{label}">{base}{"".join(lines)}{"".join(dots)}</svg>'


def _details(measure: Measure, taken: Taken) -> str:
    machine = msgspec.structs.asdict(taken.machine)
    settings = {name: value for name, value in msgspec.structs.asdict(taken.settings).items() if name != "work"}
    circumstances = [
        ("measured", taken.measured_at),
        ("machine", ", ".join(f"{name} {value}" for name, value in machine.items())),
        ("versions", ", ".join(f"{name} {value}" for name, value in taken.versions.items())),
        ("sizes", ", ".join(f"{name} {value}" for name, value in settings.items())),
    ]
    figures = [(name, f"{value:,g}") for name, value in taken.outcome.figures.items()]
    note = f'<p class="faint">{escape(taken.outcome.note)}</p>' if taken.outcome.note else ""
    return f"<h2>{escape(measure.title)}</h2>{note}{facts([*figures, *circumstances])}"


def _amount(value: float | None, measure: Measure) -> str:
    return "–" if value is None else escape(f"{value:.3g} {measure.unit}".strip())
