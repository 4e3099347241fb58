"""Which values of a record an answer carries (RFC 3652, section 3.2.1): by index and type, and the public ones.

Who may read the others is decided in `visibility`.
"""

from collections.abc import Collection, Iterable

from identifiers.handle import fold
from identifiers.values import ADMIN_READ, PUBLIC_READ, Value, is_public


def select(values: Iterable[Value], indexes: Collection[int] = (), types: Iterable[str] = ()) -> tuple[Value, ...]:
    """Return the values whose index is listed or whose type matches, each once; with both lists empty, all of them.

    Types have no ASCII case; one ending in a dot takes everything below it as well (``X.`` takes ``X`` and ``X.Y``).
    Index 0 selects nothing, because no value has it.
    """
    wanted = {fold(type_) for type_ in types}
    if not indexes and not wanted:
        return tuple(values)
    exact = frozenset(type_.removesuffix(".") for type_ in wanted)
    below = tuple(type_ for type_ in wanted if type_.endswith("."))
    return tuple(
        value
        for value in values
        if value.index in indexes or (folded := fold(value.type)) in exact or folded.startswith(below)
    )


def is_private(value: Value) -> bool:
    """Say whether only administrators with the right to read may read the value."""
    return bool(value.permissions & (PUBLIC_READ | ADMIN_READ)) and not is_public(value)


def publicly_readable(values: Iterable[Value]) -> tuple[Value, ...]:
    """Return the values anyone may read."""
    return tuple(value for value in values if is_public(value))
