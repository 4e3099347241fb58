"""Newline-delimited JSON: exported records as they are, or flat objects whose members become values."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import orjson

from identifiers.handle import fold
from identifiers.identifier import Invalid
from identifiers.value_json import decode_json
from identifiers.values import ValuesError
from node.client.readers.record import (
    COLUMNS_MAX,
    FIRST_INDEX,
    RECORD_CHARS_MAX,
    TYPE_OCTETS_MAX,
    ReadError,
    Reject,
    Row,
    refused,
)
from node.client.readers.table import Mould, TemplateItem
from node.client.readers.text_lines import open_binary

_Members = dict[str, msgspec.Raw]
_UTF8_MARK = b"\xef\xbb\xbf"
_NULL = msgspec.Raw(b"null")


class _UnfitError(Exception):
    """A line that is no record: column, reason, code."""

    def __init__(self, column: str, reason: str, code: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason
        self.code = code


class NdjsonFile:
    """One JSON object a line, in UTF-8; see `record.Source`.

    `{"identifier":…,"values":[…],"template":…}`, as `idnode export` writes it, keeps its name, its values and, if it
    names one, its template. Any other object is flat: each member becomes a value (type = member name, numbers and
    booleans as they are spelt, null and "" left out), indexed in the order in which the file first names its members.
    """

    columns: Sequence[str] = ("record",)

    def __init__(self, path: Path, mould: Mould) -> None:
        """Open the file; raises ReadError."""
        self._file = open_binary(path)
        self._size = path.stat().st_size
        self._mould = mould
        self._id_member = mould.id_column
        self._heads: dict[str, bytes] = {}
        self._decode = msgspec.json.Decoder(_Members).decode
        self._own = fold(mould.prefix) + "/"

    @property
    def id_column(self) -> str:
        """The member that holds the identifier."""
        return self._id_member or "identifier"

    def position(self) -> tuple[int, int | None]:
        """Octets read, octets in all."""
        return self._file.tell(), self._size

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Row | Reject]:
        number = 0
        while octets := self._file.readline(RECORD_CHARS_MAX + 1):
            number += 1
            if number == 1:
                octets = octets.removeprefix(_UTF8_MARK)
            if not octets.endswith(b"\n") and len(octets) > RECORD_CHARS_MAX:
                self._skip_rest()
                cells = [octets[:1_000].decode("utf-8", "replace") + "…"]
                yield Reject(number, "", f"the line is longer than {RECORD_CHARS_MAX} octets", "too_long", cells)
            elif octets := octets.strip():
                yield self._record(number, octets)

    def _skip_rest(self) -> None:
        while (piece := self._file.readline(RECORD_CHARS_MAX)) and not piece.endswith(b"\n"):
            pass

    def _record(self, line: int, octets: bytes) -> Row | Reject:
        cells = [octets.decode("utf-8", "surrogateescape")]
        template = None
        try:
            octets.decode()
            members = self._decode(octets)
            _check_once(members, octets)
            if _is_exported(members):
                identifier, body = self._exported(members)
                template = _template_of(members)
            else:
                identifier, body = self._flat(members)
            suffix = identifier[len(self._own) :]
            if self._mould.check is not None and isinstance(invalid := self._mould.check(suffix), Invalid):
                return refused(line, self.id_column, invalid, cells)
        except UnicodeDecodeError:
            return Reject(line, "", "the line is not UTF-8", "bad_encoding", cells)
        except (msgspec.DecodeError, RecursionError) as error:
            return Reject(line, "", f"the line is no JSON object: {error}", "bad_json", cells)
        except _UnfitError as unfit:
            return Reject(line, unfit.column, unfit.reason, unfit.code, cells)
        return Row(line, identifier, body, cells, template)

    def _exported(self, members: _Members) -> tuple[str, bytes]:
        identifier = _text_of(bytes(members["identifier"])).strip()
        if not fold(identifier).startswith(self._own):
            reason = f"{identifier!r} is not below the prefix {self._mould.prefix}"
            raise _UnfitError("identifier", reason, "bad_prefix")
        body = b'{"identifier":%s,"values":%s}' % (orjson.dumps(identifier), bytes(members["values"]))
        return identifier, body

    def _flat(self, members: _Members) -> tuple[str, bytes]:
        if self._id_member is None:
            self._id_member = next(iter(members), None)
        suffix = self._suffix(members)
        identifier = f"{self._mould.prefix}/{suffix}"
        values = [
            head + data + b"}"
            for name, raw in members.items()
            if (head := self._head(name)) and (data := _data(name, bytes(raw)))
        ]
        return identifier, b'{"identifier":%s,"values":[%s]}' % (orjson.dumps(identifier), b",".join(values))

    def _suffix(self, members: _Members) -> str:
        name = self._id_member or ""
        suffix = _text_of(_data(name, bytes(members[name])) or b'""').strip() if name in members else ""
        if not suffix:
            raise _UnfitError(name, "the identifier is missing or empty", "empty")
        return suffix

    def _head(self, name: str) -> bytes:
        """Return the beginning of a value of this name, up to its data; empty for a member that is no value."""
        if name not in self._heads:
            place = self._place(name)
            self._heads[name] = (
                b'{"index":%d,"type":%s,"data":' % (place.index, orjson.dumps(place.type)) if place else b""
            )
        return self._heads[name]

    def _place(self, name: str) -> TemplateItem | None:
        if not 0 < len(name.encode()) <= TYPE_OCTETS_MAX:
            raise _UnfitError(name[:80], f"a member's name must have 1 to {TYPE_OCTETS_MAX} octets", "bad_type")
        if len(self._heads) >= COLUMNS_MAX:
            raise _UnfitError(name, f"the file has more than {COLUMNS_MAX} different members", "too_many_values")
        if self._mould.items is None:
            return TemplateItem(FIRST_INDEX + len(self._heads), name)
        if name not in self._mould.items and name != self._id_member:
            raise _UnfitError(name, f"the template has no item {name!r}", "unknown_item")
        return self._mould.items.get(name)


def _is_exported(members: _Members) -> bool:
    return "identifier" in members and "values" in members and bytes(members["values"]).startswith(b"[")


def _check_once(members: _Members, octets: bytes) -> None:
    """Raise `_UnfitError` for a member that occurs twice: which of them counts, readers of JSON do not agree on."""
    # A text may hold what looks like a name, so only such a line is read with care, which takes several times as long.
    if any(octets.count(b'"%b"' % name.encode()) > 1 for name in members):
        try:
            decode_json(octets)
        except ValuesError as error:
            raise _UnfitError("", f"the line is no JSON object: {error.message}", "bad_json") from error


def _template_of(members: _Members) -> str | None:
    return msgspec.json.decode(members.get("template", _NULL), type=str | None) or None


def _data(name: str, raw: bytes) -> bytes | None:
    """Return a member as JSON text for a value's data: strings unchanged, numbers and booleans as spelt, or None."""
    if raw.startswith(b'"'):
        return raw if raw != b'""' else None
    if raw == b"null":
        return None
    if raw.startswith((b"{", b"[")):
        raise _UnfitError(name, "the member is not flat; give text, a number or a boolean", "not_flat")
    return b'"%s"' % raw


def _text_of(raw: bytes) -> str:
    return msgspec.json.decode(raw, type=str)


def open_ndjson(path: Path, mould: Mould, encoding: str | None) -> NdjsonFile:
    """Open `path`; raises ReadError, also for any encoding but UTF-8, which JSON prescribes (RFC 8259 8.1)."""
    if encoding is not None and encoding.lower().replace("_", "-") not in {"utf-8", "utf8", "utf-8-sig"}:
        raise ReadError(f"NDJSON is always UTF-8; leave --encoding {encoding} out or convert the file")
    return NdjsonFile(path, mould)
