"""Where a change comes from: set around a request, a job or a start, and read where the audit log is written.

It travels in a context variable, so that no function between the network and the journal has to hand it on. Tasks
started within take it with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter_ns

OK = "ok"


@dataclass(slots=True)
class Origin:
    """One request, or whatever else makes changes. What is learned on the way is filled in on the way."""

    address: str = "local"
    """The client's address as the worker states it; "local" for the node itself."""
    action: str = "node"
    """What is done: the route of a request, such as `PUT /api/v1/prefixes/{prefix}`."""
    object: str = ""
    """What it is done to, where no journal entry says so: the path of the request."""
    request_id: str = ""
    actor: str | None = None
    """The account, once it is known."""
    result: str = OK
    """`ok`, or the code of the refusal. A face that answers refusals in a form of its own sets it."""
    recorded: int = 0
    """Entries written so far, whether their transaction was committed or not."""
    logged: bool = False
    """Whether the entry of the request itself is written already: a sign-in writes its own."""
    restricted_reads: list[str] = field(default_factory=list)
    """What was shown although it is not public."""
    credentials_changed: bool = False
    """Whether tokens or accounts have changed: what is remembered of tokens does not hold any more."""
    received_ns: int = field(default_factory=perf_counter_ns)
    """When the request was here whole, on the performance counter."""
    registered: dict[str, int] = field(default_factory=dict)
    """How many identifiers were registered or changed, by prefix."""


_NODE = Origin()
_current: ContextVar[Origin | None] = ContextVar("origin", default=None)


def current() -> Origin:
    """Return the origin of what is being done now; outside every `acting` block, the node itself."""
    return _current.get() or _NODE


def is_known() -> bool:
    """Say whether an origin was set."""
    return _current.get() is not None


@contextmanager
def acting(origin: Origin) -> Iterator[Origin]:
    """Let everything in the block come from `origin`."""
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)


def note_received() -> None:
    """Remember that the request is here whole: what it takes is measured from now."""
    if is_known():
        current().received_ns = perf_counter_ns()


def note_registered(prefix: str, count: int = 1) -> None:
    """Remember that identifiers below a prefix are registered or changed. Their transaction may still be repeated."""
    if count and is_known():
        registered = current().registered
        registered[prefix] = registered.get(prefix, 0) + count


def note_restricted_read(what: str) -> None:
    """Remember that values which are not public are shown, for the audit log. `what` names the record."""
    if is_known():
        current().restricted_reads.append(what)
