"""Where a user's key is: on the user's record here, or elsewhere if remote identities are on (handle wire 13.6)."""

from collections.abc import Sequence
from typing import Final, Protocol

from identifiers.handle import fold
from identifiers.handle_wire.codes import PUBLIC_KEY
from identifiers.handle_wire.names import record_named
from identifiers.values import Reference, Value
from resolver.faces.desk import Desk, LookupsUnavailable
from resolver.lookup import Absent, Found, Referral

VALUES_MAX: Final = 64
"""Keys of one record that are tried where the user names none."""


class Elsewhere(Protocol):
    """Looks up what is not kept here."""

    async def public_keys(self, user: Reference) -> Sequence[Value]:
        """Return the HS_PUBKEY values of a user elsewhere; none if they cannot be had."""


class Keys:
    """Finds keys. Secrets are read from the replica and never leave the process."""

    def __init__(self, desk: Desk, elsewhere: Elsewhere | None = None) -> None:
        self._desk = desk
        self._elsewhere = elsewhere

    def record(self, name: str) -> Sequence[Value] | None:
        """Return every value of a record kept here, None without one."""
        try:
            found = self._desk.find(record_named(name))
        except LookupsUnavailable:
            return None
        return found.record.values() if isinstance(found, Found) else None

    def is_elsewhere(self, name: str) -> bool:
        """Say whether a name lies below a prefix that is not answered for here."""
        try:
            found = self._desk.find(record_named(name))
        except LookupsUnavailable:
            return False
        return isinstance(found, Referral) or (isinstance(found, Absent) and found.prefix is None)

    async def of(self, user: Reference, type_: str) -> list[Value]:
        """Return the values that may hold the user's key: the one named, or with index 0 each of that type."""
        values = self.record(user.handle)
        if values is None and type_ == PUBLIC_KEY and self._elsewhere is not None and self.is_elsewhere(user.handle):
            values = await self._elsewhere.public_keys(user)
        found = [value for value in values or () if fold(value.type) == type_ and (user.index in (0, value.index))]
        return found[:VALUES_MAX]
