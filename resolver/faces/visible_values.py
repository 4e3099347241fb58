"""Which values of a record one request may see, and the response code that says so (Handle resolution, order)."""

from dataclasses import dataclass
from hashlib import blake2b

from identifiers.changes import PrefixState
from identifiers.selection import is_private, publicly_readable, readable_by_administrators, select
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
from resolver.faces.reading_rights import Rights
from resolver.record import Record


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


def visible(record: Record, prefix: PrefixState, wanted: Wanted, rights: Rights) -> Visible:
    """Decide. Values without a read bit never leave; where only public ones are asked for, no others seem to exist."""
    public_only = not rights.authenticated if wanted.public_only is None else wanted.public_only
    # A credential without the right, and no word about restricted values: the public ones, not a refusal.
    unspoken = wanted.public_only is None and not rights.may_read_all(prefix)
    if public_only or unspoken or not record.restricted:
        return _public_part(record, wanted)
    selected = select(record.values(), wanted.indexes, wanted.types)
    if not selected:
        return _showing(())
    if any(map(is_private, selected)):
        if rights.may_read_all(prefix):
            return _showing(readable_by_administrators(selected))
        return Visible(LACKS_RIGHT if rights.authenticated else AUTHENTICATION_NEEDED)
    public = publicly_readable(selected)
    return _showing(public) if public else Visible(ACCESS_DENIED)


def _public_part(record: Record, wanted: Wanted) -> Visible:
    if wanted.everything:
        values_json = record.public_json
        return Visible(_code(values_json), values_json, record.etag.decode("ascii"))
    return _showing(select(publicly_readable(record.values()), wanted.indexes, wanted.types))


def _showing(values: tuple[Value, ...]) -> Visible:
    values_json = values_to_json(values)
    return Visible(_code(values_json), values_json, blake2b(values_json, digest_size=8).hexdigest())


def _code(values_json: bytes) -> int:
    return VALUES_NOT_FOUND if values_json == b"[]" else SUCCESS
