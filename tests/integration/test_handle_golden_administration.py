"""Recorded exchanges of administration, authentication and sessions, with a client that computes the proofs anew."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_requests import Add, Create, Home
from identifiers.handle_wire.answers import Challenge, decode_answer
from identifiers.handle_wire.codes import MODE_DIFFIE_HELLMAN, PUBLIC_KEY, SECRET_KEY
from identifiers.handle_wire.credential import MAC
from identifiers.handle_wire.message import Message, decode_message
from identifiers.handle_wire.proofs import prove_secret
from identifiers.handle_wire.requests import ChallengeResponse, SessionSetup, decode_request
from identifiers.handle_wire.signing import is_authenticated
from identifiers.octets import WireError
from identifiers.values import Reference, Value
from tests.handle_stack import Client, Reply, Stack, running_stack
from tests.handle_vectors import Step, framed, message, steps, vectors
from tests.support import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = "20.500.999/ADMIN"
ADMINISTRATORS = (Reference(ADMIN, 300), Reference(ADMIN, 301))
OURS_DIFFERS = {"unknown_session_id[0]": 1, "session_mode_2_then_exchange_key[0]": 501, "session_dh_full[13]": 500}
"""Response codes where this server differs on purpose: ids may be made up, it decrypts nothing for strangers, and a
session that was ended is unknown. What follows such a step is not repeated."""
KEY = rsa.generate_private_key(65_537, 2_048)
NAMES = [
    exchange["name"]
    for exchange in vectors()["exchanges"]
    if exchange["group"] in ("administration", "authentication", "sessions") and exchange["replay"] != "frame only"
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("golden")
    async with running_stack(
        shared_registry_database, directory, administrators=ADMINISTRATORS, server_key=KEY
    ) as made:
        await store_environment(made)
        yield made


async def store_environment(stack: Stack) -> None:
    """Store the records of the recording server, and wait until lookups know them."""
    for prefix in vectors()["environment"]["homed_prefixes"]:
        await stack.worker.calls.execute(Home(prefix), user=ADMINISTRATORS[0], face="handle_tcp")
    records = vectors()["environment"]["records"]
    await asyncio.gather(*(_put(stack, record, *name) for record in records for name in _names(record["handle"])))
    more = Add("20.500.999/H", tuple(Value(index, "A", b"b") for index in (61,)), overwrite=True)
    await stack.worker.calls.execute(more, user=ADMINISTRATORS[0], face="handle_tcp")
    await eventually(lambda: stack.worker.authentication.keys.record(ADMIN) is not None)


async def _put(stack: Stack, record: dict[str, Any], name: str, number: int) -> None:
    put = Create(name, tuple(_value(value, number) for value in record["values"]), overwrite=True)
    answer = await stack.worker.calls.execute(put, user=ADMINISTRATORS[0], face="handle_tcp")
    assert answer.code == 1, (name, answer)


def _names(text: str) -> Iterator[tuple[str, int]]:
    many = re.fullmatch(r"(\S+?)(\d+) \.\.\. \S+?(\d+)", text)
    if many is None:
        yield text, 0
        return
    for number in range(int(many[2]), min(int(many[3]), 11) + 1):
        yield f"{many[1]}{number}", number


def _value(recorded: dict[str, Any], number: int) -> Value:
    data = bytes.fromhex(recorded["data_hex"]) if "data_hex" in recorded else recorded["data_text"].encode()
    data = re.sub(rb"<n>(, n = .*)?", str(number).encode(), data)
    return Value(recorded["index"], recorded["type"], data, int(recorded["permissions_hex"], 16), recorded["ttl"])


def _secret(user: str) -> bytes:
    number = re.fullmatch(r"20\.500\.999/U(\d+)", user)
    return b"secret" if number is None else b"pw" + number[1].encode()


@pytest.mark.parametrize("name", NAMES)
async def test_a_recorded_exchange_ends_as_it_did(stack: Stack, name: str) -> None:
    client = Client(stack.worker)
    challenged: Reply | None = None
    for step in (one for one in steps() if one.name.partition("[")[0] == name and one.transport == "tcp"):
        replies = await _repeated(client, step, challenged)
        recorded = {(answer.header.op, OURS_DIFFERS.get(step.name, answer.header.rc)) for answer in _answers(step)}
        assert {(reply.op, reply.rc) for reply in replies} == recorded, step.name
        if step.name in OURS_DIFFERS:
            return
        if isinstance(replies[0].body, Challenge):
            challenged = replies[0]


def _answers(step: Step) -> list[Message]:
    found = [message(event, step.key) for event in framed(step.answers, step.transport, answers=True)]
    return [answer for answer in found if answer is not None]


async def _repeated(client: Client, step: Step, challenged: Reply | None) -> list[Reply]:
    """Send what the recorded client sent, with numbers, keys and proofs of this exchange."""
    (recorded,) = [message(event, step.key) for event in framed(step.requests, step.transport, answers=False)]
    assert recorded is not None
    try:
        asked = decode_request(recorded.header.op, recorded.body)
    except WireError:
        octets = [decode_message(answer) for answer in await client.worker.answers(client.peer, step.requests[0])]
        return [Reply(answer, decode_answer(answer.header, answer.body).body) for answer in octets]
    assert asked is not None
    if isinstance(asked, SessionSetup) and asked.mode == MODE_DIFFIE_HELLMAN:
        identity = Reference(asked.identity, asked.identity_index) if asked.identity else None
        return [await client.set_up_session(identity)]
    number = recorded.envelope.session_id
    session_id = number and (client.session_id or number)
    if isinstance(asked, ChallengeResponse) and challenged is not None:
        session_id, asked = challenged.session_id, _proved(asked, challenged)
    credential = recorded.credential
    has_mac = credential is not None and credential.type == MAC
    key = client.key
    if has_mac and step.key is not None and not is_authenticated(recorded, step.key):
        client.key = bytes(32)  # it was recorded with a wrong one
    try:
        return await client.all(
            asked,
            recorded.header.flags,
            session_id=None if has_mac else session_id,
            counter=credential.counter if credential is not None else None,
            request_id=recorded.envelope.request_id,
            encrypted=recorded.envelope.is_encrypted,
        )
    finally:
        client.key = key


def _proved(asked: ChallengeResponse, challenged: Reply) -> ChallengeResponse:
    """Return the recorded proof made anew; for a key whose private half nobody has, with the same user's secret."""
    assert isinstance(challenged.body, Challenge)
    if asked.type == PUBLIC_KEY:
        proof = prove_secret(b"secret", challenged.body)
        return msgspec.structs.replace(asked, type=SECRET_KEY, index=301, proof=proof)
    proof = prove_secret(_secret(asked.user), challenged.body, asked.proof[0], bytes(16))
    return msgspec.structs.replace(asked, proof=proof)
