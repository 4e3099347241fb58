"""The JSON bodies of the API, as types: requests are checked against them, the API description is made from them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identifiers.changes import Role

_CHARACTER = r"[^\x00-\x1f\x7f]"
# Nothing that breaks a line, and no blank at the end.
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=rf"^{_CHARACTER}*(?!\s){_CHARACTER}$")]
Instant = Annotated[str, Meta(description="RFC 3339 in UTC", examples=["2025-11-22T08:00:00.000Z"])]
Version = Annotated[int, Meta(description="counts the changes of the record; also its ETag", ge=1)]
_VALUES_SCHEMA = Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/HandleValue"}})
HandleValues = Annotated[list[Any], _VALUES_SCHEMA]
StoredValues = Annotated[msgspec.Raw, _VALUES_SCHEMA]


class HandleData(msgspec.Struct, frozen=True):
    """Data of a value in one of the Handle JSON formats: string, base64, hex, admin, vlist, site or key."""

    format: str
    value: Any


class HandleReference(msgspec.Struct, frozen=True):
    """A value elsewhere."""

    handle: str
    index: int


class HandleValue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value of a record. In requests `data` may also be a plain string; `timestamp` is the server's."""

    index: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    type: Annotated[str, Meta(min_length=1, max_length=255)]
    data: HandleData | str
    permissions: Annotated[str, Meta(description="admin read, admin write, public read, public write")] = "1110"
    ttl: Annotated[int | str, Meta(description="seconds, or an instant until which the value may be kept")] = 86400
    timestamp: Instant | None = None
    references: list[HandleReference] = []


Scopes = Annotated[
    list[str],
    Meta(
        min_length=1,
        max_length=16,
        description="the work that the token is narrowed to: read, identifiers, templates, grants, accounts, "
        "enterprises, operation; without them, everything the role may",
    ),
]


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to issue: of an account that there is, or with an account of its own, which needs a role."""

    label: Name
    role: Role | None = None
    enterprise: str | None = None
    account: Annotated[str | None, Meta(description="id of the account; role and enterprise are its own")] = None
    scopes: Scopes | None = None
    expires_at: Annotated[str | None, Meta(description="RFC 3339; without it the token counts until revoked")] = None


class TokenAnswer(msgspec.Struct, frozen=True):
    """A token without its secret."""

    id: str
    account: str
    role: Role
    enterprise: str | None
    scopes: list[str] | None
    label: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class IssuedToken(msgspec.Struct, frozen=True):
    """A token just issued. `token` is shown once: keep it, and send it as `Authorization: Bearer <token>`.

    When the same request is repeated with its Idempotency-Key, `token` is null, because it is stored nowhere.
    """

    id: str
    token: str | None
    account: str
    role: Role
    enterprise: str | None
    scopes: list[str] | None
    label: str
    created_at: Instant
    expires_at: Instant | None


class IdentifierRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole record of an identifier."""

    values: HandleValues
    template: Annotated[str | None, Meta(description="code of the template the record must follow")] = None


class IdentifierPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values to add or replace, by their index, and the indexes of values to remove."""

    values: HandleValues = []
    remove: Annotated[list[int], Meta(max_length=2048)] = []


class IdentifierAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record with the values the caller may read."""

    identifier: str
    prefix: str
    state: Literal["active", "withdrawn"]
    version: Version
    created_at: Instant
    updated_at: Instant
    values: StoredValues
    template: str | None = None
    successor: str | None = None
    withheld: Annotated[list[int], Meta(description="indexes of values that the caller may not read")] = []


class WriteAnswer(msgspec.Struct, frozen=True):
    """A write that is stored. `resolvable`: this host's resolver answers it already."""

    identifier: str
    version: Version
    resolvable: bool


class BatchRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a batch."""

    identifier: str
    values: HandleValues


class BatchSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """The counts of a batch. `problem` is there if it ended early: lines without an answer are to be sent again."""

    created: int
    replaced: int
    unchanged: int
    skipped: int
    rejected: int
    resolvable: bool
    problem: "Problem | None" = None


class BatchEnd(msgspec.Struct, frozen=True):
    """The last line of a batch's answer."""

    summary: BatchSummary


class FieldProblem(msgspec.Struct, frozen=True):
    """One fault: where in the request, and what is wrong there."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """Why a request was not carried out (RFC 9457): `code` for programs, `detail` and `remedy` for people.

    `server_time` comes with signatures that do not count, `oldest` with cursors that have expired.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]
    remedy: str
    server_time: str | msgspec.UnsetType = msgspec.UNSET
    oldest: str | msgspec.UnsetType = msgspec.UNSET


class Account(msgspec.Struct, frozen=True):
    """Whom the token of this request speaks for."""

    account: str
    role: Role
    enterprise: str | None
    scopes: list[str] | None


class TokenPage(msgspec.Struct, frozen=True):
    """Tokens in the order of their ids."""

    items: list[TokenAnswer]
    next: str | None


class IdentifierPage(msgspec.Struct, frozen=True):
    """Records of a prefix in the order of their keys."""

    items: list[IdentifierAnswer]
    next: str | None


class Status(msgspec.Struct, frozen=True):
    """How the registry is; sections of other processes by their names."""

    database: dict[str, Any]
    journal: dict[str, Any]
    replica: dict[str, Any]
    counts: Annotated[dict[str, Any], Meta(description="identifiers are estimated from the planner's statistics")]
    more: dict[str, Any] = {}
