"""A registry with two enterprises and a caller of every kind, and what a request on a thing of the first looks like."""

import gzip
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.authority import ROLES
from tests.documents import document
from tests.enterprise_statements import application, upload
from tests.registry_api import Api, Client

PREFIX = "88.118.8"
OTHER_PREFIX = "88.118.9"
PASSWORD = "demo-password-1"
PUBLIC, NAMED = "grade one", "grade two"
ITEMS = [
    {"index": 2000, "name": "名称", "type": "label"},
    {"index": 2001, "name": "单价", "type": "price", "grade": 2},
]
RECORD = [{"index": 2000, "type": "label", "data": PUBLIC}, {"index": 2001, "type": "price", "data": NAMED}]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sends a request: a role, and whose it is of the thing that the request is about."""

    role: str | None
    belongs: str = ""

    def __str__(self) -> str:
        return f"{self.belongs} {self.role or 'nobody'}".strip()


_OF_THE_NODE = ROLES[:3]
_OF_ENTERPRISES = ROLES[3:]
CALLERS = (
    *(Caller(role) for role in _OF_THE_NODE),
    *(Caller(role, "own") for role in _OF_ENTERPRISES),
    *(Caller(role, "other") for role in _OF_ENTERPRISES),
    Caller(None),
)
"""The columns of the expected answers."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A request. `owner`: the enterprise whose thing it is about, the node's first one unless told.

    `shows`: what only those find in the answer who may see the thing. `client`: who sends it instead of the caller.
    """

    path: str
    body: Any = None
    data: bytes | None = None
    media_type: str = ""
    owner: str = ""
    shows: str = ""
    client: Client | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A caller's account."""

    client: Client
    account: str
    username: str


Make = Callable[["World", Caller], Awaitable[Sample]]
Route = tuple[str, str]
"""A method and a path."""
Judge = Callable[[Caller, int, bytes], str]
"""Tells `+` and `-` from an answer."""
_personal: set[Make] = set()


def personal(make: Make) -> Make:
    """Mark a sample that is about the caller itself, and so is another one for each."""
    _personal.add(make)
    return make


@dataclass
class World:
    """Two enterprises that are in force, each with a prefix, and accounts of every role in both."""

    api: Api
    mine: str = ""
    other: str = ""
    people: dict[Caller, Person] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(100))
    _clients: dict[tuple[Caller, str], Client] = field(default_factory=dict)
    _samples: dict[Route, Sample] = field(default_factory=dict)

    async def set_up(self) -> None:
        """Make the enterprises and the accounts."""
        await self.do("PUT", "/api/v1/prefix-allocation", {"node_prefix": "88.118"})
        self.mine = await self.enterprise("active", 8)
        self.other = await self.enterprise("active", 9)
        for caller in CALLERS:
            if caller.role is None:
                continue
            enterprise = {"own": self.mine, "other": self.other}.get(caller.belongs)
            account, username = await self.user(caller.role, enterprise)
            self.people[caller] = Person(await self.token_of(account), account, username)

    @property
    def number(self) -> int:
        """A number that nothing has yet."""
        return next(self._numbers)

    async def do(self, method: str, path: str, body: Any = None, **sent: Any) -> Any:
        """Send a request as the administrator, and return what it answers; it has to succeed."""
        reply = await self.api.admin(method, path, body, **sent)
        assert reply.status < 300, (method, path, reply.body)
        return reply.json

    async def user(self, role: str, enterprise: str | None) -> Route:
        """Make a user with a password, and return its account and name."""
        username = f"user-{self.number}"
        body = {"role": role, "enterprise": enterprise, "username": username, "password": PASSWORD}
        return (await self.do("POST", "/api/v1/accounts", body))["account"]["id"], username

    async def token_of(self, account: str) -> Client:
        """Return a client with a fresh token of an account."""
        return self.api.client(
            (await self.do("POST", "/api/v1/tokens", {"account": account, "label": "test"}))["token"]
        )

    async def enterprise(self, state: str, number: int | None = None) -> str:
        """Let an enterprise apply, and bring it to a state of its life."""
        number = number or self.number
        path = "/api/v1/enterprises"
        enterprise = str((await self.do("POST", path, await application(self.api.admin, number)))["id"])
        path = f"{path}/{enterprise}"
        if state in ("approved", "active", "suspended"):
            await self.do("POST", f"{path}:approve")
        if state in ("active", "suspended"):
            await self.do("POST", f"{path}:decide", {"decision": "approved"})
        if state == "suspended":
            await self.do("POST", f"{path}:suspend", {"reason": "for a while"})
        assert (await self.do("GET", path))["state"] == state
        return enterprise

    async def document(self, client: Client | None = None) -> Any:
        """Upload a document that nobody else has."""
        return await upload(client or self.api.admin, document(self.number))

    async def record(self, name: str | None = None) -> str:
        """Register an identifier of the first enterprise, with a value that is not public."""
        name = name or f"{PREFIX}/SN{self.number}"
        values = [RECORD[0], {**RECORD[1], "permissions": "1100"}]
        await self.do("PUT", f"/api/v1/identifiers/{name}", {"values": values})
        return name

    async def template(self, *, publish: bool = False, shared: bool = False, **rest: Any) -> str:
        """Make a template, of the first enterprise unless `rest` says otherwise."""
        rest = rest or {"enterprise": self.mine}
        body = {"code": f"t{self.number}", "name": "T", "items": ITEMS, "publish": publish, "shared": shared, **rest}
        return str((await self.do("POST", "/api/v1/templates", body))["code"])

    async def prefix(self, state: str = "active") -> str:
        """Make a prefix of the first enterprise, in a state."""
        prefix = f"88.118.{self.number}"
        path = f"/api/v1/prefixes/{prefix}"
        if state in ("applied", "under_review"):
            body = {"prefix": prefix, "name": "x", "enterprise": self.mine}
            await self.do("POST", "/api/v1/prefixes:apply", body)
        else:
            await self.do("POST", "/api/v1/prefixes", {"prefix": prefix, "name": "x", "enterprise": self.mine})
        if state == "under_review":
            await self.do("POST", f"{path}:approve")
        if state == "suspended":
            await self.do("POST", f"{path}:suspend", {"reason": "for a while"})
        return prefix

    async def client(self, caller: Caller, sample: Sample) -> Client:
        """Return who sends a sample as this caller."""
        if sample.client is not None:
            return sample.client
        if caller.role is None:
            return self.api.client(None)
        if caller.belongs != "own" or sample.owner in ("", self.mine):
            return self.people[caller].client
        key = caller, sample.owner
        if key not in self._clients:
            self._clients[key] = await self.api.holder(caller.role, sample.owner)
        return self._clients[key]

    async def sample(self, route: Route, make: Make, caller: Caller) -> Sample:
        """Return what to send. It is made anew once it has been carried out, so that a refusal leaves it to be."""
        if make in _personal:
            return await make(self, caller)
        if route not in self._samples:
            self._samples[route] = await make(self, caller)
        return self._samples[route]

    def carried_out(self, route: Route) -> None:
        """Note that the thing has been changed."""
        if route[0] != "GET":
            self._samples.pop(route, None)

    async def snms_upload(self, client: Client) -> int:
        """Upload a document as SNMS clients do, and return its number."""
        data, media_type = form(document(self.number))
        headers = {"Content-Type": media_type}
        reply = await client("POST", "/snms/api/file/upload", data=data, headers=headers)
        assert reply.json["status"] == 1, reply.body
        return int(reply.json["data"]["id"])


