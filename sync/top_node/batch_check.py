"""Strict reading of a batch: everything that makes the whole of it unacceptable (docking contract 9.3, 9.7, 9.13)."""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from sync import body
from sync.batch import Header, Limits
from sync.body import BodyError
from sync.top_node.problems import Problem

TABLES: Final = {"T9": [1]}
COMPRESSED_OCTETS_MAX: Final = Limits().max_bytes + 65_536

KEY_CHARACTERS_MAX: Final = 400

_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_PREFIX: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ROW_MEMBERS: Final = frozenset({"n", "key", "op", "ver", "at", "data"})


@dataclass(frozen=True, slots=True)
class Delivered:
    """A batch that may be judged row by row. `content_sha256` is the identity of what was sent."""

    header: Header
    rows: list[dict[str, Any]]
    content_sha256: str


def read_batch(content: bytes, *, path_id: str, reporter: str, digest: str, encoding: str, limits: Limits) -> Delivered:
    """Read a request's body as sent; raises Problem for whatever the contract refuses as a whole."""
    _check_digest(content, digest)
    plain = _plain(content, encoding, limits)
    header, lines = _take_apart(plain, limits)
    _check_header(header, path_id, reporter)
    rows = [_row(number, line, limits) for number, line in enumerate(lines.split(b"\n")[:-1], start=1)]
    if header.row_count != len(rows):
        raise Problem(422, "row_count_mismatch", f"the header says {header.row_count} rows, there are {len(rows)}")
    if header.rows_sha256 != body.rows_sha256(lines):
        raise Problem(422, "digest_mismatch", "rows_sha256 is not the digest of the row lines")
    # The header is part of the identity, its compression is not: a repeated batch may come uncompressed.
    return Delivered(header, rows, hashlib.sha256(plain).hexdigest())


def _check_digest(content: bytes, digest: str) -> None:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise Problem(400, "malformed", "Content-Digest must be sha-256=:<base64>:")
    if base64.b64decode(match[1]) != hashlib.sha256(content).digest():
        raise Problem(422, "digest_mismatch", "Content-Digest is not the digest of the content as sent")


def _plain(content: bytes, encoding: str, limits: Limits) -> bytes:
    if encoding not in ("", "identity", "gzip"):
        raise Problem(415, "unsupported_encoding", f"{encoding} is not spoken here, gzip is")
    if encoding != "gzip":
        plain = content
    else:
        try:
            plain = body.decompress(content, limits.max_bytes)
        except BodyError as error:
            if "more than" in str(error):
                raise too_large(str(error), limits) from error
            raise Problem(400, "malformed", str(error)) from error
    if len(plain) > limits.max_bytes:
        raise too_large(f"{len(plain)} octets", limits)
    return plain


def too_large(detail: str, limits: Limits) -> Problem:
    """Return the problem of a batch above the limits, which it tells."""
    more = {"max_rows": limits.max_rows, "max_bytes": limits.max_bytes}
    return Problem(413, "too_large", detail, more=more)


def _take_apart(plain: bytes, limits: Limits) -> tuple[Header, bytes]:
    try:
        header, lines = body.take_apart(plain)
        members = decode_json(plain[: plain.index(b"\n")])
    except (BodyError, ValuesError) as error:
        raise Problem(400, "malformed", str(error)) from error
    unknown = [name for name in members if name not in Header.__struct_fields__ and not name.startswith("x_")]
    if unknown:
        raise Problem(400, "malformed", f"unknown header members {unknown}")
    if lines.count(b"\n") > limits.max_rows:
        raise too_large(f"more than {limits.max_rows} rows", limits)
    return header, lines


def _check_header(header: Header, path_id: str, reporter: str) -> None:
    if str(header.batch_id) != path_id:
        raise Problem(400, "malformed", f"batch_id {header.batch_id} in the header, {path_id} in the path")
    if header.reporter != reporter:
        raise Problem(400, "malformed", f"reporter {header.reporter} in the header, {reporter} in Idn-Reporter")
    if header.table not in TABLES:
        raise Problem(404, "unknown_table", f"{header.table} is not taken here")
    if header.schema not in TABLES[header.table]:
        more = {"supported": TABLES[header.table]}
        raise Problem(422, "schema_unsupported", f"schema {header.schema} of {header.table}", more=more)
    if not _PREFIX.fullmatch(header.scope) or not f"{header.scope}.".startswith(f"{header.reporter}."):
        raise Problem(403, "forbidden_scope", f"{header.scope} does not lie below {header.reporter}")
    instants = (header.created_at, header.period.start, header.period.end)
    if header.mode != "delta" or header.sequence < 1 or not all(map(_INSTANT.fullmatch, instants)):
        raise Problem(400, "malformed", "mode must be delta, sequence at least 1, instants in UTC whole seconds")
    if header.period.start >= header.period.end:
        raise Problem(400, "malformed", "the period ends before it begins")


def _row(number: int, line: bytes, limits: Limits) -> dict[str, Any]:
    """Return a row line as it is; what is wrong inside `data` rejects the row alone."""
    if len(line) >= limits.max_line_bytes:
        raise too_large(f"row {number} has {len(line)} octets", limits)
    try:
        row = decode_json(line)
    except ValuesError as error:
        raise Problem(400, "malformed", f"row {number}: {error}") from error
    if not isinstance(row, dict) or not row.keys() <= _ROW_MEMBERS or not _fits(row, number):
        raise Problem(400, "malformed", f"row {number} is not a row with n {number}")
    return row


def _fits(row: dict[str, Any], number: int) -> bool:
    key, ver, at, data = row.get("key"), row.get("ver"), row.get("at"), row.get("data")
    return (
        row.get("n") == number
        and isinstance(key, str)
        and 0 < len(key) <= KEY_CHARACTERS_MAX
        and row.get("op") in ("upsert", "delete")
        and type(ver) is int
        and ver >= 1
        and isinstance(at, str)
        and _INSTANT.fullmatch(at) is not None
        and isinstance(data, dict)
    )


def read_batch_id(text: str) -> UUID:
    """Return the batch id of a path; raises Problem."""
    try:
        batch_id = UUID(text)
    except ValueError as error:
        raise Problem(400, "malformed", "a batch id is a UUID") from error
    if str(batch_id) != text:
        raise Problem(400, "malformed", "a batch id is written in lower case with hyphens")
    return batch_id
