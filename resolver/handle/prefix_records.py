"""What is known of a prefix as an object: its record, where it is served, and whose names are not served here.

A prefix record that nobody stored is made up: of this node's site for prefixes hosted here, of the enterprise's own
sites for those routed to it (handle wire 16.2, steps 3 and 4). Clients that ask a stored record for the service of its
prefix are told the same, where the record says nothing of it (20.4).
"""

from itertools import count
from typing import Final

import msgspec

from identifiers.changes import PrefixState
from identifiers.handle import fold
from identifiers.identifier import storage_key
from identifiers.values import Value
from resolver.faces.referral_sites import site_values
from resolver.handle.wire_values import WireValue, cut
from resolver.record import Record, RecordDamaged, counted
from resolver.replica_reader import ReplicaReader

SITE_TYPE: Final = "HS_SITE"
_SITE_OCTETS: Final = SITE_TYPE.encode()
_SERVICE_TYPES: Final = (b"HS_SITE", b"HS_SERV", b"HS_NA_DELEGATE")


class PrefixRecords:
    """Reads what the replica has of prefixes. `site` is the data of our own HS_SITE."""

    def __init__(self, site: bytes) -> None:
        self._own = counted([Value(1, SITE_TYPE, site)])

    def state(self, reader: ReplicaReader, prefix: str) -> PrefixState | None:
        """Return the prefix as it is registered here."""
        transaction = reader.begin()
        try:
            return reader.prefix(transaction, fold(prefix))
        finally:
            transaction.abort()

    def is_below_ours(self, reader: ReplicaReader, prefix: str) -> bool:
        """Say whether some parent of a prefix is served here."""
        parent = prefix.rpartition(".")[0]
        while parent:
            state = self.state(reader, parent)
            if state is not None and state.resolves:
                return True
            parent = parent.rpartition(".")[0]
        return False

    def made_up(self, state: PrefixState) -> bytes | None:
        """Return the counted values of a prefix record that nobody stored; None where there is nothing to say."""
        if state.hosting == "here":
            return self._own
        return sites_of(state) if state.sites else None

    def sites_unsaid(self, state: PrefixState | None, record: Record) -> tuple[WireValue, ...]:
        """Return the sites of a prefix whose stored record tells of none, at indexes that are free in it.

        They answer clients that ask a prefix for its service; without them such a client finds no way to its names.
        """
        made_up = None if state is None else self.made_up(state)
        values = [] if made_up is None else cut(record.counted_wire)
        if made_up is None or any(value.type.startswith(_SERVICE_TYPES) for value in values):
            return ()
        taken = {value.index for value in values}
        free = (index for index in count(1) if index not in taken)
        return tuple(
            msgspec.structs.replace(site, index=index, octets=index.to_bytes(4, "big") + site.octets[4:])
            for site, index in zip(cut(made_up), free, strict=False)
        )

    def stored(self, reader: ReplicaReader, prefix: str) -> Record | None:
        """Return the stored record of a prefix, wherever it is served. Raises RecordDamaged, having reported it."""
        transaction = reader.begin()
        try:
            octets = reader.record(transaction, storage_key(f"hdl:0.NA/{fold(prefix)}"))
        finally:
            transaction.abort()
        if octets is None:
            return None
        try:
            record = Record(octets)
        except RecordDamaged as damage:
            reader.report_damage(f"hdl:0.NA/{prefix}: {damage}")
            raise
        return None if record.withdrawn or record.alias is not None else record

    def sites_elsewhere(self, reader: ReplicaReader, prefix: str) -> list[WireValue]:
        """Return the public HS_SITE values stored for a prefix that is not served here."""
        record = self.stored(reader, prefix)
        if record is None:
            return []
        return [value for value in cut(record.counted_wire) if value.is_public and value.type == _SITE_OCTETS]


def sites_of(state: PrefixState) -> bytes:
    """Return the HS_SITE values of a routed prefix, counted."""
    return counted(site_values(state))