def form(content: bytes) -> tuple[bytes, str]:
    """Write a file as the one part of a form, and return it with its media type."""
    boundary = "part-" + hashlib.sha256(content).hexdigest()[:16]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def expected(table: str) -> Mapping[Route, str]:
    """Read a table of expected answers: method, path, and one letter for each caller.

    `+` it is carried out, and shows what it should; `o` it is carried out and shows nothing of the thing; `-` it is
    refused.
    """
    rows = {}
    for line in filter(None, table.splitlines()):
        method, path, letters = line.split(maxsplit=2)
        answers = letters.replace(" ", "")
        assert len(answers) == len(CALLERS), line
        assert (method, path) not in rows, f"twice: {line}"
        rows[method, path] = answers
    return rows


async def answers(world: World, samples: Mapping[Route, Make], judge: Judge) -> dict[Route, str]:
    """Send every request as every caller, the least ones first, and write down what they get as `expected` does."""
    found = {}
    for route, make in samples.items():
        letters = {}
        for caller in reversed(CALLERS):
            sample = await world.sample(route, make, caller)
            client = await world.client(caller, sample)
            # Where an upload is refused unread, the connection ends with the answer.
            headers = {"Content-Type": sample.media_type, "Connection": "close"} if sample.media_type else {}
            reply = await client(route[0], sample.path, sample.body, data=sample.data, headers=headers)
            letters[caller] = letter = judge(caller, reply.status, reply.body)
            if letter == "+":
                world.carried_out(route)
                packed = reply.headers.get("Content-Encoding") == "gzip"
                body = gzip.decompress(reply.body) if packed else reply.body
                letters[caller] = "+" if sample.shows.encode() in body else "o"
            elif letter != "-":
                letters[caller] = f"[{caller}: {reply.status} {reply.body[:300]!r}]"
        found[route] = "".join(letters[caller] for caller in CALLERS)
    return found


def differences(wanted: Mapping[Route, str], found: Mapping[Route, str]) -> list[str]:
    """Say where answers are not as expected."""
    return [
        f"{method} {path}\n    wanted {wanted[method, path]}\n    found  {letters}"
        for (method, path), letters in found.items()
        if letters != wanted[method, path]
    ]
