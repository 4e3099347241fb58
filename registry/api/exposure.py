"""Handler: the report on what is exposed at which grade."""

from typing import Final, Literal

from registry.api.call import Answer, Call, answer, next_cursor
from registry.api.template_shapes import ExposedGrade, ExposedItem, ExposedTo, ExposurePage, TemplateExposure
from registry.service import exposure
from registry.service.exposure import Exposure, GradeExposure
from registry.states import instant
from registry.tables.grants import Grant

_READ_BY: Final[dict[int, Literal["everyone", "owner and administrators", "nobody"]]] = {
    1: "everyone",
    2: "owner and administrators",
    3: "nobody",
}


async def page(call: Call) -> Answer:
    """GET /api/v1/exposure."""
    after, limit = call.page("exposure")
    async with call.connected() as connection:
        found = await exposure.page(connection, call.principal, call.now, after, limit)
    following = next_cursor("exposure", found, limit, found[-1].template.code if found else "")
    return answer(ExposurePage([_shown(one) for one in found], following))


def _shown(found: Exposure) -> TemplateExposure:
    template = found.template
    return TemplateExposure(
        template=template.code,
        name=template.name,
        enterprise=template.enterprise,
        state=template.state,
        identifiers=found.identifiers,
        grades=[_grade(one) for one in found.grades],
    )


def _grade(found: GradeExposure) -> ExposedGrade:
    return ExposedGrade(
        grade=found.grade,
        read_by=_READ_BY[found.grade],
        items=[ExposedItem(item.index, item.name, item.type, item.domain, item.state) for item in found.items],
        grants=[_grant(grant) for grant in found.grants],
    )


def _grant(grant: Grant) -> ExposedTo:
    expires_at = instant(grant.expires_at) if grant.expires_at else None
    return ExposedTo(grant.id, grant.subject_kind, grant.subject, grant.right, grant.indexes, expires_at)
