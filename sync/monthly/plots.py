"""The plots of a report: drawn once as shapes, then written as SVG, as a bitmap, or into a PDF.

Labels are digits and Latin letters only; the caption beside a plot says in Chinese what its colours are.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont
from reportlab.graphics import shapes as pdf
from reportlab.lib.colors import HexColor

from sync.monthly.figures import Figures

WIDTH: Final = 640
HEIGHT: Final = 240
BLUE: Final = "#1f5fa8"
ORANGE: Final = "#c8641e"
_GREY: Final = "#808080"
_LIGHT: Final = "#dddddd"
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 14, 26
_TICKS: Final = 4
_LABELS_MAX: Final = 16
_TEXT: Final = 11
_BITMAP_SCALE: Final = 2
_FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle from its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text at its baseline; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str


Shape = Line | Box | Label


@dataclass(frozen=True, slots=True)
class Series:
    """Values in the order of the plot's labels; None where there is none."""

    values: Sequence[float | None]
    colour: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot; `floor` is where its axis begins if all values lie above it."""

    name: str
    caption: str
    labels: Sequence[str]
    series: Sequence[Series]
    bars: bool = False
    floor: float = 0.0
    ceiling: float | None = None


def plots_of(figures: Figures) -> list[Plot]:
    """Return the report's plots: availability by month, round-trip times and requests by day."""
    percents = [one.percent for one in figures.months]
    # The last percent is what matters: an axis from 0 would show a full bar every month.
    lowest = min(99.9, floor(min(percents) * 10) / 10)
    days = [f"{one.day.day}" for one in figures.days]
    return [
        Plot(
            "sla",
            "图 1 服务可用性（SLA，%），按月",
            [one.month for one in figures.months],
            [Series(percents, BLUE)],
            bars=True,
            floor=lowest,
            ceiling=100.0,
        ),
        Plot(
            "rtt",
            "图 2 每日平均 RTT（毫秒）：蓝色为标识解析，橙色为标识注册",
            days,
            [
                Series([one.resolution_ms for one in figures.days], BLUE),
                Series([one.registration_ms for one in figures.days], ORANGE),
            ],
        ),
        Plot(
            "requests",
            "图 3 每日标识解析请求量（次）",
            days,
            [Series([float(one.requests) for one in figures.days], BLUE)],
            bars=True,
        ),
    ]


def draw(plot: Plot) -> list[Shape]:
    """Return a plot as shapes on WIDTH by HEIGHT, y downwards."""
    low, high = _range(plot)
    found: list[Shape] = []
    for tick in range(_TICKS + 1):
        value = low + (high - low) * tick / _TICKS
        y = _y(value, low, high)
        found.append(Line(_LEFT, y, WIDTH - _RIGHT, y, _GREY if tick == 0 else _LIGHT))
        found.append(Label(_LEFT - 6, y + 4, _number(value, high - low), "end"))
    step = max(1, -(-len(plot.labels) // _LABELS_MAX))
    for at, text in enumerate(plot.labels):
        if at % step == 0:
            found.append(Label(_x(at, plot), HEIGHT - 8, text, "middle"))
    for series in plot.series:
        found += _bars(plot, series, low, high) if plot.bars else _curve(plot, series, low, high)
    return found


def svg(plot: Plot) -> str:
    """Return a plot as an SVG element."""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(plot.caption)}">'
        )
    ]
    for shape in draw(plot):
        match shape:
            case Line():
                parts.append(
                    f'<line x1="{shape.x1:.1f}" y1="{shape.y1:.1f}" x2="{shape.x2:.1f}" y2="{shape.y2:.1f}" '
                    f'stroke="{shape.colour}" stroke-width="{shape.width:g}"/>'
                )
            case Box():
                parts.append(
                    f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" '
                    f'height="{shape.height:.1f}" fill="{shape.colour}"/>'
                )
            case Label():
                parts.append(
                    f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" text-anchor="{shape.anchor}" '
                    f'font-size="{_TEXT}">{escape(shape.text)}</text>'
                )
    return "".join([*parts, "</svg>"])


