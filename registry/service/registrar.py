"""Single registrations that arrive at the same time, stored together: one statement and one commit for all of them.

A registration by itself costs PostgreSQL and this process some 1.5 ms of CPU time, most of it for round trips and the
commit; shared by those that wait at the same moment it is a third. Nothing waits for others to come: a registration
leaves at once, and what arrives while `FLIGHTS_MAX` groups are under way leaves with the next one.

Only the plain case goes this way: a new identifier, a template without unique values, references or searchable items,
an enterprise without counted quota. Everything else, and every refusal, is left to the ordinary way, which decides
anew; so this one need not know its rules.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from identifiers.handle import check_new_handle
from identifiers.identifier import HandleParts, Identifier, Invalid
from identifiers.value_json import decode_values
from identifiers.values import Value, ValuesError
from registry import origin
from registry.authority import Principal
from registry.database import Connection, Pool, connected
from registry.errors import RegistryError
from registry.origin import Origin
from registry.service import quotas, templates, write_access
from registry.service.indexed_values import needs_indexing
from registry.service.prefixes import check_takes_registrations
from registry.service.record_writes import Change, Written
from registry.service.targets import Target
from registry.service.template_rules import template_faults
from registry.states import identifier_state
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Registration
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template

log = logging.getLogger(__name__)

FLIGHTS_MAX: Final = 2
"""Groups in the database at a time: one is written while the other waits for the disk."""
GROUP_MAX: Final = 64
PREFIXES_KEPT_MAX: Final = 10_000


class _Named(NamedTuple):
    """A template as one account names it for records of one enterprise."""

    account: str
    enterprise: str
    code: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    principal: Principal
    now: datetime
    identifier: Identifier
    prefix: str
    values: tuple[Value, ...]
    template: str | None
    origin: Origin
    done: asyncio.Future[Written | None]


class _Placed(NamedTuple):
    """A plain registration, and its place in its group."""

    at: int
    registration: Registration


class Registrar:
    """Stores plain registrations in groups. For one event loop."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: deque[_Wanted] = deque()
        self._prefixes: dict[str, tuple[Prefix, int]] = {}
        self._flights: set[asyncio.Task[None]] = set()

    async def register(
        self, principal: Principal, now: datetime, name: str, *, values: Any, template: str | None
    ) -> Written | None:
        """Add a record together with others; None for whatever is not the plain case, and nothing is stored then.

        `values` is the decoded JSON array, or a tuple of values that are checked and ascending. Raises nothing: the
        ordinary way says what is wrong.
        """
        found = check_new_handle(name)
        if isinstance(found, Invalid) or not isinstance(found.parts, HandleParts):
            return None
        try:
            decoded = values if isinstance(values, tuple) else decode_values(values)
        except ValuesError:
            return None
        done: asyncio.Future[Written | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(
            _Wanted(principal, now, found, found.parts.prefix, decoded, template, origin.current(), done)
        )
        if len(self._flights) < FLIGHTS_MAX:
            flight = asyncio.create_task(self._fly(), name="registrar")
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        return await done

    async def _fly(self) -> None:
        """Store groups until nothing waits. Whatever happens, everyone of a group is told."""
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_MAX))]
            written: dict[int, Written] = {}
            try:
                written = await self._store(group)
            except RegistryError:
                log.debug("a group of %d registrations goes the ordinary way", len(group), exc_info=True)
            except Exception:
                log.exception("a group of %d registrations goes the ordinary way", len(group))
            finally:
                for at, wanted in enumerate(group):
                    if not wanted.done.done():
                        wanted.done.set_result(written.get(at))

    async def _store(self, group: list[_Wanted]) -> dict[int, Written]:
        """Store those of a group that are plain, by their places in it."""
        async with connected(self._pool) as connection:
            plain = await self._plain(connection, group)
            registrations = {one.registration.record.key: one for one in plain}
            if not registrations:
                return {}
            cursors = await identifiers.register(connection, [one.registration for one in registrations.values()])
        if len(cursors) < len(registrations):  # a name was taken, or a prefix has changed
            self._prefixes.clear()
        written = {}
        for key, cursor in cursors.items():
            at, registration = registrations[key]
            registration.origin.recorded += 1
            registration.origin.registered[group[at].prefix] = 1
            written[at] = Written(registration.record, cursor, created=True)
        return written

    async def _plain(self, connection: Connection, group: list[_Wanted]) -> list[_Placed]:
        """Find who may register what where, and which templates hold."""
        known = await self._known(connection, {wanted.prefix for wanted in group})
        usable: dict[_Named, Template | None] = {}
        plain = []
        for at, wanted in enumerate(group):
            prefix, xid = known.get(wanted.prefix, (None, 0))
            if prefix is None or prefix.exact_case or not _takes(wanted.principal, prefix):
                continue
            if (await quotas.limits(connection, prefix.enterprise, wanted.now)).counted:
                continue
            template = None
            if wanted.template is not None:
                named = _Named(wanted.principal.account, prefix.enterprise, wanted.template)
                if named not in usable:
                    usable[named] = await _usable(connection, wanted.principal, named)
                template = usable[named]
                if template is None or template_faults(template, wanted.values):
                    continue
            change = Change(wanted.principal, wanted.now, Target(prefix, wanted.identifier))
            plain.append(_Placed(at, _registration(change, wanted, template, xid)))
        return plain

    async def _known(self, connection: Connection, names: set[str]) -> dict[str, tuple[Prefix, int]]:
        """Return the prefixes as they were when last read: what is stored depends on their not having changed."""
        if not names <= self._prefixes.keys():
            if len(self._prefixes) > PREFIXES_KEPT_MAX:
                self._prefixes.clear()
            self._prefixes |= await prefixes.versioned(connection, list(names))
        return self._prefixes


def _registration(change: Change, wanted: _Wanted, template: Template | None, xid: int) -> Registration:
    record = change.new_record(template, wanted.values)
    state = identifier_state(record, change.target.prefix.prefix)
    return Registration(record, wanted.principal.account, state, wanted.origin, xid)


def _takes(principal: Principal, prefix: Prefix) -> bool:
    try:
        check_takes_registrations(prefix)
    except RegistryError:
        return False
    return write_access.owns(principal, prefix)


async def _usable(connection: Connection, principal: Principal, named: _Named) -> Template | None:
    try:
        template = await templates.usable(connection, principal, named.code, owner=named.enterprise)
    except RegistryError:
        return None
    return None if needs_indexing(template) else template
