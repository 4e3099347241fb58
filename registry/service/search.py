"""Finding records: by the value of a searchable item, by the template they follow, or both.

What a record is found by must be among what the reader may see of it: a search never tells of a value that the record
itself would withhold. Values that only a grant opens are not searched for, and by value only those search who may read
the others: cursors hold values, and an empty page with more behind it tells of them too. So a page may be shorter than
its limit while there are more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from identifiers.value_json import decode_stored
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import Forbidden, InvalidRequest, NotFound
from registry.service import templates
from registry.service.indexed_values import search_text
from registry.service.prefixes import unknown_prefix
from registry.service.records import Seen, see, standing
from registry.tables import identifiers, prefixes, search_values
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.search_values import Hit
from registry.tables.templates import Template

VALUE_CHARACTERS_MAX: Final = 4_096
START: Final = Hit("", "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: a value at an index, or what it begins with, and the code of the template to follow."""

    prefix: str
    template: str | None = None
    index: int | None = None
    value: str | None = None
    begins: str | None = None

    @property
    def text(self) -> str | None:
        """The value, or its beginning."""
        return self.value if self.value is not None else self.begins

    def fits(self, record: Record) -> bool:
        """Say whether what may be seen of a record has the value."""
        return any(
            value.index == self.index
            and (
                value.data == self.value.encode()
                if self.value is not None
                else value.data.startswith((self.begins or "").encode())
            )
            for value in decode_stored(record.values)
        )


async def find(
    connection: Connection, principal: Principal, wanted: Wanted, after: Hit, limit: int
) -> tuple[list[Seen], Hit | None]:
    """Return the next records, and the position behind which the next page begins; None after the last one.

    By value they come in the order of values and keys, by template alone in that of keys. Raises `InvalidRequest` for
    a search that names neither a value with its index nor a template.
    """
    authorise(principal, Action.SEARCH_IDENTIFIERS)
    _check(wanted)
    prefix = await prefixes.by_prefix(connection, wanted.prefix)
    if prefix is None:
        raise unknown_prefix(wanted.prefix)
    check_reaches(principal, Action.SEARCH_IDENTIFIERS, prefix.enterprise)
    if wanted.text is not None and not any(standing(principal, prefix)):
        raise Forbidden(
            "role_not_allowed",
            f"the role {principal.role} may not search by value: that tells of values that are not public",
            remedy="search by template, or with a token of the enterprise",
        )
    template = await _template(connection, wanted.template)
    hits = await _hits(connection, prefix, template, wanted, after, limit)
    records = await identifiers.in_order(connection, prefix.id, [hit.key for hit in hits])
    following = hits[-1] if len(hits) == limit else None
    if sum(len(record.values) for record in records) >= identifiers.PAGE_OCTETS_MAX:
        following = next(hit for hit in hits if hit.key == records[-1].key)
    seen = await see(connection, principal, prefix, _of_template(records, wanted.template))
    return [one for one in seen if wanted.text is None or wanted.fits(one.record)], following


def _check(wanted: Wanted) -> None:
    if wanted.value is not None and wanted.begins is not None:
        raise _bad_search("value and begins exclude each other", "leave one of them out")
    text = wanted.text
    if (text is None) != (wanted.index is None):
        raise _bad_search("a value is looked for at an index", "give index together with value or begins")
    if text is None and wanted.template is None:
        raise _bad_search("nothing to look for is named", "give index and value, index and begins, or template")
    if text is not None and not 1 <= len(text) <= VALUE_CHARACTERS_MAX:
        raise _bad_search(f"a value has 1 to {VALUE_CHARACTERS_MAX:,} characters", "give another value")


async def _template(connection: Connection, code: str | None) -> Template | None:
    found = await templates.stored(connection, code)
    if code is not None and found is None:
        raise NotFound("unknown_template", f"there is no template {code}", remedy="list the templates to find its code")
    return found


async def _hits(
    connection: Connection, prefix: Prefix, template: Template | None, wanted: Wanted, after: Hit, limit: int
) -> Sequence[Hit]:
    if wanted.text is None or wanted.index is None:
        assert template is not None  # noqa: S101 - a search without value names a template
        keys = await identifiers.of_template(connection, template.id, prefix.id, after.key, limit)
        return [Hit("", key) for key in keys]
    text = search_text(wanted.text.encode())
    if not text:  # U+0000, which no text that is searched for holds
        return []
    return await search_values.find(
        connection, prefix.id, wanted.index, text, beginning=wanted.value is None, after=after, limit=limit
    )


def _of_template(records: Sequence[Record], code: str | None) -> list[Record]:
    return [record for record in records if record.state == "active" and code in (None, record.template)]


def _bad_search(message: str, remedy: str) -> InvalidRequest:
    return InvalidRequest("bad_search", message, remedy=remedy)
