"""What the registry's process gives its API: the database, the clock, the replica's barrier, and the settings."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from registry.barrier import ReplicaBarrier
from registry.database import Pool
from registry.token_memo import TokenMemo


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How the API answers."""

    resolvable_wait_s: float = 2.0
    """How long a write waits until this host's replica can answer it; after that the answer says that it cannot."""
    body_octets_max: int = 2**20
    """Longest body of a request; batches are streams and have limits of their own."""


def utc_now() -> datetime:
    """Return the present instant; the registry's only clock, unless a test gives it another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RegistryContext:
    """Everything the API needs from outside. `status` adds named figures of other processes to GET /api/v1/status."""

    pool: Pool
    barrier: ReplicaBarrier
    clock: Callable[[], datetime] = utc_now
    settings: RegistrySettings = RegistrySettings()
    status: Mapping[str, Callable[[], Awaitable[Any]]] = field(default_factory=dict)
    tokens: TokenMemo = field(default_factory=TokenMemo)
