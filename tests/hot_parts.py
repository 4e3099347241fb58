"""What the hot table has for a name, taken apart for comparison."""

_BEHIND = b'","values":'
_ETAG_OCTETS = 16


def public_json(parts: tuple[bytes, bytes] | None) -> bytes | None:
    """Return the public JSON of what was found; None for nothing."""
    if parts is None:
        return None
    assert parts[1].startswith(_BEHIND)
    assert parts[1].endswith(b"]}")
    return parts[1][len(_BEHIND) : -1]


def entity_tag(parts: tuple[bytes, bytes]) -> bytes:
    """Return the entity tag of what was found, without quotes."""
    return parts[0][:_ETAG_OCTETS]
