"""Which values of a record one request may see, and the response code that says so (Handle resolution, order)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from identifiers.changes import PrefixState
from identifiers.entity_tags import entity_tag
from identifiers.selection import is_private, publicly_readable, select
from identifiers.value_json import values_to_json
from identifiers.values import Value
from resolver.faces.handle_answer import (
    ACCESS_DENIED,
    AUTHENTICATION_NEEDED,
    LACKS_RIGHT,
    SUCCESS,
    VALUES_NOT_FOUND,
)
from resolver.faces.handle_query import Wanted
from resolver.faces.reading_rights import Access
from resolver.record import Record


class Reader(Protocol):
    """Who asks with a credential that counts."""

    def access(self, record: Record, prefix: PrefixState) -> Access:
        """Return what may be seen of a record below a prefix."""


@dataclass(frozen=True, slots=True)
class Visible:
    """The response code, and for codes 1 and 200 the values as a JSON array with their entity tag (16 hex digits)."""

    code: int
    values_json: bytes = b"[]"
    etag: str = ""

    @property
    def denied(self) -> bool:
        """Whether values exist that the request asked for and may not see."""
        return self.code not in (SUCCESS, VALUES_NOT_FOUND)


def visible(record: Record, prefix: PrefixState, wanted: Wanted, rights: Reader | None) -> Visible:
    """Decide. Where only public values are asked for, no others seem to exist; `rights` None: without a credential."""
    public_only = rights is None if wanted.public_only is None else wanted.public_only
    if public_only or not record.restricted:
        return _public_part(record, wanted)
    access = rights.access(record, prefix) if rights is not None else Access()
    # A credential without the right, and no word about restricted values: what it may see, not a refusal.
    unspoken = wanted.public_only is None and not access.privileged
    if unspoken and not access.granted:
        return _public_part(record, wanted)
    selected = select(record.values(), wanted.indexes, wanted.types)
    shown = tuple(value for value in selected if access.shows(value))
    if not selected or unspoken:
        return _showing(shown)
    if any(is_private(value) and not access.shows(value) for value in selected):
        return Visible(LACKS_RIGHT if rights is not None else AUTHENTICATION_NEEDED)
    return _showing(shown) if shown else Visible(ACCESS_DENIED)


def chosen(values: Iterable[Value], wanted: Wanted) -> Visible:
    """Return those of public values that are asked for."""
    return _showing(select(values, wanted.indexes, wanted.types))


def all_visible(record: Record, prefix: PrefixState, rights: Reader | None) -> tuple[bytes, list[int]]:
    """Return every value a credential opens, as a JSON array, and the indexes of those withheld."""
    if not record.restricted:
        return record.public_json, []
    access = rights.access(record, prefix) if rights is not None else Access()
    values = record.values()
    shown = tuple(value for value in values if access.shows(value))
    return values_to_json(shown, exact=False), [value.index for value in values if not access.shows(value)]


def _public_part(record: Record, wanted: Wanted) -> Visible:
    if wanted.everything:
        values_json = record.public_json
        return Visible(_code(values_json), values_json, record.etag.decode("ascii"))
    return _showing(select(publicly_readable(record.values()), wanted.indexes, wanted.types))


def _showing(values: tuple[Value, ...]) -> Visible:
    values_json = values_to_json(values, exact=False)
    return Visible(_code(values_json), values_json, entity_tag(values_json))


def _code(values_json: bytes) -> int:
    return VALUES_NOT_FOUND if values_json == b"[]" else SUCCESS
