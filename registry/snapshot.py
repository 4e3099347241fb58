"""Everything registered, as of one instant, and the journal position that belongs to it.

Invariant: following the journal from `Snapshot.cursor` skips no change that is not in the snapshot.

The states come from one REPEATABLE READ transaction, which sees what its snapshot sees. Let x be the `xmin` of that
snapshot: the oldest transaction that was still running when it was taken. Every transaction before x had ended, so
what it committed is in the snapshot. Whatever is not in the snapshot was written by x or a later transaction, and the
cursor stands before the first row of x. Rows of x and later that the snapshot does see are read again; a state is
complete, so applying it again, in the journal's order, ends the same.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from identifiers.changes import (
    KIND_ALIAS,
    KIND_CREDENTIAL,
    KIND_GRANT,
    KIND_IDENTIFIER,
    KIND_IDENTITY,
    KIND_PREFIX,
    Change,
    Cursor,
    grant_key,
)
from registry import journal, states
from registry.database import Connection
from registry.tables import accounts, aliases, grants, identifiers, prefixes

BATCH: Final = 2_000
"""Most states in one batch."""
BATCH_OCTETS_MAX: Final = identifiers.PAGE_OCTETS_MAX

# now() is the transaction's, so the instant and the snapshot belong together.
_POSITION = "SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin, now() AS taken_at"


class Snapshot:
    """A consistent view, valid while the transaction it was opened in lasts."""

    def __init__(self, connection: Connection, cursor: Cursor, epoch: str, taken_at: datetime) -> None:
        self._connection = connection
        self.taken_at = taken_at
        self.cursor = cursor
        self.epoch = epoch

    async def states(self) -> AsyncIterator[list[Change]]:
        """Give every prefix, account, credential, grant and alias that counts, then every identifier and tombstone."""
        hosted: list[prefixes.Prefix] = []
        after = ""
        while page := await prefixes.page(self._connection, after, BATCH):
            hosted += page
            after = page[-1].prefix
            yield [self._change(KIND_PREFIX, prefix.prefix, states.prefix_state(prefix)) for prefix in page]
        after = ""
        while found := await accounts.accounts_after(self._connection, after, BATCH):
            after = found[-1].id
            groups = await accounts.groups_of(self._connection, found)
            yield [
                self._change(KIND_IDENTITY, account.id, states.identity_state(account, groups.get(account.id, [])))
                for account in found
            ]
        after = ""
        while tokens := await accounts.credentials_after(self._connection, after, BATCH):
            after = tokens[-1].id
            yield [
                self._change(KIND_CREDENTIAL, token.sha256.hex(), states.credential_state(token)) for token in tokens
            ]
        parties = ("", "")
        while pairs := await grants.standing(self._connection, self.taken_at, parties, BATCH):
            parties = pairs[-1][0].parties
            yield [
                self._change(KIND_GRANT, grant_key(*pair[0].parties), states.grant_state(pair[0], pair))
                for pair in pairs
            ]
        place = (-1, "")
        while others := await aliases.page(self._connection, place, BATCH):
            place = (others[-1][0].prefix_id, others[-1][0].key)
            yield [
                self._change(KIND_ALIAS, alias.key, states.alias_state(alias, prefix, "active"))
                for alias, prefix in others
            ]
        async for batch in self._identifiers(hosted):
            yield batch

    async def _identifiers(self, hosted: list[prefixes.Prefix]) -> AsyncIterator[list[Change]]:
        batch: list[Change] = []
        octets = 0
        for prefix in hosted:
            after = ""
            while page := await identifiers.page(self._connection, prefix.id, after, BATCH):
                after = page[-1].key
                for record in page:
                    state = states.identifier_state(record, prefix.prefix)
                    batch.append(self._change(KIND_IDENTIFIER, record.key, state))
                    octets += len(state)
                # Prefixes with few records share a batch, because every batch costs its reader a commit.
                if len(batch) >= BATCH or octets >= BATCH_OCTETS_MAX:
                    yield batch
                    batch, octets = [], 0
        if batch:
            yield batch

    def _change(self, kind: str, key: str, after: bytes) -> Change:
        return Change(self.cursor.xid, self.cursor.seq, self.taken_at, kind, key, "create", after)


async def open_snapshot(connection: Connection) -> Snapshot:
    """Describe the snapshot of a REPEATABLE READ transaction that has just begun on this connection."""
    row = await connection.fetchrow(_POSITION)
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    cursor = Cursor(row["xmin"] - 1, journal.LAST_SEQ)
    return Snapshot(connection, cursor, await journal.epoch(connection), row["taken_at"])
