"""Rows of text in aligned columns, for a terminal or a pipe: nothing is cut off or wrapped."""

from collections.abc import Sequence

from rich.cells import cell_len

from node.client.problems import printable


def aligned(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Return rows as lines, each column as wide as its widest cell on a terminal (Chinese characters take two)."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    return "\n".join(indent + _line(row, widths) for row in shown)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
