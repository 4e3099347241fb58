"""The life of an enterprise: its states, and the one table that says which step leads from which state to which."""

from typing import Final, Literal, get_args

from registry.errors import Conflict

State = Literal["applied", "rejected", "approved", "active", "change_requested", "suspended", "withdrawn"]
Step = Literal["correct", "approve", "reject", "confirm", "refuse", "request_change", "suspend", "resume", "withdraw"]

STATES: Final[tuple[State, ...]] = get_args(State)
STEPS: Final[tuple[Step, ...]] = get_args(Step)
WORKING: Final[frozenset[State]] = frozenset({"active", "change_requested"})
"""States in which an enterprise's prefixes may be in force."""

MOVES: Final[dict[Step, dict[str, State]]] = {
    # The applicant's side.
    "correct": {"applied": "applied", "rejected": "applied"},
    "request_change": {"active": "change_requested", "change_requested": "change_requested"},
    # The node's review. A change that is rejected leaves the enterprise as it was.
    "approve": {"applied": "approved", "change_requested": "active"},
    "reject": {"applied": "rejected", "change_requested": "active"},
    # The national node's decision; without a link to it, approval confirms at once.
    "confirm": {"approved": "active"},
    "refuse": {"approved": "rejected"},
    # Suspension ends a change request that is under way. What is withdrawn comes back as a new application only.
    "suspend": {"active": "suspended", "change_requested": "suspended"},
    "resume": {"suspended": "active"},
    "withdraw": {
        "applied": "withdrawn",
        "rejected": "withdrawn",
        "active": "withdrawn",
        "change_requested": "withdrawn",
        "suspended": "withdrawn",
    },
}


def after(state: str, step: Step) -> State:
    """Return the state a step leads to. Raises `Conflict` for a step that is not in the table."""
    target = MOVES[step].get(state)
    if target is None:
        possible = [other for other in STEPS if state in MOVES[other]]
        raise Conflict(
            "enterprise_move_not_allowed",
            f"the enterprise is {state}, which does not allow to {step.replace('_', ' ')}",
            remedy=f"possible now: {', '.join(possible) or 'nothing, a new application has to be made'}",
        )
    return target
