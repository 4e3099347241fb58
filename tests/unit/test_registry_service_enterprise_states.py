"""The one table of moves of an enterprise."""

from itertools import product

import pytest

from registry.errors import Conflict
from registry.service.enterprise_states import MOVES, STATES, STEPS, WORKING, after


@pytest.mark.parametrize(("state", "step"), list(product(STATES, STEPS)))
def test_a_step_leads_where_the_table_says_and_no_other_is_possible(state: str, step: str) -> None:
    target = MOVES[step].get(state)  # type: ignore[index] # a step of the parameters above
    if target is not None:
        assert after(state, step) == target  # type: ignore[arg-type] # as above
        return
    with pytest.raises(Conflict) as refused:
        after(state, step)  # type: ignore[arg-type] # as above
    assert refused.value.code == "enterprise_move_not_allowed"
    assert state in refused.value.message
    assert step not in refused.value.remedy.split(": ")[1].split(", ")


def test_every_state_is_reached_and_only_the_withdrawn_one_is_final() -> None:
    reached = {target for moves in MOVES.values() for target in moves.values()}
    assert reached == set(STATES)
    left = {state for moves in MOVES.values() for state in moves}
    assert set(STATES) - left == {"withdrawn"}


def test_nobody_works_without_an_approval() -> None:
    into = {
        step
        for step, moves in MOVES.items()
        for state, target in moves.items()
        if target in WORKING and state not in WORKING
    }
    assert into == {"confirm", "resume"}
