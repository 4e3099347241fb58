"""`idnode sync reconcile`: compare what both sides hold, and repair it; the reporting process does the work."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from sync.commands.asking import EXIT_NOT_ALL, AsJson, Database, ask, connected, failure, show
from sync.database import Connection
from sync.outbox import comparisons
from sync.outbox.comparisons import Compared

LOOK_EVERY_S: Final = 0.5
COLUMNS: Final = ("table", "scope", "compared_at", "held_here", "held_there", "different", "queued", "problem")

OneTable = Annotated[str | None, typer.Argument(metavar="TABLE", help="Such as T9; none: all streams.")]
OneScope = Annotated[str | None, typer.Argument(metavar="SCOPE", help="The prefix; none: all streams of the table.")]
Repair = Annotated[bool, typer.Option(help="Send the rows that differ again.")]
Wait = Annotated[int, typer.Option(min=0, max=86_400, help="Wait so many seconds for the comparison.")]


def reconcile(
    table: OneTable = None,
    scope: OneScope = None,
    *,
    database: Database,
    repair: Repair = False,
    wait: Wait = 60,
    as_json: AsJson = False,
) -> None:
    """Compare rows with what the collector holds, by digests, and show how many differ; with --repair send those.

    Exit codes: 0 both sides hold the same; 1 rows differ, or a comparison is not made yet; 4 no database.
    """
    asked_at = datetime.now(UTC)
    streams = ask(
        database,
        lambda connection, reporter: comparisons.request(connection, reporter, table, scope, asked_at, repair=repair),
    )
    if not streams:
        raise failure("there is no such stream; `idnode sync status` lists them", EXIT_NOT_ALL)
    until = time.monotonic() + wait
    while (found := connected(database, _found(streams, asked_at))) is None and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
    if found is None:
        raise failure("not all comparisons are made yet; ask again, or see `idnode sync link`", EXIT_NOT_ALL)
    show([asdict(one) for one in found], COLUMNS, as_json=as_json)
    if any(one.problem or one.different > one.queued for one in found):
        raise typer.Exit(EXIT_NOT_ALL)


def _found(streams: Sequence[int], asked_at: datetime) -> "comparisons.Question":
    """Return a question for the comparisons of these streams; None while one is older than that."""

    async def question(connection: Connection) -> list[Compared] | None:
        found = await comparisons.find(connection, streams)
        done = len(found) == len(streams) and all(one.compared_at >= asked_at for one in found)
        return found if done else None

    return question
