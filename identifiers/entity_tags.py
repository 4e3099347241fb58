"""Entity tags: what lookups show of a record, and what a change can depend on (Handle over HTTP, 3.2). Pure."""

from collections.abc import Iterable

from xxhash import xxh3_64_hexdigest

from identifiers.selection import publicly_readable, select
from identifiers.value_json import values_to_json
from identifiers.values import Value
from identifiers.visibility import readable


def entity_tag(values_json: bytes) -> str:
    """Return the tag, 16 hexadecimal digits, of values as a lookup shows them: a JSON array."""
    return xxh3_64_hexdigest(values_json)


def tags_shown(values: Iterable[Value], indexes: Iterable[int] = ()) -> frozenset[str]:
    """Return the tags that lookups give a record: as anybody sees it and as its administrators do.

    With `indexes` those of these values alone too, because who changes single values has usually read just them.
    """
    kept = tuple(values)
    views = [publicly_readable(kept), readable(kept, admin=True, owner=False)]
    if chosen := frozenset(indexes):
        views += [select(view, chosen) for view in tuple(views)]
    return frozenset(entity_tag(values_to_json(view, exact=False)) for view in views)
