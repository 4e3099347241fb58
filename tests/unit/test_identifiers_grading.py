"""Grades: what they leave of a value's permissions."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.grading import PERMITTED, apply_grades, regraded
from identifiers.values import ADMIN_READ, PERMISSIONS_DEFAULT, PUBLIC_READ, Value

GRADES = st.sampled_from(sorted(PERMITTED))
PERMISSIONS = st.integers(0, 0b1111)


def graded(**grades: int) -> SimpleNamespace:
    return SimpleNamespace(grades={int(index.removeprefix("i")): grade for index, grade in grades.items()})


@pytest.mark.parametrize(("grade", "left"), [(1, 0b1110), (2, 0b1100), (3, 0b0100)])
def test_a_grade_decides_what_the_usual_permissions_become(grade: int, left: int) -> None:
    (value,) = apply_grades(graded(i2000=grade), [Value(2000, "t", b"x")])
    assert value == Value(2000, "t", b"x", permissions=left)


@given(GRADES, PERMISSIONS)
def test_a_grade_never_gives_a_permission(grade: int, permissions: int) -> None:
    (value,) = apply_grades(graded(i2000=grade), [Value(2000, "t", b"x", permissions=permissions)])
    assert value.permissions & ~permissions == 0
    assert value.permissions & ~PERMITTED[grade] == 0
    assert not (grade >= 2 and value.permissions & PUBLIC_READ)
    assert not (grade == 3 and value.permissions & ADMIN_READ)


@given(PERMISSIONS)
def test_values_of_no_graded_item_stay_as_they_are(permissions: int) -> None:
    values = (Value(1, "URL", b"x", permissions=permissions), Value(2001, "t", b"y", permissions=permissions))
    assert apply_grades(graded(i2000=3), values) == values
    assert apply_grades(None, values) == values


@given(GRADES, GRADES)
def test_a_stored_value_follows_its_item_from_grade_to_grade(before: int, after: int) -> None:
    stored = Value(2000, "t", b"x", permissions=PERMISSIONS_DEFAULT & PERMITTED[before])
    assert regraded(stored, before=before, after=after).permissions == PERMISSIONS_DEFAULT & PERMITTED[after]


@given(GRADES, GRADES, PERMISSIONS)
def test_who_asked_for_less_than_the_old_grade_left_keeps_less(before: int, after: int, permissions: int) -> None:
    stored = Value(2000, "t", b"x", permissions=permissions & PERMITTED[before])
    if stored.permissions != PERMISSIONS_DEFAULT & PERMITTED[before]:
        assert regraded(stored, before=before, after=after).permissions == stored.permissions & PERMITTED[after]
