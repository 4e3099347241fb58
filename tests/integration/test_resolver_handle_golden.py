"""Recorded exchanges, replayed against a running worker: the same answers, octet for octet where they can be."""

import re
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from identifiers.handle_wire.answers import Resolved, decode_answer
from identifiers.handle_wire.codes import CERTIFY, TRUNCATED
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.keys import load_public_key, public_octets
from identifiers.handle_wire.message import Message, decode_message
from identifiers.handle_wire.requests import GetSiteInfo
from identifiers.handle_wire.signing import is_signed_by
from identifiers.hs_site import parse_site
from identifiers.values import Value
from resolver.handle.server_key import ensure_server_key
from tests.handle_vectors import vectors
from tests.integration.handle_worker import Datagrams, Stream, handle_worker, request
from tests.integration.running_worker import Worker, fill
from tests.unit.replica_states import identifier_change, prefix_change

RECORDED_AT = 0x65920080
OURS_DIFFERS = {
    "unknown_session_id": 1,
    "op_999_unknown": 5,
    "udp_admin_request_on_query_interface": 2,
}
"""Response codes where this server differs on purpose: a session id may be made up, an unknown operation is refused
under its own numbers, and UDP sends to TCP."""
REPLAYED = [
    exchange
    for exchange in vectors()["exchanges"]
    if exchange["replay"] == "bytes"
    and "steps" not in exchange
    and (exchange["group"] in ("resolution", "transport") or exchange["name"] in OURS_DIFFERS)
]


def _names(text: str) -> Iterator[tuple[str, int]]:
    """Yield each name of `a/T0 ... a/T119`, or the one name, with its number."""
    many = re.fullmatch(r"(\S+?)(\d+) \.\.\. \S+?(\d+)", text)
    if many is None:
        yield text, 0
        return
    for number in range(int(many[2]), int(many[3]) + 1):
        yield f"{many[1]}{number}", number


def _value(recorded: dict[str, Any], number: int) -> Value:
    data = bytes.fromhex(recorded["data_hex"]) if "data_hex" in recorded else recorded["data_text"].encode()
    return Value(
        recorded["index"],
        recorded["type"],
        data.replace(b"<n>", str(number).encode()),
        int(recorded["permissions_hex"], 16),
        recorded["ttl"],
        timestamp=RECORDED_AT,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a replica with the records of the recording server, and a key to sign with."""
    directory = tmp_path_factory.mktemp("golden")
    about = vectors()["environment"]
    changes = [prefix_change(1, "20.500.999"), prefix_change(2, "20.500.888")]
    for record in about["records"]:
        for name, number in _names(record["handle"]):
            if name.startswith("0.NA/"):
                continue  # prefix records are registered differently
            values = [_value(value, number) for value in record["values"]]
            changes.append(identifier_change(len(changes) + 1, name, *values))
    # A record that the recording made itself: it is in the answer.
    big = next(exchange for exchange in REPLAYED if exchange["name"] == "resolve_big_udp")
    recorded = decode_message(joined(packets_of(big["response_hex"])))
    made = decode_answer(recorded.header, recorded.body).body
    assert isinstance(made, Resolved)
    changes.append(identifier_change(len(changes) + 1, made.name, *made.values))
    fill(directory / "replica", changes).close()
    ensure_server_key(directory / "key.pem")
    return directory


@pytest.fixture
async def worker(store: Path) -> AsyncIterator[Worker]:
    async with handle_worker(store, key_file=store / "key.pem") as running:
        yield running


def packets_of(octets: str | list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in ([octets] if isinstance(octets, str) else octets)]


def joined(packets: list[bytes]) -> bytes:
    """Return a recorded answer as one message."""
    first = packets[0]
    plain = first[:2] + bytes((first[2] & ~TRUNCATED,)) + first[3:]
    return plain + b"".join(packet[20:] for packet in packets[1:])


async def asked(worker: Worker, exchange: dict[str, Any]) -> tuple[bytes, list[bytes]]:
    packets = packets_of(exchange["request_hex"])
    if exchange["transport"] == "udp":
        with Datagrams(worker.handle_port) as datagrams:
            datagrams.send(*packets)
            return await datagrams.message_and_packets()
    async with await Stream.open(worker.handle_port) as stream:
        stream.send(*packets)
        answer = await stream.message()
        return answer, [answer]


def shown(message: Message) -> tuple[Any, Header]:
    return message.envelope._replace(length=0), message.header._replace(expiration=0, body_length=0)


@pytest.mark.parametrize("exchange", REPLAYED, ids=lambda exchange: exchange["name"])
async def test_a_recorded_request_gets_the_recorded_answer(worker: Worker, exchange: dict[str, Any]) -> None:
    answer, packets = await asked(worker, exchange)
    message = decode_message(answer)
    recorded = decode_message(joined(packets_of(exchange["response_hex"])))
    asking = decode_message(joined(packets_of(exchange["request_hex"])))
    assert message.envelope.request_id == asking.envelope.request_id
    assert message.envelope.session_id == asking.envelope.session_id
    assert message.header.op == asking.header.op
    assert all(bool(packet[2] & TRUNCATED) == (len(packets) > 1) for packet in packets)
    if exchange["name"] in OURS_DIFFERS:
        assert message.header.rc == OURS_DIFFERS[exchange["name"]]
        return
    assert shown(message) == shown(recorded)
    if exchange["name"] == "get_site_info":
        assert parse_site(message.body).protocol_version == parse_site(recorded.body).protocol_version
    elif message.header.rc in (1, 302):
        assert message.body == recorded.body
    else:
        assert len(message.body) >= 4  # a text of our own, never nothing
    assert (message.credential is None) == (recorded.credential is None)


async def test_a_certified_answer_verifies_with_the_key_of_the_site_record(worker: Worker, store: Path) -> None:
    exchange = next(one for one in REPLAYED if one["name"] == "resolve_certified")
    message = decode_message((await asked(worker, exchange))[0])
    assert message.header.flags & CERTIFY
    key = load_public_key(public_octets(ensure_server_key(store / "key.pem")))
    assert is_signed_by(message, key)
    assert message.credential is not None
    assert (message.credential.algorithm, message.credential.counter) == ("SHA-256", 0)


@pytest.mark.parametrize("entry", vectors()["malformed"], ids=lambda entry: entry["name"])
async def test_a_malformed_request_gets_the_outcome_that_is_written_down(worker: Worker, entry: dict[str, str]) -> None:
    request_id = int(struct.unpack_from(">I", bytes.fromhex(entry["request_hex"]), 8)[0])
    async with await Stream.open(worker.handle_port) as stream:
        message = decode_message(await stream.ask(bytes.fromhex(entry["request_hex"])))
        assert message.envelope.request_id == request_id
        if entry["expect"].startswith("rc 4"):
            assert message.header.rc == 4
        else:
            assert message.header.rc in (1, 100)
        if "close" in entry["expect"]:
            assert await stream.rest() == b""
        else:
            assert decode_message(await stream.ask(request(GetSiteInfo()))).header.rc == 1
