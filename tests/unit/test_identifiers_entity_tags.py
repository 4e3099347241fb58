"""The entity tags of a record: one for each way in which lookups show it (Handle over HTTP, 3.2 and 10.4)."""

from identifiers.entity_tags import entity_tag, tags_shown
from identifiers.value_json import values_to_json
from identifiers.values import Value

PUBLIC, OTHER = Value(1, "URL", b"https://example.com/"), Value(2, "URL", b"https://example.org/")
PRIVATE = Value(7, "PRICE", b"12", permissions=0b1100)
NOBODYS = Value(8, "SECRET", b"x", permissions=0b0101)


def tag(*values: Value) -> str:
    return entity_tag(values_to_json(values, exact=False))


def test_a_record_has_the_tag_of_its_public_part_and_that_of_its_administrators() -> None:
    assert tags_shown([PUBLIC, OTHER, PRIVATE, NOBODYS]) == {tag(PUBLIC, OTHER), tag(PUBLIC, OTHER, PRIVATE)}


def test_single_values_have_tags_of_their_own() -> None:
    shown = tags_shown([PUBLIC, OTHER, PRIVATE, NOBODYS], [1, 7])
    assert shown == {tag(PUBLIC, OTHER), tag(PUBLIC, OTHER, PRIVATE), tag(PUBLIC), tag(PUBLIC, PRIVATE)}


def test_a_tag_is_of_sixteen_hexadecimal_digits() -> None:
    assert len(bytes.fromhex(tag(PUBLIC))) == 8
