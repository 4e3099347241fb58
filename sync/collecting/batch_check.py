"""Strict reading of a batch: everything that makes the whole of it unacceptable (docking contract 9.3, 9.7, 9.13)."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from sync import body
from sync.batch import Limits
from sync.body import BodyError
from sync.collecting.header import TABLES, Handed, check_header
from sync.collecting.problems import Problem

COMPRESSED_OCTETS_MAX: Final = Limits().max_bytes + 65_536

KEY_CHARACTERS_MAX: Final = 400
VERSION_MAX: Final = 2**63 - 1

_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_ROW_MEMBERS: Final = frozenset({"n", "key", "op", "ver", "at", "data"})
_header_decoder: Final = msgspec.json.Decoder(Handed)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A batch that may be judged row by row. `content_sha256` is the identity of what was sent."""

    header: Handed
    rows: list[dict[str, Any]]
    content_sha256: str


def read_batch(
    content: bytes,
    *,
    path_id: str,
    reporter: str,
    digest: str,
    encoding: str,
    limits: Limits,
    tables: Mapping[str, list[int]] = TABLES,
) -> Delivered:
    """Read a request's body as sent; raises Problem for whatever the contract refuses as a whole.

    `tables` are those the collector takes, with the versions of their row schemas.
    """
    check_digest(content, digest)
    plain = _plain(content, encoding, limits)
    header, lines = _take_apart(plain, path_id, reporter, limits, tables)
    rows = [_row(header.table, number, line, limits) for number, line in enumerate(lines.split(b"\n")[:-1], start=1)]
    if header.row_count != len(rows):
        raise Problem(422, "row_count_mismatch", f"the header says {header.row_count} rows, there are {len(rows)}")
    if header.rows_sha256 != hashlib.sha256(lines).hexdigest():
        raise Problem(422, "digest_mismatch", "rows_sha256 is not the digest of the row lines")
    # The header is part of the identity, its compression is not: a repeated batch may come uncompressed.
    return Delivered(header, rows, hashlib.sha256(plain).hexdigest())


def check_digest(content: bytes, digest: str) -> None:
    """Raise Problem unless `digest` is the Content-Digest of the content as sent."""
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


def _take_apart(
    plain: bytes, path_id: str, reporter: str, limits: Limits, tables: Mapping[str, list[int]]
) -> tuple[Handed, bytes]:
    end = plain.find(b"\n")
    if end < 0 or not plain.endswith(b"\n"):
        raise Problem(400, "malformed", "every line, the last one too, must end with LF")
    try:
        header, members = _header_decoder.decode(plain[:end]), decode_json(plain[:end])
    except (msgspec.DecodeError, ValuesError) as error:
        raise Problem(400, "malformed", f"header line: {error}") from error
    check_header(header, members, path_id, reporter, tables)
    lines = plain[end + 1 :]
    if lines.count(b"\n") > limits.max_rows:
        raise too_large(f"more than {limits.max_rows} rows", limits)
    return header, lines


def _row(table: str, number: int, line: bytes, limits: Limits) -> dict[str, Any]:
    """Return a row line as it is; what is wrong inside `data` rejects the row alone."""
    if len(line) >= limits.max_line_bytes:
        raise too_large(f"row {number} has {len(line)} octets", limits)
    try:
        row = decode_json(line)
    except ValuesError as error:
        raise Problem(400, "malformed", f"row {number}: {error}") from error
    if not isinstance(row, dict) or not row.keys() <= _ROW_MEMBERS or not _fits(table, row, number):
        raise Problem(400, "malformed", f"row {number} is not a row of {table} with n {number}")
    return row


def _fits(table: str, row: dict[str, Any], number: int) -> bool:
    key, op, ver, at, data = row.get("key"), row.get("op"), row.get("ver"), row.get("at"), row.get("data")
    wants_data = table == "T9" or op == "upsert"
    return (
        type(row.get("n")) is int
        and row["n"] == number
        and isinstance(key, str)
        and 0 < len(key) <= KEY_CHARACTERS_MAX
        and _CONTROLS.search(key) is None
        and op in ("upsert", "delete")
        and type(ver) is int
        and 1 <= ver <= VERSION_MAX
        and isinstance(at, str)
        and _INSTANT.fullmatch(at) is not None
        and (isinstance(data, dict) if wants_data else data is None)
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
