"""How a long command shows itself on a terminal, and how it keeps quiet when there is none."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from node.client.import_progress import Counts
from node.client.problems import printable


class ImportDisplay:
    """Observes an import: a bar on standard error if that is a terminal, and notes as lines above it."""

    def __init__(self, label: str) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[done]}", markup=False),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(printable(label), total=None, done="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """Show a line of its own."""
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def advanced(self, counts: Counts, position: tuple[int, int | None]) -> None:
        """Move the bar to `position`."""
        done = f"{counts.records:,} records" + (f", {counts.rejected:,} rejected" if counts.rejected else "")
        self._bar.update(self._task, completed=position[0], total=position[1], done=done)
