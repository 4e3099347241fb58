"""How far behind the journal a replica is, in seconds."""

from collections.abc import Callable, Sequence

from identifiers.changes import Change

STALE_S = 1.0
"""A follower reads many times a second, so a last reading older than this says that it cannot read."""


class Lag:
    """Told of each reading of the journal; `seconds` may be asked at any time, from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Before the first reading nobody knows, so it grows from the start.
        self._behind_since: float | None = clock()
        self._read_at = clock()

    def read(self, batch: Sequence[Change]) -> None:
        """Note changes that were read and are not applied yet; none means that nothing is left to read."""
        self._read_at = self._clock()
        self._behind_since = batch[0].at.timestamp() if batch else None

    def applied(self, batch: Sequence[Change]) -> None:
        """Note that they are applied. What follows them is younger, if there is anything."""
        self._behind_since = batch[-1].at.timestamp()

    @property
    def seconds(self) -> float:
        """Age of the oldest change not applied, 0 when caught up.

        While the journal cannot be read: the time since it last could be, which is as much as anyone can tell.
        """
        now = self._clock()
        since = self._behind_since
        known = now - since if since is not None else 0.0
        unseen = now - self._read_at
        return max(0.0, known, unseen if unseen > STALE_S else 0.0)
