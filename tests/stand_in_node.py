"""A small stand-in for the remote node that the client commands talk to: a real HTTP server with faults to order."""

import asyncio
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOKEN = "idn_standing-in"
JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}


class StandInNode:
    """Serves in a thread of its own, so that a test may call commands as a user would.

    `records` maps folded identifiers to (identifier, values), `followed` to the code of a template. Batches are
    numbered from 1; `lose_answers` names those that are committed but never answered; `during_batch` is called with
    the number after each commit, and each answer then waits `linger_s`, so that a client that sends too much at once
    is caught at it.
    """

    def __init__(self) -> None:
        self.records: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        self.followed: dict[str, str] = {}
        self.batches: list[list[str]] = []
        self.missing_prefix = ""
        self.prefix_state = "active"
        self.waits: list[str] = []
        self.prefixes: list[dict[str, Any]] = []
        self.templates: dict[str, Any] = {}
        self.authorizations: list[str | None] = []
        self.lose_answers: set[int] = set()
        self.busy_answers = 0
        self.registry_down = False
        self.sync: dict[str, Any] = {}
        self.resolves = True
        self.page_rows_max = 3
        self.resolvable = True
        self.underway_most = 0
        self._underway: list[set[str]] = []
        self.overlaps = 0
        self.linger_s = 0.0
        self.during_batch: Callable[[int], Awaitable[None]] | None = None
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stand-in node")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def values_of(self, identifier: str) -> dict[str, str]:
        """Return the record of an identifier as type → data."""
        return {value["type"]: value["data"] for value in self.records[identifier.upper()][1]}

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[self._watch])
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/api/v1/status", self._status)
        app.router.add_post("/api/v1/identifiers:batch", self._batch)
        app.router.add_get("/api/v1/identifiers", self._list)
        app.router.add_post("/api/v1/lookup", self._lookup)
        app.router.add_get("/api/handles/{handle:.*}", self._handle)
        app.router.add_post("/api/v1/prefixes", self._create_prefix)
        app.router.add_get("/api/v1/prefixes", self._list_prefixes)
        app.router.add_get("/api/v1/prefixes/{prefix}", self._prefix)
        app.router.add_get("/api/v1/templates/{code}", self._template)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization"))
        if request.path.startswith("/api/v1/") and request.path != "/api/v1/lookup":
            if self.registry_down:
                return _problem(503, "registry_unavailable", "The registry is down")
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return _problem(401, "no_credentials", "This needs a token")
        response: web.StreamResponse = await handler(request)
        return response

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _ready(self, _request: web.Request) -> web.Response:
        return _json({"lookups": self.resolves, "writes": not self.registry_down}, 200 if self.resolves else 503)

    async def _status(self, _request: web.Request) -> web.Response:
        process = {"name": "worker-0", "pid": 12, "state": "running", "restarts": 0, "since": "2030-01-01T00:00:00Z"}
        more = {"uptime_s": 61.5, "processes": [process]} | ({"sync": self.sync} if self.sync else {})
        return _json({"version": "1", "replica": {"lag_s": 0.0}, "more": more})

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        rows = [orjson.loads(line) for line in (await request.read()).splitlines()]
        if self.busy_answers:
            self.busy_answers -= 1
            return _problem(503, "busy", "Too much at once", {"Retry-After": "0"})
        names = {row["identifier"].upper() for row in rows}
        self.overlaps += sum(not names.isdisjoint(others) for others in self._underway)
        self._underway.append(names)
        self.underway_most = max(self.underway_most, len(self._underway))
        number = self._commit_first(rows)
        self.waits.append(request.query["wait"])
        results = [
            {"line": line} | self._register(row, request.query["on_conflict"]) for line, row in enumerate(rows, 1)
        ]
        if "template" in request.query:
            self.followed.update((name, request.query["template"]) for name in names)
        if self.during_batch is not None:
            await self.during_batch(number)
        await asyncio.sleep(self.linger_s)
        self._underway.remove(names)
        if number in self.lose_answers:
            assert request.transport is not None
            request.transport.abort()
        summary = {"summary": {"resolvable": self.resolvable and request.query["wait"] == "true"}}
        return web.Response(body=b"\n".join(map(orjson.dumps, [*results, summary])) + b"\n")

    def _commit_first(self, rows: list[dict[str, Any]]) -> int:
        self.batches.append([row["identifier"] for row in rows])
        return len(self.batches)

    def _register(self, row: dict[str, Any], on_conflict: str) -> dict[str, Any]:
        identifier, values = row["identifier"], row["values"]
        for at, value in enumerate(values):
            if value["data"] == "REFUSE":
                return _rejected(identifier, "bad_value", f"values[{at}].data", "the node will not have this")
        if identifier.partition("/")[2].startswith("TPL-"):
            return _rejected(identifier, "bad_suffix", "identifier", "suffixes beginning TPL- are reserved")
        _, stored = self.records.get(identifier.upper(), (identifier, None))
        if stored == values:
            return {"identifier": identifier, "status": "unchanged"}
        if stored is not None and on_conflict == "fail":
            return _rejected(identifier, "conflict", "identifier", "it is registered with other content")
        if stored is not None and on_conflict == "skip":
            return {"identifier": identifier, "status": "skipped"}
        self.records[identifier.upper()] = (identifier, values)
        return {"identifier": identifier, "status": "created" if stored is None else "replaced"}

    async def _list(self, request: web.Request) -> web.Response:
        prefix, start = request.query["prefix"].upper() + "/", int(request.query.get("cursor", "0"))
        found = [record for key, record in sorted(self.records.items()) if key.startswith(prefix)]
        rows = min(self.page_rows_max, int(request.query["limit"]))
        items = [
            {"identifier": name, "state": "active", "version": 1, "values": values}
            | ({"template": self.followed[name.upper()]} if name.upper() in self.followed else {})
            for name, values in found[start : start + rows]
        ]
        return _json({"items": items, "next": str(start + rows) if start + rows < len(found) else None})

    async def _lookup(self, request: web.Request) -> web.Response:
        names = (await request.json())["identifiers"]
        return _json({"results": [self._resolution(name) for name in names]})

    def _resolution(self, name: str) -> dict[str, Any]:
        if name.upper() not in self.records:
            if not self.resolves:
                return {"identifier": name, "outcome": "unavailable", "error": {"code": "unavailable", "message": "no"}}
            if " " in name:
                return {"identifier": name, "outcome": "invalid", "error": {"code": "bad_char", "message": "a blank"}}
            return {"identifier": name, "outcome": "absent"}
        return {"identifier": name, "outcome": "found", "values": self.records[name.upper()][1]}

    async def _handle(self, request: web.Request) -> web.Response:
        name = request.match_info["handle"]
        if name.upper() not in self.records:
            return _json({"responseCode": 100, "handle": name}, 404)
        types, indexes = request.query.getall("type", []), request.query.getall("index", [])
        values = [
            value
            for value in self.records[name.upper()][1]
            if (not types and not indexes) or value["type"] in types or str(value["index"]) in indexes
        ]
        return _json({"responseCode": 1, "handle": name, "values": values})

    async def _create_prefix(self, request: web.Request) -> web.Response:
        prefix = await request.json()
        if any(prefix["prefix"] == known["prefix"] for known in self.prefixes):
            return _problem(409, "prefix_exists", "The prefix exists")
        self.prefixes.append(prefix | {"state": "active", "hosting": "here"})
        return _json(self.prefixes[-1], 201)

    async def _list_prefixes(self, request: web.Request) -> web.Response:
        start = int(request.query.get("cursor", "0"))
        following = start + 2
        cursor = str(following) if following < len(self.prefixes) else None
        return _json({"items": self.prefixes[start:following], "next": cursor})

    async def _prefix(self, request: web.Request) -> web.Response:
        prefix = request.match_info["prefix"]
        if prefix == self.missing_prefix:
            return _problem(404, "unknown_prefix", f"There is no prefix {prefix}")
        return _json({"prefix": prefix, "name": "x", "state": self.prefix_state, "hosting": "here"})

    async def _template(self, request: web.Request) -> web.Response:
        code = request.match_info["code"]
        if code not in self.templates:
            return _problem(404, "no_such_template", f"There is no template {code}")
        return _json(self.templates[code])


def _rejected(identifier: str, code: str, field: str, message: str) -> dict[str, Any]:
    return {"identifier": identifier, "status": "rejected", "code": code, "field": field, "message": message}


def _json(members: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(members), status=status, headers=JSON)


def _problem(status: int, code: str, title: str, headers: dict[str, str] | None = None) -> web.Response:
    members = {"type": f"urn:idnode:problem:{code}", "title": title, "status": status, "code": code}
    return web.Response(body=orjson.dumps(members), status=status, headers=PROBLEM | (headers or {}))
