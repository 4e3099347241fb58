"""What the handlers of one worker share: the lookup, when there is a replica, and the counting of every answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter_ns, time

import lmdb

from identifiers.identifier import Invalid
from resolver.counting import UNSERVED, Face, Outcome, Tallies
from resolver.faces.client import Client, TrustedProxies
from resolver.lookup import Absent, Answer, Found, Gone, Lookup
from resolver.record import RecordDamaged
from resolver.replica_reader import ReplicaReader


class LookupsUnavailable(Exception):  # noqa: N818 - a state of the world, answered with 503
    """There is no replica yet, or what it holds for this name is damaged and being rebuilt."""


@dataclass(slots=True)
class Desk:
    """`reader` is None until the first replica appears. For one event loop only."""

    tallies: Tallies
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    clock: Callable[[], float] = time
    reader: ReplicaReader | None = None
    node_prefix: str = ""
    _lookup: Lookup | None = None

    def serve_from(self, reader: ReplicaReader) -> None:
        """Answer from this replica from now on."""
        self.reader = reader
        self._lookup = Lookup(reader)

    def open_reader(self) -> ReplicaReader:
        """Return the replica's reader. Raises LookupsUnavailable."""
        if self.reader is None:
            raise LookupsUnavailable("the node is starting: its replica is being built")
        return self.reader

    def find(self, name: str) -> Answer | Invalid:
        """Look a name up. Raises LookupsUnavailable."""
        if self._lookup is None:
            raise LookupsUnavailable("the node is starting: its replica is being built")
        try:
            return self._lookup.find(name)
        except (RecordDamaged, lmdb.Error, OSError) as error:
            raise LookupsUnavailable("the replica is being rebuilt") from error

    def count(self, inquiry: "Inquiry", prefix: str, outcome: Outcome) -> None:
        """Count one lookup, once, when its answer is made; the node's own probes are nobody's lookups."""
        if inquiry.client.is_probe:
            return
        us, ended = (perf_counter_ns() - inquiry.started_ns) // 1_000, self.clock()
        self.tallies.record(
            prefix, inquiry.client.address, outcome, inquiry.face, int(ended - us / 1_000_000), us, int(ended)
        )

    def prefix_of(self, name: str, answer: Answer | Invalid) -> str:
        """Return the prefix a lookup is counted under."""
        if isinstance(answer, Invalid) or self._lookup is None:
            return UNSERVED
        if isinstance(answer, Absent) and answer.prefix is None:
            return self.prefix_at(name)
        return answer.prefix.prefix if answer.prefix else UNSERVED

    def prefix_at(self, name: str | None) -> str:
        """Return the prefix under which a request for a name counts that was not looked up."""
        if name is None or self._lookup is None:
            return UNSERVED
        return self._lookup.tally_prefix(name) or self._own(name)

    def _own(self, name: str) -> str:
        """Return the node's own prefix for a name at or below it under which nobody registers."""
        own, asked = self.node_prefix, name.partition("/")[0]
        return own if own and (asked == own or asked.startswith(own + ".")) else UNSERVED


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One lookup under way: through which face, for whom, since when (perf_counter_ns)."""

    face: Face
    client: Client
    started_ns: int = field(default_factory=perf_counter_ns)


def outcome_of(answer: Answer | Invalid) -> Outcome:
    """Return the outcome a lookup counts as, unless the face denied it."""
    if isinstance(answer, Invalid):
        return "malformed"
    if isinstance(answer, Found):
        return "found"
    if isinstance(answer, Gone):
        return "gone"
    return "absent" if isinstance(answer, Absent) else "referral"
