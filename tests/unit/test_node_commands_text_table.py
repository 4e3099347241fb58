"""Aligned text."""

from node.commands.text_table import aligned


def test_columns_are_aligned_by_what_a_terminal_shows_and_nothing_is_cut() -> None:
    rows = [("2000", "名称", "泵" * 200), ("1", "URL", "a\nb")]
    assert aligned(rows, indent="  ") == "  2000  名称  " + "泵" * 200 + "\n  1     URL   a\\nb"
