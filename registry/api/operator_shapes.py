"""The JSON bodies of the operator's record, the node's resolution addresses, and applications."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from identifiers.prefix_or_range import CHARACTERS_MAX, CodeType
from registry.api.shapes import Instant, Name, Version
from registry.service.operator import ADDRESSES_MAX
from registry.service.operator_details import OperatorDetails
from registry.service.prefix_routes import PORT_MAX
from registry.tables.operator import Protocol

# Read as they come, because checking them reports every fault and not just the first.
_Details = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/OperatorDetails"})]
_Text = r"^[^\x00-\x1f\x7f]*(?!\s)[^\x00-\x1f\x7f]$"


class OperatorRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who runs the node: its own prefix, and all fields of the record."""

    node_prefix: Annotated[str, Meta(max_length=64, examples=["88.118"])]
    details: _Details


class OperatorFileAnswer(msgspec.Struct, frozen=True):
    """A document of the operator."""

    id: str
    name: str
    media_type: str
    octets: int
    sha256: str


class OperatorAnswer(msgspec.Struct, frozen=True):
    """Who runs the node, with the documents that the details name."""

    node_prefix: str
    details: OperatorDetails
    files: list[OperatorFileAnswer]
    version: Version
    updated_at: Instant


class ResolutionEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A port that answers."""

    protocol: Protocol
    port: Annotated[int, Meta(ge=1, le=PORT_MAX)]


class ResolutionRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address at which the node resolves codes of a type; `tls`: its HTTP port speaks HTTPS only."""

    code_type: CodeType
    prefix_or_range: Annotated[
        str, Meta(min_length=1, max_length=CHARACTERS_MAX, examples=["88.118", "88.118.1000..88.118.1999"])
    ]
    ip_address: Annotated[str, Meta(max_length=64, examples=["192.0.2.17"])]
    endpoints: Annotated[list[ResolutionEndpoint], Meta(min_length=1, max_length=3)]
    tls: bool = False


class ResolutionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the node resolves: all addresses; those left out are removed."""

    addresses: Annotated[list[ResolutionRow], Meta(max_length=ADDRESSES_MAX)]


class ResolutionAnswer(msgspec.Struct, frozen=True):
    """Where the node resolves, in the order of code type, prefix and address."""

    addresses: list[ResolutionRow]


class ApplicationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An application that uses identifiers: of the enterprise that has the prefix, or without one of the node."""

    app_name: Name
    app_type: Annotated[
        int, Meta(ge=1, le=5, description="1 app, 2 mini-program, 3 web page, 4 desktop client, 5 other")
    ]
    app_intro: Annotated[str, Meta(min_length=1, max_length=1024, pattern=_Text)]
    app_users: Annotated[int, Meta(ge=0, le=2**63 - 1, description="how many people use it")]
    recursive_service: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            pattern=_Text,
            description="the recursive resolver used: its IP address and port, and more of the service",
        ),
    ]
    app_developer: Name
    enterprise_prefix: Annotated[str, Meta(max_length=64, examples=["88.118.8"])] | None = None


class ApplicationAnswer(msgspec.Struct, frozen=True):
    """An application; one that has ended is not reported after the month it ended in."""

    id: str
    enterprise: str | None
    enterprise_prefix: str | None
    app_name: str
    app_type: int
    app_intro: str
    app_users: int
    recursive_service: str
    app_developer: str
    created_at: Instant
    updated_at: Instant
    ended_at: Instant | None


class ApplicationPage(msgspec.Struct, frozen=True):
    """Applications in the order of their ids."""

    items: list[ApplicationAnswer]
    next: str | None
