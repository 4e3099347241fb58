"""Reading what is registered, one thing at a time, for the state tables: which rows each wants, as of now.

A *thing* is named by what the journal calls it: `operator`, `resolution`, `enterprise ID`, `prefix P`, `template CODE`.
The rows come from the registry's tables, not from the journal's states, because most rows need more than one thing (an
enterprise its prefixes, a hosted one the operator's sites). Committed changes only are seen, and every change of a
thing is in the journal, so what is read too early for one row is told once, and what comes later is told again.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Final, cast

import msgspec

from identifiers.changes import (
    KIND_ENTERPRISE,
    KIND_OPERATOR,
    KIND_PREFIX,
    KIND_REPORT,
    KIND_TEMPLATE,
    Change,
    PrefixState,
    ReportState,
)
from registry.operator_states import operator_state
from registry.service.operator_details import files_of
from registry.tables import enterprises, operator, prefixes, templates
from registry.tables.enterprises import Wanted as WantedEnterprises
from registry.tables.operator import OperatorFile, ResolutionAddress
from registry.tables.prefixes import Prefix
from sync.database import Connection
from sync.intake import registered
from sync.state_rows import Wanted
from sync.tables.t1 import operator_row
from sync.tables.t2 import resolution_row
from sync.tables.t4 import node_template_row
from sync.tables.t6 import enterprise_row
from sync.tables.t7 import route_rows
from sync.tables.t11 import enterprise_template_rows

KINDS: Final = (KIND_OPERATOR, KIND_ENTERPRISE, KIND_PREFIX, KIND_TEMPLATE, KIND_REPORT)
"""The journal's kinds that the state tables are made of."""
OPERATOR: Final = "operator"
RESOLUTION: Final = "resolution"
PAGE: Final = 200

_MADE: Final = ("active", "suspended", "withdrawing", "under_review")
_PREFIXES_MAX: Final = 1_000
_OWNED_BY: Final = "SELECT DISTINCT object FROM report_rows WHERE covers @> ARRAY[$1]::text[]"
_CODES_WITHOUT_PREFIX: Final = (
    "SELECT code FROM templates WHERE enterprise_id = $1 AND prefix IS NULL AND state <> 'draft'"
)
_CODES_OF_PREFIX: Final = "SELECT code FROM templates WHERE prefix = $1 AND state <> 'draft'"
_prefix_decoder = msgspec.json.Decoder(PrefixState)
_report_decoder = msgspec.json.Decoder(ReportState)


def enterprise(enterprise_id: str) -> str:
    """Return the name of an enterprise as a thing."""
    return f"{KIND_ENTERPRISE} {enterprise_id}"


def prefix(name: str) -> str:
    """Return the name of a prefix as a thing."""
    return f"{KIND_PREFIX} {name}"


def template(code: str) -> str:
    """Return the name of a template as a thing."""
    return f"{KIND_TEMPLATE} {code}"


async def touched(connection: Connection, change: Change) -> AsyncIterator[list[str]]:
    """Yield the things whose rows a change of the journal may alter, a page at a time."""
    if change.kind == KIND_ENTERPRISE:
        yield [enterprise(change.key)]
    elif change.kind == KIND_TEMPLATE:
        yield [template(change.key)]
    elif change.kind == KIND_REPORT:
        report = _report_decoder.decode(change.after)
        yield await registered.of_batch(connection, report.table, report.scope, report.batch_id)
    elif change.kind == KIND_PREFIX:
        yield await _touched_by_prefix(connection, change)
    elif change.key == OPERATOR:
        yield [OPERATOR]
        async for page in _enterprises(connection):  # hosted ones are told with the node's sites
            yield page
    elif change.key.startswith(RESOLUTION):
        yield [RESOLUTION]
        async for page in _prefixes(connection):  # hosted ones are answered at the node's addresses
            yield page


async def everything(connection: Connection) -> AsyncIterator[list[str]]:
    """Yield every thing that has rows, in an order in which each comes behind what it needs at the collector."""
    yield [OPERATOR, RESOLUTION]
    async for page in _enterprises(connection):
        yield page
    async for page in _prefixes(connection):
        yield page
    after = ""
    while found := await templates.page(connection, after, PAGE):
        after = found[-1].code
        yield [template(one.code) for one in found]
    async for page in registered.all_templates(connection, PAGE):
        yield page


