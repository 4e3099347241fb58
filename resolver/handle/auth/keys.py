"""Where a user's key is: on the user's record here, or elsewhere if remote identities are on (handle wire 13.6).

What is kept of a prefix that was unhomed answers nobody's look-ups. It still says who a service administrator is, where
nothing is known from elsewhere: or nobody could home again the prefix that holds the administrator's own key.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from identifiers.handle import fold, parse_handle
from identifiers.handle_rights import GROUP_BOUNDS, GroupBounds, decide, is_member
from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.codes import PUBLIC_KEY
from identifiers.handle_wire.names import record_named
from identifiers.identifier import Invalid, storage_key
from identifiers.values import Reference, Value
from resolver.faces.desk import Desk, LookupsUnavailable
from resolver.lookup import Absent, Answer, Found, Gone, Referral
from resolver.record import Record, RecordDamaged

VALUES_MAX: Final = 64
"""Keys of one record that are tried where the user names none."""
GROUP: Final = "HS_VLIST"


class Elsewhere(Protocol):
    """Looks up what is not kept here. Raises Refused (3) where one address asks for too much."""

    async def values(self, name: str, type_: str, address: str = "") -> Sequence[Value]:
        """Return the public values of one type on a record elsewhere; none if they cannot be had."""

    async def is_right(self, user: Reference, proof: bytes, challenge: Challenge) -> bool:
        """Ask the server that keeps a user's secret whether a proof is right; no if it cannot be asked."""


class Keys:
    """Finds keys and groups. Secrets are read from the replica and never leave the process."""

    def __init__(
        self,
        desk: Desk,
        elsewhere: Elsewhere | None = None,
        administrators: tuple[Reference, ...] = (),
        bounds: GroupBounds = GROUP_BOUNDS,
    ) -> None:
        self._desk = desk
        self._elsewhere = elsewhere
        self._administrators = administrators
        self._bounds = bounds

    @property
    def knows_elsewhere(self) -> bool:
        """Whether anything is looked up elsewhere at all."""
        return self._elsewhere is not None

    def record(self, name: str) -> Sequence[Value] | None:
        """Return every value of a record served here, None without one."""
        found = self._find(name)
        return found.record.values() if isinstance(found, Found) else None

    def kept(self, name: str) -> Sequence[Value] | None:
        """Return every value of a record that is stored here, its prefix suspended or not; None without one."""
        found = self._find(name)
        if isinstance(found, Found):
            return found.record.values()
        if not isinstance(found, Gone) or found.record is not None or not _is_suspended(found):
            return None
        parsed = parse_handle(record_named(name), exact_case=found.prefix.exact_case)
        record = None if isinstance(parsed, Invalid) else self._stored(storage_key(parsed.key))
        return None if record is None else record.values()

    def is_elsewhere(self, name: str) -> bool:
        """Say whether a name lies below a prefix that is not answered for here."""
        found = self._find(name)
        if isinstance(found, Gone):
            return found.record is None
        return isinstance(found, Referral) or (isinstance(found, Absent) and found.prefix is None)

    def are_asked_elsewhere(self, name: str) -> bool:
        """Say whether another server is asked about a name."""
        return self._elsewhere is not None and self.is_elsewhere(name)

    async def of(self, user: Reference, type_: str, address: str = "") -> list[Value]:
        """Return the values that may hold the user's key: the one named, or with index 0 each of that type.

        `address` is who asks. Raises Refused (3).
        """
        values = self.record(user.handle)
        if values is None and type_ == PUBLIC_KEY and self._elsewhere is not None and self.is_elsewhere(user.handle):
            values = await self._elsewhere.values(user.handle, PUBLIC_KEY, address)
        if not values and self._is_service_administrator(user):
            values = self.kept(user.handle)
        found = [value for value in values or () if fold(value.type) == type_ and (user.index in (0, value.index))]
        return found[:VALUES_MAX]

    async def groups(self, name: str) -> Sequence[Value]:
        """Return the public HS_VLIST values of a record elsewhere; none if they cannot be had."""
        if self._elsewhere is None or not self.is_elsewhere(name):
            return ()
        return await self._elsewhere.values(record_named(name), GROUP)

    async def is_right_elsewhere(self, user: Reference, proof: bytes, challenge: Challenge) -> bool:
        """Say whether the server that keeps a user's secret finds a proof right."""
        return self._elsewhere is not None and await self._elsewhere.is_right(user, proof, challenge)

    def _is_service_administrator(self, user: Reference) -> bool:
        return bool(self._administrators) and decide(is_member(user, self._administrators, self._bounds), self.kept)

    def _find(self, name: str) -> Answer | Invalid | None:
        try:
            return self._desk.find(record_named(name))
        except LookupsUnavailable:
            return None

    def _stored(self, key: bytes) -> Record | None:
        """Return a record by its key, whatever state its prefix is in."""
        reader = self._desk.open_reader()
        transaction = reader.begin()
        try:
            octets = reader.record(transaction, key)
        finally:
            transaction.abort()
        try:
            record = None if octets is None else Record(octets)
        except RecordDamaged as damage:
            reader.report_damage(f"a record of a suspended prefix: {damage}")
            return None
        return None if record is None or record.withdrawn or record.alias is not None else record


def _is_suspended(found: Gone) -> bool:
    return found.prefix.state == "suspended" and found.prefix.hosting == "here"
