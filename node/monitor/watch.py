"""What probes mean: when a condition counts as failing, and when that becomes an event. Pure.

One event of a prefix and condition is open at a time. A state is told when it has held for a while, so flapping gives
one pair; it is dated when it began (docking contract 5.2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from registry.event_numbers import event_number
from registry.tables.node_events import Event, Outage, Service

NETWORK: Final = 1
SYSTEM: Final = 2
ATTACK: Final = 3
OTHER: Final = 4
CAUSE_CHARACTERS_MAX: Final = 1024


class Probed(NamedTuple):
    """What one probe saw; None: it could not be made, which says nothing. `is_unreachable`: nobody answered at all."""

    is_well: bool | None
    cause: str = ""
    is_unreachable: bool = False


class Condition(NamedTuple):
    """Something that can fail, of a prefix, and the `abnormal_type` it is told with."""

    prefix: str
    name: str
    abnormal_type: int


class Holds(NamedTuple):
    """How long a state lasts before it is told."""

    abnormal: timedelta
    recovered: timedelta


def judged(probed: Sequence[Probed], failing_percent: int) -> Probed:
    """Return what probes made together say: failing if at least this share of those that could be made failed."""
    known = [one for one in probed if one.is_well is not None]
    failed = [one for one in known if not one.is_well]
    if not known:
        return probed[0] if probed else Probed(None)
    if 100 * len(failed) >= failing_percent * len(known) and failed:
        return Probed(is_well=False, cause=failed[-1].cause, is_unreachable=all(one.is_unreachable for one in failed))
    return Probed(is_well=True)


@dataclass(slots=True)
class Watch:
    """One condition over time. `open` is its event that is not recovered."""

    condition: Condition
    holds: Holds
    open: Event | None = None
    _since: datetime | None = None
    """Since when the state differs from the one that was told."""

    def take(self, probed: Probed, at: datetime, number: Callable[[str, datetime], str] = event_number) -> Event | None:
        """Take what was probed at a moment; returns the event that is to be told now, if any."""
        if probed.is_well is None:
            return None
        is_told_well = self.open is None
        if probed.is_well == is_told_well:
            self._since = None
            return None
        self._since = since = self._since or at
        if at - since < (self.holds.abnormal if is_told_well else self.holds.recovered):
            return None
        self._since = None
        return self._abnormal(since, probed.cause, number) if is_told_well else self._recovered(since, number)

    def _abnormal(self, since: datetime, cause: str, number: Callable[[str, datetime], str]) -> Event:
        prefix, name, abnormal_type = self.condition
        self.open = Event(
            prefix=prefix,
            condition=name,
            event_type="abnormal",
            event_no=number(prefix, since),
            occurred_at=since,
            cause=cause[:CAUSE_CHARACTERS_MAX] or None,
            abnormal_type=abnormal_type,
        )
        return self.open

    def _recovered(self, since: datetime, number: Callable[[str, datetime], str]) -> Event:
        abnormal, self.open = self.open, None
        assert abnormal is not None  # noqa: S101 - only what is told as failing recovers
        return Event(
            prefix=abnormal.prefix,
            condition=abnormal.condition,
            event_type="recovered",
            event_no=number(abnormal.prefix, since),
            occurred_at=since,
            related_event_no=abnormal.event_no,
        )


@dataclass(slots=True)
class Stretches:
    """The stretches in which a service failed, to the round, without any waiting: what availability is made of."""

    service: Service
    open: Outage | None = None

    def take(self, is_well: bool | None, at: datetime, new_id: Callable[[], str]) -> Outage | None:  # noqa: FBT001 - the state itself
        """Take what was probed at a moment; returns a stretch that begins or has ended now.

        What cannot be probed any more (None) does not fail any more.
        """
        is_failing = is_well is False
        if is_failing == (self.open is not None):
            return None
        if self.open is None:
            self.open = Outage(new_id(), self.service, at)
            return self.open
        ended = Outage(self.open.outage_id, self.service, self.open.started_at, max(at, self.open.started_at))
        self.open = None
        return ended
