"""Reading a deposit's XML, entry by entry; what does not follow the form is refused (docking contract 7.4)."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Final, cast
from xml.parsers import expat

from sync.escrow.errors import PackagingFailed
from sync.escrow.shape import NAMESPACE, Entry, Head, Kind

_READ_OCTETS: Final = 262_144
TEXT_CHARACTERS_MAX: Final = 128 * 1024 * 1024
"""Longest data of one row: a file of 32 MiB in hex stays below."""
TAG_OCTETS_MAX: Final = 8 * 1024 * 1024
"""Longest tag with its attributes: the parser keeps what it has not understood yet."""
_SEPARATOR: Final = " "
_PATH: Final = {
    ("deposit",): "head",
    ("deposit", "watermark"): "text",
    ("deposit", "menu"): "",
    ("deposit", "menu", "version"): "text",
    ("deposit", "menu", "objects"): "text",
    ("deposit", "deletes"): "",
    ("deposit", "deletes", "row"): "row",
    ("deposit", "contents"): "",
    ("deposit", "contents", "row"): "row",
    ("deposit", "contents", "row", "data"): "text",
}
_ID: Final = re.compile(r"[0-9]{8}T[0-9]+Z-(?P<prefix>[0-9]+(\.[0-9]+)*)-(?P<resend>[0-9]+)")


class _Reader:
    """Takes what the parser says, and gathers entries."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._path: list[str] = []
        self._attributes: dict[str, str] = {}
        self._row: dict[str, str] = {}
        self._text: list[str] = []
        self._characters = 0
        self._data: str | None = None
        self._values: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(_SEPARATOR)
        self._path.append(local)
        what = _PATH.get(tuple(self._path))
        if namespace != NAMESPACE or what is None:
            raise PackagingFailed(f"the XML holds an element {'/'.join(self._path)[:200]} that no deposit has")
        self._text.clear()
        self._characters = 0
        if what == "head":
            self._attributes = attributes
        elif what == "row":
            self._row, self._data = attributes, None

    def text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > TEXT_CHARACTERS_MAX:
            raise PackagingFailed(f"the XML holds a text of more than {TEXT_CHARACTERS_MAX} characters")
        self._text.append(text)

    def end(self, _: str) -> None:
        what, text = self._path.pop(), "".join(self._text)
        if what == "row":
            self.entries.append(self._entry())
        elif what == "data":
            self._data = text
        elif what in ("watermark", "version", "objects"):
            self._values[what] = text
        self._text.clear()
        self._characters = 0

    def refuse_document_type(self, *_: object) -> None:
        raise PackagingFailed("the XML has a document type, which no deposit has")

    def head(self) -> Head:
        """Return the head; it is complete before the first entry."""
        found = _ID.fullmatch(self._attributes.get("id", ""))
        kind = self._attributes.get("type")
        if found is None or kind not in ("FULL", "DIFF") or self._values.get("version") != "1":
            raise PackagingFailed("the XML has no proper head: id, type and version 1 are needed")
        try:
            watermark = datetime.fromisoformat(self._values.get("watermark", ""))
        except ValueError:
            raise PackagingFailed("the XML has no proper watermark") from None
        return Head(
            id=found[0],
            kind=cast("Kind", kind),
            prefix=found["prefix"],
            watermark=watermark,
            prev_id=self._attributes.get("prevId"),
            resend=int(found["resend"]),
            objects=tuple(self._values.get("objects", "").split()),
        )

    def _entry(self) -> Entry:
        row, deleted = self._row, self._path == ["deposit", "deletes"]
        table, key, ver = row.get("table"), row.get("key"), row.get("ver", "")
        if table is None or key is None or not (ver.isascii() and ver.isdigit()) or (self._data is None) != deleted:
            raise PackagingFailed("the XML holds a row without table, key, ver or data")
        return Entry(table, key, int(ver), None if self._data is None else self._data.encode())


def read_document(stream: IO[bytes]) -> tuple[Head, Iterator[list[Entry]]]:
    """Return the head and, page by page, the entries. Raises PackagingFailed, also while the pages are read."""
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", _SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_document_type
    pages = _pages(stream, parser, reader)
    first = next(pages, [])

    def all_pages() -> Iterator[list[Entry]]:
        yield first
        yield from pages

    return reader.head(), all_pages()


def _pages(stream: IO[bytes], parser: expat.XMLParserType, reader: _Reader) -> Iterator[list[Entry]]:
    try:
        fed = 0
        while octets := stream.read(_READ_OCTETS):
            parser.Parse(octets, False)  # noqa: FBT003 - the library takes it by position only
            fed += len(octets)
            if fed - parser.CurrentByteIndex > TAG_OCTETS_MAX:
                raise PackagingFailed(f"the XML holds a tag of more than {TAG_OCTETS_MAX} octets")
            if reader.entries:
                page, reader.entries = reader.entries, []
                yield page
        parser.Parse(b"", True)  # noqa: FBT003 - the library takes it by position only
    except expat.ExpatError as error:
        raise PackagingFailed(f"the XML is damaged: {error}") from None
