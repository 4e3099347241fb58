"""Line plots as inline SVG, from numbers to markup; colours come from the page's style."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 72, 32, 16, 46
POINTS_WITH_TIPS_MAX = 240
US_PER_S = 1_000_000
US_PER_MS = 1000
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a plot: its label, its range, and the places that are named."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def share(self, value: float) -> float:
        """Return where `value` lies, 0 at the low end and 1 at the high end."""
        if self.log:
            low, high, value = math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low))
        else:
            low, high = self.low, self.high
        return min(max((value - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One named curve; `tips` says in words what each point is."""

    name: str
    points: Sequence[tuple[float, float]]
    tips: Sequence[str] = field(default=())


def linear_axis(label: str, highest: float, *, unit: str = "") -> Axis:
    """Return an axis from 0 to a round number at or above `highest`, with four to six ticks."""
    rough = max(highest, 1e-9) / 5
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * decade for factor in _STEPS if factor * decade >= rough * 0.999)
    count = max(1, math.ceil(highest / step - 1e-9))
    return Axis(label, 0.0, count * step, [(n * step, f"{n * step:,.10g}{unit}") for n in range(count + 1)])


def latency_axis(label: str, lowest_us: float, highest_us: float) -> Axis:
    """Return a logarithmic axis over whole decades of microseconds, named in µs, ms and s."""
    low = math.floor(math.log10(max(lowest_us, 1.0)))
    high = max(low + 1, math.ceil(math.log10(max(highest_us, 1.0))))
    ticks = [(10.0**power, duration(10.0**power)) for power in range(low, high + 1)]
    return Axis(label, 10.0**low, 10.0**high, ticks, log=True)


def duration(microseconds: float) -> str:
    """Return a time for people, to three digits: "850 µs", "1.24 ms", "3 s"."""
    if microseconds >= US_PER_S:
        return f"{microseconds / US_PER_S:,.4g} s"
    if microseconds >= US_PER_MS:
        return f"{microseconds / US_PER_MS:.3g} ms"
    return f"{microseconds:.3g} µs"


def line_plot(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """Return one plot as an SVG element with its caption for readers who do not see it."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">',
        *(_grid(x, y)),
        *(_curve(number, line, x, y) for number, line in enumerate(lines, start=1)),
        *(_legend(lines) if len(lines) > 1 else ()),
        "</svg>",
    ]
    return "\n".join(parts)


def _grid(x: Axis, y: Axis) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, text in y.ticks:
        at = _down(y, value)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in x.ticks:
        at = _across(x, value)
        parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(text)}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>')
    turned = f"translate(14 {(TOP + bottom) / 2}) rotate(-90)"
    parts.append(f'<text class="label" transform="{turned}" text-anchor="middle">{escape(y.label)}</text>')
    return parts


def _curve(number: int, line: Line, x: Axis, y: Axis) -> str:
    places = [(_across(x, across), _down(y, down)) for across, down in line.points]
    path = "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
    curve = f'<path class="curve line-{number}" d="{path}"/>' if len(places) > 1 else ""
    if not line.tips or len(places) > POINTS_WITH_TIPS_MAX:
        return curve
    dots = (
        f'<circle class="dot line-{number}" cx="{across:.1f}" cy="{down:.1f}" r="3">'
        f"<title>{escape(tip)}</title></circle>"
        for (across, down), tip in zip(places, line.tips, strict=True)
    )
    return curve + "".join(dots)


def _legend(lines: Sequence[Line]) -> list[str]:
    return [
        f'<text class="name line-{number}" x="{LEFT + 10}" y="{TOP + 16 * number}">{escape(line.name)}</text>'
        for number, line in enumerate(lines, start=1)
    ]


def _across(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - RIGHT - LEFT)


def _down(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - BOTTOM - TOP)
