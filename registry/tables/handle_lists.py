"""Names in order, for the lists of the Handle protocol: identifiers of a prefix, prefixes below one, prefixes here."""

from typing import Final

from registry.database import Connection

_HANDLES = """
SELECT key, spelling FROM identifiers
WHERE prefix_id = $1 AND key > $2 AND state = 'active' AND NOT starts_with(key, 'hdl:0.NA/')
ORDER BY key OFFSET $3 LIMIT $4"""
_COUNT_HANDLES = """
SELECT count(*) FROM identifiers
WHERE prefix_id = $1 AND state = 'active' AND NOT starts_with(key, 'hdl:0.NA/')"""
_IN_FORCE: Final = "hosting = 'here' AND state IN ('active', 'withdrawing')"
_PREFIXES = f"""
SELECT prefix FROM prefixes
WHERE {_IN_FORCE} AND prefix > $1
    AND ($2::text IS NULL OR (starts_with(prefix, $2) AND strpos(substr(prefix, length($2) + 1), '.') = 0))
ORDER BY prefix OFFSET $3 LIMIT $4"""  # noqa: S608 - the condition is the text above
_COUNT_PREFIXES = f"""
SELECT count(*) FROM prefixes
WHERE {_IN_FORCE}
    AND ($1::text IS NULL OR (starts_with(prefix, $1) AND strpos(substr(prefix, length($1) + 1), '.') = 0))"""  # noqa: S608 - as above


async def handles(connection: Connection, prefix_id: int, after: str, offset: int, limit: int) -> list[tuple[str, str]]:
    """Return keys and spellings of the next active identifiers behind a key, without aliases and the prefix's own."""
    rows = await connection.fetch(_HANDLES, prefix_id, after, offset, limit)
    return [(row["key"], row["spelling"]) for row in rows]


async def count_handles(connection: Connection, prefix_id: int) -> int:
    """Count what `handles` lists in all."""
    return int(await connection.fetchval(_COUNT_HANDLES, prefix_id))


async def prefixes(
    connection: Connection, above: str | None, after: str, offset: int, limit: int
) -> list[tuple[str, str]]:
    """Return the next prefixes that are answered for here, each twice; with `above` those one level below it."""
    below = None if above is None else above + "."
    rows = await connection.fetch(_PREFIXES, after, below, offset, limit)
    return [(row["prefix"], row["prefix"]) for row in rows]


async def count_prefixes(connection: Connection, above: str | None) -> int:
    """Count what `prefixes` lists in all."""
    return int(await connection.fetchval(_COUNT_PREFIXES, None if above is None else above + "."))
