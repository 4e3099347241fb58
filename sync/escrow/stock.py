"""How many rows the registry's own tables have, and what they say: told with each deposit, compared after loading it.

The count is the database's, not that of the rows which were read, so a row that the reading missed is noticed. Digests
cost about 5 µs a row and are taken for FULL deposits only; they do not depend on the order of the rows.
"""

# ruff: noqa: S608 - what is put into the statements are names of tables and columns from the catalogue

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sync.database import Connection
from sync.escrow.errors import PackagingFailed, VerificationFailed
from sync.escrow.private_tables import PRIVATE, PrivateTable, columns, names

_RELEASE: Final = "SELECT max(version) FROM schema_migrations WHERE component = 'registry'"


class TableStock(msgspec.Struct, frozen=True):
    """A table's rows; `digest` is the sum over its rows of 60 bits of MD5, in decimal."""

    rows: int
    digest: str | None = None


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a deposit says of the node: its journal's epoch and position, the release of its schema, and the stock."""

    epoch: str
    xid: int
    seq: int
    schema: int
    stock: dict[str, TableStock] = {}


async def release(connection: Connection) -> int:
    """Return the release of the registry's schema."""
    return int(await connection.fetchval(_RELEASE))


async def take(connection: Connection, *, with_digests: bool) -> dict[str, TableStock]:
    """Take stock of every table that is deposited, as the transaction sees it; the session's time zone must be UTC."""
    return {name: await _of(connection, table, with_digests=with_digests) for name, table in PRIVATE.items()}


async def compare(connection: Connection, deposit_id: str, told: bytes | None) -> None:
    """Raise VerificationFailed unless the tables hold what the deposit says they held; `told` is its row of the node.

    Digests are compared between equal releases only: a later one may have more columns.
    """
    if told is None:
        raise PackagingFailed(f"{deposit_id} says nothing of the node it was made of: it is not whole")
    node = read(told)
    same_release = node.schema == await release(connection)
    with_digests = same_release and any(one.digest is not None for one in node.stock.values())
    here = await take(connection, with_digests=with_digests)
    if faults := differences(node.stock, here):
        raise VerificationFailed(f"{deposit_id} was not loaded as it was: {'; '.join(faults)}; nothing is kept of it")


def read(told: bytes) -> NodeRow:
    """Read a deposit's row of the node. Raises PackagingFailed."""
    try:
        return msgspec.json.decode(told, type=NodeRow)
    except msgspec.DecodeError as error:
        raise PackagingFailed(f"the deposit's row of the node cannot be read: {error}") from None


def differences(told: Mapping[str, TableStock], here: Mapping[str, TableStock]) -> list[str]:
    """Return what differs, table by table; deposits of earlier releases tell of no stock."""
    found: list[str] = []
    for name, there in told.items():
        one = here.get(name)
        if one is None:
            continue
        if there.rows != one.rows:
            found.append(f"{name} has {one.rows} rows, the registry had {there.rows}")
        elif there.digest is not None and one.digest is not None and there.digest != one.digest:
            found.append(f"{name} has {one.rows} rows, but not all with the content they had")
    return found


async def _of(connection: Connection, table: PrivateTable, *, with_digests: bool) -> TableStock:
    if not with_digests:
        return TableStock(int(await connection.fetchval(f'SELECT count(*) FROM "{table.name}"')))
    own = names(await columns(connection, table))
    row: Any = await connection.fetchrow(
        "SELECT count(*) AS rows, "
        "coalesce(sum(('x' || left(md5(row_to_json(r)::text), 15))::bit(60)::bigint), 0)::text AS digest "
        f'FROM (SELECT {own} FROM "{table.name}") AS r'
    )
    return TableStock(row["rows"], row["digest"])
