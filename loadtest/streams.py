"""The kinds of requests a plan asks for, each with its connections and its recorders."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from loadtest.closed_loop import ClosedLoop
from loadtest.fleet import Fleet
from loadtest.keys import open_keys
from loadtest.open_loop import OpenLoop
from loadtest.recorder import Recorder
from loadtest.registrations import Registrations
from loadtest.scenarios import ABSENT, ACCEPTED, FOUND, PREPARED_MAX, places, read_requests, registrations, repeated
from loadtest.schedule import NS_PER_S, Schedule

if TYPE_CHECKING:
    from loadtest.plan import Plan
    from loadtest.target import Target

# A closed loop asks for as many as it can; one process asks for no more than this many a second.
CLOSED_RATE_MAX = 200_000

clock_ns = time.perf_counter_ns


class Control(Protocol):
    """What starts and stops a stream of requests."""

    @property
    def waiting(self) -> int: ...  # noqa: D102 - see Arrivals
    def start(self) -> None: ...  # noqa: D102 - see Arrivals
    def stop(self) -> None: ...  # noqa: D102 - see Arrivals
    def give_up(self, now_ns: int) -> None: ...  # noqa: D102 - see Arrivals


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests of one kind: who sends them, over which connections, counted where."""

    control: Control
    fleet: Fleet
    recorders: tuple[Recorder, ...]

    @property
    def outstanding(self) -> int:
        """The number of requests sent or waiting, without their answer."""
        return self.fleet.outstanding + self.control.waiting

    def sweep(self, timeout_ns: int) -> None:
        """Time out what has been outstanding for too long."""
        now_ns = clock_ns()
        self.control.give_up(now_ns)
        self.fleet.expire(now_ns - timeout_ns)


def make_streams(plan: Plan, target: Target) -> list[Stream]:
    """Return the streams of a plan, with their requests prepared and no connection open yet."""
    streams = []
    if plan.read_rate > 0:
        streams.append(_reads(plan, target))
    if plan.write_rate > 0:
        streams.append(_writes(plan, target))
    if plan.scenario == "register":
        streams.append(_registrations_only(plan, target))
    return streams


def _reads(plan: Plan, target: Target) -> Stream:
    absent = plan.scenario == "misses"
    recorder = Recorder("misses" if absent else "reads", ABSENT if absent else FOUND, begin_ns=clock_ns())
    next_request = repeated(_prepared(plan, target, absent=absent)).__next__
    if plan.loop == "closed":
        closed = ClosedLoop(recorder, next_request, clock_ns=clock_ns)
        return Stream(closed, Fleet(target, closed, plan.connections), (recorder,))
    owner = OpenLoop(
        Schedule(plan.read_rate),
        recorder,
        next_request,
        waiting_max=max(0, plan.outstanding_max - plan.connections),
        timeout_ns=int(plan.timeout_s * NS_PER_S),
        clock_ns=clock_ns,
    )
    return Stream(owner.arrivals, Fleet(target, owner, plan.connections), (recorder,))


def _writes(plan: Plan, target: Target) -> Stream:
    accepted = Recorder("accepted", ACCEPTED, begin_ns=clock_ns())
    resolvable = Recorder("resolvable", FOUND, begin_ns=clock_ns())
    fresh = registrations(plan.write_prefix, target.host, plan.token, run=f"{time.time_ns():x}")
    owner = Registrations(
        Schedule(plan.write_rate),
        accepted,
        resolvable,
        fresh.__next__,
        waiting_max=max(0, plan.outstanding_max - plan.connections),
        timeout_ns=int(plan.timeout_s * NS_PER_S),
        clock_ns=clock_ns,
    )
    return Stream(owner.arrivals, Fleet(target, owner, plan.connections), (accepted, resolvable))


def _registrations_only(plan: Plan, target: Target) -> Stream:
    accepted = Recorder("accepted", ACCEPTED, begin_ns=clock_ns())
    fresh = registrations(plan.write_prefix, target.host, plan.token, run=f"{time.time_ns():x}")
    closed = ClosedLoop(accepted, lambda: next(fresh).put, clock_ns=clock_ns)
    return Stream(closed, Fleet(target, closed, plan.connections), (accepted,))


def _prepared(plan: Plan, target: Target, *, absent: bool) -> list[bytes]:
    rng, keys = random.Random(plan.seed), open_keys(plan.keys)  # noqa: S311 - a repeatable draw, not a secret
    rate = CLOSED_RATE_MAX if plan.loop == "closed" else plan.read_rate
    limit = min(PREPARED_MAX, int(rate * (plan.warmup_s + plan.duration_s)) + 1)
    place = places(plan.scenario, len(keys), plan.zipf_exponent, rng)
    return read_requests(keys, target.host, place, absent=absent, limit=limit)
