"""How a list of identifiers is cut into chunks."""

from hypothesis import example, given
from hypothesis import strategies as st

from registry.service.identifier_list import CHUNK_ENTRIES_MAX, cut


@given(st.integers(0, 2_000))
@example(201)
@example(1_500)
def test_chunks_are_the_list_in_order_small_at_its_ends(count: int) -> None:
    chunks = list(cut(range(count)))
    assert [at for chunk in chunks for at in chunk] == list(range(count))
    sizes = [len(chunk) for chunk in chunks]
    assert all(0 < size <= CHUNK_ENTRIES_MAX for size in sizes)
    if count > CHUNK_ENTRIES_MAX:
        assert max(sizes[0], sizes[-1]) <= CHUNK_ENTRIES_MAX / 2, "others begin early, and the caller waits for little"
