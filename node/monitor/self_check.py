"""The self-check: rounds of probes, what follows from them, and keeping it until the database has it.

probes ──▶ watches ──▶ events ──▶ spool (synced) ──▶ database
       └─▶ stretches without service ──▶ spool

Pending: what the spool holds. On an error of a probe that is a defect the round is logged and the next one is made.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from node.monitor.database import Database
from node.monitor.event_spool import EventSpool, Item
from node.monitor.metrics import MonitorMetrics
from node.monitor.prober import RouteProbed
from node.monitor.seen import Seen
from node.monitor.status_file import REGISTRATION, RESOLUTION, StatusFile
from node.monitor.watch import ATTACK, NETWORK, SYSTEM, Condition, Holds, Probed, Stretches, Watch, judged
from registry.ids import new_id
from registry.service.prefix_routes import Address
from registry.tables.node_events import Event, Outage

THRESHOLD_PERCENT: Final = 80
THRESHOLD_HELD: Final = timedelta(minutes=2)
"""So many of the probes have to be answered, or a take-over approaches (docking contract 7.6)."""
THRESHOLD: Final = "take-over threshold"
DATABASE: Final = "database"
BLOCKED: Final = "rate limiter"
BLOCKED_HELD: Final = timedelta(seconds=60)
ROUTE: Final = "route "
ROUTE_ANSWER: Final = "probe identifier at "
GAP_ROUNDS: Final = 3
"""What lies between two rounds that are further apart than so many was not measured."""
_WELL: Final = Probed(is_well=True)

_log = logging.getLogger(__name__)


class Probing(Protocol):
    """What makes the probes: `node.monitor.prober.Prober`."""

    async def registration(self, now: datetime) -> Sequence[Probed]:
        """Probe registration."""
        ...

    async def resolution(self) -> Mapping[str, Sequence[Probed]]:
        """Probe resolution, by published address."""
        ...

    async def host(self) -> Mapping[str, Probed]:
        """Look at this host, by condition."""
        ...

    async def locally(self, address: str) -> Probed:
        """See whether this host answers itself what fails at a published address."""
        ...

    def blocked(self) -> Probed:
        """See how much of the traffic is turned away."""
        ...

    def lag_s(self) -> float | None:
        """Return the replica's lag."""
        ...

    async def routes(self, routes: Mapping[str, Sequence[Address]]) -> Mapping[tuple[str, str], RouteProbed]:
        """Probe enterprises' own nodes, by prefix and place."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose node this is, and how it is judged. Times in seconds where a name ends in `_s`."""

    prefix: str
    version: str
    interval_s: float
    routes_interval_s: float
    failing_percent: int
    holds: Holds


