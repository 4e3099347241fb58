"""Where the values of a request stand in it: refusals name them as their sender counts them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from identifiers.values import Value
from registry.errors import Conflict, FieldError, Forbidden, InvalidFields

_PLACE: Final = re.compile(r"values\[(?P<place>[0-9]+)\](?P<member>.*)")


@contextmanager
def placed_as_sent(sent: Any, checked: Sequence[Value]) -> Iterator[None]:
    """Let refusals say which of the values sent they mean: those checked are sorted, and more of them were stored.

    A fault of a value that was not sent is one of `values`. What came as a tuple is in order.
    """
    try:
        yield
    except (Conflict, Forbidden, InvalidFields) as error:
        if isinstance(sent, tuple) or not error.errors:
            raise
        places = {int(one["index"]): at for at, one in enumerate(sent)}
        errors = tuple(_moved(fault, checked, places) for fault in error.errors)
        raise type(error)(error.code, error.message, remedy=error.remedy, errors=errors) from error


def _moved(fault: FieldError, checked: Sequence[Value], places: Mapping[int, int]) -> FieldError:
    match = _PLACE.fullmatch(fault.field)
    if match is None:
        return fault
    place = places.get(checked[int(match["place"])].index)
    return fault._replace(field=f"values[{place}]{match['member']}" if place is not None else "values")
