"""The tables `operator`, `operator_files` and `operator_resolution`: who runs the node, and where it resolves."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import asyncpg
import orjson

from identifiers.prefix_or_range import CodeType
from registry.database import Connection

Protocol = Literal["TCP", "UDP", "HTTP"]

_FIND = "SELECT node_prefix, details, version, updated_at FROM operator"
_PUT = """
INSERT INTO operator (node_prefix, details, updated_at) VALUES ($1, $2, $3)
ON CONFLICT (only_row) DO UPDATE
SET node_prefix = $1, details = $2, updated_at = $3, version = operator.version + 1
RETURNING node_prefix, details, version, updated_at"""
_FILE_COLUMNS = "id, name, media_type, octets, sha256"
_KEEP_FILES = """
INSERT INTO operator_files (id, name, media_type, octets, sha256, content, kept_at)
SELECT id, name, media_type, octets, sha256, content, $2 FROM files WHERE id = ANY($1::text[])
ON CONFLICT (id) DO NOTHING"""
_DROP_FILES = "DELETE FROM operator_files WHERE id <> ALL($1::text[])"
_FILES = f"SELECT {_FILE_COLUMNS} FROM operator_files WHERE id = ANY($1::text[])"
_CONTENT = "SELECT content FROM operator_files WHERE id = $1"
_ADDRESS_COLUMNS = "code_type, prefix_or_range, ip_address, endpoints"
_ADDRESSES = f"""
SELECT {_ADDRESS_COLUMNS} FROM operator_resolution ORDER BY code_type, prefix_or_range, ip_address"""
_PUT_ADDRESS = """
INSERT INTO operator_resolution (code_type, prefix_or_range, ip_address, endpoints) VALUES ($1, $2, $3, $4)
ON CONFLICT (code_type, prefix_or_range, ip_address) DO UPDATE SET endpoints = $4"""
_DROP_ADDRESS = """
DELETE FROM operator_resolution WHERE code_type = $1 AND prefix_or_range = $2 AND ip_address = $3"""


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's record. `details` has the fields of table T1, documents by their ids."""

    node_prefix: str
    details: dict[str, Any]
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OperatorFile:
    """A document of the operator, without its content."""

    id: str
    name: str
    media_type: str
    octets: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ResolutionAddress:
    """One address at which the node resolves codes of a type below a prefix or in a range; a row of table T2.

    `endpoints` are pairs of protocol (TCP, UDP, HTTP) and port, each protocol at most once; `tls`: the HTTP one is
    HTTPS.
    """

    code_type: CodeType
    prefix_or_range: str
    ip_address: str
    endpoints: tuple[tuple[Protocol, int], ...]
    tls: bool = False

    @property
    def ip_type(self) -> str:
        """IPv4 or IPv6."""
        return "IPv6" if ":" in self.ip_address else "IPv4"

    @property
    def key(self) -> str:
        """The key of its row in reports."""
        return f"{self.code_type}|{self.prefix_or_range}|{self.ip_type}|{self.ip_address}"


async def find(connection: Connection) -> Operator | None:
    """Return the operator's record; None before it is entered."""
    row = await connection.fetchrow(_FIND)
    return _from_row(row) if row else None


async def put(connection: Connection, node_prefix: str, details: dict[str, Any], now: datetime) -> Operator:
    """Store the operator's record in the place of the one before."""
    row = await connection.fetchrow(_PUT, node_prefix, orjson.dumps(details).decode(), now)
    assert row is not None  # noqa: S101 - RETURNING gives a row or the statement has failed
    return _from_row(row)


async def keep_files(connection: Connection, file_ids: Sequence[str], now: datetime) -> dict[str, OperatorFile]:
    """Copy uploaded files to the operator's, drop those not named, and return what is kept."""
    await connection.execute(_KEEP_FILES, file_ids, now)
    await connection.execute(_DROP_FILES, file_ids)
    return await files(connection, file_ids)


async def files(connection: Connection, file_ids: Sequence[str]) -> dict[str, OperatorFile]:
    """Return those of the operator's files that exist."""
    return {row["id"]: OperatorFile(*row.values()) for row in await connection.fetch(_FILES, file_ids)}


async def content(connection: Connection, file_id: str) -> bytes | None:
    """Return the octets of one of the operator's files."""
    found: bytes | None = await connection.fetchval(_CONTENT, file_id)
    return found


async def addresses(connection: Connection) -> list[ResolutionAddress]:
    """Return where the node resolves, in the order of code type, prefix and address."""
    return [
        ResolutionAddress(code_type, prefix_or_range, ip_address, *_read_endpoints(endpoints))
        for code_type, prefix_or_range, ip_address, endpoints in await connection.fetch(_ADDRESSES)
    ]


async def put_address(connection: Connection, address: ResolutionAddress) -> None:
    """Add an address, or give the one there is other ports."""
    endpoints = orjson.dumps({"endpoints": address.endpoints, "tls": address.tls}).decode()
    await connection.execute(_PUT_ADDRESS, address.code_type, address.prefix_or_range, address.ip_address, endpoints)


async def drop_address(connection: Connection, address: ResolutionAddress) -> None:
    """Remove an address."""
    await connection.execute(_DROP_ADDRESS, address.code_type, address.prefix_or_range, address.ip_address)


def _read_endpoints(text: str) -> tuple[tuple[tuple[Protocol, int], ...], bool]:
    read = orjson.loads(text)
    return tuple((protocol, port) for protocol, port in read["endpoints"]), read["tls"]


def _from_row(row: asyncpg.Record) -> Operator:
    return Operator(row["node_prefix"], orjson.loads(row["details"]), row["version"], row["updated_at"])
