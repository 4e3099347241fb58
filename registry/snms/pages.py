"""Numbered pages: what a request asks for, and the form of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry.snms.members import Members

PAGE_SIZE_DEFAULT: Final = 10
PAGE_SIZE_MAX: Final = 500
PAGE_NUMBER_MAX: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class PageWanted:
    """A page, counted from 1, and how many entries it has."""

    number: int
    size: int

    @classmethod
    def of(cls, query: Members) -> "PageWanted":
        """Read `currentPage` and `pageSize`."""
        return cls(
            query.optional_integer("currentPage", low=1, high=PAGE_NUMBER_MAX) or 1,
            query.optional_integer("pageSize", low=1, high=PAGE_SIZE_MAX) or PAGE_SIZE_DEFAULT,
        )

    @property
    def offset(self) -> int:
        """How many entries stand before the page."""
        return (self.number - 1) * self.size


def page(wanted: PageWanted, total: int, content: Sequence[Any]) -> dict[str, Any]:
    """Describe a page of `total` entries. One beyond the end is empty and the last."""
    pages = -(-total // wanted.size)
    return {
        "first": wanted.number == 1,
        "last": wanted.number >= pages,
        "totalPages": pages,
        "totalElements": total,
        "number": wanted.number,
        "size": wanted.size,
        "sort": None,
        "numberOfElements": len(content),
        "content": list(content),
    }
