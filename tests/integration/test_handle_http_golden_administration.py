"""Recorded requests of administration, authentication and sessions, as native messages over HTTP (9).

Each gets over HTTP what it gets over TCP, and what the recording server answered.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from identifiers.handle_wire.answers import Challenge, SessionOffer, decode_answer
from identifiers.handle_wire.message import Message, decode_message
from tests.handle_vectors import vectors
from tests.integration.handle_http_face import Face, running_face
from tests.integration.test_handle_golden_administration import ADMINISTRATORS, OURS_DIFFERS, store_environment
from tests.integration.test_handle_http_golden import NATIVE, OVER_TCP
from tests.integration.test_resolver_handle_golden import OURS_DIFFERS as OTHERS_DIFFER
from tests.integration.test_resolver_handle_golden import asked, joined, packets_of, shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

ELSEWHERE = {exchange["name"] for exchange in OVER_TCP}
EXCHANGES = [
    exchange
    for exchange in vectors()["exchanges"]
    if (exchange["replay"], exchange.get("transport")) == ("bytes", "tcp") and exchange["name"] not in ELSEWHERE
]
STEPS = [
    step | {"name": f"{exchange['name']}[{at}]"}
    for exchange in vectors()["exchanges"]
    if exchange["replay"] == "bytes"
    for at, step in enumerate(exchange.get("steps", ()))
    if step["transport"] == "tcp"
]
RANDOM = (Challenge, SessionOffer)
LISTS = "op_106_list_derived_prefixes"
"""The recording server refuses this operation with op code 0; this server asks who wants the list."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    directory = tmp_path_factory.mktemp("golden")
    async with running_face(shared_registry_database, directory, administrators=ADMINISTRATORS) as made:
        await store_environment(made.stack)
        yield made


async def over_http(face: Face, exchange: dict[str, Any]) -> Message:
    octets = joined(packets_of(exchange["request_hex"]))
    reply = await face("POST", "/", octets, headers=NATIVE)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-hdl-message")
    return decode_message(reply.body)


@pytest.mark.parametrize("exchange", EXCHANGES + STEPS, ids=lambda exchange: exchange["name"])
async def test_a_recorded_message_gets_over_http_what_it_gets_over_tcp(face: Face, exchange: dict[str, Any]) -> None:
    recorded = decode_message(joined(packets_of(exchange["response_hex"])))
    tcp = decode_message((await asked(face.worker, exchange))[0])
    http = await over_http(face, exchange)
    expected = OTHERS_DIFFER.get(exchange["name"], OURS_DIFFERS.get(f"{exchange['name']}[0]", recorded.header.rc))
    answered = (106, 402) if exchange["name"] == LISTS else (recorded.header.op, expected)
    assert (http.header.op, http.header.rc) == (tcp.header.op, tcp.header.rc) == answered
    bodies = [decode_answer(message.header, message.body).body for message in (http, tcp)]
    if isinstance(bodies[0], RANDOM):
        assert type(bodies[0]) is type(bodies[1])
    else:
        assert bodies[0] == bodies[1]
        assert shown(http) == shown(tcp)


async def test_every_recorded_request_that_can_be_sent_again_is() -> None:
    """What is left is recorded over UDP."""
    sent = {exchange["name"] for exchange in (*EXCHANGES, *OVER_TCP)} | {
        step["name"].partition("[")[0] for step in STEPS
    }
    left = [
        exchange
        for exchange in vectors()["exchanges"]
        if exchange["replay"] == "bytes" and exchange["name"] not in sent
    ]
    assert all(exchange.get("transport") == "udp" for exchange in left), [exchange["name"] for exchange in left]


@pytest.mark.parametrize("entry", vectors()["malformed"], ids=lambda entry: entry["name"])
async def test_a_malformed_message_is_answered_with_a_message(face: Face, entry: dict[str, str]) -> None:
    reply = await face("POST", "/", bytes.fromhex(entry["request_hex"]), headers=NATIVE)
    message = decode_message(reply.body)
    assert reply.status == 200
    if entry["expect"].startswith("rc 4"):
        assert message.header.rc == 4
    else:
        assert message.header.rc in (1, 100, 301)
