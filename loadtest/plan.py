"""What a run is to do: everything that decides the load, bounded before it is believed."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from loadtest.keys import KeyFile, KeyPattern  # noqa: TC001 - msgspec reads the annotation at run time

DURATION_S_MAX = 3600.0
RATE_MAX = 1_000_000.0
CONNECTIONS_MAX = 10_000
OUTSTANDING_MAX = 1_000_000
TIMEOUT_S_MAX = 600.0

_USER = re.compile(r"[0-9]{1,9}:.+", re.DOTALL)

Positive = Annotated[float, msgspec.Meta(gt=0)]


class PlanError(Exception):
    """The plan asks for something that cannot be run; the message says what to change."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run.

    `loop` "open": requests arrive at `rate` per second, whatever happens. "closed": each connection sends when its
    answer came; measures capacity. `warmup_s` comes before the `duration_s` that is recorded. `write_share` (of
    "mixed") is the part of the arrivals that registers a new identifier below `write_prefix` and looks it up until
    it resolves; look-ups and registrations have `connections` each. "register" registers new identifiers and nothing
    else, as fast as they are accepted. `spin` (of look-ups in an open loop) keeps a core busy for exact arrivals;
    without it they come in bursts, up to 1 ms late, and the core is free between them. Over the Handle protocol (`url`
    is handle://HOST:PORT) registrations are creates in one session of `user`, INDEX:HANDLE, whose secret is the
    `token`.
    """

    url: str
    keys: KeyPattern | KeyFile
    protocol: Literal["http", "handle-udp", "handle-tcp"] = "http"
    scenario: Literal["uniform", "zipf", "misses", "mixed", "register"] = "uniform"
    loop: Literal["open", "closed"] = "open"
    rate: Annotated[float, msgspec.Meta(gt=0, le=RATE_MAX)] = 1000.0
    duration_s: Annotated[float, msgspec.Meta(gt=0, le=DURATION_S_MAX)] = 10.0
    warmup_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0
    connections: Annotated[int, msgspec.Meta(ge=1, le=CONNECTIONS_MAX)] = 64
    outstanding_max: Annotated[int, msgspec.Meta(ge=1, le=OUTSTANDING_MAX)] = 100_000
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=TIMEOUT_S_MAX)] = 10.0
    zipf_exponent: Annotated[float, msgspec.Meta(gt=0, le=5)] = 1.0
    write_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    write_prefix: str = ""
    token: str = ""
    user: str = ""
    seed: int = 1
    spin: bool = True
    allow_remote: bool = False

    @property
    def scheme(self) -> str:
        """What `url` begins with."""
        return "http" if self.protocol == "http" else "handle"

    @property
    def read_rate(self) -> float:
        """Look-ups per second."""
        if self.scenario == "register":
            return 0.0
        return self.rate * (1 - self.write_share) if self.scenario == "mixed" else self.rate

    @property
    def write_rate(self) -> float:
        """Registrations per second."""
        return self.rate * self.write_share if self.scenario == "mixed" else 0.0


def check_plan(plan: Plan) -> None:
    """Raise PlanError when fields contradict each other (their own bounds are in their types)."""
    if plan.scenario == "mixed" and plan.loop == "closed":
        raise PlanError("the mixed scenario has a rate of reads and of writes: run it with the open loop")
    if plan.scenario == "register" and plan.loop == "open":
        raise PlanError("the register scenario measures capacity: run it with the closed loop (--loop closed)")
    writes = plan.write_rate or plan.scenario == "register"
    if plan.protocol != "http":
        _check_handle_plan(plan)
    elif writes and not plan.token:
        raise PlanError(f"the {plan.scenario} scenario registers identifiers: give it a token (--token, IDNODE_TOKEN)")
    if writes and not plan.write_prefix:
        raise PlanError(f"the {plan.scenario} scenario registers identifiers: name their prefix (--write-prefix)")


def _check_handle_plan(plan: Plan) -> None:
    if plan.scenario == "mixed":
        raise PlanError("the mixed scenario runs over http: over the Handle protocol look-ups and creates run apart")
    if plan.scenario != "register":
        return
    if plan.protocol != "handle-tcp":
        raise PlanError("the register scenario needs TCP (--protocol handle-tcp): UDP carries look-ups only")
    if not _USER.fullmatch(plan.user) or not plan.token:
        raise PlanError("creates need a user: give its place with --auth INDEX:HANDLE, its secret with --secret-file")


def without_token(plan: Plan) -> Plan:
    """Return the plan as it may be stored and shown."""
    return msgspec.structs.replace(plan, token="")
