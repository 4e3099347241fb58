"""A deposit as XML, namespace `urn:idnode:escrow:1` (docking contract 7.4), streamed; memory holds a few entries."""

import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Final
from xml.sax.saxutils import escape, quoteattr

from sync.calendar_time import instant
from sync.escrow.shape import NAMESPACE, Counts, Entry, Head

_READ_OCTETS: Final = 1_048_576
_GATHERED_OCTETS: Final = 262_144
# XML 1.0 has no way to write these; JSON has, and they stand in its texts only.
_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


async def document(head: Head, entries: AsyncIterator[Entry], counts: Counts, work: Path) -> AsyncIterator[bytes]:
    """Yield the document. What is gone stands before what is there, so the contents of a DIFF wait in a file."""
    yield _opening(head)
    if head.kind == "FULL":
        yield b"  <deletes/>\n  <contents>\n"
        async for octets in _gathered(entries, counts):
            yield octets
    else:
        with tempfile.TemporaryFile(dir=work) as deletes, tempfile.TemporaryFile(dir=work) as contents:
            async for entry in entries:
                counts.add(entry)
                (deletes if entry.data is None else contents).write(_row(entry))
            yield b"  <deletes>\n"
            for octets in _read_again(deletes):
                yield octets
            yield b"  </deletes>\n  <contents>\n"
            for octets in _read_again(contents):
                yield octets
    yield b"  </contents>\n</deposit>\n"


def _opening(head: Head) -> bytes:
    previous = f" prevId={quoteattr(head.prev_id)}" if head.prev_id else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<deposit xmlns="{NAMESPACE}" type="{head.kind}" id={quoteattr(head.id)}{previous} resend="{head.resend}">\n'
        f"  <watermark>{instant(head.watermark)}</watermark>\n"
        f"  <menu><version>1</version><objects>{' '.join(head.objects)}</objects></menu>\n"
    ).encode()


async def _gathered(entries: AsyncIterator[Entry], counts: Counts) -> AsyncIterator[bytes]:
    gathered: list[bytes] = []
    octets = 0
    async for entry in entries:
        counts.add(entry)
        gathered.append(row := _row(entry))
        octets += len(row)
        if octets >= _GATHERED_OCTETS:
            yield b"".join(gathered)
            gathered, octets = [], 0
    yield b"".join(gathered)


def _row(entry: Entry) -> bytes:
    key = quoteattr(_NOT_IN_XML.sub("\ufffd", entry.key))
    if entry.data is None:
        return f'    <row table="{entry.table}" key={key} ver="{entry.ver}"/>\n'.encode()
    data = _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", entry.data.decode())
    return f'    <row table="{entry.table}" key={key} ver="{entry.ver}"><data>{escape(data)}</data></row>\n'.encode()


def _read_again(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while octets := file.read(_READ_OCTETS):
        yield octets