def png(plot: Plot) -> bytes:
    """Return a plot as a bitmap in PNG, at twice its size."""
    scale = _BITMAP_SCALE
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), "white")
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(_TEXT * scale)
    for shape in draw(plot):
        match shape:
            case Line(x1, y1, x2, y2, colour, width):
                ends = (x1 * scale, y1 * scale, x2 * scale, y2 * scale)
                canvas.line(ends, fill=colour, width=max(1, round(width * scale)))
            case Box(x, y, width, height, colour):
                corners = (x * scale, y * scale, (x + width) * scale, (y + height) * scale)
                canvas.rectangle(corners, fill=colour)
            case Label(x, y, text, anchor):
                place = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
                canvas.text((x * scale, y * scale), text, fill="black", font=font, anchor=place)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def drawing(plot: Plot, width: float) -> Any:
    """Return a plot as a drawing for a PDF, so wide in points; there y goes upwards."""
    scale = width / WIDTH
    made = pdf.Drawing(width, HEIGHT * scale)
    group = pdf.Group(transform=(scale, 0, 0, scale, 0, 0))
    for shape in draw(plot):
        match shape:
            case Line(x1, y1, x2, y2, colour, thick):
                ink = HexColor(colour)
                group.add(pdf.Line(x1, HEIGHT - y1, x2, HEIGHT - y2, strokeColor=ink, strokeWidth=thick))
            case Box(x, y, wide, high, colour):
                ink = HexColor(colour)
                group.add(pdf.Rect(x, HEIGHT - y - high, wide, high, fillColor=ink, strokeColor=None))
            case Label(x, y, text, anchor):
                group.add(pdf.String(x, HEIGHT - y, text, textAnchor=anchor, fontSize=_TEXT))
    made.add(group)
    return made


def _range(plot: Plot) -> tuple[float, float]:
    known = [value for series in plot.series for value in series.values if value is not None]
    low = min([plot.floor, *known])
    high = plot.ceiling if plot.ceiling is not None else _round_up(max([low, *known]))
    return low, high if high - low > _FLAT else low + 1.0


def _round_up(value: float) -> float:
    """Return the next number of 1, 2, 4, 5 or 8 times a power of ten, so that four ticks are short numbers."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10, 20) if step * power >= value * (1 - _FLAT))


def _x(at: int, plot: Plot) -> float:
    room = WIDTH - _LEFT - _RIGHT
    return _LEFT + room * (at + 0.5) / max(1, len(plot.labels))


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)


def _bars(plot: Plot, series: Series, low: float, high: float) -> list[Shape]:
    wide = (WIDTH - _LEFT - _RIGHT) / max(1, len(plot.labels)) * 0.6
    found: list[Shape] = []
    for at, value in enumerate(series.values):
        if value is not None and value > low:
            top = _y(value, low, high)
            found.append(Box(_x(at, plot) - wide / 2, top, wide, _y(low, low, high) - top, series.colour))
    return found


def _curve(plot: Plot, series: Series, low: float, high: float) -> list[Shape]:
    found: list[Shape] = []
    last: tuple[float, float] | None = None
    for at, value in enumerate(series.values):
        if value is None:
            last = None
            continue
        here = (_x(at, plot), _y(value, low, high))
        found.append(Box(here[0] - 2, here[1] - 2, 4, 4, series.colour))
        if last is not None:
            found.append(Line(*last, *here, series.colour, 1.5))
        last = here
    return found


def _number(value: float, span: float) -> str:
    """Write a tick with as many decimals as the steps between ticks have, four at most."""
    step = span / _TICKS
    decimals = next((count for count in range(4) if abs(round(step, count) - step) < step * _FLAT), 4)
    return f"{value:,.{decimals}f}"
