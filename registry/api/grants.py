"""Handlers: grants."""

from typing import Final

from identifiers.changes import ObjectKind
from registry.api.call import Answer, Call, answer, next_cursor, outcome, read_instant
from registry.api.grant_shapes import GrantAnswer, GrantObject, GrantPage, GrantRequest, GrantSubject
from registry.database import Connection
from registry.errors import InvalidRequest
from registry.service import grants
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.grants import Grant

_ENDED: Final = {None: False, "false": False, "true": True}


async def give(call: Call) -> Answer:
    """POST /api/v1/grants."""
    body = await call.read(GrantRequest)
    expires_at = read_instant(body.expires_at, "expires_at") if body.expires_at is not None else None

    async def work(connection: Connection) -> Outcome:
        grant, cursor = await grants.give(
            connection,
            call.principal,
            call.now,
            subject_kind=body.subject.kind,
            subject=body.subject.id,
            object_kind=body.object.kind,
            object_name=body.object.name,
            right=body.right,
            indexes=body.indexes,
            expires_at=expires_at,
            enterprise=body.enterprise,
        )
        location = f"/api/v1/grants/{grant.id}"
        return outcome(201 if cursor is not None else 200, _shown(grant), cursor, location=location)

    return await call.change(work)


async def revoke(call: Call) -> Answer:
    """DELETE /api/v1/grants/{grant}."""

    async def work(connection: Connection) -> Outcome:
        revoked, cursor = await grants.revoke(connection, call.principal, call.now, call.path("grant"))
        return outcome(200, _shown(revoked), cursor)

    return await call.change(work)


async def get(call: Call) -> Answer:
    """GET /api/v1/grants/{grant}."""
    async with call.connected() as connection:
        return answer(_shown(await grants.get(connection, call.principal, call.path("grant"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/grants."""
    kind, name = _object(call)
    subject, ended = call.query("subject"), call.query("ended")
    if ended not in _ENDED:
        raise InvalidRequest("bad_ended", "ended is true or false", remedy="correct the parameter ended")
    scope = f"grants {kind} {name} {subject} {ended}"
    after, limit = call.page(scope)
    async with call.connected() as connection:
        found = await grants.page(
            connection,
            call.principal,
            call.now,
            after,
            limit,
            object_kind=kind,
            object_name=name,
            subject=subject,
            ended=_ENDED[ended],
        )
    following = next_cursor(scope, found, limit, found[-1].id if found else "")
    return answer(GrantPage([_shown(grant) for grant in found], following))


def _object(call: Call) -> tuple[ObjectKind, str | None]:
    identifier, template = call.query("identifier"), call.query("template")
    if identifier is not None and template is not None:
        raise InvalidRequest(
            "two_objects", "a list is of an identifier's grants or of a template's", remedy="leave one of them out"
        )
    return ("identifier", identifier) if template is None else ("template", template)


def _shown(grant: Grant) -> GrantAnswer:
    return GrantAnswer(
        id=grant.id,
        enterprise=grant.enterprise,
        subject=GrantSubject(grant.subject_kind, grant.subject),
        object=GrantObject(grant.object_kind, grant.object_name),
        right=grant.right,
        indexes=grant.indexes,
        granted_by=grant.granted_by,
        created_at=instant(grant.created_at),
        expires_at=instant(grant.expires_at) if grant.expires_at else None,
        revoked_at=instant(grant.revoked_at) if grant.revoked_at else None,
    )
