"""Items of templates with values that follow and break their rules."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

from identifiers.values import Value
from registry.service.item_values import DATE_FORMATS
from registry.tables.templates import Item, Template

AT: Final = datetime(2025, 11, 22, tzinfo=UTC)
TEXT: Final = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40)


def template(*items: Item, **members: Any) -> Template:
    return Template(1, "t", "T", None, "published", AT, AT, items, **members)


def item(index: int = 2000, **members: Any) -> Item:
    return replace(Item(index, f"项目{index}", f"item_{index}"), **members)


def value(of: Item, text: str | bytes, **members: Any) -> Value:
    return Value(of.index, of.type, text if isinstance(text, bytes) else text.encode(), **members)


def _strings(index: int) -> st.SearchStrategy[tuple[Item, str, str]]:
    """Draw an item with bounds, a text within them and one beyond."""
    return st.tuples(st.integers(1, 5), st.integers(5, 10)).map(
        lambda drawn: (
            item(index, length_min=drawn[0], length_max=drawn[1]),
            "泵" * drawn[1],
            "x" * (drawn[1] + 1),
        )
    )


def _numbers(index: int) -> st.SearchStrategy[tuple[Item, str, str]]:
    bounds = st.tuples(st.integers(-1000, 1000), st.integers(0, 1000), st.sampled_from(["above", "below", "decimals"]))

    def made(drawn: tuple[int, int, str]) -> tuple[Item, str, str]:
        low, width, wrong = drawn
        of = item(
            index,
            data_type="number",
            number_min=Decimal(low),
            number_max=Decimal(low + width),
            digits=6,
            decimals=2,
        )
        bad = {"above": str(low + width + 1), "below": str(low - 1), "decimals": f"{low}.000"}[wrong]
        return of, str(low), bad

    return bounds.map(made)


def _dates(index: int) -> st.SearchStrategy[tuple[Item, str, str]]:
    return st.tuples(st.dates(date(1000, 1, 1)), st.sampled_from(sorted(DATE_FORMATS))).map(
        lambda drawn: (
            item(index, data_type="date", date_format=drawn[1]),
            datetime.combine(drawn[0], datetime.min.time()).strftime(DATE_FORMATS[drawn[1]]),
            "22.11.2025",
        )
    )


def _references(index: int) -> st.SearchStrategy[tuple[Item, str, str]]:
    of = item(index, data_type="reference")
    return st.sampled_from(["88.118", "no identifier", "88.118.8/ x"]).map(lambda bad: (of, "88.118.8/SN1", bad))


def _media(index: int) -> st.SearchStrategy[tuple[Item, str, str]]:
    of = item(index, data_type="image", files_max=2)
    good, bad = "https://example.com/a.JPG\nhttps://example.com/b.png?size=2", "https://example.com/a.exe"
    return st.just((of, good, bad))


def rule_cases(index: int) -> st.SearchStrategy[tuple[Item, str, str]]:
    """Draw an item, a text that follows its rules and one that breaks them."""
    return st.one_of(_strings(index), _numbers(index), _dates(index), _references(index), _media(index))
