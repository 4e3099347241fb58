"""What is known elsewhere of users and groups, from one configured Handle server (handle wire 13.6, 17.1).

That server is asked over TCP, recursion wanted, for public keys, groups and sites. Where it does not answer for others
but says who serves a prefix, that server is asked; and about a secret always the one that keeps it, whether a proof is
right. No address that a request names is ever called.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_network
from typing import Final

from identifiers.handle_rights import folded_name
from identifiers.handle_wire.answers import Challenge, Resolved, Verified
from identifiers.handle_wire.client import Received, UntrustedAnswer
from identifiers.handle_wire.codes import ResponseCode
from identifiers.handle_wire.digests import SIZES
from identifiers.handle_wire.names import PREFIX_RECORDS, record_named
from identifiers.handle_wire.requests import Resolution, VerifyChallenge
from identifiers.handle_wire.responsible import server_for
from identifiers.hs_site import parse_site
from identifiers.octets import WireError
from identifiers.values import PUBLIC_READ, Reference, Value
from resolver.handle.auth.asking import Place, Unreadable, ask, place_of
from resolver.handle.auth.limits import AuthLimits, Network
from resolver.handle.auth.rates import Events
from resolver.handle.exchange import Refused

MISSED_S: Final = 10.0
"""How long it counts that something could not be had."""
ENTRIES_MAX: Final = 1_000
ENTRY_OCTETS_MAX: Final = 65_536
"""More values of one type on one record than this are none."""
OCTETS_MAX: Final = 2**24
AT_ONCE: Final = 8
SITES_MAX: Final = 4
"""Sites of a prefix that are asked, one after another."""
SERVERS_IN_TIME: Final = 2
"""Silent servers for which there is time, before what they are asked for counts as not there."""
SITE: Final = "HS_SITE"
SERVICE: Final = "HS_SERV"

log = logging.getLogger(__name__)


class Upstream:
    """Looks up at one place. `ticks` counts seconds. `networks`: see `asking.place_of`."""

    def __init__(
        self,
        place: Place,
        ticks: Callable[[], float],
        limits: AuthLimits | None = None,
        networks: Sequence[Network] = (),
    ) -> None:
        self._place = place
        self._ticks = ticks
        self._limits = limits or AuthLimits()
        self._networks = (*networks, *_network_of(place.host))
        self._kept: OrderedDict[tuple[str, str], tuple[Sequence[Value], float, int]] = OrderedDict()
        self._octets = 0
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._asked = Events(self._limits.remote_per_s, 1.0, ticks)

    async def values(self, name: str, type_: str, address: str = "", *, beyond: bool = True) -> Sequence[Value]:
        """Return the public values of one type; see `keys.Elsewhere`. `beyond`: from whoever serves the prefix, too."""
        place = folded_name(name), type_
        if (known := self._known(place)) is not None:
            return known
        self._count(address)
        question = Resolution(name, types=(type_,))
        found: Sequence[Value] = ()
        try:
            async with asyncio.timeout(self._limits.remote_timeout_s):
                async with self._asking:
                    if (known := self._known(place)) is not None:  # somebody else has asked meanwhile
                        return known
                    received = await ask(self._place, question)
                if received.header.rc in _SENT_ON and beyond:
                    received = await self._first_answer(name, question) or received
            found = _public(received, type_)
        except _FAILURES as error:
            log.info("%s elsewhere could not be looked up: %s", type_, type(error).__name__)
        return self._keep(place, found)

    async def is_right(self, user: Reference, proof: bytes, challenge: Challenge) -> bool:
        """Ask whether a proof with a secret is right (op 201); see `keys.Elsewhere`."""
        if len(challenge.digest.octets) != SIZES.get(challenge.digest.algorithm):
            return False  # no message can say it
        question = VerifyChallenge(user.handle, user.index, challenge.nonce, challenge.digest, proof)
        try:
            async with asyncio.timeout(self._limits.remote_timeout_s):
                return await self._verified(user, question)
        except TimeoutError:
            log.info("a proof elsewhere could not be verified in time")
            return False

    async def _verified(self, user: Reference, question: VerifyChallenge) -> bool:
        received = await self._first_answer(user.handle, question)
        return received is not None and isinstance(received.answer, Verified) and received.answer.is_right

    async def _first_answer(self, name: str, question: Resolution | VerifyChallenge) -> Received | None:
        """Return the first success of the servers that keep a record; None without one."""
        for place in await self._keepers(name):
            try:
                async with asyncio.timeout(self._limits.remote_timeout_s / SERVERS_IN_TIME), self._asking:
                    received = await ask(place, question)
            except _FAILURES as error:
                log.info("a server elsewhere could not be asked: %s", type(error).__name__)
                continue
            if received.header.rc == ResponseCode.SUCCESS:
                return received
        return None

    async def _keepers(self, name: str) -> Sequence[Place]:
        """Return the servers that keep a record, one of each site; the upstream itself where it names none."""
        prefix = record_named(name).partition("/")[0]
        sites = await self.values(PREFIX_RECORDS + prefix, SITE, beyond=False)
        if not sites:
            services = await self.values(PREFIX_RECORDS + prefix, SERVICE, beyond=False)
            if services and (service := services[0].data.decode(errors="replace")):
                sites = await self.values(service, SITE, beyond=False)
        if not sites:
            return (self._place,)
        found: list[Place] = []
        for value in sites[:SITES_MAX]:
            with suppress(WireError):
                server = server_for(parse_site(value.data), name)
                place = None if server is None else place_of(server, self._networks)
                found += [] if place is None else [place]
        return found

    def _count(self, address: str) -> None:
        if not address:
            return
        if self._asked.is_over(address):
            raise Refused(ResponseCode.SERVER_TOO_BUSY, "Too many users elsewhere; try again in a second")
        self._asked.note(address)

    def _known(self, place: tuple[str, str]) -> Sequence[Value] | None:
        kept = self._kept.get(place)
        return kept[0] if kept is not None and self._ticks() < kept[1] else None

    def _keep(self, place: tuple[str, str], values: Sequence[Value]) -> Sequence[Value]:
        octets = sum(len(value.data) for value in values)
        if octets > ENTRY_OCTETS_MAX:
            values, octets = (), 0
        lives_s = min((float(value.ttl) for value in values if not value.ttl_absolute), default=MISSED_S)
        if (old := self._kept.pop(place, None)) is not None:
            self._octets -= old[2]
        self._kept[place] = values, self._ticks() + min(lives_s, self._limits.remote_kept_s), octets
        self._octets += octets
        while len(self._kept) > ENTRIES_MAX or self._octets > OCTETS_MAX:
            self._octets -= self._kept.popitem(last=False)[1][2]
        return values


_SENT_ON: Final = (
    ResponseCode.SERVER_NOT_RESPONSIBLE,
    ResponseCode.SERVICE_REFERRAL,
    ResponseCode.PREFIX_REFERRAL,
)
_FAILURES: Final = (OSError, WireError, UntrustedAnswer, Unreadable)  # OSError includes the time-out


def _public(received: Received, type_: str) -> Sequence[Value]:
    values = received.answer.values if isinstance(received.answer, Resolved) else ()
    return tuple(value for value in values if value.permissions & PUBLIC_READ and value.type.upper() == type_)


def _network_of(host: str) -> Sequence[Network]:
    """Return the upstream's own address as a network; nothing where it is a name."""
    try:
        return (ip_network(host),)
    except ValueError:
        return ()
