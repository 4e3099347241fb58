"""Handlers: enterprises, from their application on."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, Final

from identifiers.changes import Cursor
from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.enterprise_shapes import (
    EnterpriseAnswer,
    EnterpriseApplication,
    EnterpriseChange,
    EnterpriseCorrection,
    EnterpriseDecision,
    EnterprisePage,
    EnterprisePrefix,
    EnterpriseReason,
    EnterpriseSummary,
    EnterpriseVerification,
    EnterpriseWithdrawal,
    TakeoverTerms,
)
from registry.database import Connection
from registry.errors import InvalidRequest, one_field
from registry.origin import note_restricted_read
from registry.service import enterprise_reviews, enterprises, takeover
from registry.service.change import Outcome
from registry.service.enterprise_decisions import national_of, verification_of
from registry.service.enterprise_details import read_statement, without_persons
from registry.service.enterprise_states import STATES
from registry.service.enterprise_store import details_of, documents_of, prefixes_of, proposal_of
from registry.service.preconditions import Precondition
from registry.states import instant
from registry.tables.enterprises import Enterprise, Wanted
from registry.tables.prefixes import Prefix

NAME_CHARACTERS_MAX: Final = 255

Change = Callable[[Connection, str], Awaitable[tuple[Enterprise, Cursor]]]


async def apply(call: Call) -> Answer:
    """POST /api/v1/enterprises."""
    body = await call.read(EnterpriseApplication)
    statement = read_statement(body.details, body.documents, hosted=body.hosted)

    async def work(connection: Connection) -> Outcome:
        applied, cursor = await enterprises.apply(
            connection,
            call.principal,
            call.now,
            statement=statement,
            prefix=body.prefix,
            takeover_version=body.takeover_version,
            applicant=body.applicant,
        )
        location = f"/api/v1/enterprises/{applied.id}"
        return await _outcome(call, connection, applied, cursor, 201, location=location)

    return await call.change(work)


async def correct(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:correct."""
    body = await call.read(EnterpriseCorrection)
    statement = read_statement(body.details, body.documents, hosted=body.hosted)
    seen = _seen(call)
    return await _changed(
        call,
        lambda connection, enterprise: enterprises.correct(
            connection,
            call.principal,
            call.now,
            enterprise,
            statement=statement,
            prefix=body.prefix,
            precondition=seen,
        ),
    )


