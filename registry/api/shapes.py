"""The JSON bodies of the API, as types: requests are checked against them, the API description is made from them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identifiers.changes import Role
from registry.service.template_rules import ITEM_INDEX_MIN

_CHARACTER = r"[^\x00-\x1f\x7f]"
# Nothing that breaks a line, and no blank at the end.
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=rf"^{_CHARACTER}*(?!\s){_CHARACTER}$")]
Instant = Annotated[str, Meta(description="RFC 3339 in UTC", examples=["2025-11-22T08:00:00.000Z"])]
Version = Annotated[int, Meta(description="counts the changes of the record; also its ETag", ge=1)]
_VALUES_SCHEMA = Meta(extra_json_schema={"type": "array", "items": {"$ref": "#/components/schemas/HandleValue"}})
HandleValues = Annotated[list[Any], _VALUES_SCHEMA]
StoredValues = Annotated[msgspec.Raw, _VALUES_SCHEMA]
Sites = Annotated[
    list[dict[str, Any]],
    Meta(description="where a routed prefix is resolved, each in the Handle JSON format `site`", max_length=16),
]


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


class PrefixRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prefix to create. Without `enterprise` (an id) it belongs to the enterprise called `name`."""

    prefix: Annotated[str, Meta(max_length=64, examples=["88.118.8"])]
    name: Name
    enterprise: str | None = None
    hosting: Literal["here", "routed"] = "here"
    sites: Sites = []
    exact_case: Annotated[bool, Meta(description="case of suffixes counts; cannot be changed")] = False


class PrefixPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a prefix; members left out stay. `withdrawn` is final."""

    name: Name | None = None
    state: Literal["active", "suspended", "withdrawn"] | None = None
    hosting: Literal["here", "routed"] | None = None
    sites: Sites | None = None


class PrefixAnswer(msgspec.Struct, frozen=True):
    """A prefix."""

    prefix: str
    name: str
    enterprise: str
    state: Literal["active", "suspended", "withdrawn"]
    hosting: Literal["here", "routed"]
    exact_case: bool
    sites: Sites
    created_at: Instant
    updated_at: Instant


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to issue, with an account of its own."""

    role: Role
    label: Name
    enterprise: str | None = None
    expires_at: Annotated[str | None, Meta(description="RFC 3339; without it the token counts until revoked")] = None


class TokenAnswer(msgspec.Struct, frozen=True):
    """A token without its secret."""

    id: str
    account: str
    role: Role
    enterprise: str | None
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
    label: str
    created_at: Instant
    expires_at: Instant | None


class TemplateItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value that records of the template have. Lengths are in characters."""

    index: Annotated[int, Meta(description=f"from {ITEM_INDEX_MIN}")]
    name: Name
    type: Annotated[str, Meta(description="the type of the Handle value", min_length=1, max_length=255)]
    format: Annotated[str, Meta(description="text, integer, decimal, date, instant, url or gtin")] = "text"
    required: bool = False
    length_min: Annotated[int, Meta(ge=0, le=262_000)] | None = None
    length_max: Annotated[int, Meta(ge=0, le=262_000)] | None = None


class TemplateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template to create. Without `enterprise` it is the caller's own, or for an administrator the node's."""

    code: Annotated[str, Meta(max_length=64, examples=["product-1"])]
    name: Name
    items: list[TemplateItem]
    enterprise: str | None = None


class TemplateAnswer(msgspec.Struct, frozen=True):
    """A template; without an enterprise it is the node's own and everyone's to use."""

    code: str
    name: str
    enterprise: str | None
    state: Literal["active", "withdrawn"]
    items: list[TemplateItem]
    created_at: Instant
    updated_at: Instant


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


class WriteAnswer(msgspec.Struct, frozen=True):
    """A write that is stored. `resolvable`: this host's resolver answers it already."""

    identifier: str
    version: Version
    resolvable: bool


class BatchRow(msgspec.Struct, frozen=True):
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
    """Why a request was not carried out (RFC 9457): `code` for programs, `detail` and `remedy` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]
    remedy: str


class Account(msgspec.Struct, frozen=True):
    """Whom the token of this request speaks for."""

    account: str
    role: Role
    enterprise: str | None


class PrefixPage(msgspec.Struct, frozen=True):
    """Prefixes in the order of their text. `next` is the cursor of the next page, null on the last one."""

    items: list[PrefixAnswer]
    next: str | None


class TokenPage(msgspec.Struct, frozen=True):
    """Tokens in the order of their ids."""

    items: list[TokenAnswer]
    next: str | None


class TemplatePage(msgspec.Struct, frozen=True):
    """Templates in the order of their codes."""

    items: list[TemplateAnswer]
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
