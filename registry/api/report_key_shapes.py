"""The JSON bodies of enterprises' report keys, as types."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant

PEM_CHARACTERS_MAX = 8_192

Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset")]


class ReportKeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public key to register; it counts from `not_before` until `not_after`, without them always."""

    public_key: Annotated[str, Meta(max_length=PEM_CHARACTERS_MAX, description="SubjectPublicKeyInfo in PEM")]
    not_before: Moment | None = None
    not_after: Moment | None = None


class ReportKeyAnswer(msgspec.Struct, frozen=True):
    """A key. `key_id` is what signatures name."""

    key_id: str
    label: str
    algorithm: str
    public_key: str
    not_before: Instant | None
    not_after: Instant | None
    created_at: Instant
    revoked_at: Instant | None


class ReportKeyList(msgspec.Struct, frozen=True):
    """The keys of a prefix."""

    items: list[ReportKeyAnswer]
