"""Grades of data (工业数据分类分级): how far a value may be read, as a mask over its four permission bits.

Grade 1 is public. Grade 2 is for the owner, the node's administrators and whom they name. Grade 3 never leaves without
an explicit grant. A grade takes permissions away and never gives any.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

from identifiers.values import (
    ADMIN_READ,
    ADMIN_WRITE,
    PERMISSIONS_DEFAULT,
    PERMISSIONS_MAX,
    Value,
)

GRADE_PUBLIC: Final = 1
GRADE_NAMED: Final = 2
GRADE_GRANTED: Final = 3

PERMITTED: Final[Mapping[int, int]] = {
    GRADE_PUBLIC: PERMISSIONS_MAX,
    GRADE_NAMED: ADMIN_READ | ADMIN_WRITE,
    GRADE_GRANTED: ADMIN_WRITE,
}
"""Permission bits that a value of each grade may have."""


class Graded(Protocol):
    """What grades values: a template."""

    @property
    def grades(self) -> Mapping[int, int]:
        """The grade of each item above 1, by its index."""


def apply_grades(template: Graded | None, values: Iterable[Value]) -> tuple[Value, ...]:
    """Return the values with no more permissions than the grades of their items allow; without a template, as sent."""
    grades = template.grades if template is not None else None
    if not grades:
        return tuple(values)
    return tuple([_narrowed(value, grades.get(value.index, GRADE_PUBLIC)) for value in values])


def regraded(value: Value, *, before: int, after: int) -> Value:
    """Return what a stored value becomes when the grade of its item changes from `before` to `after`.

    A value with all that its old grade left of the usual permissions gets all that the new one leaves. Who asked for
    less keeps less: such a value is only narrowed.
    """
    permissions = value.permissions
    if permissions == PERMISSIONS_DEFAULT & PERMITTED[before]:
        permissions = PERMISSIONS_DEFAULT
    return _with_permissions(value, permissions & PERMITTED[after])


def _narrowed(value: Value, grade: int) -> Value:
    return _with_permissions(value, value.permissions & PERMITTED[grade])


def _with_permissions(value: Value, permissions: int) -> Value:
    return value if permissions == value.permissions else msgspec.structs.replace(value, permissions=permissions)
