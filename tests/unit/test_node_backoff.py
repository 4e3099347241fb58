"""How long to wait before a process that ended is started again."""

from node.backoff import Backoff


def test_the_pause_doubles_up_to_its_limit() -> None:
    backoff = Backoff()
    assert [backoff.pause_s(0.0) for _ in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_after_a_steady_life_it_begins_anew() -> None:
    backoff = Backoff()
    assert [backoff.pause_s(lived_s) for lived_s in (1, 1, 5, 1, 4.9)] == [0.1, 0.2, 0.1, 0.2, 0.4]