async def request_change(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:request-change."""
    body = await call.read(EnterpriseChange)
    statement = read_statement(body.details, body.documents, hosted=body.hosted)
    seen = _seen(call)
    return await _changed(
        call,
        lambda connection, enterprise: enterprises.request_change(
            connection, call.principal, call.now, enterprise, statement=statement, precondition=seen
        ),
    )


async def approve(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:approve."""
    seen, link = _seen(call), call.context.settings.national_link
    return await _changed(
        call,
        lambda connection, enterprise: enterprise_reviews.approve(
            connection, call.principal, call.now, enterprise, national_link=link, precondition=seen
        ),
    )


async def refuse(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:reject."""
    body, seen = await call.read(EnterpriseReason), _seen(call)
    return await _changed(
        call,
        lambda connection, enterprise: enterprise_reviews.reject(
            connection, call.principal, call.now, enterprise, reason=body.reason, precondition=seen
        ),
    )


async def decide(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:decide."""
    body = await call.read(EnterpriseDecision)
    return await _changed(
        call,
        lambda connection, enterprise: enterprise_reviews.record_national_decision(
            connection,
            call.principal,
            call.now,
            enterprise,
            approved=body.decision == "approved",
            reason=body.reason,
        ),
    )


async def verify(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:verify."""
    body = await call.read(EnterpriseVerification)
    expires_on = _date(body.expires_on) if body.expires_on is not None else None
    return await _changed(
        call,
        lambda connection, enterprise: enterprise_reviews.record_verification(
            connection,
            call.principal,
            call.now,
            enterprise,
            status=body.status,
            method=body.method,
            expires_on=expires_on,
            verifier=body.verifier,
            reason=body.reason,
        ),
    )


async def suspend(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:suspend."""
    body = await call.read(EnterpriseReason)
    return await _changed(
        call,
        lambda connection, enterprise: enterprise_reviews.suspend(
            connection, call.principal, call.now, enterprise, reason=body.reason
        ),
    )


async def resume(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:resume."""
    return await _changed(
        call,
        lambda connection, enterprise: enterprise_reviews.resume(connection, call.principal, call.now, enterprise),
    )


async def withdraw(call: Call) -> Answer:
    """POST /api/v1/enterprises/{enterprise}:withdraw."""
    body = await call.read(EnterpriseWithdrawal)
    return await _changed(
        call,
        lambda connection, enterprise: enterprises.withdraw(
            connection, call.principal, call.now, enterprise, reason=body.reason
        ),
    )


async def get(call: Call) -> Answer:
    """GET /api/v1/enterprises/{enterprise}."""
    async with call.connected() as connection:
        found = await enterprises.get(connection, call.principal, call.path("enterprise"))
        owned = await prefixes_of(connection, found.id)
    shown = _shown(call, found, owned)
    if shown.details is not None and not shown.persons_withheld:
        note_restricted_read(f"enterprise {found.id}")
    return answer(shown, ETag=f'"{found.version}"')


async def page(call: Call) -> Answer:
    """GET /api/v1/enterprises."""
    state, name = call.query("state"), call.query("name") or ""
    if state is not None and state not in STATES:
        raise InvalidRequest("bad_state", f"state is one of {', '.join(STATES)}", remedy="correct the parameter state")
    if len(name) > NAME_CHARACTERS_MAX:
        raise InvalidRequest(
            "name_too_long", f"a name has at most {NAME_CHARACTERS_MAX} characters", remedy="look for a part of it"
        )
    scope = f"enterprises {state} {name}"
    after, limit = call.page(scope)
    async with call.connected() as connection:
        found = await enterprises.page(connection, call.principal, Wanted(state=state, name=name), after, limit)
    following = next_cursor(scope, found, limit, found[-1].id if found else "")
    return answer(EnterprisePage([_summary(enterprise) for enterprise in found], following))


async def takeover_terms(_: Call) -> Answer:
    """GET /api/v1/takeover-terms."""
    return answer(TakeoverTerms(takeover.VERSION, takeover.TEXT))


async def _changed(call: Call, make: Change) -> Answer:
    async def work(connection: Connection) -> Outcome:
        changed, cursor = await make(connection, call.path("enterprise"))
        return await _outcome(call, connection, changed, cursor, 200)

    return await call.change(work)


async def _outcome(
    call: Call, connection: Connection, changed: Enterprise, cursor: Cursor, status: int, **rest: Any
) -> Outcome:
    body = _shown(call, changed, await prefixes_of(connection, changed.id))
    return outcome(status, body, cursor, version=changed.version, **rest)


def _seen(call: Call) -> Precondition:
    return Precondition.from_headers(call.request.headers.get("If-Match"), None)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise one_field("bad_date", "expires_on", f"there is no day {text}") from None


def _shown(call: Call, enterprise: Enterprise, owned: list[Prefix]) -> EnterpriseAnswer:
    details, proposed = details_of(enterprise), proposal_of(enterprise)
    persons = enterprises.persons_shown(call.principal, enterprise)
    if not persons:
        details, proposed = without_persons(details) if details is not None else None, None
    return EnterpriseAnswer(
        id=enterprise.id,
        number=enterprise.number,
        name=enterprise.name,
        state=enterprise.state,  # type: ignore[arg-type] # the table's own check allows no other
        version=enterprise.version,
        prefixes=[EnterprisePrefix(prefix.prefix, prefix.state) for prefix in owned],
        hosted=enterprise.hosted,
        details=details,
        documents=documents_of(enterprise) if persons else None,
        proposed=proposed,
        persons_withheld=not persons and enterprise.details is not None,
        reason=enterprise.reason,
        verification=verification_of(enterprise.verification, call.now),
        national=national_of(enterprise.national),
        applicant=enterprise.applicant,
        takeover_version=enterprise.takeover_version,
        takeover_at=instant(enterprise.takeover_at) if enterprise.takeover_at else None,
        submitted_at=instant(enterprise.submitted_at) if enterprise.submitted_at else None,
        reviewed_at=instant(enterprise.reviewed_at) if enterprise.reviewed_at else None,
        created_at=instant(enterprise.created_at),
        updated_at=instant(enterprise.updated_at),
    )


def _summary(enterprise: Enterprise) -> EnterpriseSummary:
    return EnterpriseSummary(
        id=enterprise.id,
        number=enterprise.number,
        name=enterprise.name,
        state=enterprise.state,  # type: ignore[arg-type] # as above
        version=enterprise.version,
        org_id_type=enterprise.org_id_type,
        org_id_number=enterprise.org_id_number,
        reason=enterprise.reason,
        submitted_at=instant(enterprise.submitted_at) if enterprise.submitted_at else None,
        created_at=instant(enterprise.created_at),
        updated_at=instant(enterprise.updated_at),
    )
