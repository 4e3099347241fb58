"""The usual way: an aiohttp `Application` on uvloop whose route looks the answer up in a dict.

A process of its own; its order comes as one JSON line on standard input. It is given every advantage: the answers are
ready-made octets in memory, and it has no log, no database, no counting and only the headers aiohttp itself sends.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING

import msgspec
import uvloop
from aiohttp import web

from loadtest.keys import KeyPattern, open_keys
from loadtest.peers.served import Served, accepts, free_port, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER_OCTETS_MAX = 1_048_576
SECONDS_PER_MILLION = 60.0


class Order(msgspec.Struct, frozen=True):
    """What to serve: for each key the body, with `suffix` in it replaced by the key's own."""

    port: int
    keys: KeyPattern
    body: str
    suffix: str


@contextlib.contextmanager
def aiohttp_peer(keys: KeyPattern, body: bytes, suffix: str) -> Iterator[Served]:
    """Run the peer with an answer for each of `keys`, made after `body`, which is the answer for `suffix`."""
    order = Order(free_port(), keys, body.decode(), suffix)
    command = [sys.executable, "-m", "loadtest.peers.aiohttp_dict"]
    with running(command, standard_input=msgspec.json.encode(order) + b"\n") as process:
        timeout_s = 10 + SECONDS_PER_MILLION * keys.count / 1_000_000
        wait_until(lambda: accepts(order.port), process, timeout_s=timeout_s, what="the aiohttp peer")
        yield Served("aiohttp", f"http://127.0.0.1:{order.port}", process.pid)


def make_app(answers: dict[str, bytes]) -> web.Application:
    """Return the application: one route, one look-up."""

    async def resolve(request: web.Request) -> web.Response:
        body = answers.get(request.match_info["handle"])
        if body is None:
            return web.Response(status=404, body=b'{"responseCode":100}', content_type="application/json")
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/api/handles/{handle:.+}", resolve)
    return app


def main() -> None:
    """Serve what the order on standard input says, until SIGTERM."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(ORDER_OCTETS_MAX), type=Order)
    template, suffix = order.body.encode(), order.suffix.encode()
    answers = {key: template.replace(suffix, key.partition("/")[2].encode()) for key in open_keys(order.keys)}
    gc.freeze()
    web.run_app(
        make_app(answers), host="127.0.0.1", port=order.port, access_log=None, print=None, loop=uvloop.new_event_loop()
    )


if __name__ == "__main__":
    main()
