"""The fast path of the Handle protocol agrees with the ordinary way, octet for octet, or leaves the request to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.handle_wire.codes import CERTIFY, KEEP_CONNECTION, PUBLIC_ONLY, REQUEST_FLAGS, RETURN_DIGEST
from identifiers.handle_wire.quick import quick_resolution
from identifiers.handle_wire.requests import Resolution as Asked
from identifiers.handle_wire.tcp import Framed, StreamFramer
from identifiers.handle_wire.versions import Version
from identifiers.values import Value
from resolver.counting import Tallies
from resolver.environment import MapLimits
from resolver.faces.desk import Desk
from resolver.handle.answering import NoAuthentication
from resolver.handle.dispatch import Dispatch
from resolver.handle.exchange import Peer
from resolver.handle.lane import Counted, Lane
from resolver.handle.resolve import Resolution
from resolver.handle.writing import Writing
from resolver.replica import ReplicaWriter
from resolver.replica_reader import ReplicaReader
from tests.integration.handle_worker import SITE, request
from tests.integration.running_worker import PREFIX, examples
from tests.unit.replica_states import identifier_change, prefix_change

NOW = 1_795_449_948
NAMES = [
    f"{PREFIX}/SN1",
    f"{PREFIX}/sn1",
    f"{PREFIX}/MIXED",
    f"{PREFIX}/HIDDEN",
    f"{PREFIX}/GONE",
    f"{PREFIX}/LARGE",
    f"{PREFIX}/EMPTY",
    f"{PREFIX}/NOPE",
    f"{PREFIX}/",
    f"{PREFIX}/a//b;c+d%2F../e",
    f"{PREFIX}/轴承",
    f"{PREFIX}/" + "x" * 300,
    f"{PREFIX}/" + "y" * 240,
    f"{PREFIX}/" + "z" * 450,
    "88.118.9/ab",
    "88.118.9/AB",
    "88.118.10/X",
    "20.500/X",
    PREFIX,
    f"0.NA/{PREFIX}",
]


class Node:
    """Both ways to an answer, over one replica with a hot table."""

    def __init__(self, directory: Path) -> None:
        self.writer = ReplicaWriter.create_next(directory, "epoch", MapLimits(1 << 20, 1 << 26))
        self.writer.apply([*examples(), identifier_change(90, f"{PREFIX}/" + "y" * 240, Value(1, "A", b"a"))])
        self.writer.publish()
        self.writer.keep_hot_table(wanted=True)
        assert self.writer.hot_table is not None
        while self.writer.hot_table.tend():
            pass
        assert self.writer.hot_table.figures.state == "live"
        self.desk = Desk(Tallies(), clock=lambda: NOW)
        self.desk.serve_from(ReplicaReader(directory))
        nobody = NoAuthentication()
        self.writing = Writing(SITE, None, nobody, self.desk.clock)
        self.dispatch = Dispatch(Resolution(self.desk, SITE, nobody), self.writing, nobody, SITE)
        self.lane = Lane(self.desk, self.writing.site, keeps=True)

    def fast(self, data: bytes, *, learnt: bool) -> bytes | None:
        """Answer on the fast path; `learnt`: as a request like one that came before."""
        self.lane.begin(NOW)
        try:
            quick = quick_resolution(data)
            seen = None if quick is None else self.lane.see(quick)
            if quick is None or seen is None:
                return self.lane.answer(data)
            if learnt:
                self.lane.learn(data, quick)
                return self.lane.answer(data)
            if seen.rc == 1:
                return self.lane.writer.found(quick, seen.values, NOW)
            return self.lane.writer.failed(quick, seen.rc, NOW)
        finally:
            self.lane.end()

    def ordinary(self, data: bytes) -> bytes | None:
        framer = StreamFramer()
        framer.feed(data)
        event = next(framer.events())
        if not isinstance(event, Framed):
            return self.dispatch.refuse(event.envelope, event.error).octets
        reply = self.dispatch.at_once(Peer("tcp", "127.0.0.1"), event.envelope, event.part, 0.0)
        return None if reply is None else reply.octets


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("lane") / "replica")
    yield made
    made.writing.close()
    assert made.desk.reader is not None
    made.desk.reader.close()
    made.writer.close()


VERSIONS = st.sampled_from([Version(2, 11), Version(2, 10), Version(2, 1), Version(1, 0), Version(5, 0), Version(3, 0)])
REQUESTS = st.builds(
    lambda name, indexes, types, flags, version, suggested, session: request(
        Asked(name, tuple(indexes), tuple(types)),
        flags=flags,
        version=version,
        suggested=suggested,
        session_id=session,
    ),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from([0, 1, 2, 3, 9]), max_size=2),
    st.lists(st.sampled_from(["URL", "url", "DOC.", "NOTE", "NOPE"]), max_size=2),
    st.sampled_from(
        [
            REQUEST_FLAGS,
            REQUEST_FLAGS & ~PUBLIC_ONLY,
            REQUEST_FLAGS | KEEP_CONNECTION,
            REQUEST_FLAGS | RETURN_DIGEST,
            REQUEST_FLAGS | CERTIFY,
        ]
    ),
    VERSIONS,
    st.sampled_from([Version(2, 11), Version(0, 0)]),
    st.sampled_from([0, 0, 0, 7]),
)


@given(data=REQUESTS, learnt=st.booleans())
def test_the_fast_path_says_what_the_ordinary_way_says_or_nothing(node: Node, data: bytes, *, learnt: bool) -> None:
    fast = node.fast(data, learnt=learnt)
    assert fast is None or fast == node.ordinary(data)


@given(REQUESTS, st.integers(0, 2_000), st.integers(0, 255))
def test_a_damaged_request_never_gets_another_answer_than_on_the_ordinary_way(
    node: Node, data: bytes, at: int, octet: int
) -> None:
    node.fast(data, learnt=True)
    damaged = bytearray(data)
    damaged[at % len(data)] = octet
    # Only what is whole is answered here; what is short waits for the rest on the ordinary way.
    fast = node.fast(bytes(damaged), learnt=True)
    assert fast is None or fast == node.ordinary(bytes(damaged))


def test_all_values_of_a_record_in_the_hot_table_need_no_second_look(node: Node) -> None:
    data = request(Asked(f"{PREFIX}/SN1"))
    assert node.fast(data, learnt=True) == node.ordinary(data)
    assert node.fast(data, learnt=True) is not None


def test_lookups_are_counted_where_the_record_was_found(node: Node) -> None:
    tallies = node.desk.tallies
    counted = Counted("127.0.0.1", "handle_tcp")
    for _ in range(2):
        tallies.drain()
        node.fast(request(Asked(f"{PREFIX}/SN1")), learnt=True)
        assert counted.habit is not node.lane.habit
        counted.adopt(tallies, node.lane.habit)
        counted.source.in_turn += 2
        tallies.count_turn([counted.source], NOW, 1)
        (entry,) = tallies.drain()
        assert (entry["prefix"], entry["sources"]) == (PREFIX, [["127.0.0.1", "found", 2]])


def test_a_prefix_that_is_hosted_here_no_longer_is_not_answered_out_of_habit(tmp_path: Path) -> None:
    node = Node(tmp_path / "replica")
    data = request(Asked(f"{PREFIX}/SN1"))
    found = node.fast(data, learnt=True)
    assert found is not None
    node.writer.apply([prefix_change(91, PREFIX, hosting="routed")])
    again = node.fast(data, learnt=True)
    assert again is None
    assert node.ordinary(data) != found
    node.writing.close()
    assert node.desk.reader is not None
    node.desk.reader.close()
    node.writer.close()
