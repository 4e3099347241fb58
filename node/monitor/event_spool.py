"""Where the self-check keeps what it found until the database has it: a file that is only added to, synced to disk.

Pending: lines not marked as entered. Cursor: the marks. On an error of the database nothing is marked, and everything
pending is entered again, which changes nothing where it was. A torn last line, of a host that crashed, is cut off.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from registry.tables.node_events import Event, Outage
from sync.durable_file import replace_durably

COMPACTED_FROM: Final = 1 << 20
"""A file longer than this is written anew without what the database has, at the next start or append."""

Item = Event | Outage


class _Line(msgspec.Struct, omit_defaults=True):
    event: Event | None = None
    outage: Outage | None = None
    entered: list[str] | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


class EventSpool:
    """The file, and what it says: `pending` in order, `open_events` and `open_outages` whether entered or not.

    For one process. Methods raise OSError where the disk does not take what is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pending: list[Item] = []
        self.open_events: dict[str, Event] = {}
        self.open_outages: dict[str, Outage] = {}
        self._abnormal: dict[str, Event] = {}
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        for line in _lines(path):
            self._read(line)
        self._compact()

    def append(self, items: Sequence[Item]) -> None:
        """Keep items; when this returns they are on the disk."""
        if not items:
            return
        self._write([_line_of(item) for item in items])
        for item in items:
            self._take(item)

    def mark_entered(self, items: Sequence[Item]) -> None:
        """Note that the database has these; without syncing, because entering them again would change nothing."""
        if not items:
            return
        self._write([_Line(entered=[_key(item) for item in items])], sync=False)
        self._forget(items)
        if self._path.stat().st_size > COMPACTED_FROM:
            self._compact()

    def adopt(self, event: Event) -> None:
        """Take over an open event that the database has and this file has not."""
        self._write([_line_of(event), _Line(entered=[event.event_no])])
        self._take(event)
        self._forget([event])

    def abnormal_of(self, event: Event) -> Event | None:
        """Return the event that a recovered one ends, if it is still known."""
        return self._abnormal.get(event.related_event_no or "")

    def _read(self, line: _Line) -> None:
        for item in (line.event, line.outage):
            if item is not None:
                self._take(item)
        if line.entered is not None:
            entered = set(line.entered)
            self._forget([item for item in self.pending if _key(item) in entered])

    def _take(self, item: Item) -> None:
        self.pending.append(item)
        if isinstance(item, Outage):
            self.open_outages.pop(item.outage_id, None)
            if item.ended_at is None:
                self.open_outages[item.outage_id] = item
        elif item.event_type == "abnormal":
            self.open_events[item.event_no] = self._abnormal[item.event_no] = item
        else:
            self.open_events.pop(item.related_event_no or "", None)

    def _forget(self, items: Sequence[Item]) -> None:
        gone = {id(item) for item in items}
        self.pending = [item for item in self.pending if id(item) not in gone]
        for item in items:
            if isinstance(item, Event) and item.event_type == "recovered":
                self._abnormal.pop(item.related_event_no or "", None)

    def _write(self, lines: Sequence[_Line], *, sync: bool = True) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, b"".join(_encode(line) + b"\n" for line in lines))
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _compact(self) -> None:
        """Write the file anew with what is still needed, and put it in the place of the old one."""
        pending = {id(item) for item in self.pending}
        kept: dict[int, Item] = {id(event): event for event in self._abnormal.values()}
        kept |= {id(outage): outage for outage in self.open_outages.values()}
        entered = [_key(item) for at, item in kept.items() if at not in pending]
        needed = [item for at, item in kept.items() if at not in pending]
        lines = [*map(_line_of, needed), *([_Line(entered=entered)] if entered else []), *map(_line_of, self.pending)]
        replace_durably(self._path, b"".join(_encode(line) + b"\n" for line in lines), mode=0o600)


def unentered(path: Path) -> list[Event]:
    """Return the events that the database lacks, as the file says; for other processes than the one that writes it."""
    pending: dict[str, Event] = {}
    for line in _lines(path):
        if line.event is not None:
            pending[line.event.event_no] = line.event
        for number in line.entered or ():
            pending.pop(number, None)
    return list(pending.values())


def _key(item: Item) -> str:
    return item.event_no if isinstance(item, Event) else item.outage_id


def _line_of(item: Item) -> _Line:
    return _Line(event=item) if isinstance(item, Event) else _Line(outage=item)


def _lines(path: Path) -> list[_Line]:
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        return []
    lines: list[_Line] = []
    for line in octets.split(b"\n")[:-1]:
        try:
            lines.append(_decode(line))
        except msgspec.DecodeError:
            break  # torn, or not ours: nothing behind it was promised to be kept
    return lines
