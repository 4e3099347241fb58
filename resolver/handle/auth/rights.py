"""What a user may do, as the replica has it: asked before anyone's proof is computed (handle wire 13.2, 17).

The registry asks again, in the transaction that makes the change: this one only keeps strangers from costing anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from identifiers import hs_admin
from identifiers.handle import fold
from identifiers.handle_changes import (
    Plan,
    Refused,
    check_openly,
    named,
    named_prefix,
    needs_without_record,
    plan,
    record_of,
)
from identifiers.handle_requests import (
    Create,
    Delete,
    Home,
    ListDerived,
    ListHandles,
    ListHomed,
    Modify,
    Operation,
    Remove,
    Unhome,
    Writing,
)
from identifiers.handle_rights import EVERY_USER, Need, Needs, decide, may
from identifiers.handle_wire.names import record_named
from identifiers.values import Reference, Value
from resolver.faces.desk import Desk, LookupsUnavailable
from resolver.handle.auth.keys import Keys

NOT_RESPONSIBLE = 301
NOT_SERVED = "That prefix is not served here"
NOT_WRITING = (Home, Unhome, ListHandles, ListDerived, ListHomed)


@dataclass(frozen=True, slots=True)
class Rights:
    """Asks the replica."""

    desk: Desk
    keys: Keys
    administrators: tuple[Reference, ...]

    def meets(self, user: Reference, needs: Needs) -> bool:
        """Say whether a user meets one of the alternatives, or is a service administrator."""
        return decide(may(user, needs, self.administrators), self.keys.record)

    def may_read(self, user: Reference, name: str, values: Sequence[Value]) -> bool:
        """Say whether a user may read private values of a record, whose values these are."""
        full = record_named(name)
        question = may(user, ((Need(full, hs_admin.AUTHORIZED_READ),),), self.administrators)
        return decide(question, lambda wanted: values if wanted == full else self.keys.record(wanted))

    def may_read_record(self, user: Reference, name: str) -> bool:
        """Say whether a user may read private values of the record with this name."""
        return self.meets(user, ((Need(record_named(name), hs_admin.AUTHORIZED_READ),),))

    def check_openly(self, operation: Operation) -> None:
        """Raise `Refused` for what anyone is told: names, prefixes that are not ours, values that cannot be (17.3)."""
        if isinstance(operation, ListHandles | ListDerived):
            self._check_homed(named_prefix(operation.prefix))
        elif isinstance(operation, Home | Unhome):
            named_prefix(operation.prefix)
        elif not isinstance(operation, ListHomed):
            parts = named(operation.name)
            if not isinstance(operation, Delete):
                self._check_homed(fold(parts.named_prefix or parts.prefix))
            check_openly(operation, self._stored(operation))

    def is_anonymous(self, operation: Operation) -> bool:
        """Say whether anyone may do it: a change of nothing but the data of values with public write."""
        return isinstance(operation, Modify) and plan(operation, self._stored(operation)).anonymous

    def needs_of(self, operation: Operation) -> Needs:
        """Return the rights an operation takes, as far as the record is known."""
        if isinstance(operation, NOT_WRITING):
            return needs_without_record(operation)
        try:
            found: Plan = plan(operation, self._stored(operation))
        except Refused:
            return _least(operation)
        return found.needs

    def _stored(self, operation: Writing) -> Sequence[Value] | None:
        if isinstance(operation, Create) and operation.mint:
            return None
        return self.keys.record(operation.name)

    def _check_homed(self, prefix: str) -> None:
        try:
            reader = self.desk.open_reader()
        except LookupsUnavailable as error:
            raise Refused(2, "No lookups now") from error
        transaction = reader.begin()
        try:
            state = reader.prefix(transaction, prefix)
        finally:
            transaction.abort()
        if state is None or not state.resolves or state.hosting != "here":
            raise Refused(NOT_RESPONSIBLE, NOT_SERVED)


def _least(operation: Writing) -> Needs:
    """Return a right without which an operation that is about to be refused is nobody's to try."""
    bits = hs_admin.ADD_VALUE
    if isinstance(operation, Delete):
        bits = hs_admin.DELETE_HANDLE
    elif isinstance(operation, Remove):
        bits = hs_admin.REMOVE_VALUE if operation.indexes else 0
    elif isinstance(operation, Modify):
        bits = hs_admin.MODIFY_VALUE
    elif isinstance(operation, Create):
        parts = named(operation.name)
        return ((Need(record_of(fold(parts.prefix)), hs_admin.ADD_HANDLE),),)
    return ((Need(operation.name, bits),),) if bits else EVERY_USER
