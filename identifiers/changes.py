"""What the journal carries: the order of changes, and the whole new state each change leaves behind.

The registry writes these states, the resolver's follower and the reports to the national node read them. A state is
complete: applying a change twice, or again from an older cursor, ends the same.
"""

from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

KIND_IDENTIFIER = "identifier"
KIND_ALIAS = "alias"
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
KIND_REPORT_KEY = "report_key"
KIND_REPORT = "report"
KIND_FACT = "fact"

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

AliasKind = Literal["same", "former"]
PrefixStateName = Literal["applied", "under_review", "active", "rejected", "withdrawing", "suspended", "withdrawn"]
Hosting = Literal["here", "routed"]
HostingState = Literal["not_hosted", "applied", "rejected", "hosted"]
Right = Literal["read", "write"]
SubjectKind = Literal["account", "group", "enterprise"]
ObjectKind = Literal["identifier", "template"]


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


class AliasState(msgspec.Struct, frozen=True):
    """Another name of a record; withdrawn, it leads nowhere any more, and says where it led.

    `same`: a further code of the thing; `former`: the code was corrected since. `prefix` is empty for names of other
    schemes than Handle. `target` is the record's identifier.
    """

    alias: str
    prefix: str
    kind: AliasKind
    target: str
    state: Literal["active", "withdrawn"]
    version: int
    created_at: str
    updated_at: str


class ReportState(msgspec.Struct, frozen=True):
    """A batch that an enterprise's own node reported here; its rows are in the reports' tables."""

    batch_id: str
    reporter: str
    table: str
    scope: str
    sequence: int
    rows_accepted: int
    rows_rejected: int


class FactState(msgspec.Struct, frozen=True):
    """Rows of a reports' table about what is over: a day, a month, an event. They are where they wait to be reported.

    `first_row` and `rows` count through the stream.
    """

    table: str
    scope: str
    stream: int
    first_row: int
    rows: int


class PrefixState(msgspec.Struct, frozen=True):
    """A prefix: hosted here, or routed to the enterprise's own node described by `sites`.

    `hosting_state` is where the enterprise stands with hosting here; `reason` says for people why the prefix is in its
    state.
    """

    prefix: str
    name: str
    state: PrefixStateName
    hosting: Hosting
    enterprise: str
    exact_case: bool = False
    sites: list[dict[str, Any]] = []
    hosting_state: HostingState | None = None
    reason: str = ""

    @property
    def exists(self) -> bool:
        """Whether the prefix was ever in force: before that it is an application, and nobody's to resolve."""
        return self.state not in ("applied", "under_review", "rejected")

    @property
    def resolves(self) -> bool:
        """Whether names below it are answered; a prefix about to be withdrawn is in force until it is."""
        return self.state in ("active", "withdrawing")


class CredentialState(msgspec.Struct, frozen=True):
    """What a resolver needs to authorise a read: the SHA-256 of a token (hex) and whom it stands for.

    `scopes` None: everything the role may; otherwise a reader needs the scope `read`.
    """

    token_sha256: str
    account: str
    role: Role
    enterprise: str | None = None
    expires_at: str | None = None
    revoked: bool = False
    scopes: list[str] | None = None


class IdentityState(msgspec.Struct, frozen=True):
    """An account as grants see it. `groups` are the ids of the groups it is in, itself or with its enterprise."""

    account: str
    enterprise: str | None
    role: Role
    state: Literal["active", "disabled"]
    groups: list[str] = []


class GrantInForce(msgspec.Struct, frozen=True, omit_defaults=True):
    """One grant: it opens records of `enterprise`, every value of its object or those with `indexes`."""

    id: str
    enterprise: str
    right: Right
    indexes: list[int] | None = None
    expires_at: str | None = None


class GrantState(msgspec.Struct, frozen=True):
    """All grants that are in force between a subject (an id) and an object (a record's key, or a template's code)."""

    subject_kind: SubjectKind
    subject: str
    object_kind: ObjectKind
    object: str
    grants: list[GrantInForce] = []


def grant_key(subject: str, object_: str) -> str:
    """Return the journal key of what is granted to a subject on an object. No id has a blank."""
    return f"{subject} {object_}"
