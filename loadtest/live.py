"""The terminal view of a running load test: what the last second was like."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from loadtest.plots import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from loadtest.figures import Progress
    from loadtest.plan import Plan

SPARK_SECONDS = 60
_BARS = "▁▂▃▄▅▆▇█"


class LiveView:
    """Shows each second of a run; on a terminal in place, elsewhere as one line a second."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._rates: deque[float] = deque(maxlen=SPARK_SECONDS)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show the second that has just ended."""
        first = next(iter(progress.seconds.values()))
        self._rates.append(first.answered / first.span_s)
        if self._live is None:
            self._console.print(_line(progress), soft_wrap=True)
        else:
            self._live.update(self._view(progress), refresh=True)

    def _view(self, progress: Progress) -> RenderableType:
        plan = self._plan
        title = Text(f"{plan.url}  {plan.scenario}, {plan.loop} loop", style="bold")
        bar = ProgressBar(total=plan.duration_s, completed=progress.elapsed_s, width=SPARK_SECONDS)
        return Group(title, _table(progress), Text(spark(list(self._rates)), style="cyan"), bar)


def spark(values: list[float]) -> str:
    """Return the values as a line of bars, the highest one full."""
    highest = max(values, default=0.0) or 1.0
    return "".join(_BARS[min(int(value / highest * len(_BARS)), len(_BARS) - 1)] for value in values)


def _table(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("series")
    for name in ("answers/s", "p50", "p99", "p99.9", "longest", "wrong", "outstanding"):
        table.add_column(name, justify="right", min_width=9)
    for name, second in progress.seconds.items():
        times = (second.p50_us, second.p99_us, second.p999_us, second.max_us)
        wrong = Text(f"{second.wrong:,}", style="bold red" if second.wrong else "")
        rate = f"{second.answered / second.span_s:,.0f}"
        table.add_row(name, rate, *(duration(time) for time in times), wrong, f"{second.outstanding:,}")
    return table


def _line(progress: Progress) -> str:
    parts = (
        f"{name} {second.answered / second.span_s:,.0f}/s p50 {duration(second.p50_us)} p99 {duration(second.p99_us)}"
        f" wrong {second.wrong:,} outstanding {second.outstanding:,}"
        for name, second in progress.seconds.items()
    )
    return f"{progress.elapsed_s:6.1f} s  " + "; ".join(parts)
