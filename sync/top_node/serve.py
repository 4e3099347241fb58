"""Running the simulator: listening, until SIGTERM or Ctrl-C."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from sync.batch import Limits
from sync.top_node.api import DEFAULT_LIMITS, TopNode
from sync.top_node.faults import Faults, FaultSource
from sync.top_node.store import Store

FILE_NAME: Final = "top-node.sqlite3"
DRAIN_S: Final = 1.0


async def serve(
    host: str,
    port: int,
    data_dir: Path,
    *,
    faults: Faults,
    seed: int,
    token: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    say: Callable[[str], None],
) -> None:
    """Serve until told to end. Raises OSError if the address or the directory cannot be used."""
    source = FaultSource(faults, seed)
    app = TopNode(Store(data_dir / FILE_NAME, source), source, token=token, limits=limits).application()
    runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        say(f"top-level node simulator on {_url(runner.addresses[0])}, data in {data_dir}")
        await _told_to_end()
    finally:
        await runner.cleanup()


async def _told_to_end() -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await over.wait()


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
