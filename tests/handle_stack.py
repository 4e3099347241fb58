"""Registry, follower and a worker's Handle part in one process, and a client that speaks octets to it."""

import asyncio
import ipaddress
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Answer, Challenge, Failure, SessionOffer, decode_answer
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, parse_envelope
from identifiers.handle_wire.groups import PRIMES
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.keys import UsablePrivateKey
from identifiers.handle_wire.message import Message, decode_message, encode_message, make_message
from identifiers.handle_wire.proofs import prove_key, prove_secret
from identifiers.handle_wire.requests import ChallengeResponse, Request, SessionSetup, encode_request
from identifiers.handle_wire.sessions import (
    AESCipher,
    encode_dh_key,
    parse_dh_offer,
    private_number,
    public_key,
    session_key,
)
from identifiers.handle_wire.signing import authenticated, is_authenticated
from identifiers.handle_wire.versions import OURS, Version
from identifiers.hs_admin import Admin, encode_admin
from identifiers.value_json import values_to_json
from identifiers.values import Reference, Value
from registry.api.plain_registrations import PlainRegistrations
from registry.calls import serve_calls
from registry.handle_admin.execution import HandleAdministration
from registry.journal_source import PostgresJournalSource
from resolver.counting import Tallies
from resolver.faces.desk import Desk
from resolver.follower import Follower
from resolver.handle.auth.authentication import HandleAuthentication
from resolver.handle.auth.handling import add_handlers
from resolver.handle.auth.keys import Elsewhere
from resolver.handle.auth.limits import AuthSettings
from resolver.handle.auth.shared_table import SharedState
from resolver.handle.dispatch import Dispatch
from resolver.handle.exchange import Peer, Transport
from resolver.handle.resolve import Resolution
from resolver.handle.site import own_site
from resolver.handle.writing import Writing
from resolver.progress import ProgressServer
from resolver.registry_calls import RegistryCalls
from resolver.replica_reader import ReplicaReader
from tests.registry_api import Api, running_api
from tests.support import eventually

PREFIX = "88.118.8"
ADMIN = Reference(f"{PREFIX}/ADMIN", 300)
SERVICE = Reference(f"{PREFIX}/NODE", 301)
SECRET = b"a secret for tests"
FULL = 0x0FFF
CALLS_SOCKET = "calls.sock"
_ADDRESS = ipaddress.ip_address("127.0.0.1")
_GROUP_2 = min(PRIMES)


def admin_value(index: int, user: Reference, permissions: int = FULL) -> Value:
    return Value(index, "HS_ADMIN", encode_admin(Admin(user.handle, user.index, permissions)))


def secret_value(index: int, secret: bytes = SECRET) -> Value:
    return Value(index, "HS_SECKEY", secret, permissions=0b1100)


@dataclass
class Worker:
    """One worker's part: what it shares with others of its host is below `directory`."""

    authentication: HandleAuthentication
    calls: RegistryCalls
    dispatch: Dispatch

    async def answers(self, peer: Peer, octets: bytes, started: float = 0.0) -> list[bytes]:
        envelope = parse_envelope(octets)
        part = octets[ENVELOPE_OCTETS:]
        return [reply.octets async for reply in self.dispatch.later(peer, envelope, part, started)]


@dataclass
class Clock:
    """Seconds since 1970, moved by tests."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stack:
    """Everything. `clock` is that of challenges and sessions; `state` is what the workers share."""

    api: Api
    desk: Desk
    worker: Worker
    directory: Path
    settings: AuthSettings
    clock: Clock
    make_worker: Callable[[], Worker] = field(repr=False)
    state: SharedState = field(repr=False)

    async def record(self, name: str, *values: Value, **how: Any) -> None:
        """Put a record through the registry's own door, and wait until lookups know it."""
        body = {"values": json.loads(values_to_json(values)), **how}
        for value in body["values"]:
            value.pop("timestamp", None)
        reply = await self.api.admin("PUT", f"/api/v1/identifiers/{name}", body)
        assert reply.status in (200, 201, 202), reply.body
        await eventually(lambda: self.worker.authentication.keys.record(name) is not None)

    def client(self, worker: Worker | None = None, **how: Any) -> "Client":
        return Client(worker or self.worker, **how)


@dataclass
class Reply:
    """One answer, taken apart."""

    message: Message
    body: Answer

    @property
    def rc(self) -> int:
        return self.message.header.rc

    @property
    def op(self) -> int:
        return self.message.header.op

    @property
    def text(self) -> str:
        return self.body.text if isinstance(self.body, Failure) else ""

    @property
    def session_id(self) -> int:
        return self.message.envelope.session_id


