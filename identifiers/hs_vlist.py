"""HS_VLIST: a list of values elsewhere, usually the keys of a group of administrators (RFC 3651, section 3.2.7)."""

from typing import Any, Final

from identifiers.json_shape import as_list, as_reference
from identifiers.octets import OctetReader, string
from identifiers.values import Reference

REFERENCE_OCTETS_MIN: Final = 8


def read_references(reader: OctetReader) -> tuple[Reference, ...]:
    """Read a counted list of references."""
    return tuple(Reference(reader.text(), reader.u4()) for _ in range(reader.count(REFERENCE_OCTETS_MIN)))


def parse_vlist(octets: bytes) -> tuple[Reference, ...]:
    """Parse the data of an HS_VLIST value; raise WireError if it is none. Octets after the list are ignored."""
    return read_references(OctetReader(octets))


def encode_references(references: tuple[Reference, ...]) -> bytes:
    """Return a counted list of references, which is also the data of an HS_VLIST value."""
    items = [string(reference.handle.encode()) + reference.index.to_bytes(4, "big") for reference in references]
    return len(references).to_bytes(4, "big") + b"".join(items)


def references_to_json(references: tuple[Reference, ...]) -> list[dict[str, Any]]:
    """Return references as JSON shows them."""
    return [{"handle": reference.handle, "index": reference.index} for reference in references]


def references_from_json(raw: Any, field: str) -> tuple[Reference, ...]:
    """Read references from JSON; raise ValuesError naming the member at fault."""
    return tuple(as_reference(item, f"{field}[{at}]") for at, item in enumerate(as_list(raw, field)))


def vlist_to_json(octets: bytes) -> list[dict[str, Any]]:
    """Return what the JSON format ``vlist`` shows; raise WireError if the octets are no HS_VLIST data."""
    return references_to_json(parse_vlist(octets))


def vlist_from_json(raw: Any, field: str) -> bytes:
    """Return the data for a value of the JSON format ``vlist``."""
    return encode_references(references_from_json(raw, field))
