"""What a route of this API is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from registry.snms.call import Call

Handler = Callable[[Call], Awaitable[Any]]
"""Returns the answer's `data`, or a whole response."""


@dataclass(frozen=True, slots=True)
class SnmsRoute:
    """One method of one path. `open_to_all`: the handler itself decides what a call without a token gets."""

    method: str
    path: str
    handler: Handler
    open_to_all: bool = False