class Client:
    """One connection to a worker; `session` makes it send MACs."""

    def __init__(
        self, worker: Worker, *, transport: Transport = "tcp", address: str = "127.0.0.1", version: Version = OURS
    ) -> None:
        self.worker = worker
        self.peer = Peer(transport, address)
        self.version = version
        self.numbers = iter(range(1, 1_000_000))
        self.key: bytes | None = None
        self.session_id = 0
        self.counters = iter(range(1, 1_000_000))

    def message(
        self, request: Request, flags: int = 0, session_id: int | None = None, request_id: int | None = None
    ) -> Message:
        number = next(self.numbers) if request_id is None else request_id
        session = self.session_id if session_id is None else session_id
        envelope = Envelope(self.version, 0, self.version, session, number, 0, 0)
        return make_message(envelope, Header(request.op, 0, flags, expiration=1_900_000_000), encode_request(request))

    async def all(
        self,
        request: Request,
        flags: int = 0,
        *,
        session_id: int | None = None,
        counter: int | None = None,
        request_id: int | None = None,
        encrypted: bool = False,
    ) -> list[Reply]:
        message = self.message(request, flags, session_id, request_id)
        credential = None
        if self.key is not None and session_id is None:
            credential = authenticated(message, self.key, next(self.counters) if counter is None else counter)
        cipher = None if self.key is None else AESCipher(self.key, secrets.token_bytes)
        octets = encode_message(message, credential, cipher if encrypted else None)
        replies = [decode_message(answer, cipher) for answer in await self.worker.answers(self.peer, octets)]
        return [Reply(reply, decode_answer(reply.header, reply.body).body) for reply in replies]

    async def send(self, request: Request, flags: int = 0, **how: Any) -> Reply:
        (reply,) = await self.all(request, flags, **how)
        return reply

    async def prove(self, challenged: Reply, user: Reference, **how: Any) -> list[Reply]:
        """Answer a challenge with a secret (`secret`, `algorithm`) or a key (`key`)."""
        assert isinstance(challenged.body, Challenge), challenged
        response = proof_of(challenged.body, user, **how)
        sent = challenged.session_id
        return await self.all(response, session_id=None if self.key and sent == self.session_id else sent)

    async def done(self, request: Request, user: Reference = ADMIN, flags: int = 0, **how: Any) -> Reply:
        """Send a request and prove who sends it if that is asked; the last answer."""
        reply = await self.send(request, flags)
        if reply.rc != codes.ResponseCode.AUTHENTICATION_NEEDED:
            return reply
        return (await self.prove(reply, user, **how))[-1]

    async def set_up_session(self, identity: Reference | None = ADMIN, timeout_s: int = 86_400) -> Reply:
        prime = _GROUP_2
        private = private_number(secrets.token_bytes)
        ours = encode_dh_key(public_key(private, prime))
        who = identity or Reference("", 0xFFFFFFFF)
        reply = await self.send(SessionSetup(4, timeout_s, who.handle, who.index, public_key=ours))
        if isinstance(reply.body, SessionOffer):
            _, theirs = parse_dh_offer(reply.body.data)
            self.key, self.session_id = session_key(private, theirs), reply.session_id
        return reply

    def is_from_session(self, reply: Reply) -> bool:
        return is_authenticated(reply.message, self.key or b"")


def proof_of(
    challenge: Challenge,
    user: Reference,
    *,
    secret: bytes = SECRET,
    algorithm: int = 3,
    key: UsablePrivateKey | None = None,
    type_: str | None = None,
) -> ChallengeResponse:
    if key is not None:
        return ChallengeResponse(type_ or "HS_PUBKEY", user.handle, user.index, prove_key(key, challenge, user.handle))
    proof = prove_secret(secret, challenge, algorithm, secrets.token_bytes(16))
    return ChallengeResponse(type_ or "HS_SECKEY", user.handle, user.index, proof)


@asynccontextmanager
async def running_stack(
    dsn: str,
    directory: Path,
    *,
    administrators: Sequence[Reference] = (SERVICE,),
    elsewhere: Elsewhere | None = None,
    server_key: UsablePrivateKey | None = None,
    **settings: Any,
) -> AsyncIterator[Stack]:
    """Run registry, follower and one worker's part over a fresh database, with the prefix 88.118.8."""
    async with AsyncExitStack() as stack:
        woken = asyncio.Event()
        source = await stack.enter_async_context(aclosing(PostgresJournalSource(dsn)))
        progress = await stack.enter_async_context(ProgressServer(directory / "follower.sock", woken))
        api = await stack.enter_async_context(running_api(dsn, directory, resolvable_wait_s=5.0))
        follower = Follower(source, directory / "replica", progress.announce, woken=woken)
        following = asyncio.create_task(follower.run())
        stack.push_async_callback(_ended, following)
        calls_socket = directory / CALLS_SOCKET
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound.bind(str(calls_socket))
        administration = HandleAdministration(api.context, tuple(administrators))
        await stack.enter_async_context(serve_calls(administration, PlainRegistrations(api.context), bound))
        reader = await eventually(lambda: ReplicaReader(directory / "replica"), retrying=Exception)
        stack.callback(reader.close)
        clock, auth = Clock(), AuthSettings(tuple(administrators), **settings)
        desk = Desk(Tallies())
        desk.serve_from(reader)

        state = SharedState(directory / "handle")
        stack.callback(state.close)

        def make_worker() -> Worker:
            authentication = HandleAuthentication(desk, state, auth, elsewhere=elsewhere, clock=clock, ticks=clock)
            calls = RegistryCalls(calls_socket)
            stack.callback(calls.close)
            stack.callback(authentication.proofs.close)
            site = own_site([_ADDRESS], 2641, serial=1)
            resolution = Resolution(desk, site, authentication)
            add_handlers(authentication, calls, resolution.answer_as)
            writing = Writing(site, server_key, authentication, clock)
            stack.callback(writing.close)
            return Worker(authentication, calls, Dispatch(resolution, writing, authentication, site))

        await api.prefix()
        made = Stack(api, desk, make_worker(), directory, auth, clock, make_worker, state)
        await made.record(f"{PREFIX}/ADMIN", admin_value(100, ADMIN), secret_value(300))
        await made.record(f"{PREFIX}/NODE", admin_value(100, SERVICE), secret_value(301))
        await made.record(f"0.NA/{PREFIX}", admin_value(100, ADMIN))
        yield made


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
