"""A deposit tried: loaded into an empty scratch database, and identifiers of it looked up (docking contract 7.5)."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from identifiers import sm2
from identifiers.changes import KIND_ALIAS, KIND_IDENTIFIER, KIND_PREFIX, START, Change
from identifiers.value_json import decode_stored
from node.commands.beside_the_node import connected
from node.errors import NodeError
from node.paths import DataPaths
from node.restored_cluster import running_cluster
from node.settings import Settings
from registry.database import Connection
from registry.states import alias_state, identifier_state, prefix_state
from registry.tables import aliases, identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from resolver.lookup import Absent, Found, Gone, Lookup, Referral
from resolver.replica import ReplicaWriter
from resolver.replica_reader import ReplicaReader
from sync.escrow.errors import DatabaseFailed, VerificationFailed
from sync.escrow.restoring import Restored, restore

SAMPLE: Final = 1_000
SAMPLE_MAX: Final = 100_000
NAMED_MAX: Final = 5
"""Faults named in a message."""
_PAGE: Final = 1_000
_CHOOSE: Final = "SELECT prefix_id, key FROM identifiers ORDER BY random() LIMIT $1"

Tell = Callable[[str], None]


class Trial(NamedTuple):
    """What was loaded, and how many identifiers were looked up and answered as they should."""

    restored: Restored
    resolved: int


async def try_deposits(
    files: Iterable[Path],
    *,
    key: sm2.PrivateKey,
    signer: sm2.PublicKey,
    scratch: str = "",
    sample: int = SAMPLE,
    registry: str = "",
    tell: Tell,
) -> Trial:
    """Load deposits into an empty database and look up a random sample of what is in it. Raises EscrowError.

    `scratch` is the database, which is left as it is then; without it one is made for the while. With the address of
    the `registry` that made the deposits, each sampled identifier has to be there too, with the same content if it has
    not changed since.
    """
    with tempfile.TemporaryDirectory(prefix="idnode-trial-") as place:
        work = Path(place)
        async with _database(scratch, work) as dsn:
            done = await restore(files, dsn, key=key, signer=signer, work=work, keep_token=lambda _: None, tell=tell)
            async with connected(dsn) as connection:
                chosen = await _chosen(connection, sample)
                tell(f"{sum(done.rows.values())} rows loaded and compared; looking up {len(chosen)} identifiers")
                faults = await _look_up(connection, chosen, work / "replica")
        if registry:
            tell("comparing them with the registry")
            async with connected(registry) as connection:
                faults += await _compare(connection, chosen)
    if faults:
        named = "; ".join(faults[:NAMED_MAX])
        raise VerificationFailed(
            f"{len(faults)} of {len(chosen)} identifiers are not answered as they should: {named}; make a FULL deposit "
            "and check that one"
        )
    return Trial(done, len(chosen))


class _Chosen(NamedTuple):
    """An identifier of the sample, with the prefix it lies below; None for a name of another scheme."""

    record: Record
    prefix: Prefix | None


@asynccontextmanager
async def _database(scratch: str, work: Path) -> AsyncIterator[str]:
    """Lend an empty database: the one named, or a cluster of its own."""
    if scratch:
        yield scratch
        return
    settings = Settings(data_dir=work / "node")
    paths = DataPaths(settings.data_dir)
    try:
        paths.create()
        async with running_cluster(settings, paths) as dsn:
            yield dsn
    except NodeError as error:
        raise DatabaseFailed(f"no scratch database can be started: {error}; name one with --scratch") from error


async def _chosen(connection: Connection, sample: int) -> list[_Chosen]:
    below = {prefix.id: prefix for prefix in await _prefixes(connection)}
    by_prefix: dict[int, list[str]] = {}
    for row in await connection.fetch(_CHOOSE, sample):
        by_prefix.setdefault(row["prefix_id"], []).append(row["key"])
    return [
        _Chosen(record, below.get(prefix_id))
        for prefix_id, keys in by_prefix.items()
        for record in (await identifiers.by_keys(connection, prefix_id, keys)).values()
    ]


async def _prefixes(connection: Connection) -> list[Prefix]:
    found: list[Prefix] = []
    while page := await prefixes.page(connection, found[-1].prefix if found else "", _PAGE):
        found += page
    return found


async def _look_up(connection: Connection, chosen: Sequence[_Chosen], directory: Path) -> list[str]:
    """Put the sample into a replica as a follower does, ask for each, and return what was wrong."""
    hosted = await _prefixes(connection)
    states = [Change(*START, one.updated_at, KIND_PREFIX, one.prefix, "update", prefix_state(one)) for one in hosted]
    states += [state for one in chosen for state in await _states(connection, one, {p.id: p for p in hosted})]
    return await asyncio.to_thread(_ask, states, chosen, directory)


async def _states(connection: Connection, one: _Chosen, hosted: dict[int, Prefix]) -> list[Change]:
    record, below = one.record, one.prefix.prefix if one.prefix else ""
    alias = await aliases.by_key(connection, record.prefix_id, record.key) if record.state == "alias" else None
    if alias is None:
        return [_record_state(record, below)]
    target = await identifiers.by_key(connection, alias.target_prefix_id, alias.target_key)
    led = [] if target is None else [_record_state(target, hosted[target.prefix_id].prefix)]
    state = alias_state(alias, below, "active")
    return [*led, Change(*START, alias.updated_at, KIND_ALIAS, alias.key, "update", state)]


def _record_state(record: Record, prefix: str) -> Change:
    return Change(*START, record.updated_at, KIND_IDENTIFIER, record.key, "update", identifier_state(record, prefix))


def _ask(states: Sequence[Change], chosen: Sequence[_Chosen], directory: Path) -> list[str]:
    writer = ReplicaWriter.create_next(directory, "trial")
    try:
        writer.apply(states)
        writer.publish()
        reader = ReplicaReader(directory)
        try:
            lookup = Lookup(reader)
            return [fault for one in chosen if (fault := _fault(lookup, one))]
        finally:
            reader.close()
    finally:
        writer.close()


def _fault(lookup: Lookup, one: _Chosen) -> str:
    """Return what is wrong with the answer to one name, or nothing."""
    record, prefix = one.record, one.prefix
    answer = lookup.find(record.spelling)
    if prefix is not None and (prefix.hosting == "routed" or prefix.state != "active"):
        return "" if isinstance(answer, Referral | Gone | Absent | Found) else f"{record.spelling} is no identifier"
    if record.state == "withdrawn":
        return "" if isinstance(answer, Gone) else f"{record.spelling} is withdrawn and still answered"
    if record.state == "alias":
        return "" if isinstance(answer, Found | Gone | Referral) else f"{record.spelling} leads nowhere"
    if not isinstance(answer, Found):
        return f"{record.spelling} is not found"
    same = answer.record.values() == decode_stored(record.values)
    return "" if same else f"{record.spelling} is answered with other values"


async def _compare(connection: Connection, chosen: Sequence[_Chosen]) -> list[str]:
    """Return which of the sample the registry does not hold, or holds with other content under the same version."""
    faults: list[str] = []
    for record, _ in chosen:
        here = await identifiers.by_key(connection, record.prefix_id, record.key)
        if here is None:
            faults.append(f"{record.spelling} is not in the registry")
        elif here.version == record.version and (here.state, here.values) != (record.state, record.values):
            faults.append(f"{record.spelling} has other content in the registry")
    return faults
