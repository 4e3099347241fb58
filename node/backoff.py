"""How long to wait before a process that ended is started again."""

FIRST_S = 0.1
LONGEST_S = 5.0
# Who lived this long has overcome whatever made it fail.
STEADY_S = 5.0


class Backoff:
    """Pauses of one process: short at first, for a crash should not be noticed; twice as long each time; bounded."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def pause_s(self, lived_s: float) -> float:
        """Return the seconds to wait now, after a life of `lived_s` seconds."""
        pause_s = FIRST_S if lived_s >= STEADY_S else self._next_s
        self._next_s = min(pause_s * 2, LONGEST_S)
        return pause_s
