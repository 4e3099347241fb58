"""Handlers: code tables of national standards."""

from collections.abc import Callable, Sequence

from registry.api.call import Answer, Call, answer
from registry.api.enterprise_shapes import CodeEntry, CodePage
from registry.errors import NotFound
from registry.reference import industries, regions
from registry.reference.code_table import Entry


async def page_regions(call: Call) -> Answer:
    """GET /api/v1/regions."""
    return _page(call.query("within"), regions.regions(), regions.below)


async def page_industries(call: Call) -> Answer:
    """GET /api/v1/industries."""
    return _page(call.query("within"), industries.industries(), industries.below)


def _page(within: str | None, table: dict[str, Entry], below: Callable[[str | None], Sequence[Entry]]) -> Answer:
    if within is not None and within not in table:
        raise NotFound("unknown_code", f"the table has no code {within[:16]}", remedy="leave out within, and go down")
    return answer(CodePage([CodeEntry(entry.code, entry.name) for entry in below(within)]))
