"""How much each source is answered over UDP, so that nobody is flooded in somebody else's name (handle wire 19.3).

A source is a network of the size that one sender can forge at will: /24 of IPv4, /64 of IPv6.
"""

from ipaddress import IPv6Address
from typing import Final

from resolver.handle.lane import Counted
from resolver.handle.limits import HandleLimits

BURST: Final = 2
"""Seconds' worth that may go at once after a rest."""
SENDERS_MAX: Final = 65_536
_V6_NETWORK: Final = 64


class Bucket:
    """What one source may still be sent. Answers, octets, answers that send to TCP, signatures."""

    __slots__ = ("_limits", "answers", "at", "octets", "refusals", "signatures")

    def __init__(self, limits: HandleLimits, now: float) -> None:
        self._limits = limits
        self.at = now
        self.answers = self.refusals = float(BURST * limits.answers_per_source)
        self.octets = float(BURST * limits.octets_per_source)
        self.signatures = float(limits.signed_per_source)

    def refill(self, now: float) -> None:
        """Add what has become free since the last time."""
        limits, passed = self._limits, now - self.at
        self.at = now
        most = BURST * limits.answers_per_source
        self.answers = min(most, self.answers + passed * limits.answers_per_source)
        self.refusals = min(most, self.refusals + passed * limits.answers_per_source)
        self.octets = min(BURST * limits.octets_per_source, self.octets + passed * limits.octets_per_source)
        self.signatures = min(limits.signed_per_source, self.signatures + passed * limits.signed_per_source)

    def allows(self, octets: int, now: float) -> bool:
        """Take an answer of this size, if there is room for it."""
        if now != self.at:
            self.refill(now)
        if self.answers < 1 or self.octets < octets:
            return False
        self.answers -= 1
        self.octets -= octets
        return True

    def allows_refusal(self, now: float) -> bool:
        """Take an answer that says to use TCP."""
        if now != self.at:
            self.refill(now)
        if self.refusals < 1:
            return False
        self.refusals -= 1
        return True

    def allows_signature(self, now: float) -> bool:
        """Take a signed answer."""
        if now != self.at:
            self.refill(now)
        if self.signatures < 1:
            return False
        self.signatures -= 1
        return True


class Sender:
    """One address: its source's bucket, and where its lookups are counted."""

    __slots__ = ("bucket", "counted")

    def __init__(self, bucket: Bucket, counted: Counted) -> None:
        self.bucket = bucket
        self.counted = counted


class Sources:
    """All senders of late. Beyond `SENDERS_MAX` those who are new share one bucket until others are forgotten."""

    def __init__(self, limits: HandleLimits) -> None:
        self._limits = limits
        self._buckets: dict[str, Bucket] = {}
        self._signed = Bucket(HandleLimits(signed_per_source=limits.signed_in_all), 0.0)
        self._shared = Sender(Bucket(limits, 0.0), Counted("", "handle_udp"))
        self.senders: dict[str, Sender] = {}

    def sender(self, address: str, now: float) -> Sender:
        """Return the sender at an address, known or new."""
        known = self.senders.get(address)
        if known is not None:
            return known
        if len(self.senders) >= SENDERS_MAX:
            return self._shared
        network = network_of(address)
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = self._buckets[network] = Bucket(self._limits, now)
        made = self.senders[address] = Sender(bucket, Counted(address, "handle_udp"))
        return made

    def allows_signature(self, sender: Sender, now: float) -> bool:
        """Take a signed answer to a sender, within what everybody gets."""
        return sender.bucket.allows_signature(now) and self._signed.allows_signature(now)

    def forget(self, now: float) -> None:
        """Forget who has rested so long that nothing is held against them. Call about once a second."""
        rested = {network for network, bucket in self._buckets.items() if now - bucket.at > BURST}
        if rested:
            gone = {self._buckets.pop(network) for network in rested}
            self.senders = {address: sender for address, sender in self.senders.items() if sender.bucket not in gone}


def network_of(address: str) -> str:
    """Return the network an address is counted by."""
    if ":" not in address:
        return address.rpartition(".")[0]
    number = int(IPv6Address(address.partition("%")[0]))
    return f"{number >> _V6_NETWORK:x}"
