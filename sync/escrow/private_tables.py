"""The registry's own tables in a deposit: everything a node is rebuilt from, and no credentials.

A row is its columns as PostgreSQL writes them in JSON; its key is the JSON array of its key columns. What is not
deposited: tokens, passwords and one-time codes, the audit log, jobs, statistics, and what is made of the rest anew
(use of quotas, values by which records are found).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sync.database import Connection


class PrivateTable(NamedTuple):
    """A table. `only` names the columns deposited, else all but `left_out`; `heavy` is read only for rows sent."""

    name: str
    key: tuple[str, ...]
    only: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    heavy: str | None = None


WALKED: Final = (
    PrivateTable("enterprises", ("id",)),
    PrivateTable("accounts", ("id",)),
    PrivateTable(
        "users",
        ("account_id",),
        only=("account_id", "username", "email", "mobile", "open_id", "open_user_name", "remarks"),
    ),
    PrivateTable("groups", ("id",)),
    PrivateTable("group_members", ("group_id", "account_id", "enterprise_id")),
    PrivateTable("prefixes", ("id",), left_out=("xid",)),
    PrivateTable("prefix_allocation", ("only_row",)),
    PrivateTable("prefix_reservations", ("id",)),
    PrivateTable("templates", ("id",)),
    PrivateTable("template_items", ("template_id", "index")),
    PrivateTable("grants", ("id",)),
    PrivateTable("quotas", ("enterprise_id",), left_out=("counted_at",)),
    PrivateTable("files", ("id",), heavy="content"),
    PrivateTable("operator", ("only_row",)),
    PrivateTable("operator_files", ("id",), heavy="content"),
    PrivateTable("operator_resolution", ("id",)),
    PrivateTable("applications", ("id",)),
    PrivateTable("report_keys", ("key_id",)),
    PrivateTable("emergency_contacts", ("version",)),
    PrivateTable("docking_agreement", ("only_row",)),
    PrivateTable("service_life", ("only_row",)),
    PrivateTable("service_notes", ("note_id",)),
)
"""Tables that are read whole for each deposit; a DIFF holds the rows that differ from the last deposit."""
IDENTIFIERS: Final = PrivateTable("identifiers", ("prefix_id", "key"), left_out=("xid",))
ALIASES: Final = PrivateTable("identifier_aliases", ("prefix_id", "key"))
PRIVATE: Final = {table.name: table for table in (*WALKED, IDENTIFIERS, ALIASES)}
NODE: Final = "node"
"""A row about the node itself: the epoch and the position of its journal, and the release of its schema."""
SUPPLIED: Final = {"users": {"password_hash": "!"}}
"""What restored rows get in place of credentials: nothing that a password could match."""

_COLUMNS: Final = """
SELECT a.attname FROM pg_attribute AS a
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum"""


async def columns(connection: Connection, table: PrivateTable) -> tuple[str, ...]:
    """Return the columns of a table that are deposited."""
    found: Sequence[str] = [row["attname"] for row in await connection.fetch(_COLUMNS, table.name)]
    return tuple(name for name in found if (name in table.only if table.only else name not in table.left_out))


def names(of: Sequence[str], alias: str = "") -> str:
    """Write names of columns for a statement; some of them are words of SQL."""
    before = f"{alias}." if alias else ""
    return ", ".join(f'{before}"{name}"' for name in of)
