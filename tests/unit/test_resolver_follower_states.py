"""The follower's machine: every state can be left and reached, and nothing leads astray."""

from resolver.follower_states import NEXT, Event, State


def test_every_state_is_left_and_reached() -> None:
    assert {state for state, _ in NEXT} == set(State)
    assert set(NEXT.values()) == set(State)


def test_trouble_anywhere_waits_and_then_starts_over() -> None:
    working = set(State) - {State.WAITING_FOR_SOURCE}
    assert {NEXT[state, Event.TROUBLE] for state in working} == {State.WAITING_FOR_SOURCE}
    assert NEXT[State.WAITING_FOR_SOURCE, Event.WAITED] is State.STARTING


def test_only_a_usable_replica_is_followed() -> None:
    assert {event for (_, event), state in NEXT.items() if state is State.FOLLOWING} == {Event.REPLICA_USABLE}
