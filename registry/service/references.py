"""References between identifiers: what a record names, what names it, and the graph around it, within limits.

A reference is shown to whoever may read the value that refers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from identifiers.values import PUBLIC_READ, Value
from identifiers.visibility import NOTHING_GRANTED, Granted, is_readable
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import InvalidRequest
from registry.service import grants
from registry.service.records import standing
from registry.service.targets import find_record, unknown_identifier
from registry.tables import identifiers, prefixes, references
from registry.tables.identifiers import Head
from registry.tables.prefixes import Prefix
from registry.tables.references import Place, ReferenceRow

DEPTH_MAX: Final = 5
NODES_MAX: Final = 1_000
EDGES_MAX: Final = 5_000
START: Final = (-1, "", 0)

Direction = Literal["out", "in", "both"]
NodeState = Literal["active", "withdrawn", "alias", "unknown"]


@dataclass(frozen=True, slots=True)
class Edge:
    """A value that names an identifier: at `index` of the record `source`. `position` is that of its row."""

    source: str
    index: int
    target: str
    position: tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class Node:
    """An identifier in a graph, `depth` steps from where it begins. Unknown: not registered here."""

    identifier: str
    state: NodeState
    depth: int


@dataclass(slots=True)
class Graph:
    """What was found around an identifier. `complete` is False when a limit ended the walk."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    complete: bool = True


async def of_record(
    connection: Connection, principal: Principal, name: str, after_index: int, limit: int
) -> tuple[list[Edge], int | None]:
    """Return the next references of a record in the order of their indexes, and the index the next page begins behind.

    Raises `NotFound` for an identifier that is not registered.
    """
    place = await _place(connection, principal, name)
    rows = await references.of_record(connection, place, after_index, limit)
    return await _edges(connection, principal, rows), rows[-1].item_index if len(rows) == limit else None


async def to_record(
    connection: Connection, principal: Principal, name: str, after: tuple[int, str, int], limit: int
) -> tuple[list[Edge], tuple[int, str, int] | None]:
    """Return the next references to a record, and the position the next page begins behind."""
    place = await _place(connection, principal, name)
    rows = await references.to_record(connection, place, after, limit)
    return await _edges(connection, principal, rows), _position(rows[-1]) if len(rows) == limit else None


async def graph(
    connection: Connection, principal: Principal, name: str, *, direction: Direction, depth: int, nodes_max: int
) -> Graph:
    """Return what can be reached from a record in at most `depth` steps, nearest first.

    At most `nodes_max` nodes and `EDGES_MAX` edges; beyond them the graph is not complete. Raises `InvalidRequest` for
    limits that are none.
    """
    if not 1 <= depth <= DEPTH_MAX or not 1 <= nodes_max <= NODES_MAX:
        raise InvalidRequest(
            "bad_graph",
            f"depth is 1 to {DEPTH_MAX}, nodes is 1 to {NODES_MAX:,}",
            remedy="correct the parameters",
        )
    return await _Walk(connection, principal, direction, nodes_max).run(
        await _place(connection, principal, name), depth
    )