class SelfCheck:
    """One node's check of itself. `status_file` is what `/monitor/v1/status` shows."""

    def __init__(
        self,
        rules: Rules,
        probing: Probing,
        spool: EventSpool,
        seen: Seen,
        database: Database,
        status_file: Path,
        metrics: MonitorMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self._rules = rules
        self._probing = probing
        self._spool = spool
        self._seen = seen
        self._database = database
        self._status = StatusFile(status_file, rules.prefix, rules.version)
        self._metrics = metrics
        self._now = now
        self._watches: dict[tuple[str, str], Watch] = {}
        self._stretches = {
            REGISTRATION: Stretches("registration"),
            RESOLUTION: Stretches("resolution"),
        }
        self._is_adopted = self._is_live = False
        self._last = seen.read()
        self._routes_at: datetime | None = None
        self._routing: asyncio.Future[Mapping[tuple[str, str], RouteProbed]] | None = None
        for event in spool.open_events.values():
            self._go_on(event)
        for outage in spool.open_outages.values():
            for stretches in self._stretches.values():
                if stretches.service == outage.service:
                    stretches.open = outage

    async def run(self) -> None:
        """Make rounds until cancelled."""
        try:
            while True:
                try:
                    await self.round()
                except Exception:  # noqa: BLE001 - a defect of one round must not end the self-check
                    _log.exception("a round of the self-check failed")
                await asyncio.sleep(self._rules.interval_s)
        finally:
            if self._routing is not None:
                self._routing.cancel()

    async def round(self) -> None:
        """Make one round of probes and keep what follows. Raises OSError where the disk does not take it."""
        at = self._now()
        found: list[Item] = self._gap(at)
        registration, resolution = await asyncio.gather(self._probing.registration(at), self._probing.resolution())
        unreached = await self._unreached(resolution)
        states = self._of_service(registration, resolution, unreached, at, found)
        for name, probed in (await self._probing.host()).items():
            self._watch(self._rules.prefix, name, SYSTEM, probed, at, found)
        database = await self._database.probe()
        self._watch(self._rules.prefix, DATABASE, SYSTEM, database, at, found)
        blocked = Holds(BLOCKED_HELD, self._rules.holds.recovered)
        self._watch(self._rules.prefix, BLOCKED, ATTACK, self._probing.blocked(), at, found, blocked)
        await self._of_routes(at, found)
        self._spool.append(found)
        self._say(found)
        if database.is_well:
            await self._enter(states, at)
        # A round with many time-outs is long: what was not measured begins behind it.
        self._last = self._now()
        self._seen.write(self._last)
        self._show(states, at)

    def _gap(self, at: datetime) -> list[Item]:
        """Return the stretch since the last round in which nothing was probed, unless it is one without service."""
        last = self._last
        if last is None or at - last <= timedelta(seconds=GAP_ROUNDS * self._rules.interval_s + GAP_ROUNDS):
            return []
        return [Outage(new_id("out"), "unmeasured", last, at)]

    async def _unreached(self, resolution: Mapping[str, Sequence[Probed]]) -> set[str]:
        """Return the published addresses that cannot be reached though this host answers: a fault of the network."""
        return {
            address
            for address, probed in resolution.items()
            if judged(probed, self._rules.failing_percent).is_unreachable
            and (await self._probing.locally(address)).is_well
        }

    def _of_service(
        self,
        registration: Sequence[Probed],
        resolution: Mapping[str, Sequence[Probed]],
        unreached: Collection[str],
        at: datetime,
        found: list[Item],
    ) -> dict[str, bool | None]:
        percent, own = self._rules.failing_percent, self._rules.prefix
        everywhere = [probed for one in resolution.values() for probed in one]
        judgement = {REGISTRATION: judged(registration, percent), RESOLUTION: judged(everywhere, percent)}
        self._watch(own, REGISTRATION, SYSTEM, judgement[REGISTRATION], at, found)
        for address, probed in resolution.items():
            kind = NETWORK if address in unreached else SYSTEM
            self._watch(own, RESOLUTION + address, kind, judged(probed, percent), at, found)
        self._end_others(own, RESOLUTION, {RESOLUTION + address for address in resolution}, at, found)
        self._threshold([*registration, *everywhere], at, found)
        for service, stretches in self._stretches.items():
            changed = stretches.take(judgement[service].is_well, at, lambda: new_id("out"))
            if changed is not None:
                found.append(changed)
        self._metrics.probed(registration, everywhere)
        return {service: one.is_well for service, one in judgement.items()}

    def _threshold(self, probed: Sequence[Probed], at: datetime, found: list[Item]) -> None:
        known = [one for one in probed if one.is_well is not None]
        if not known:
            return
        percent = 100 * sum(bool(one.is_well) for one in known) // len(known)
        cause = f"{percent} % of the node's own probes are answered"
        whole = Probed(is_well=percent >= THRESHOLD_PERCENT, cause=cause)
        holds = Holds(THRESHOLD_HELD, self._rules.holds.recovered)
        self._watch(self._rules.prefix, THRESHOLD, SYSTEM, whole, at, found, holds)

    async def _of_routes(self, at: datetime, found: list[Item]) -> None:
        """See to what the probes of enterprises' own nodes, which may take long, have found; begin with the next."""
        if self._routing is not None and self._routing.done():
            probing, self._routing = self._routing, None
            self._of_routes_probed(probing.result(), self._routes_at or at, found)
        is_due = self._routes_at is None or at - self._routes_at >= timedelta(seconds=self._rules.routes_interval_s)
        if self._routing is None and is_due and (routes := await self._database.routes()) is not None:
            self._routes_at = at
            self._routing = asyncio.ensure_future(self._probing.routes(routes))

    def _of_routes_probed(self, probed: Mapping[tuple[str, str], RouteProbed], at: datetime, found: list[Item]) -> None:
        for (prefix, place), one in probed.items():
            self._watch(prefix, ROUTE + place, NETWORK, one.reachable, at, found)
            self._watch(prefix, ROUTE_ANSWER + place, SYSTEM, one.answers, at, found)
        kept = {(prefix, before + place) for prefix, place in probed for before in (ROUTE, ROUTE_ANSWER)}
        for key in [key for key in self._watches if key[1].startswith((ROUTE, ROUTE_ANSWER)) and key not in kept]:
            self._end(key, at, found)

    def _watch(
        self,
        prefix: str,
        name: str,
        abnormal_type: int,
        probed: Probed,
        at: datetime,
        found: list[Item],
        holds: Holds | None = None,
    ) -> None:
        watch = self._watches.get((prefix, name))
        if watch is None:
            watch = Watch(Condition(prefix, name, abnormal_type), holds or self._rules.holds)
            self._watches[prefix, name] = watch
        watch.holds = holds or self._rules.holds
        if watch.open is None:
            watch.condition = Condition(prefix, name, abnormal_type)
        event = watch.take(probed, at)
        if event is not None:
            found.append(event)

    def _end_others(self, prefix: str, beginning: str, kept: set[str], at: datetime, found: list[Item]) -> None:
        """Let conditions recover that are not looked at any more: an address is not published, a route is gone."""
        for key in [key for key in self._watches if key[0] == prefix and key[1].startswith(beginning)]:
            if key[1] not in kept:
                self._end(key, at, found)

    def _end(self, key: tuple[str, str], at: datetime, found: list[Item]) -> None:
        event = self._watches[key].take(_WELL, at)
        if event is not None:
            found.append(event)
        if self._watches[key].open is None:
            del self._watches[key]

    def _go_on(self, event: Event) -> None:
        condition = Condition(event.prefix, event.condition, event.abnormal_type or SYSTEM)
        self._watches[event.prefix, event.condition] = Watch(condition, self._rules.holds, event)

    async def _enter(self, states: Mapping[str, bool | None], at: datetime) -> None:
        if not self._is_adopted:
            known = await self._database.open_events()
            if known is not None:
                self._is_adopted = True
                self._adopt(known)
        if not self._is_live and states[RESOLUTION] and states[REGISTRATION] is not False:
            self._is_live = await self._database.go_live(at)
        await self._database.enter(self._spool, at)
        self._metrics.pending(len(self._spool.pending))

    def _adopt(self, known: Sequence[Event]) -> None:
        """Go on with events that the database has open and the spool, lost with its disk, does not know."""
        own = {event.event_no for event in self._spool.open_events.values()}
        ended = {item.related_event_no for item in self._spool.pending if isinstance(item, Event)}
        for event in known:
            watch = self._watches.get((event.prefix, event.condition))
            if event.event_no not in own | ended and (watch is None or watch.open is None):
                self._spool.adopt(event)
                self._go_on(event)

    def _say(self, found: Sequence[Item]) -> None:
        for item in found:
            if not isinstance(item, Event):
                continue
            if item.event_type == "recovered":
                _log.warning("recovered: %s of %s, event %s", item.condition, item.prefix, item.event_no)
            else:
                grave = logging.CRITICAL if item.condition == THRESHOLD else logging.ERROR
                _log.log(grave, "abnormal: %s of %s: %s", item.condition, item.prefix, item.cause)
        self._metrics.open_events(sum(watch.open is not None for watch in self._watches.values()))

    def _show(self, states: Mapping[str, bool | None], at: datetime) -> None:
        threshold = self._watches.get((self._rules.prefix, THRESHOLD))
        since = threshold.open.occurred_at if threshold is not None and threshold.open is not None else None
        self._status.write(states, at, lag_s=self._probing.lag_s(), threshold_since=since)
