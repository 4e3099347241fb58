"""One enterprise in a change: finding and holding it, checking it against others, storing it with its journal entry."""

from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import KIND_ENTERPRISE, KIND_PREFIX, Cursor, Op
from registry import journal
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, NotFound, PreconditionFailed, one_field
from registry.service.enterprise_details import EnterpriseDetails, EnterpriseDocuments, Statement
from registry.service.preconditions import Precondition
from registry.states import enterprise_state, to_millisecond
from registry.tables import enterprises, prefixes
from registry.tables.enterprises import Enterprise
from registry.tables.prefixes import Prefix

REASON_CHARACTERS_MAX: Final = 1_024
_PREFIXES_MAX: Final = 1_000
"""More than an enterprise can have, withdrawn and rejected ones included, for one read."""


async def to_change(
    connection: Connection, principal: Principal, action: Action, enterprise_id: str, precondition: Precondition
) -> Enterprise:
    """Return an enterprise as nobody else changes it until the end of the transaction."""
    authorise(principal, action)
    await journal.serialise(connection, KIND_ENTERPRISE, enterprise_id)
    found = await enterprises.by_id(connection, enterprise_id)
    if found is None:
        raise unknown_enterprise(enterprise_id)
    check_enterprise(principal, action, found)
    if precondition.versions is not None and found.version not in precondition.versions:
        raise PreconditionFailed(
            "version_mismatch",
            f"the enterprise is at version {found.version} now",
            remedy="read it again, and send its ETag in If-Match if you still want the same",
        )
    return found


async def lock_prefixes(connection: Connection, enterprise: Enterprise) -> list[Prefix]:
    """Return the prefixes of an enterprise; nobody else changes them until the end of the transaction."""
    for prefix in await prefixes_of(connection, enterprise.id):
        await journal.serialise(connection, KIND_PREFIX, prefix.prefix)
    return await prefixes_of(connection, enterprise.id)


async def check_unique(connection: Connection, details: EnterpriseDetails, itself: Enterprise | None) -> None:
    """Raise `Conflict` if another enterprise has the name or the certificate, and keep others from taking them."""
    await journal.serialise(connection, KIND_ENTERPRISE, details.org_name)
    await journal.serialise(connection, KIND_ENTERPRISE, f"{details.org_id_type}/{details.org_id_number}")
    same_name = await enterprises.by_name(connection, details.org_name)
    same_certificate = await enterprises.by_certificate(connection, details.org_id_type, details.org_id_number)
    faults = []
    code = "enterprise_name_taken"
    if same_name is not None and (itself is None or same_name.id != itself.id):
        faults.append(FieldError("details.org_name", "another enterprise has this name"))
    if same_certificate is not None and (itself is None or same_certificate.id != itself.id):
        faults.insert(0, FieldError("details.org_id_number", "another enterprise has this certificate"))
        code = "certificate_taken"
    if faults:
        raise Conflict(
            code,
            "; ".join(fault.message for fault in faults),
            remedy="check the spelling; if it is yours, ask an administrator for an account of that enterprise",
            errors=tuple(faults),
        )


def stating(enterprise: Enterprise, statement: Statement) -> Enterprise:
    """Return an enterprise that states something else of itself."""
    return replace(
        enterprise,
        name=statement.details.org_name,
        details=json_text(statement.details),
        documents=json_text(statement.documents),
        hosted=statement.hosted,
        org_id_type=statement.details.org_id_type,
        org_id_number=statement.details.org_id_number,
    )


async def store(
    connection: Connection, principal: Principal, now: datetime, enterprise: Enterprise, op: Op = "update"
) -> tuple[Enterprise, Cursor]:
    """Store an enterprise as its next version, and write it into the journal."""
    stored = await enterprises.update(connection, replace(enterprise, updated_at=to_millisecond(now)))
    return stored, await record(connection, principal, op, stored)


async def record(connection: Connection, principal: Principal, op: Op, enterprise: Enterprise) -> Cursor:
    """Write an enterprise as it is now into the journal."""
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_ENTERPRISE,
        key=enterprise.id,
        op=op,
        after=enterprise_state(enterprise),
    )


def is_applicant(principal: Principal, enterprise: Enterprise) -> bool:
    """Whether the principal has applied for the enterprise, and has no other part in it yet."""
    return principal.role == "applicant" and enterprise.applicant == principal.account


def check_enterprise(principal: Principal, action: Action, enterprise: Enterprise) -> None:
    """Raise `Forbidden` unless an action of the principal reaches an enterprise."""
    authorise(principal, action)
    if not is_applicant(principal, enterprise):
        check_reaches(principal, action, enterprise.id)


def checked_reason(reason: str) -> str:
    """Return a reason that is owed. Raises `InvalidFields` for none and for one that is too long."""
    if not reason:
        raise one_field("reason_missing", "reason", "this needs a reason, for the enterprise to read")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise one_field("reason_too_long", "reason", f"at most {REASON_CHARACTERS_MAX} characters are kept")
    return reason


def in_state(owned: list[Prefix], state: str) -> list[str]:
    """Return those of the prefixes that are in a state."""
    return [prefix.prefix for prefix in owned if prefix.state == state]


def json_text(value: msgspec.Struct | None) -> str | None:
    """Write a value as it is stored."""
    return msgspec.json.encode(value).decode() if value is not None else None


def unknown_enterprise(enterprise_id: str) -> NotFound:
    """Make the error for an enterprise that does not exist."""
    return NotFound(
        "unknown_enterprise",
        f"there is no enterprise {enterprise_id[:64]}",
        remedy="list the enterprises to find its id",
    )


async def prefixes_of(connection: Connection, enterprise_id: str) -> list[Prefix]:
    """Return all prefixes of an enterprise."""
    return await prefixes.page(connection, "", _PREFIXES_MAX, enterprise_id)


def documents_of(enterprise: Enterprise) -> EnterpriseDocuments | None:
    """Return the documents an enterprise has given."""
    return msgspec.json.decode(enterprise.documents, type=EnterpriseDocuments) if enterprise.documents else None


def details_of(enterprise: Enterprise) -> EnterpriseDetails | None:
    """Return what an enterprise states of itself; None for one made together with a prefix."""
    return msgspec.json.decode(enterprise.details, type=EnterpriseDetails) if enterprise.details else None


def proposal_of(enterprise: Enterprise) -> Statement | None:
    """Return what an enterprise asks to state instead."""
    return msgspec.json.decode(enterprise.proposed, type=Statement) if enterprise.proposed else None


def following(principal: Principal) -> Principal:
    """Return the principal as it makes the moves of prefixes that follow from a step it was allowed to take."""
    return Principal(principal.account, "administrator")
