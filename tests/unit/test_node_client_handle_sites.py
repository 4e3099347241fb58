"""What a recursive look-up remembers: for as long as its TTL says, and never more than so much."""

import asyncio
from dataclasses import dataclass

import pytest

from identifiers.handle_wire.answers import Resolved
from identifiers.handle_wire.client import Received
from identifiers.handle_wire.codes import Op, ResponseCode
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.versions import OURS
from identifiers.hs_site import ADMINISTRATION, QUERY, Interface, Server, Site, encode_site
from identifiers.values import Value
from node.client import handle_recursion
from node.client.errors import UsageError
from node.client.handle_address import HandleAddress, HandlePlace, parse_address, place_at, place_of
from node.client.handle_recursion import HandleNetwork
from node.client.handle_server import Manner
from node.client.handle_sites import PrefixSites, SiteCache, kept_until, places, sites_in

ROOT = HandleAddress("192.0.2.1", 2641)
LEAF = HandleAddress("192.0.2.2", 2641)
NOBODY = PrefixSites((), ())
NAME = "88.118.8/SN1"


def server(address: bytes, *interfaces: Interface) -> Server:
    return Server(1, address, b"", interfaces)


def v4(last: int) -> bytes:
    return bytes(12) + bytes((192, 0, 2, last))


BOTH = Interface(ADMINISTRATION | QUERY, 1, 2641), Interface(QUERY, 0, 2642)
SITE = Site(1, 0x80, (server(v4(2), Interface(QUERY, 1, 2641)),))


def test_what_was_learned_is_forgotten_when_its_time_is_over() -> None:
    cache = SiteCache()
    cache.put("88.118", NOBODY, until_s=100)
    assert cache.get("88.118", 99) is NOBODY
    assert cache.get("88.118", 100) is None
    assert len(cache) == 0


def test_the_prefix_that_was_not_used_for_longest_goes_first() -> None:
    cache = SiteCache(prefixes_max=2)
    for prefix in ("a", "b"):
        cache.put(prefix, NOBODY, until_s=100)
    assert cache.get("A", 0) is NOBODY
    cache.put("c", NOBODY, until_s=100)
    assert [cache.get(prefix, 0) for prefix in ("a", "b", "c")] == [NOBODY, None, NOBODY]


def test_times_are_those_of_the_values_within_bounds() -> None:
    assert kept_until([Value(1, "A", b"", ttl=500), Value(2, "A", b"", ttl=90)], 1_000) == 1_090
    assert kept_until([Value(1, "A", b"", ttl=1_300, ttl_absolute=True)], 1_000) == 1_300
    assert kept_until([Value(1, "A", b"", ttl=0)], 1_000) == 1_010
    assert kept_until([Value(1, "A", b"", ttl=10**9)], 1_000) == 1_000 + 86_400
    assert kept_until([], 1_000) == 1_010


def test_sites_are_told_apart_from_delegations_and_rubbish_is_passed_over() -> None:
    data = encode_site(SITE)
    values = [
        Value(1, "hs_site", data),
        Value(2, "HS_SITE.PREFIX", data),
        Value(3, "HS_SITE", b"x"),
        Value(4, "U", b""),
    ]
    assert sites_in(values) == PrefixSites((SITE,), (SITE,))
    assert sites_in([Value(index, "HS_SITE", data) for index in range(1, 100)]).own == (SITE,) * 32


def test_the_responsible_server_of_each_site_is_asked() -> None:
    three = Site(1, 0x80, tuple(server(v4(last), *BOTH) for last in (1, 2, 3)))
    (place,) = places((three,), "20.500.999/T1")
    assert place == HandlePlace(HandleAddress("192.0.2.3", 2641), HandleAddress("192.0.2.3", 2642))
    assert places((three, three, ROOT), "20.500.999/T1") == [place, place_at(ROOT)]
    assert places((Site(1, 0x80, ()),), NAME) == []


def test_servers_that_answer_no_look_ups_by_tcp_or_udp_are_passed_over() -> None:
    assert place_of(server(v4(1), Interface(ADMINISTRATION, 1, 2641), Interface(QUERY, 2, 8000))) is None
    assert place_of(server(v4(1), Interface(QUERY, 1, 0), Interface(QUERY, 0, 70_000))) is None
    assert place_of(server(bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 9)), BOTH[1])) == HandlePlace(
        None, HandleAddress("192.0.2.9", 2642)
    )
    six = place_of(server(bytes.fromhex("20010db8") + bytes(11) + b"\1", BOTH[0]))
    assert str(six) == "[2001:db8::1]:2641"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", ROOT),
        ("192.0.2.1:2641", ROOT),
        ("[2001:db8::1]:9", HandleAddress("2001:db8::1", 9)),
        ("root.example", HandleAddress("root.example", 2641)),
    ],
)
def test_addresses_are_read_with_and_without_port(text: str, address: HandleAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":1", "a:b", "a:0", "a:70000", "http://a", "u@a", "[::1", "a?b/c"])
def test_other_texts_are_no_addresses(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Asked(HandleNetwork):
    """A network that answers from a table instead of sockets."""

    def __init__(self, clock: Clock, table: dict[tuple[HandleAddress, str], tuple[Value, ...] | int]) -> None:
        super().__init__((ROOT,), Manner(clock=clock))
        self.table = table
        self.questions: list[str] = []

    async def ask(self, place: HandlePlace, name: str, types: object, indexes: object) -> Received:  # noqa: ARG002 - the table decides
        self.questions.append(name)
        found = self.table.get((place.tcp or ROOT, name), int(ResponseCode.HANDLE_NOT_FOUND))
        values, rc = ((), found) if isinstance(found, int) else (found, 1)
        return Received(Envelope(OURS, 0, OURS, 0, 1, 0, 0), Header(Op.RESOLUTION, rc, 0), Resolved(name, values))


def test_sites_are_asked_for_again_only_when_their_ttl_is_over() -> None:
    clock = Clock()
    site = (Value(1, "HS_SITE", encode_site(SITE), ttl=60),)
    network = Asked(clock, {(ROOT, "0.NA/88.118.8"): site, (LEAF, NAME): (Value(1, "U", b""),)})
    for now_s, questions in [(1_000, 2), (1_059, 1), (1_060, 2)]:
        clock.now_s, network.questions = now_s, []
        assert asyncio.run(network.resolve(NAME)).outcome == "found"
        assert len(network.questions) == questions


def test_a_server_that_is_no_longer_responsible_lets_the_prefix_be_looked_up_again() -> None:
    site = (Value(1, "HS_SITE", encode_site(SITE)),)
    network = Asked(Clock(), {(ROOT, "0.NA/88.118.8"): site, (LEAF, NAME): 301})
    assert asyncio.run(network.resolve(NAME)).outcome == "absent"
    assert network.questions == ["0.NA/88.118.8", NAME] * 2


def test_one_code_costs_no_more_than_so_many_questions() -> None:
    deep = ".".join(["88"] + ["1"] * 60)
    network = Asked(Clock(), {})
    assert asyncio.run(network.resolve(f"{deep}/x")).outcome == "absent"
    assert len(network.questions) <= handle_recursion.QUESTIONS_MAX
