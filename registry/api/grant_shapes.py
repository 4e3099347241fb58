"""The JSON bodies of grants."""

from typing import Annotated

import msgspec
from msgspec import Meta

from identifiers.changes import ObjectKind, Right, SubjectKind
from identifiers.values import INDEX_MAX, VALUES_PER_RECORD_MAX
from registry.api.shapes import Instant

_Index = Annotated[int, Meta(ge=1, le=INDEX_MAX)]
_Id = Annotated[str, Meta(min_length=1, max_length=64)]


class GrantSubject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is granted something: an account, a group of accounts and enterprises, or everyone of an enterprise."""

    kind: SubjectKind
    id: _Id


class GrantObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is granted: an identifier, or a template and with it every record that follows it."""

    kind: ObjectKind
    name: Annotated[
        str,
        Meta(
            description="the identifier, or the template's code",
            min_length=1,
            max_length=2_048,
            examples=["88.118.8/SN0001"],
        ),
    ]


class GrantRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grant to give. Without `indexes` it opens every value of the identifier, or every item of the template."""

    subject: GrantSubject
    object: GrantObject
    right: Right = "read"
    indexes: Annotated[list[_Index], Meta(min_length=1, max_length=VALUES_PER_RECORD_MAX)] | None = None
    expires_at: Annotated[str | None, Meta(description="RFC 3339; without it the grant counts until revoked")] = None
    enterprise: Annotated[
        _Id | None, Meta(description="whose records a grant on a template of the node's own opens")
    ] = None


class GrantAnswer(msgspec.Struct, frozen=True):
    """A grant. `enterprise` is whose records it opens."""

    id: str
    enterprise: str
    subject: GrantSubject
    object: GrantObject
    right: Right
    indexes: list[int] | None
    granted_by: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class GrantPage(msgspec.Struct, frozen=True):
    """Grants in the order of their ids."""

    items: list[GrantAnswer]
    next: str | None
