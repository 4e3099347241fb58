"""How much at once and how often a follower works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds. A batch of at least `ahead_changes` is applied while the next one is being read.

    `poll_s` is the wait at the journal's end when nobody wakes the follower; `check_s` and `verify_s` are how often the
    files and the journal's identity are looked at; who is `behind_s` behind has the latter looked at after each batch.
    `tend_busy_s` is how often the hot table gets a slice of some 25 ms while changes keep coming: one within `busy_s`
    of the last, which is more than a caller of lists takes between two calls.
    """

    batch_changes: int = 5_000
    ahead_changes: int = 500
    poll_s: float = 0.05
    check_s: float = 1.0
    verify_s: float = 5.0
    behind_s: float = 60.0
    tend_busy_s: float = 0.25
    busy_s: float = 0.25
    source_timeout_s: float = 30.0
    backoff_first_s: float = 0.1
    backoff_max_s: float = 2.0
    repeat_log_s: float = 60.0
