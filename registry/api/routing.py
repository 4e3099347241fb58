"""What a route is: everything the application, the authorisation and the API description need to know of it."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from registry.api.call import JSON, Handler
from registry.api.paging import LIMIT_MAX
from registry.authority import Action

NDJSON: Final = "application/x-ndjson"
OCTETS: Final = "application/octet-stream"
CSV: Final = "text/csv"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or a header."""

    name: str
    description: str
    place: str = "query"
    schema: type | Any = str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path. `path` is as in the description; variable parts stand in braces.

    `also_at` is a second path for the same, that others' protocols name.

    `statuses` are those of success; `refusals` those that are particular to the route, besides the common ones.
    `request_also` and `response_also` are further media types of the bodies, which `description` tells of;
    `csv_example` is the example of the one that is CSV.
    """

    method: str
    path: str
    also_at: str = ""
    handler: Handler
    action: Action
    summary: str
    description: str = ""
    request: type[msgspec.Struct] | None = None
    request_type: str = JSON
    request_also: tuple[str, ...] = ()
    response: type[msgspec.Struct] | None = None
    response_type: str = JSON
    response_also: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    request_example: Any = None
    response_example: Any = None
    csv_example: str = ""

    @property
    def changes(self) -> bool:
        """Whether the route changes anything, and so may be repeated under an Idempotency-Key."""
        # Signing in again is a session of its own, and a session's token is kept nowhere to be answered again.
        is_repeatable = self.request_type not in (NDJSON, OCTETS) and self.action is not Action.SIGN_IN
        return self.method != "GET" and is_repeatable

    @property
    def query_names(self) -> frozenset[str]:
        """The parameters the query may have."""
        return frozenset(parameter.name for parameter in self.parameters if parameter.place == "query")


PAGING: Final = (
    Parameter("limit", "items on a page, 1 to 1000; 100 without it", schema=Annotated[int, Meta(ge=1, le=LIMIT_MAX)]),
    Parameter("cursor", "`next` of the page before; without it the list begins anew"),
)
