"""The report of one run: a self-contained HTML file, and the same figures as JSON beside it."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import msgspec

from loadtest.html_page import facts, figure, page, table
from loadtest.keys import KeyPattern
from loadtest.plots import Axis, Line, duration, latency_axis, line_plot, linear_axis

if TYPE_CHECKING:
    from pathlib import Path

    from loadtest.figures import Figures, Series
    from loadtest.plan import Plan

SHOWN_PERCENTILES = ("50", "90", "99", "99.9", "99.99")
_CURVE_TICKS = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def write_report(figures: Figures, path: Path) -> Path:
    """Write the HTML report to `path` and the figures beside it; return the latter's path."""
    data = path.with_suffix(".json")
    if data == path:
        raise ValueError(f"{path}: the report is HTML; its figures will stand beside it as .json")
    path.write_text(render_report(figures), encoding="utf-8")
    data.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    return data


def render_report(figures: Figures) -> str:
    """Return the report as one HTML document."""
    plan = figures.plan
    lead = f"{plan.url} · {figures.began_at} · {figures.elapsed_s:.1f} s recorded"
    sections = [
        _verdict(figures),
        table(("", *(series.name for series in figures.series)), _rows(figures.series)),
        figure("Latency by percentile", _percentile_plot(figures.series), _latency_note(plan)),
        figure("Throughput", _rate_plot(figures.series)),
        figure("99th percentile, second by second", _p99_plot(figures.series)),
        "<h2>The run</h2>",
        facts(_run_facts(figures)),
        "<h2>The machine</h2>",
        facts((name, str(value)) for name, value in msgspec.structs.asdict(figures.machine).items()),
    ]
    return page(f"Load test: {plan.scenario}, {plan.loop} loop", lead, sections)


def _verdict(figures: Figures) -> str:
    wrong = sum(series.wrong for series in figures.series)
    late = sum(series.late for series in figures.series)
    arrived = sum(series.arrived for series in figures.series)
    texts = [("bad", f"{wrong:,} of {arrived:,} requests did not get the answer they should have.")] if wrong else []
    if late > arrived / 100 and figures.plan.scenario != "mixed":
        texts.append(("bad", f"{late:,} requests left over 1 ms late: the generator was a limit of this run."))
    return "".join(
        f'<p class="{kind}">{escape(text)}</p>' for kind, text in texts or [("good", "Every answer was right.")]
    )


def _rows(series: list[Series]) -> list[list[str]]:
    def row(name: str, *cells: str) -> list[str]:
        return [escape(name), *cells]

    rows = [
        row("answers per second", *(f"{one.rate:,.0f}" for one in series)),
        row("answered", *(f"{one.answered:,}" for one in series)),
        row("mean", *(duration(one.latency.mean_us) for one in series)),
    ]
    rows += [row(f"p{name}", *(duration(one.latency.at[name]) for one in series)) for name in SHOWN_PERCENTILES]
    rows.append(row("longest", *(duration(one.latency.max_us) for one in series)))
    rows += [
        row(name, *(_count(getattr(one, field), bad=bad) for one in series))
        for name, field, bad in (
            ("unexpected answers", "unexpected", True),
            ("timed out", "timed_out", True),
            ("connection lost", "lost", True),
            ("dropped: too many outstanding", "dropped", True),
            ("waited for a free connection", "waited", False),
            ("left over 1 ms late", "late", False),
        )
    ]
    statuses = (", ".join(f"{status}: {count:,}" for status, count in sorted(one.statuses.items())) for one in series)
    return [*rows, row("statuses", *statuses)]


def _count(count: int, *, bad: bool) -> str:
    return f'<span class="bad">{count:,}</span>' if count and bad else f"{count:,}"


def _percentile_plot(series: list[Series]) -> str:
    resolved = max((one.latency.count for one in series), default=1)
    end = _curve_place(100 * (1 - 1 / max(resolved, 10)))
    ticks = [(_curve_place(p), f"{p:g} %") for p in _CURVE_TICKS if _curve_place(p) <= end]
    across = Axis("percentile of requests", 0.0, end, ticks)
    lines = []
    for one in series:
        named = [(float(name), us) for name, us in one.latency.at.items() if _resolves(float(name), one.latency.count)]
        points = [(_curve_place(p), float(us)) for p, us in named]
        lines.append(Line(one.name, points, [f"{one.name}: p{p:g} = {duration(us)}" for p, us in named]))
    longest = max((one.latency.max_us for one in series), default=1)
    shortest = min((one.latency.min_us for one in series), default=1)
    return line_plot("Latency by percentile", across, latency_axis("latency", shortest, longest), lines)


def _curve_place(percentile: float) -> float:
    return -math.log10(1 - min(percentile, 99.9999999) / 100)


def _resolves(percentile: float, count: int) -> bool:
    return count * (1 - percentile / 100) >= 1 or (percentile == 0 and count > 0)


def _rate_plot(series: list[Series]) -> str:
    lines = [
        Line(
            one.name,
            [(second.at_s, second.answered / second.span_s) for second in one.seconds],
            [f"{one.name}, {second.at_s:g} s: {second.answered / second.span_s:,.0f}/s" for second in one.seconds],
        )
        for one in series
    ]
    highest = max((rate for line in lines for _, rate in line.points), default=1.0)
    return line_plot("Throughput over time", _time_axis(series), linear_axis("answers per second", highest), lines)


def _p99_plot(series: list[Series]) -> str:
    lines = [
        Line(
            one.name,
            [(second.at_s, float(second.p99_us)) for second in one.seconds],
            [f"{one.name}, {second.at_s:g} s: p99 = {duration(second.p99_us)}" for second in one.seconds],
        )
        for one in series
    ]
    values = [p99 for line in lines for _, p99 in line.points] or [1.0]
    return line_plot("p99 over time", _time_axis(series), latency_axis("p99", min(values), max(values)), lines)


def _time_axis(series: list[Series]) -> Axis:
    last = max((one.seconds[-1].at_s for one in series if one.seconds), default=1.0)
    return linear_axis("time", last, unit=" s")


def _latency_note(plan: Plan) -> str:
    if plan.loop == "closed":
        return "Closed loop: from sending to answer at full load; waiting before sending is not in it."
    return (
        "From the time each request should have been sent to its answer: a stall counts for everyone it kept waiting."
    )


def _run_facts(figures: Figures) -> list[tuple[str, str]]:
    plan = figures.plan
    keys = (
        f"{plan.keys.count:,} × {plan.keys.format} below {plan.keys.prefix}"
        if isinstance(plan.keys, KeyPattern)
        else plan.keys.path
    )
    pairs = [
        ("target", plan.url),
        ("scenario", plan.scenario + (f", exponent {plan.zipf_exponent:g}" if plan.scenario == "zipf" else "")),
        ("identifiers", keys),
        ("rate", f"{plan.rate:,g}/s" if plan.loop == "open" else "as fast as answered"),
        ("writes", f"{plan.write_share:.0%} of the arrivals, below {plan.write_prefix}" if plan.write_rate else "none"),
        ("warm-up, recorded", f"{plan.warmup_s:g} s, {plan.duration_s:g} s"),
        ("connections", f"{plan.connections:,}, opened again {figures.reopened:,} times"),
        ("bounds", f"{plan.outstanding_max:,} outstanding, {plan.timeout_s:g} s each"),
        ("generator", f"{figures.client_us:.1f} µs CPU per answer, {figures.client_busy:.0%} of a core"),
    ]
    return pairs + [(f"lost {count:,} times", text) for text, count in figures.failures.items()]
