"""The follower's states and everything that leads from one to another."""

from enum import Enum
from typing import Final


class State(Enum):
    """What the follower is doing."""

    STARTING = "starting"
    BOOTSTRAPPING = "bootstrapping"
    FOLLOWING = "following"
    WAITING_FOR_SOURCE = "waiting_for_source"


class Event(Enum):
    """How a state ended."""

    REPLICA_USABLE = "replica usable"
    REPLICA_UNUSABLE = "replica unusable"
    TROUBLE = "trouble"
    WAITED = "waited"


NEXT: Final[dict[tuple[State, Event], State]] = {
    (State.STARTING, Event.REPLICA_USABLE): State.FOLLOWING,
    (State.STARTING, Event.REPLICA_UNUSABLE): State.BOOTSTRAPPING,
    (State.STARTING, Event.TROUBLE): State.WAITING_FOR_SOURCE,
    (State.BOOTSTRAPPING, Event.REPLICA_USABLE): State.FOLLOWING,
    (State.BOOTSTRAPPING, Event.TROUBLE): State.WAITING_FOR_SOURCE,
    (State.FOLLOWING, Event.REPLICA_UNUSABLE): State.BOOTSTRAPPING,
    (State.FOLLOWING, Event.TROUBLE): State.WAITING_FOR_SOURCE,
    (State.WAITING_FOR_SOURCE, Event.WAITED): State.STARTING,
}
"""The whole machine; a pair that is not here cannot happen.

After trouble the follower begins at STARTING again: it trusts nothing it held in memory, only what is on the disk.
"""


class Unusable(Exception):  # noqa: N818 - a state of the world, answered by a rebuild
    """The replica cannot be followed further and must be rebuilt; `reason` is a metric's label."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Trouble(Exception):  # noqa: N818 - a state of the world, waited out
    """A step failed for a reason that may pass; `what` is a metric's label."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.what = what
