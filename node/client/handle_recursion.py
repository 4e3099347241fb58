"""Recursive look-ups: from a root, over the sites of a prefix, to the server that holds the record (handle wire 16.2).

The root knows the record of the prefix, ``0.NA/prefix``. Its HS_SITE values are the prefix's servers, or HS_SERV names
a record that has them. What the root does not know, the servers of the prefix above may know. Referrals on the way and
aliases are followed. Everybody is asked anonymously: proofs would go to servers that others chose.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from identifiers.handle import fold
from identifiers.handle_wire.answers import Referral, Resolved
from identifiers.handle_wire.client import Received
from identifiers.handle_wire.codes import ResponseCode
from identifiers.handle_wire.names import PREFIX_RECORDS, prefix_named, record_named
from identifiers.values import Value
from node.client.errors import ClientError, UnavailableError
from node.client.handle_address import HandlePlace
from node.client.handle_errors import UntrustedError
from node.client.handle_resolving import question, resolution_of
from node.client.handle_server import HandleServer, Manner
from node.client.handle_sites import (
    ASKED_TYPES,
    PrefixSites,
    Servers,
    SiteCache,
    kept_until,
    places,
    sites_in,
)
from node.client.resolving import Resolution

QUESTIONS_MAX: Final = 64
"""Questions for one code, those for prefixes, referrals and aliases included."""
REFERRALS_MAX: Final = 10
ALIASES_MAX: Final = 10
SEGMENTS_MAX: Final = 16
"""Longest way up from a prefix to one that is known."""
SERVERS_MAX: Final = 32
"""Servers whose connections are kept."""
ALIAS: Final = "HS_ALIAS"
_REFERRED: Final = (ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL)
_MOVED: Final = (ResponseCode.SERVER_NOT_RESPONSIBLE, ResponseCode.OUT_OF_DATE_SITE_INFO)
_PASSED_OVER: Final = (ResponseCode.ERROR, ResponseCode.SERVER_TOO_BUSY)
_NOBODY: Final = PrefixSites((), ())


class HandleNetwork:
    """All Handle servers below a root, and what was learned of them; to be closed."""

    def __init__(self, root: Servers, manner: Manner, cache: SiteCache | None = None) -> None:
        self._root = root
        self._manner = manner
        self._clock: Callable[[], float] = manner.clock
        self._cache = SiteCache() if cache is None else cache
        self._servers: OrderedDict[HandlePlace, HandleServer] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            await server.close()

    async def resolve(self, code: str, types: Sequence[str] = (), indexes: Sequence[int] = ()) -> Resolution:
        """Resolve a code, wherever it is registered; raise what ``resolve_at`` raises.

        Aliases are followed unless they are asked for. The answer bears the name that was asked.
        """
        search = _Search(self, code)
        asks_alias = any(fold(kind) == ALIAS for kind in types)
        asked_types = (*types, ALIAS) if types or indexes else ()
        name, seen = code, {fold(record_named(code))}
        while True:
            received = await search.record(name, asked_types, indexes)
            target = None if asks_alias else _alias_in(received, indexes)
            if target is None:
                break
            name = target
            if fold(record_named(name)) in seen or len(seen) > ALIASES_MAX:
                raise UntrustedError(f"{code}: its aliases lead in a circle, or over more than {ALIASES_MAX} names")
            seen.add(fold(record_named(name)))
        return resolution_of(code, received)

    async def ask(self, place: HandlePlace, name: str, types: Sequence[str], indexes: Sequence[int]) -> Received:
        """Ask one server for a record."""
        server = self._servers.pop(place, None) or HandleServer(place, self._manner)
        self._servers[place] = server
        if len(self._servers) > SERVERS_MAX:
            _, oldest = self._servers.popitem(last=False)
            await oldest.close()
        return await server.ask(question(name, types, indexes))

    def known(self, prefix: str) -> PrefixSites | None:
        """Return what is known of a prefix."""
        return self._cache.get(prefix, self._clock())

    def learn(self, prefix: str, sites: PrefixSites, values: Sequence[Value]) -> None:
        """Keep the sites of a prefix for as long as the values that named them may be believed."""
        self._cache.put(prefix, sites, kept_until(values, self._clock()))

    def forget(self, prefix: str) -> bool:
        """Forget a prefix whose servers say they are not; say whether it was known."""
        return self._cache.drop(prefix)

    @property
    def root(self) -> Servers:
        """Where everything begins."""
        return self._root


class _Search:
    """What one code costs: the questions asked for it are counted, so that no answer can make it endless."""

    def __init__(self, network: HandleNetwork, code: str) -> None:
        self._network = network
        self._code = code
        self._questions = 0
        self._looking_for: set[str] = set()

    async def record(self, name: str, types: Sequence[str], indexes: Sequence[int]) -> Received:
        """Return what the responsible server says of a record."""
        prefix = record_named(name).partition("/")[0]
        if fold(prefix + "/") == PREFIX_RECORDS:
            named = prefix_named(name)
            if named is None:
                return await self._asked(self._network.root, name, types, indexes)
            return await self._prefix_record(named, types, indexes)
        received = await self._at_sites(prefix, name, types, indexes)
        if received is not None and received.header.rc in _MOVED and self._network.forget(prefix):
            received = await self._at_sites(prefix, name, types, indexes)
        return await self._from_above(prefix, name, types, indexes) if received is None else received

    async def _from_above(self, prefix: str, name: str, types: Sequence[str], indexes: Sequence[int]) -> Received:
        """Ask those who serve the prefixes above, for they may serve what is below too; at last the root."""
        above = prefix.rpartition(".")[0]
        while above:
            received = await self._at_sites(above, name, types, indexes)
            if received is not None and received.header.rc not in _MOVED:
                return received
            above = above.rpartition(".")[0]
        return await self._asked(self._network.root, name, types, indexes)

    async def _at_sites(self, prefix: str, name: str, types: Sequence[str], indexes: Sequence[int]) -> Received | None:
        """Ask the servers of a prefix; None if it has none."""
        sites = await self._sites(prefix)
        return await self._asked(sites.own, name, types, indexes) if sites.own else None

    async def _sites(self, prefix: str) -> PrefixSites:
        """Return who serves a prefix."""
        known = self._network.known(prefix)
        if known is not None:
            return known
        if fold(prefix) in self._looking_for:
            raise UntrustedError(f"{self._code}: the service records of its prefix lead in a circle")
        self._looking_for.add(fold(prefix))
        try:
            return await self._found_sites(prefix)
        finally:
            self._looking_for.discard(fold(prefix))

    async def _found_sites(self, prefix: str) -> PrefixSites:
        received = await self._prefix_record(prefix, ASKED_TYPES, ())
        if not isinstance(received.answer, Resolved):
            self._network.learn(prefix, _NOBODY, ())
            return _NOBODY
        values = received.answer.values
        sites = sites_in(values)
        if not sites.own and (service := _text_of("HS_SERV", values)) is not None:
            through = (await self.record(service, ASKED_TYPES, ())).answer
            values = (*values, *(through.values if isinstance(through, Resolved) else ()))
            sites = PrefixSites(sites_in(values).own, sites.below)
        self._network.learn(prefix, sites, values)
        return sites

    async def _prefix_record(self, prefix: str, types: Sequence[str], indexes: Sequence[int]) -> Received:
        """Return the record of a prefix: from the root, else from those who know what is below the prefix above."""
        name = record_named(prefix) if "/" not in prefix else prefix
        received = await self._asked(self._network.root, name, types, indexes)
        above = prefix.rpartition(".")[0]
        if received.header.rc == ResponseCode.SUCCESS or not above or prefix.count(".") > SEGMENTS_MAX:
            return received
        sites = await self._sites(above)
        nearer = sites.below or sites.own
        return await self._asked(nearer, name, types, indexes) if nearer else received

    async def _asked(self, servers: Servers, name: str, types: Sequence[str], indexes: Sequence[int]) -> Received:
        """Ask servers in turn until one answers, and follow where the answer leads."""
        seen: set[tuple[HandlePlace, ...]] = set()
        for _ in range(REFERRALS_MAX + 1):
            where = tuple(places(servers, name))
            if where in seen:
                break
            seen.add(where)
            received = await self._first_answer(where, name, types, indexes)
            referral = received.answer
            if received.header.rc not in _REFERRED or not isinstance(referral, Referral):
                return received
            servers = await self._referred(referral)
            if not servers:
                return received
        raise UntrustedError(f"{self._code}: the referrals of servers lead in a circle")

    async def _referred(self, referral: Referral) -> Servers:
        if not referral.handle:
            sites = sites_in(referral.values)
            return sites.own or sites.below
        through = (await self.record(referral.handle, ASKED_TYPES, ())).answer
        return sites_in(through.values).own if isinstance(through, Resolved) else ()

    async def _first_answer(
        self, where: Sequence[HandlePlace], name: str, types: Sequence[str], indexes: Sequence[int]
    ) -> Received:
        last: ClientError = UnavailableError(f"{self._code}: no site of its prefix can be reached with this protocol")
        for place in where:
            self._questions += 1
            if self._questions > QUESTIONS_MAX:
                raise UntrustedError(f"{self._code}: more than {QUESTIONS_MAX} servers were asked; it leads nowhere")
            try:
                received = await self._network.ask(place, name, types, indexes)
            except (UnavailableError, UntrustedError) as error:
                last = error
                continue
            if received.header.rc not in _PASSED_OVER or place == where[-1]:
                return received
        raise last


def _alias_in(received: Received, indexes: Sequence[int]) -> str | None:
    """Return where an alias leads that was not asked for by its index."""
    values = received.answer.values if isinstance(received.answer, Resolved) else ()
    return _text_of(ALIAS, [value for value in values if value.index not in indexes])


def _text_of(kind: str, values: Sequence[Value]) -> str | None:
    """Return the text of the first value of a type."""
    found = next((value.data for value in values if fold(value.type) == kind), None)
    return found.decode(errors="replace") or None if found is not None else None
