"""Which probes a round of the self-check makes, and where."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from node.monitor import host_checks, probes
from node.monitor.watch import Probed
from registry.service.prefix_routes import Address

ROUTES_AT_ONCE: Final = 16
ROUTE_PROBES: Final = 3
"""A route counts as unreachable if all of so many probes failed (docking contract 5.2)."""
_HANDLE: Final = "handle"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Targets:
    """What is probed. `local` is where registrations are sent; `addresses` are the published ones of the node.

    `identifier` is the node's own probe identifier; its last part is the name asked of enterprises' nodes too.
    """

    local: str
    addresses: tuple[str, ...]
    identifier: str
    token_file: Path
    probes: int
    data_dir: Path
    metrics: Path
    disk_free_min_percent: int
    replica_lag_max_s: int
    time_server: str = ""


@dataclass(frozen=True, slots=True)
class RouteProbed:
    """Whether an address of an enterprise's own node takes connections, and whether it answers as it has to."""

    reachable: Probed
    answers: Probed


class Prober:
    """Makes the probes; keeps nothing between rounds but what it has said already."""

    def __init__(self, targets: Targets, secret: str) -> None:
        self._targets = targets
        self._secret = secret
        self._said = ""

    async def registration(self, now: datetime) -> Sequence[Probed]:
        """Register the probe identifier, several times."""
        targets = self._targets
        try:
            token = targets.token_file.read_text("ascii").strip()
        except (OSError, ValueError):
            return [Probed(is_well=None, cause=f"there is no token in {targets.token_file}: see monitor.token_file")]
        probed = [
            await probes.registration(targets.local, targets.identifier, self._secret, token, now)
            for _ in range(targets.probes)
        ]
        self._say(next((one.cause for one in probed if one.is_well is None), ""))
        return probed

    async def resolution(self) -> Mapping[str, Sequence[Probed]]:
        """Look up at every published address, several times each."""
        addresses = self._targets.addresses
        found = await asyncio.gather(*(self._at(address) for address in addresses))
        return dict(zip(addresses, found, strict=True))

    async def host(self) -> Mapping[str, Probed]:
        """Look at the disk, the replica's lag and, if a time server is set, the clock; by condition."""
        targets = self._targets
        found = {
            "disk": host_checks.disk(targets.data_dir, targets.disk_free_min_percent),
            "replica lag": host_checks.replica(self.lag_s(), targets.replica_lag_max_s),
        }
        if targets.time_server:
            found["clock"] = await host_checks.clock(targets.time_server)
        return found

    def lag_s(self) -> float | None:
        """Return the replica's lag in seconds, as far as it is known."""
        return host_checks.lag_s(self._targets.metrics)

    async def routes(self, routes: Mapping[str, Sequence[Address]]) -> dict[tuple[str, str], RouteProbed]:
        """Probe enterprises' own nodes, by prefix and IP address."""
        turn = asyncio.Semaphore(ROUTES_AT_ONCE)

        async def one(prefix: str, address: Address) -> RouteProbed:
            async with turn:
                return await self._route(prefix, address)

        wanted = [(prefix, address) for prefix, addresses in routes.items() for address in addresses]
        found = await asyncio.gather(*(one(prefix, address) for prefix, address in wanted))
        return {(prefix, address.ip): probed for (prefix, address), probed in zip(wanted, found, strict=True)}

    async def _at(self, address: str) -> Sequence[Probed]:
        return [await self._once(address) for _ in range(self._targets.probes)]

    async def _once(self, address: str) -> Probed:
        parts = urlsplit(address)
        if parts.scheme == _HANDLE:
            return await probes.handle_site(parts.hostname or "", parts.port or 0)
        return await probes.resolution(address, self._targets.identifier, self._secret)

    async def _route(self, prefix: str, address: Address) -> RouteProbed:
        port = address.tcp_port or address.http_port
        if port is None:
            unknown = Probed(is_well=None, cause=f"{address.ip} has no port for TCP")
            return RouteProbed(unknown, unknown)
        for _ in range(ROUTE_PROBES):
            reachable = await probes.connection(address.ip, port)
            if reachable.is_well:
                break
        else:
            return RouteProbed(reachable, Probed(is_well=None))
        name = f"{prefix}/{self._targets.identifier.partition('/')[2]}"
        if address.tcp_port is not None:
            return RouteProbed(reachable, await probes.handle_resolution(address.ip, address.tcp_port, name))
        host = f"[{address.ip}]" if ":" in address.ip else address.ip
        url = f"{'https' if address.http_tls else 'http'}://{host}:{port}"
        return RouteProbed(reachable, await probes.resolution(url, name))

    def _say(self, text: str) -> None:
        if text and text != self._said:
            _log.warning("registration cannot be probed: %s", text)
        self._said = text
