"""Home and unhome: from now on this node answers for a prefix, or no longer (Handle wire 18.2).

A prefix that is unknown here is created and belongs to an enterprise of the prefix's own name. Unhoming suspends a
prefix: its records stay, and homing puts it in force again.
"""

import re
from datetime import datetime
from typing import Final

from identifiers.changes import Cursor
from identifiers.handle_changes import INVALID_ADMIN, INVALID_HANDLE, Refused, named_prefix
from identifiers.handle_requests import Home, Unhome
from identifiers.values import Reference
from registry.database import Connection
from registry.errors import RegistryError
from registry.handle_admin.refusals import refused
from registry.handle_admin.rights import Deciding, is_allowed, node
from registry.service import prefix_states
from registry.service import prefixes as service
from registry.tables import prefixes

_UNHOMED: Final = "unhomed by a Handle administrator"
_PREFIX: Final = re.compile(r"[0-9]+(\.[0-9]+){0,15}")


async def home(
    connection: Connection,
    user: Reference,
    deciding: Deciding,
    now: datetime,
    operation: Home | Unhome,
) -> Cursor | None:
    """Home or unhome a prefix; None if it is so already. Raises `Refused`, or `ChangedMeanwhile`."""
    prefix = named_prefix(operation.prefix)
    if not await is_allowed(connection, user, (), deciding):
        raise Refused(INVALID_ADMIN, "Only service administrators do this")
    try:
        if isinstance(operation, Home):
            return await _home(connection, user, now, prefix)
        return await _unhome(connection, user, now, prefix)
    except RegistryError as error:
        raise refused(error) from error


async def _home(connection: Connection, user: Reference, now: datetime, prefix: str) -> Cursor | None:
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        if _PREFIX.fullmatch(prefix) is None:
            raise Refused(INVALID_HANDLE, "A prefix has numbers and dots only")
        _, cursor = await service.create(connection, node(user), now, prefix=prefix, name=prefix, national=False)
        return cursor
    if found.hosting != "here":
        raise Refused(INVALID_HANDLE, f"The prefix {prefix} is routed to the node of its enterprise")
    if found.state in ("active", "withdrawing"):
        return None
    if found.state != "suspended":
        raise Refused(INVALID_HANDLE, f"The prefix {prefix} is {found.state.replace('_', ' ')}")
    _, cursor = await prefix_states.resume(connection, node(user), now, prefix)
    return cursor


async def _unhome(connection: Connection, user: Reference, now: datetime, prefix: str) -> Cursor | None:
    found = await prefixes.by_prefix(connection, prefix)
    if found is None or found.hosting != "here" or found.state != "active":
        return None
    _, cursor = await prefix_states.move(connection, node(user), now, prefix, "suspended", reason=_UNHOMED)
    return cursor
