"""`HS_ALIAS` values: a record that stands for another one. Links follow them, `/api/handles` does not."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from identifiers.handle import fold, parse_handle
from identifiers.identifier import Invalid
from identifiers.selection import publicly_readable
from resolver.lookup import Answer, Found
from resolver.record import Record

ALIASES_MAX: Final = 20

_MENTIONED: Final = re.compile(rb'"type":"HS_ALIAS"', re.IGNORECASE)


class AliasChainTooLong(Exception):  # noqa: N818 - names what was found
    """More aliases than are followed lead from a name, or they lead in a circle."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Where aliases end: the name there, and what is found under it."""

    name: str
    answer: Answer | Invalid


def followed(name: str, answer: Answer | Invalid, find: Callable[[str], Answer | Invalid]) -> Followed:
    """Follow aliases from what was found under `name`. Raises AliasChainTooLong."""
    for _ in range(ALIASES_MAX + 1):
        target = alias_of(answer.record) if isinstance(answer, Found) else None
        if target is None:
            return Followed(name, answer)
        name, answer = target, find(target)
    raise AliasChainTooLong


def alias_of(record: Record) -> str | None:
    """Return the name that a record's first public alias leads to."""
    if _MENTIONED.search(record.public_json) is None:
        return None
    for value in publicly_readable(record.values()):
        if fold(value.type) == "HS_ALIAS":
            target = value.data.decode("utf-8", "replace").strip()
            if not isinstance(parse_handle(target), Invalid):
                return target
    return None
