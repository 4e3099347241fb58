"""The kinds of requests a plan asks for, each with its connections and its recorders."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from loadtest import handle_requests
from loadtest.closed_loop import ClosedLoop
from loadtest.fleet import Fleet
from loadtest.handle_client import HandleDatagrams, HandleStream
from loadtest.http_client import HttpConnection
from loadtest.keys import open_keys
from loadtest.open_loop import OpenLoop
from loadtest.recorder import Recorder
from loadtest.registrations import Registrations
from loadtest.scenarios import ABSENT, ACCEPTED, FOUND, PREPARED_MAX, places, read_requests, registrations, repeated
from loadtest.schedule import NS_PER_S, Schedule

if TYPE_CHECKING:
    from loadtest.connection import Connection, Owner
    from loadtest.plan import Plan
    from loadtest.target import Target

# A closed loop asks for as many as it can; one process asks for no more than this many a second.
CLOSED_RATE_MAX = 200_000

CONNECTIONS: dict[str, type[Connection]] = {
    "http": HttpConnection,
    "handle-tcp": HandleStream,
    "handle-udp": HandleDatagrams,
}

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
    recorder = Recorder("misses" if absent else "reads", _right(plan, absent=absent), begin_ns=clock_ns())
    next_request = repeated(_prepared(plan, target, absent=absent)).__next__
    if plan.loop == "closed":
        closed = ClosedLoop(recorder, next_request, clock_ns=clock_ns)
        return Stream(closed, _fleet(plan, target, closed), (recorder,))
    owner = OpenLoop(
        Schedule(plan.read_rate),
        recorder,
        next_request,
        waiting_max=max(0, plan.outstanding_max - plan.connections),
        timeout_ns=int(plan.timeout_s * NS_PER_S),
        clock_ns=clock_ns,
        spin=plan.spin,
    )
    return Stream(owner.arrivals, _fleet(plan, target, owner), (recorder,))


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
    return Stream(owner.arrivals, _fleet(plan, target, owner), (accepted, resolvable))


def _registrations_only(plan: Plan, target: Target) -> Stream:
    run = f"{time.time_ns():x}"
    if plan.protocol == "http":
        accepted = Recorder("accepted", ACCEPTED, begin_ns=clock_ns())
        fresh = registrations(plan.write_prefix, target.host, plan.token, run=run)
        closed = ClosedLoop(accepted, lambda: next(fresh).put, clock_ns=clock_ns)
    else:
        accepted = Recorder("accepted", handle_requests.ACCEPTED, begin_ns=clock_ns())
        created = handle_requests.creations(
            plan.write_prefix, target, handle_requests.parse_user(plan.user, plan.token), run=run
        )
        closed = ClosedLoop(accepted, created.__next__, clock_ns=clock_ns)
    return Stream(closed, _fleet(plan, target, closed), (accepted,))


def _fleet(plan: Plan, target: Target, owner: Owner) -> Fleet:
    return Fleet(target, owner, plan.connections, CONNECTIONS[plan.protocol])


def _right(plan: Plan, *, absent: bool) -> frozenset[int]:
    """Return the statuses of right answers: of HTTP, or the response codes of the Handle protocol."""
    if plan.protocol == "http":
        return ABSENT if absent else FOUND
    return handle_requests.ABSENT if absent else handle_requests.FOUND


def _prepared(plan: Plan, target: Target, *, absent: bool) -> list[bytes]:
    rng, keys = random.Random(plan.seed), open_keys(plan.keys)  # noqa: S311 - a repeatable draw, not a secret
    rate = CLOSED_RATE_MAX if plan.loop == "closed" else plan.read_rate
    limit = min(PREPARED_MAX, int(rate * (plan.warmup_s + plan.duration_s)) + 1)
    place = places(plan.scenario, len(keys), plan.zipf_exponent, rng)
    if plan.protocol != "http":
        keeps = plan.protocol == "handle-tcp"
        return handle_requests.read_messages(keys, place, absent=absent, limit=limit, keeps=keeps)
    return read_requests(keys, target.host, place, absent=absent, limit=limit)
