"""Which probes a round of the self-check makes, and where."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from node.monitor import host_checks, probes
from node.monitor.blocked import BlockedTraffic
from node.monitor.watch import Probed
from registry.service.prefix_routes import Address

ROUTES_AT_ONCE: Final = 16
ROUTE_PROBES: Final = 3
"""A route counts as unreachable if all of so many probes failed (docking contract 5.2)."""
_HANDLE: Final = "handle"
_WELL: Final = Probed(is_well=True)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Targets:
    """What is probed; `addresses` are the published ones of the node.

    On this host, `local` is where registrations are sent, and `local_handle` where Handle clients come. `identifier`
    is the node's own probe identifier; its last part is the name asked of enterprises' nodes too.
    """

    local: str
    local_handle: str
    addresses: tuple[str, ...]
    identifier: str
    token_file: Path
    probes: int
    data_dir: Path
    metrics: Path
    disk_free_min_percent: int
    replica_lag_max_s: int
    blocked_percent: int
    time_server: str = ""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where an enterprise's own node answers, over one protocol."""

    ip: str
    protocol: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.ip} {self.protocol} {self.port}"


@dataclass(frozen=True, slots=True)
class RouteProbed:
    """Whether a place of an enterprise's own node can be reached, and whether it answers as it has to."""

    reachable: Probed
    answers: Probed


class Prober:
    """Makes the probes; keeps nothing between rounds but what it has said already."""

    def __init__(self, targets: Targets, secret: str) -> None:
        self._targets = targets
        self._secret = secret
        self._said = ""
        self._blocked = BlockedTraffic(targets.metrics, targets.blocked_percent)

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

    async def locally(self, address: str) -> Probed:
        """See whether this host answers itself what fails at a published address."""
        is_handle = urlsplit(address).scheme == _HANDLE
        return await self._once(self._targets.local_handle if is_handle else self._targets.local)

    def blocked(self) -> Probed:
        """See how much of the traffic is turned away by limits of rate and number."""
        return self._blocked.look(time.monotonic())

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
        """Probe enterprises' own nodes over each protocol of their routes; by prefix and place."""
        turn = asyncio.Semaphore(ROUTES_AT_ONCE)

        async def one(prefix: str, endpoint: _Endpoint) -> RouteProbed:
            async with turn:
                return await self._route(prefix, endpoint)

        wanted = [
            (prefix, endpoint)
            for prefix, addresses in routes.items()
            for address in addresses
            for endpoint in _endpoints(address)
        ]
        found = await asyncio.gather(*(one(prefix, endpoint) for prefix, endpoint in wanted))
        return {(prefix, str(endpoint)): probed for (prefix, endpoint), probed in zip(wanted, found, strict=True)}

    async def _at(self, address: str) -> Sequence[Probed]:
        return [await self._once(address) for _ in range(self._targets.probes)]

    async def _once(self, address: str) -> Probed:
        parts = urlsplit(address)
        identifier = self._targets.identifier
        if parts.scheme == _HANDLE:
            place = (parts.hostname or "", parts.port or 0)
            return await probes.own_handle_resolution(*place, identifier, self._secret)
        return await probes.resolution(address, identifier, self._secret)

    async def _route(self, prefix: str, endpoint: _Endpoint) -> RouteProbed:
        name = f"{prefix}/{self._targets.identifier.partition('/')[2]}"
        for _ in range(ROUTE_PROBES):
            reachable = await self._reached(endpoint, name)
            if not reachable.is_unreachable:
                break
        else:
            return RouteProbed(reachable, Probed(is_well=None))
        if endpoint.protocol == "UDP":
            return RouteProbed(_WELL, reachable)
        if endpoint.protocol == "TCP":
            return RouteProbed(_WELL, await probes.handle_resolution(endpoint.ip, endpoint.port, name))
        host = f"[{endpoint.ip}]" if ":" in endpoint.ip else endpoint.ip
        scheme = "https" if endpoint.tls else "http"
        answers = await probes.resolution(f"{scheme}://{host}:{endpoint.port}", name)
        # Where its prefix leads, a node that does not serve it answers wrongly.
        return RouteProbed(_WELL, answers._replace(is_well=bool(answers.is_well)))

    async def _reached(self, endpoint: _Endpoint, name: str) -> Probed:
        """Connect; over UDP, where there is no connection, ask."""
        if endpoint.protocol == "UDP":
            return await probes.handle_resolution(endpoint.ip, endpoint.port, name, "udp")
        return await probes.connection(endpoint.ip, endpoint.port)

    def _say(self, text: str) -> None:
        if text and text != self._said:
            _log.warning("registration cannot be probed: %s", text)
        self._said = text


def _endpoints(address: Address) -> list[_Endpoint]:
    ports = (("TCP", address.tcp_port), ("UDP", address.udp_port), ("HTTP", address.http_port))
    return [
        _Endpoint(address.ip, protocol, port, protocol == "HTTP" and address.http_tls)
        for protocol, port in ports
        if port is not None
    ]
