"""The JSON bodies of enterprises, files and code tables."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant, Version
from registry.service.enterprise_decisions import NationalDecision, Verification
from registry.service.enterprise_details import Date, EnterpriseDetails, EnterpriseDocuments, Statement
from registry.service.enterprise_states import State

EnterpriseStateName = Annotated[State, Meta(description="approved: waits for the national node")]
# Read as they come, because checking them reports every fault and not just the first.
_Details = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/EnterpriseDetails"})]
_Documents = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/EnterpriseDocuments"})]
_Hosted = Annotated[
    bool, Meta(description="the identifiers are kept by this node; otherwise the four sites are required")
]
Reason = Annotated[str, Meta(min_length=1, max_length=1024, description="for the enterprise to read")]


class EnterpriseApplication(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An enterprise that applies. Without `prefix` it gets the next free one."""

    details: _Details
    documents: _Documents
    hosted: _Hosted = True
    prefix: Annotated[str, Meta(max_length=64, examples=["88.118.8"])] | None = None
    takeover_version: Annotated[str, Meta(max_length=64, description="of the text at /api/v1/takeover-terms")]
    applicant: (
        Annotated[
            str, Meta(max_length=64, description="administrators: the account that applies; it joins the enterprise")
        ]
        | None
    ) = None


class EnterpriseCorrection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an application states instead. Without `prefix` it is for the same prefixes as before."""

    details: _Details
    documents: _Documents
    hosted: _Hosted = True
    prefix: Annotated[str, Meta(max_length=64)] | None = None


class EnterpriseChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an enterprise asks to state of itself: everything, not only what changes."""

    details: _Details
    documents: _Documents
    hosted: _Hosted = True


class EnterpriseReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a step is taken."""

    reason: Reason


class EnterpriseWithdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an enterprise is withdrawn, if that is to be on record."""

    reason: Annotated[str, Meta(max_length=1024)] = ""


class EnterpriseDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the national node decided; a rejection needs its reason."""

    decision: Literal["approved", "rejected"]
    reason: Annotated[str, Meta(max_length=1024)] = ""


class EnterpriseVerification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of verifying an enterprise's identity; a failure needs its reason."""

    status: Literal["pending", "verified", "failed"]
    method: Annotated[str, Meta(min_length=1, max_length=64, examples=["business register"])]
    expires_on: Date | None = None
    verifier: Literal["node", "entrusted"] = "node"
    reason: Annotated[str, Meta(max_length=255)] | None = None


class EnterprisePrefix(msgspec.Struct, frozen=True):
    """A prefix of an enterprise."""

    prefix: str
    state: str


class EnterpriseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An enterprise.

    `persons_withheld`: what it states about persons, and its documents, are not shown to the caller.
    """

    id: str
    number: Annotated[int, Meta(description="the number by which older clients name it")]
    name: str
    state: EnterpriseStateName
    version: Version
    prefixes: list[EnterprisePrefix]
    hosted: bool
    details: EnterpriseDetails | None
    documents: EnterpriseDocuments | None
    proposed: Annotated[Statement | None, Meta(description="what a change request asks for")]
    persons_withheld: bool
    reason: Annotated[str | None, Meta(description="of the last rejection, suspension or withdrawal")]
    verification: Verification
    national: NationalDecision | None
    applicant: str | None
    takeover_version: str | None
    takeover_at: Instant | None
    submitted_at: Instant | None
    reviewed_at: Instant | None
    created_at: Instant
    updated_at: Instant


class EnterpriseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An enterprise in a list."""

    id: str
    number: int
    name: str
    state: EnterpriseStateName
    version: Version
    org_id_type: int | None
    org_id_number: str | None
    reason: str | None
    submitted_at: Instant | None
    created_at: Instant
    updated_at: Instant


class EnterprisePage(msgspec.Struct, frozen=True):
    """Enterprises in the order of their ids."""

    items: list[EnterpriseSummary]
    next: str | None


class TakeoverTerms(msgspec.Struct, frozen=True):
    """What an enterprise is told about emergency take-over, and accepts with the version."""

    version: str
    text: str


class FileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded file. Without an enterprise it belongs to no application yet, and is deleted seven days after."""

    id: str
    number: Annotated[int, Meta(description="the number by which older clients name it")]
    name: str
    media_type: Literal["image/jpeg", "image/png", "application/pdf"]
    octets: int
    sha256: Annotated[str, Meta(description="in hex")]
    enterprise: str | None
    created_at: Instant


class CodeEntry(msgspec.Struct, frozen=True):
    """A code of a table, with its name."""

    code: str
    name: str


class CodePage(msgspec.Struct, frozen=True):
    """The codes directly below one, all on one page."""

    items: list[CodeEntry]
    next: str | None = None