class _Walk:
    """A breadth-first walk over references, one pair of queries a step."""

    def __init__(self, connection: Connection, principal: Principal, direction: Direction, nodes_max: int) -> None:
        self._connection = connection
        self._principal = principal
        self._direction = direction
        self._nodes_max = nodes_max
        self._depths: dict[str, int] = {}
        self._places: dict[str, Place] = {}
        self._names: dict[str, str] = {}
        self._rows: dict[tuple[int, str, int], ReferenceRow] = {}
        self._complete = True

    async def run(self, start: Place, depth: int) -> Graph:
        """Walk `depth` steps."""
        self._depths[start.key], self._places[start.key] = 0, start
        frontier = [start]
        for step in range(1, depth + 1):
            rows = await self._step(frontier)
            frontier = []
            for row in rows:
                self._rows.setdefault(_position(row), row)
                self._names.setdefault(row.target_key, row.target)
                # Keys hold their prefix, so they tell places apart, also those filed under no prefix of ours.
                for place in (row.source, row.to):
                    if place.key in self._depths:
                        continue
                    if len(self._depths) >= self._nodes_max:
                        self._complete = False
                        continue
                    self._depths[place.key], self._places[place.key] = step, place
                    frontier.append(place)
            if not frontier:
                break
        return await self._graph()

    async def _step(self, frontier: Sequence[Place]) -> list[ReferenceRow]:
        """Return the references at the places reached last that may be shown."""
        room = EDGES_MAX - len(self._rows)
        rows: list[ReferenceRow] = []
        if self._direction in ("out", "both"):
            rows += await references.of_records(self._connection, frontier, room + 1)
        if self._direction in ("in", "both"):
            rows += await references.to_records(self._connection, frontier, room + 1)
        new = [row for row in rows if _position(row) not in self._rows]
        if len(new) > room:
            self._complete = False
        return [row for row, _ in await _visible(self._connection, self._principal, new[:room])]

    async def _graph(self) -> Graph:
        heads = {head.key: head for head in await identifiers.heads(self._connection, list(self._places.values()))}
        rows = [row for row in self._rows.values() if row.key in self._depths and row.target_key in self._depths]
        return Graph(
            [self._node(key, heads.get(key)) for key in self._depths],
            [_edge(row, self._spelling(row.key, heads), self._spelling(row.target_key, heads)) for row in rows],
            self._complete,
        )

    def _node(self, key: str, head: Head | None) -> Node:
        if head is None:
            return Node(self._spelling(key, {}), "unknown", self._depths[key])
        return Node(head.spelling, head.state, self._depths[key])  # type: ignore[arg-type] # the table's own states

    def _spelling(self, key: str, heads: dict[str, Head]) -> str:
        head = heads.get(key)
        return head.spelling if head is not None else self._names.get(key, key.removeprefix("hdl:"))


async def _place(connection: Connection, principal: Principal, name: str) -> Place:
    authorise(principal, Action.READ_REFERENCES)
    target, record = await find_record(connection, name)
    check_reaches(principal, Action.READ_REFERENCES, target.prefix.enterprise)
    if record is None:
        raise unknown_identifier(name)
    return Place(record.prefix_id, record.key)


async def _edges(connection: Connection, principal: Principal, rows: Sequence[ReferenceRow]) -> list[Edge]:
    shown = await _visible(connection, principal, rows)
    places = {place for row, _ in shown for place in (row.source, row.to)}
    spellings = {
        Place(head.prefix_id, head.key): head.spelling for head in await identifiers.heads(connection, sorted(places))
    }
    return [
        _edge(row, spellings.get(row.source, row.key.removeprefix("hdl:")), spellings.get(row.to, row.target))
        for row, _ in shown
    ]


async def _visible(
    connection: Connection, principal: Principal, rows: Sequence[ReferenceRow]
) -> list[tuple[ReferenceRow, Prefix]]:
    """Leave out references whose values the principal may not read."""
    known = await prefixes.by_ids(connection, list({row.prefix_id for row in rows}))
    restricted = [row for row in rows if not row.permissions & PUBLIC_READ]
    granted = await _granted(connection, principal, known, restricted)
    shown = []
    for row in rows:
        admin, owner = standing(principal, known[row.prefix_id])
        value = Value(row.item_index, "", b"", row.permissions)
        if is_readable(value, admin=admin, owner=owner, granted=granted.get(row.key, NOTHING_GRANTED)):
            shown.append((row, known[row.prefix_id]))
    return shown


async def _granted(
    connection: Connection, principal: Principal, known: dict[int, Prefix], rows: Iterable[ReferenceRow]
) -> dict[str, Granted]:
    """Return what is granted on the records that refer, by their keys."""
    by_prefix: dict[int, set[str]] = {}
    for row in rows:
        by_prefix.setdefault(row.prefix_id, set()).add(row.key)
    granted: dict[str, Granted] = {}
    for prefix_id, keys in by_prefix.items():
        heads = await identifiers.heads(connection, [(prefix_id, key) for key in sorted(keys)])
        records = [(head.key, head.template) for head in heads]
        granted |= await grants.opened(connection, principal, known[prefix_id], records, "read")
    return granted


def _edge(row: ReferenceRow, source: str, target: str) -> Edge:
    return Edge(source, row.item_index, target, _position(row))


def _position(row: ReferenceRow) -> tuple[int, str, int]:
    return row.prefix_id, row.key, row.item_index
