"""Documents that rows refer to: handed over before the rows, each once (docking contract 9.6, 9.9)."""

import asyncio
from typing import Final

import msgspec

from sync import making
from sync.batch import Batch, Row
from sync.context import Context
from sync.database import connected
from sync.tables.t1 import FileRef, files_named

TABLES: Final = ("T1",)
"""The tables whose rows name documents."""

_CONTENT: Final = "SELECT content FROM operator_files WHERE sha256 = $1 LIMIT 1"


def files_of(rows: list[Row]) -> list[FileRef]:
    """Return every document that rows refer to, each once, in order."""
    told = [msgspec.json.decode(row.data) for row in rows if isinstance(row.data, msgspec.Raw)]
    named = (file for data in told for file in files_named(data))
    return list({file.sha256: file for file in named}.values())


async def hand_over(context: Context, batch: Batch) -> None:
    """Hand over what a batch's rows refer to and the collector does not hold yet; raises TransportError.

    A document that was replaced since is no longer kept here: the row behind this one names its successor.
    """
    if batch.table not in TABLES:
        return
    for file in files_of(list(await asyncio.to_thread(making.rows_of, batch))):
        async with connected(context.pool) as connection:
            content = await connection.fetchval(_CONTENT, bytes.fromhex(file.sha256))
        if content is not None:
            await context.transport.put_file(file.sha256, file.media_type, content)
