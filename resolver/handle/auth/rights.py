"""What a user may do, as the replica has it: asked before anyone's proof is computed (handle wire 13.2, 17).

The registry asks again, in the transaction that makes the change: this one only keeps strangers from costing anything,
and reads the groups that are kept elsewhere, because the registry speaks to no other server.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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
    Group,
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
from identifiers.handle_rights import EVERY_USER, GROUP_BOUNDS, GroupBounds, Need, Needs, Question, Values, may
from identifiers.handle_wire.names import record_named
from identifiers.values import Reference, Value
from resolver.faces.desk import Desk, LookupsUnavailable
from resolver.handle.auth.keys import Keys

NOT_RESPONSIBLE = 301
NOT_SERVED = "That prefix is not served here"
NOT_WRITING = (Home, Unhome, ListHandles, ListDerived, ListHomed)
DECISION_S: Final = 8.0
"""How long one question may take with groups elsewhere: clients wait 10 seconds for a login."""
GROUPS_ELSEWHERE_MAX: Final = 16
"""Records elsewhere that are read to decide one question."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Asks the replica."""

    desk: Desk
    keys: Keys
    administrators: tuple[Reference, ...]
    bounds: GroupBounds = GROUP_BOUNDS

    async def meets(self, user: Reference, needs: Needs) -> bool:
        """Say whether a user meets one of the alternatives, or is a service administrator."""
        return await _Asking(self.keys).answer(may(user, needs, self.administrators, self.bounds))

    async def may_read(self, user: Reference, name: str, values: Sequence[Value]) -> bool:
        """Say whether a user may read private values of a record, whose values these are."""
        full = record_named(name)
        question = may(user, ((Need(full, hs_admin.AUTHORIZED_READ),),), self.administrators, self.bounds)
        return await _Asking(self.keys, {full: values}).answer(question)

    async def may_read_record(self, user: Reference, name: str) -> bool:
        """Say whether a user may read private values of the record with this name."""
        return await self.meets(user, ((Need(record_named(name), hs_admin.AUTHORIZED_READ),),))

    async def groups(self, user: Reference, operation: Operation) -> tuple[Group, ...]:
        """Return the groups elsewhere that decide whether a user may do something."""
        try:
            needs = self.needs_of(operation)
        except Refused:
            return ()
        asking = _Asking(self.keys)
        await asking.answer(may(user, needs, self.administrators, self.bounds))
        return tuple(Group(name, tuple(values)) for name, values in asking.elsewhere.items() if values)

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
        return self.keys.kept(operation.name) if isinstance(operation, Delete) else self.keys.record(operation.name)

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


class _Asking:
    """One question being answered: from what is kept here, and from groups elsewhere. `known` is at hand already."""

    def __init__(self, keys: Keys, known: dict[str, Sequence[Value]] | None = None) -> None:
        self._keys = keys
        self._known = known or {}
        self.elsewhere: dict[str, Sequence[Value]] = {}

    async def answer(self, question: Question) -> bool:
        """Return the answer; no, where groups elsewhere are too slow."""
        if not self._keys.knows_elsewhere:
            return await self._answer(question)
        try:
            async with asyncio.timeout(DECISION_S):
                return await self._answer(question)
        except TimeoutError:
            return False

    async def _answer(self, question: Question) -> bool:
        try:
            name = next(question)
            while True:
                name = question.send(await self._values(name))
        except StopIteration as end:
            return bool(end.value)

    async def _values(self, name: str) -> Values | None:
        if name in self._known:
            return self._known[name]
        kept = self._keys.kept(name)
        if not self._keys.are_asked_elsewhere(name):
            return kept
        if name not in self.elsewhere:
            full = len(self.elsewhere) >= GROUPS_ELSEWHERE_MAX
            self.elsewhere[name] = () if full else await self._keys.groups(name)
        return (*self.elsewhere[name], *(kept or ()))


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
