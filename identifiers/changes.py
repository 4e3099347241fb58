"""What the journal carries: the order of changes, and the whole new state each change leaves behind.

The registry writes these states, the resolver's follower and the reports to the national node read them. A state is
complete: applying a change twice, or again from an older cursor, ends the same.
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

KIND_IDENTIFIER = "identifier"
KIND_PREFIX = "prefix"
KIND_CREDENTIAL = "credential"
KIND_TEMPLATE = "template"
KIND_ENTERPRISE = "enterprise"
KIND_IDENTITY = "identity"
KIND_GROUP = "group"
KIND_GRANT = "grant"
KIND_OPERATOR = "operator"
KIND_APPLICATION = "application"
KIND_QUOTA = "quota"

Op = Literal["create", "update", "withdraw"]
Role = Literal[
    "administrator",
    "reviewer",
    "auditor",
    "enterprise_administrator",
    "enterprise_user",
    "applicant",
    "reader",
]


class SourceUnavailable(Exception):  # noqa: N818 - a state of the world to wait out, not a defect
    """The journal cannot be read now; try again later."""


class Cursor(NamedTuple):
    """A position in the journal: everything up to and including this transaction id and sequence number is read."""

    xid: int
    seq: int


START = Cursor(0, 0)


class Change(NamedTuple):
    """One journal row. `after` is the UTF-8 JSON text of the whole new state, byte for byte as it was written."""

    xid: int
    seq: int
    at: datetime
    kind: str
    key: str
    op: str
    after: bytes

    @property
    def cursor(self) -> Cursor:
        """The position of this change."""
        return Cursor(self.xid, self.seq)


class IdentifierState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A registered identifier. `values` is the canonical Handle JSON array; instants are RFC 3339 in UTC."""

    identifier: str
    prefix: str
    state: Literal["active", "withdrawn"]
    version: int
    created_at: str
    updated_at: str
    values: msgspec.Raw
    template: str | None = None
    successor: str | None = None


class PrefixState(msgspec.Struct, frozen=True):
    """A prefix: hosted here, or routed to the enterprise's own node described by `sites`."""

    prefix: str
    name: str
    state: Literal["active", "suspended", "withdrawn"]
    hosting: Literal["here", "routed"]
    enterprise: str
    exact_case: bool = False
    sites: list[dict[str, Any]] = []


class CredentialState(msgspec.Struct, frozen=True):
    """What a resolver needs to authorise a read: the SHA-256 of a token (hex) and whom it stands for."""

    token_sha256: str
    account: str
    role: Role
    enterprise: str | None = None
    expires_at: str | None = None
    revoked: bool = False
