"""Running a rehearsal: every clause in its order, and what came of each."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp
from aiohttp import web

from identifiers.signing_keys import PrivateKey, generate
from sync.rehearsal import on_the_link, on_the_rest, on_the_rows, on_the_tables
from sync.rehearsal.clause import Broken, Clause, NotOffered, Result
from sync.rehearsal.reporter import Reporter
from sync.top_node.api import TopNode
from sync.top_node.faults import Faults, FaultSource
from sync.top_node.store import Store

CLAUSES: Final = (*on_the_link.CLAUSES, *on_the_tables.CLAUSES, *on_the_rows.CLAUSES, *on_the_rest.CLAUSES)
ANSWER_TIMEOUT_S: Final = 60.0
CONNECT_TIMEOUT_S: Final = 10.0


async def try_clauses(
    reporter: Reporter, say: Callable[[Result], None], clauses: tuple[Clause, ...] = CLAUSES
) -> list[Result]:
    """Try every clause; `say` hears of each as it is done."""
    results = []
    for one in clauses:
        result = await _try(one, reporter)
        say(result)
        results.append(result)
    return results


@asynccontextmanager
async def reporting_to(
    url: str, prefix: str, *, key: PrivateKey | None = None, token: str | None = None
) -> AsyncIterator[Reporter]:
    """Give a reporter to the collector at `url`."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("Content-Type",)
    ) as session:
        yield Reporter(session, url, prefix, key=key, token=token)


@asynccontextmanager
async def own_collector(prefix: str) -> AsyncIterator[tuple[str, PrivateKey]]:
    """Run a strict simulator for the rehearsal alone; gives its address and the key it knows."""
    key, faults = generate(f"{prefix}#rehearsal"), FaultSource(Faults(), 0)
    with TemporaryDirectory(prefix="idnode-rehearsal-") as directory:
        store = Store(Path(directory) / "top-node.sqlite3", faults, strict=True)
        app = TopNode(store, faults, keys={key.key_id: key.public()}).application()
        runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield "http://{}:{}".format(*runner.addresses[0][:2]), key
        finally:
            await runner.cleanup()


async def _try(one: Clause, reporter: Reporter) -> Result:
    try:
        await one.check(reporter)
    except Broken as error:
        return Result(one.number, one.title, "fail", str(error))
    except NotOffered as error:
        return Result(one.number, one.title, "skipped", str(error))
    except (aiohttp.ClientError, OSError) as error:
        return Result(one.number, one.title, "fail", f"no answer: {error or type(error).__name__}")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # The answer lacks what the profile says, or has it in another form.
        return Result(one.number, one.title, "fail", f"the answer has another form: {type(error).__name__}: {error}")
    return Result(one.number, one.title, "pass")
