"""The JSON bodies of prefixes, their routes and their allocation, as types."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identifiers.changes import HostingState, PrefixStateName
from registry.api.shapes import Instant, Name
from registry.service.prefix_allocation import NUMBER_MAX
from registry.service.prefix_routes import ADDRESSES_MAX, PORT_MAX
from registry.service.prefix_states import REASON_CHARACTERS_MAX

PrefixText = Annotated[str, Meta(max_length=64, examples=["88.118.8"])]
Reason = Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX, description="for the enterprise to read")]
Port = Annotated[int, Meta(ge=1, le=PORT_MAX)]
Number = Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
Sites = Annotated[
    list[dict[str, Any]],
    Meta(description="where a routed prefix is resolved, each in the Handle JSON format `site`", max_length=16),
]


class PrefixRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prefix to create. Without `enterprise` (an id) it belongs to the enterprise called `name`."""

    prefix: PrefixText
    name: Name
    enterprise: str | None = None
    hosting: Literal["here", "routed"] = "here"
    sites: Sites = []
    exact_case: Annotated[bool, Meta(description="case of suffixes counts; cannot be changed")] = False


class PrefixApplication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prefix to apply for: the one named, or without `prefix` the next free one."""

    name: Name
    prefix: PrefixText | None = None
    enterprise: Annotated[str | None, Meta(description="its id; without it the caller's own")] = None
    hosted: Annotated[bool, Meta(description="identifiers are kept here; else the route is set after approval")] = True


class PrefixPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a prefix; members left out stay. `withdrawn` is final."""

    name: Name | None = None
    state: Literal["active", "suspended", "withdrawn"] | None = None
    hosting: Literal["here", "routed"] | None = None
    sites: Sites | None = None


class PrefixAnswer(msgspec.Struct, frozen=True):
    """A prefix. `hosting` is what look-ups follow, `hosting_state` where the enterprise stands with hosting here."""

    prefix: str
    name: str
    enterprise: str
    state: PrefixStateName
    hosting: Literal["here", "routed"]
    exact_case: bool
    sites: Sites
    created_at: Instant
    updated_at: Instant
    hosting_state: HostingState = "hosted"
    reason: Annotated[str, Meta(description="why it is in its state, if that was said")] = ""


class PrefixPage(msgspec.Struct, frozen=True):
    """Prefixes in the order of their text. `next` is the cursor of the next page, null on the last one."""

    items: list[PrefixAnswer]
    next: str | None


class Reasoned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Reason = ""


class PrefixDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was decided; a rejection has a reason."""

    decision: Literal["approved", "rejected"]
    reason: Reason = ""


class PrefixTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The enterprise (its id) that gets the prefix."""

    enterprise: str
    reason: Reason = ""


class RouteAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address of the enterprise's node and the ports that answer there, at least one; `http_tls`: by HTTPS."""

    ip: Annotated[str, Meta(max_length=64, examples=["192.0.2.17", "2001:db8::17"])]
    tcp_port: Port | None = None
    udp_port: Port | None = None
    http_port: Port | None = None
    http_tls: bool = False


class RouteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where look-ups below the prefix are to go. One site (HS_SITE) is made of each address."""

    addresses: Annotated[list[RouteAddress], Meta(min_length=1, max_length=ADDRESSES_MAX)]


class RouteAnswer(msgspec.Struct, frozen=True):
    """Where look-ups below the prefix go: no addresses when it is hosted here."""

    prefix: str
    hosting: Literal["here", "routed"]
    hosting_state: HostingState
    serial: Annotated[int, Meta(ge=1, description="rises with every change; after 65535 comes 1")]
    addresses: list[RouteAddress]


class AllocationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The node's own prefix, and the numbers that are given out as the next free one."""

    node_prefix: Annotated[str, Meta(max_length=64, examples=["88.118"])]
    first: Number = 1
    last: Number = 999_999


class AllocationAnswer(msgspec.Struct, frozen=True):
    """How enterprise prefixes are given out. `next` is the next free one now, null when none is left."""

    node_prefix: str
    first: int
    last: int
    next: str | None
    updated_at: Instant


class ReservationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers, both ends included, that only administrators give out."""

    first: Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
    last: Annotated[int, Meta(ge=0, le=NUMBER_MAX)]
    reason: Name


class ReservationAnswer(msgspec.Struct, frozen=True):
    """A reservation."""

    id: str
    first: int
    last: int
    reason: str
    created_at: Instant


class ReservationPage(msgspec.Struct, frozen=True):
    """Reservations in the order of their ids."""

    items: list[ReservationAnswer]
    next: str | None
