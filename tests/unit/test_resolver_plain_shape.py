"""Records of one shape: the short way gives the octets of the careful one, and is taken where records are alike."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers.changes import IdentifierState
from identifiers.values import Reference, Value
from resolver import record
from resolver.plain_shape import MISSES_MAX, Shape, Shapes
from tests.unit.replica_states import identifier_state

NAME = "88.118.8/SN0001"
TEXTS = st.sampled_from(
    [
        b"",
        b"A10",
        "泵".encode(),
        b'say "x"',
        b"back\\slash",
        b"line\nbreak",
        b'"value":"',
        b"value",
        b"\x00\xff",
        b"},{",
    ]
)
VALUES = st.builds(
    Value,
    st.just(0),
    st.sampled_from(["NOTE", "MODEL", "URL", "HS_SECKEY", "泵", 'say"x"']),
    TEXTS,
    permissions=st.sampled_from([0b1110, 0b1110, 0b1110, 0b1100]),
    ttl=st.sampled_from([86_400, 86_400, 60]),
    timestamp=st.sampled_from([0, 1_935_000_000]),
    references=st.sampled_from([(), (), (Reference("88.118.8/A", 1),)]),
)


def plain(*texts: bytes, timestamp: int = 1_935_000_000) -> list[Value]:
    return [Value(2000 + at, f"ITEM{at}", text, timestamp=timestamp) for at, text in enumerate(texts)]


def of(values: Sequence[Value], template: str | None = "pump") -> IdentifierState:
    return identifier_state(NAME, *values, template=template)


@pytest.fixture(autouse=True)
def shapes(monkeypatch: pytest.MonkeyPatch) -> Shapes:
    fresh = Shapes()
    monkeypatch.setattr(record, "_shapes", fresh)
    return fresh


def with_care(state: IdentifierState) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "_shapes", Shapes())
        return record.render(state)


@given(st.lists(st.lists(VALUES, max_size=3), min_size=1, max_size=6))
@settings(max_examples=200)
def test_what_was_rendered_before_changes_no_record(drawn: list[list[Value]]) -> None:
    for values in drawn:
        numbered = [
            Value(at, one.type, one.data, one.permissions, one.ttl, timestamp=one.timestamp, references=one.references)
            for at, one in enumerate(values, 1)
        ]
        for state in (of(numbered), of(plain(*(one.data for one in values)))):
            assert record.render(state) == with_care(state)


def test_records_that_are_alike_are_found(shapes: Shapes) -> None:
    record.render(of(plain(b"Pump 1", b"A10")))
    stored = bytes(of(plain("Насос 2".encode(), b"")).values)
    assert shapes.find("pump", stored) is not None
    assert shapes.find("valve", stored) is None


@pytest.mark.parametrize(
    "other",
    [
        plain(b"Pump 2", b"A10", timestamp=1_935_000_001),
        plain(b"Pump 2"),
        plain(b"Pump 2", b"A10", b"B1"),
        plain(b"Pump 2", b'A"10'),
        [*plain(b"Pump 2"), Value(2001, "ITEM1", b"A10", permissions=0b1100, timestamp=1_935_000_000)],
        [*plain(b"Pump 2"), Value(2001, "ITEM1", b"A10", ttl=60, timestamp=1_935_000_000)],
    ],
)
def test_records_that_are_not_are_not(shapes: Shapes, other: list[Value]) -> None:
    record.render(of(plain(b"Pump 1", b"A10")))
    assert shapes.find("pump", bytes(of(other).values)) is None


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_octets_that_are_no_record_are_found_for_none(shapes: Shapes, cut: int) -> None:
    state = of(plain(b"Pump 1", b"A10"))
    record.render(state)
    assert shapes.find("pump", bytes(state.values)[:-cut]) is None


@pytest.mark.parametrize(
    "values",
    [
        [],
        [Value(1, "URL", b"https://example.com/1")],
        [Value(1, "NOTE", b"x", permissions=0b1100)],
        [Value(300, "HS_SECKEY", b"secret")],
        [Value(1, "NOTE", b"\x00\xff")],
        [Value(1, "NOTE", b"x", references=(Reference("88.118.8/A", 1),))],
    ],
)
def test_nothing_is_learnt_from_other_records(shapes: Shapes, values: list[Value]) -> None:
    state = of(values)
    assert record.render(state) == record.render(state) == with_care(state)
    assert shapes.find("pump", bytes(state.values)) is None


def test_where_no_two_are_alike_hardly_anything_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = 0
    learn = Shape.of

    def counted(stored: bytes, values: Sequence[Value], life: tuple[int, int]) -> Shape | None:
        nonlocal learnt
        learnt += 1
        return learn(stored, values, life)

    monkeypatch.setattr(Shape, "of", counted)
    for number in range(10 * MISSES_MAX):
        record.render(of(plain(b"Pump", timestamp=1_935_000_000 + number)))
    assert 2 < learnt < 20
    for _ in range(MISSES_MAX + 2):
        record.render(of(plain(b"Pump", timestamp=1)))
    before = learnt
    for _ in range(MISSES_MAX):
        record.render(of(plain(b"Pump", timestamp=1)))
    assert learnt == before
