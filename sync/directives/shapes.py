"""Directives as the collector writes them (docking contract 9.10)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Result = Literal["done", "refused", "accepted"]

DIRECTIVES_PER_PAGE = 100


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """One directive; what its `body` holds depends on `kind`, and a kind unknown here is refused, not an error."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    issued_at: Annotated[str, Meta(max_length=64)] = ""
    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    body: msgspec.Raw = msgspec.Raw(b"{}")
    reason: Annotated[str, Meta(max_length=1_024)] = ""


class DirectivePage(msgspec.Struct, frozen=True):
    """A page of directives in the order in which they were given."""

    directives: tuple[Directive, ...]


class Outcome(msgspec.Struct, frozen=True):
    """What became of a directive; `text` is for the people on the other side, at most 1,024 characters."""

    result: Result
    text: str = ""
