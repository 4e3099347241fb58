"""How links are opened on this node."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """`enabled`: else links lead to `/api/handles`. `country_header` is what a trusted proxy tells the country by.

    `record_headers`: names beginning `x-`, in lower case, that values of type `10320/headers` may set.
    """

    enabled: bool = True
    country_header: str = ""
    record_headers: frozenset[str] = frozenset()
