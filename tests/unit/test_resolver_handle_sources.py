"""How much each source is answered over UDP."""

import pytest

from resolver.handle import sources as module
from resolver.handle.limits import HandleLimits
from resolver.handle.sources import BURST, Sources, network_of

LIMITS = HandleLimits(answers_per_source=10, octets_per_source=1_000, signed_per_source=2, signed_in_all=3)


def allowed(sources: Sources, address: str, now: float, octets: int = 1) -> int:
    """Return how many answers an address gets at an instant."""
    count = 0
    while sources.sender(address, now).bucket.allows(octets, now):
        count += 1
    return count


def test_a_source_gets_its_rate_and_twice_that_after_a_rest() -> None:
    sources = Sources(LIMITS)
    assert allowed(sources, "192.0.2.1", 0.0) == 20
    assert allowed(sources, "192.0.2.1", 0.5) == 5
    assert allowed(sources, "192.0.2.1", 100.0) == 20


def test_octets_count_as_well() -> None:
    assert allowed(Sources(LIMITS), "192.0.2.1", 0.0, octets=500) == 4


def test_addresses_of_one_network_share_what_they_get_and_others_do_not() -> None:
    sources = Sources(LIMITS)
    assert allowed(sources, "192.0.2.1", 0.0) == 20
    assert allowed(sources, "192.0.2.2", 0.0) == 0
    assert allowed(sources, "192.0.3.1", 0.0) == 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.255", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_a_network_is_a_24_of_ipv4_or_a_64_of_ipv6(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a row of a table
    assert (network_of(one) == network_of(other)) is same


def test_signatures_are_limited_for_each_source_and_for_all() -> None:
    sources = Sources(LIMITS)
    asked = ["192.0.2.1"] * 3 + ["192.0.3.1"] * 3
    given = [sources.allows_signature(sources.sender(address, 1.0), 1.0) for address in asked]
    assert given == [True, True, False, True, False, False]


def test_rested_senders_are_forgotten_and_those_of_late_are_not() -> None:
    sources = Sources(LIMITS)
    allowed(sources, "192.0.2.1", 0.0)
    allowed(sources, "192.0.3.1", 2.0)
    sources.forget(BURST + 0.5)
    assert set(sources.senders) == {"192.0.3.1"}


def test_however_many_senders_there_are_no_more_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SENDERS_MAX", 2)
    sources = Sources(LIMITS)
    for number in range(1, 6):
        sources.sender(f"192.0.{number}.1", 0.0)
    assert len(sources.senders) == 2
    assert allowed(sources, "192.0.4.1", 0.0) == 20
    assert allowed(sources, "192.0.5.1", 0.0) == 0, "those beyond share"
