"""Where the collector's access points are: a configured list, or DNS SRV records (RFC 2782)."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

ACCESS_POINTS_MAX: Final = 16
TTL_S_MIN: Final = 30.0
TTL_S_MAX: Final = 3_600.0
LOOKUP_S_MAX: Final = 10.0
CONFIGURED_S: Final = 86_400.0
"""A configured list does not change while the process runs."""


class DiscoveryFailed(Exception):  # noqa: N818 - says what happened, as its name does
    """The access points cannot be found now; those found before stay in use."""


@dataclass(frozen=True, slots=True)
class Target:
    """One access point: its base URL without a slash at the end, and its priority, the lowest first."""

    url: str
    priority: int


@dataclass(frozen=True, slots=True)
class Found:
    """Access points in the order in which they should be asked, and for how long this holds."""

    targets: tuple[Target, ...]
    valid_s: float


class Discovery(Protocol):
    """Finds access points."""

    async def find(self) -> Found:
        """Return at least one access point; raises DiscoveryFailed."""
        ...


class Configured:
    """The addresses of the settings, in their order: the first is preferred while it works."""

    def __init__(self, urls: Sequence[str]) -> None:
        targets = [Target(url.rstrip("/"), priority) for priority, url in enumerate(urls[:ACCESS_POINTS_MAX])]
        self._found = Found(tuple(targets), CONFIGURED_S)

    async def find(self) -> Found:
        """Return the configured list."""
        return self._found


class ServiceRecords:
    """The SRV records of a name such as `_idn-report._tcp.nation.example`, perhaps with a base path behind a slash.

    A target counts only if it lies below the name's own domain (`nation.example`): DNS is not proof, so it may choose
    among the collector's hosts, and TLS then proves which one answered, but it must not send reports elsewhere.
    """

    def __init__(self, name: str, random: Random, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._name, _, path = name.partition("/")
        self._name = self._name.rstrip(".")
        self._path = f"/{path.strip('/')}" if path.strip("/") else ""
        labels = self._name.split(".")
        self._domain = ".".join(label for label in labels if not label.startswith("_")).lower()
        self._random = random
        self._resolver = resolver

    async def find(self) -> Found:
        """Ask DNS; by priority, and within one at random by weight (RFC 2782)."""
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            answer = await self._resolver.resolve(self._name, dns.rdatatype.SRV, lifetime=LOOKUP_S_MAX, search=False)
        except (dns.exception.DNSException, OSError) as error:
            raise DiscoveryFailed(f"no SRV records of {self._name}: {error or type(error).__name__}") from error
        records = [record for record in answer if isinstance(record, SRV) and self._is_ours(_host(record))]
        if not records:
            raise DiscoveryFailed(f"no SRV record of {self._name} leads to a host below {self._domain}")
        targets = [self._target(record) for record in self._ordered(records)[:ACCESS_POINTS_MAX]]
        ttl_s = 0.0 if answer.rrset is None else float(answer.rrset.ttl)
        return Found(tuple(targets), min(max(ttl_s, TTL_S_MIN), TTL_S_MAX))

    def _is_ours(self, host: str) -> bool:
        return host == self._domain or host.endswith("." + self._domain)

    def _ordered(self, records: Sequence[SRV]) -> list[SRV]:
        """Order by priority; within one, each is first with a chance in proportion to its weight."""
        return sorted(records, key=lambda one: (one.priority, -(self._random.random() ** (1 / max(one.weight, 0.01)))))

    def _target(self, record: SRV) -> Target:
        port = "" if record.port == 443 else f":{record.port}"  # noqa: PLR2004 - the port of https
        return Target(f"https://{_host(record)}{port}{self._path}", record.priority)


def _host(record: SRV) -> str:
    return str(record.target.to_text(omit_final_dot=True)).lower()