class Things:
    """Reads things for one reporter; what all of them share is read once for each instance."""

    def __init__(self, connection: Connection, reporter: str, now: datetime) -> None:
        self._connection = connection
        self._reporter = reporter
        self._now = now
        self._sites: dict[str, Any] | None = None
        self._addresses: list[ResolutionAddress] | None = None

    async def rows(self, thing: str, told_before: Collection[str]) -> list[Wanted]:
        """Return the rows that a thing wants; `told_before` are the prefixes its row has covered so far."""
        kind, _, key = thing.partition(" ")
        if kind == OPERATOR:
            return await self._operator()
        if kind == RESOLUTION:
            return [resolution_row(self._reporter, address) for address in await self._node()]
        if kind == KIND_ENTERPRISE:
            return await self._enterprise(key, told_before)
        if kind == KIND_PREFIX:
            found = await prefixes.by_prefix(self._connection, key)
            return [] if found is None or not self._is_ours(found) else await self._routes(found)
        if kind == registered.REPORTED:
            return await registered.template(self._connection, key)
        return await self._template(key)

    async def _routes(self, found: Prefix) -> list[Wanted]:
        """Return where a prefix resolves: as the enterprise's own node tells it, if it tells anything."""
        entered = route_rows(found, await self._node(), self._reporter)
        told = await registered.routes(self._connection, found.prefix) if entered and found.hosting == "routed" else []
        return told or entered

    async def _operator(self) -> list[Wanted]:
        found = await operator.find(self._connection)
        if found is None or found.node_prefix != self._reporter:
            return []
        return [operator_row(found, await self._files(found.details))]

    async def _files(self, details: dict[str, Any]) -> dict[str, OperatorFile]:
        return await operator.files(self._connection, [file_id for _, file_id, _ in files_of(details)])

    async def _enterprise(self, enterprise_id: str, told_before: Collection[str]) -> list[Wanted]:
        found = await enterprises.by_id(self._connection, enterprise_id)
        if found is None:
            return []
        owned = await self._owned(enterprise_id)
        row = enterprise_row(found, owned, sites=await self._node_sites(), told_before=told_before, now=self._now)
        return [] if row is None else [row]

    async def _template(self, code: str) -> list[Wanted]:
        found = await templates.by_code(self._connection, code)
        if found is None or found.state == "draft":
            return []
        if found.enterprise is None or found.prefix == self._reporter:
            return [node_template_row(self._reporter, found)]
        owned = await self._owned(found.enterprise)
        return enterprise_template_rows(found, [one.prefix for one in owned if one.state in _MADE])

    async def _owned(self, enterprise_id: str) -> list[Prefix]:
        found = await prefixes.page(self._connection, "", _PREFIXES_MAX, enterprise_id)
        return sorted(filter(self._is_ours, found), key=lambda one: one.id)

    def _is_ours(self, one: Prefix) -> bool:
        """Whether a prefix is an enterprise's below the reporter's; the node's own is nobody's to tell of here."""
        return one.prefix.startswith(f"{self._reporter}.")

    async def _node(self) -> Sequence[ResolutionAddress]:
        if self._addresses is None:
            self._addresses = await operator.addresses(self._connection)
        return self._addresses

    async def _node_sites(self) -> dict[str, Any]:
        if self._sites is None:
            found = await operator.find(self._connection)
            state = {} if found is None else msgspec.json.decode(operator_state(found, {}), type=dict[str, Any])
            self._sites = cast("dict[str, Any]", state.get("details", {}))
        return self._sites


async def _touched_by_prefix(connection: Connection, change: Change) -> list[str]:
    """Return the prefix, who has it and who had it, and templates that are told below it."""
    state = _prefix_decoder.decode(change.after)
    before = [row["object"] for row in await connection.fetch(_OWNED_BY, change.key)]
    owners = {enterprise(state.enterprise), *(one for one in before if one.startswith(KIND_ENTERPRISE))}
    rows = await connection.fetch(_CODES_OF_PREFIX, change.key)
    rows += await connection.fetch(_CODES_WITHOUT_PREFIX, state.enterprise)
    return [*sorted(owners), prefix(change.key), *(template(row["code"]) for row in rows)]


async def _enterprises(connection: Connection) -> AsyncIterator[list[str]]:
    after = ""
    while found := await enterprises.page(connection, WantedEnterprises(), after, PAGE):
        after = found[-1].id
        yield [enterprise(one.id) for one in found]


async def _prefixes(connection: Connection) -> AsyncIterator[list[str]]:
    after = ""
    while found := await prefixes.page(connection, after, PAGE):
        after = found[-1].prefix
        yield [prefix(one.prefix) for one in found]
