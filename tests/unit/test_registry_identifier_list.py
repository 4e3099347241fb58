"""How a list of identifiers is cut into chunks."""

from hypothesis import example, given
from hypothesis import strategies as st

from registry.service.identifier_list import CHUNK_ENTRIES_MAX, cut


@given(st.integers(0, 2_000))
@example(749)
@example(751)
@example(1_500)
def test_chunks_are_the_list_in_order_small_at_its_ends(count: int) -> None:
    chunks = list(cut(range(count), alone=lambda: True))
    assert [at for chunk in chunks for at in chunk] == list(range(count))
    sizes = [len(chunk) for chunk in chunks]
    assert all(0 < size <= CHUNK_ENTRIES_MAX for size in sizes)
    if count > CHUNK_ENTRIES_MAX:
        assert sizes[0] == min(sizes), "those behind begin early, and none is too small to be worth it"
        assert sizes[0] < sizes[-1] < CHUNK_ENTRIES_MAX, "the caller does not wait for much"


def test_what_is_left_is_one_chunk_as_soon_as_another_list_is_under_way() -> None:
    assert [len(chunk) for chunk in cut(range(1_500), alone=lambda: False)] == [1_500]
    alone = iter((True, False))
    first, rest = cut(range(1_500), alone=lambda: next(alone))
    assert [*first, *rest] == list(range(1_500))
    assert len(first) < len(rest)
