"""What is exposed at which grade: the items of each template, how many records have them, and who was granted them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from identifiers.grading import PERMITTED
from registry.authority import Action, Principal, Reach, authorise
from registry.database import Connection
from registry.tables import grants, templates
from registry.tables.grants import Grant
from registry.tables.templates import Item, Template


@dataclass(frozen=True, slots=True)
class GradeExposure:
    """The items of one grade, and the grants in force that cover some of them."""

    grade: int
    items: tuple[Item, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a template exposes: the number of active identifiers that follow it, and its grades that have items."""

    template: Template
    identifiers: int
    grades: tuple[GradeExposure, ...]


async def page(connection: Connection, principal: Principal, now: datetime, after: str, limit: int) -> list[Exposure]:
    """Return what the next templates expose, in the order of their codes; drafts expose nothing and are left out.

    Who may see everything sees it all. An enterprise sees its own templates and the node's, each with its own
    identifiers and the grants it gave.
    """
    everything = authorise(principal, Action.READ_EXPOSURE) is Reach.EVERYTHING
    enterprise = None if everything else principal.enterprise or ""
    found = await templates.page_followed(connection, after, limit, enterprise)
    counts = await templates.count_users(connection, [template.id for template in found], enterprise)
    given = await grants.of_templates(connection, now, [template.code for template in found], enterprise)
    by_code: dict[str, list[Grant]] = {}
    for grant in given:
        by_code.setdefault(grant.object_key, []).append(grant)
    return [
        Exposure(template, counts.get(template.id, 0), _grades(template, by_code.get(template.code, ())))
        for template in found
    ]


def _grades(template: Template, given: Sequence[Grant]) -> tuple[GradeExposure, ...]:
    grades = []
    for grade in sorted(PERMITTED):
        items = tuple(item for item in template.items if item.grade == grade)
        indexes = {item.index for item in items}
        covering = tuple(grant for grant in given if grant.indexes is None or not indexes.isdisjoint(grant.indexes))
        if items:
            grades.append(GradeExposure(grade, items, covering))
    return tuple(grades)
