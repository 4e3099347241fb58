"""The recorded exchanges of tests/data/handle_wire_vectors.json, as messages."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from identifiers.handle_wire.message import Message, decode_message, parse_message
from identifiers.handle_wire.sessions import AESCipher
from identifiers.handle_wire.tcp import Framed, StreamFramer
from identifiers.handle_wire.udp import Reassembler

PATH = Path(__file__).parent / "data" / "handle_wire_vectors.json"


class Step(NamedTuple):
    """One request and the answers to it. ``requests`` and ``answers`` are packets; ``key`` is that of the session."""

    name: str
    transport: str
    requests: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    decoded: dict[str, Any]
    key: bytes | None


@cache
def vectors() -> dict[str, Any]:
    """Return the whole file."""
    loaded: dict[str, Any] = json.loads(PATH.read_text())
    return loaded


def steps() -> Iterator[Step]:
    """Yield every recorded request and its answers."""
    for exchange in vectors()["exchanges"]:
        key = exchange.get("secrets", {}).get("session_key_hex")
        for at, step in enumerate(exchange.get("steps", [exchange])):
            yield Step(
                f"{exchange['name']}[{at}]",
                step["transport"],
                _packets(step["request_hex"]),
                _packets(step["response_hex"]),
                step["decoded"],
                bytes.fromhex(key) if key else None,
            )


def framed(packets: tuple[bytes, ...], transport: str, *, answers: bool) -> list[Framed]:
    """Return the message parts in packets of a transport."""
    if transport == "udp":
        reassembler = Reassembler(answers=answers)
        found = [reassembler.feed(("127.0.0.1", 1), packet, 0.0) for packet in packets]
        events = [event for event in found if event is not None]
    else:
        framer = StreamFramer()
        framer.feed(b"".join(packets))
        events = list(framer.events())
        assert not framer.is_within_message
    assert all(isinstance(event, Framed) for event in events), events
    return [event for event in events if isinstance(event, Framed)]


def message(event: Framed, key: bytes | None) -> Message | None:
    """Return the message in the clear; None if it is encrypted under a key nobody recorded."""
    if not event.envelope.is_encrypted:
        return parse_message(event.envelope, event.part)
    return None if key is None else parse_message(event.envelope, cipher(key).decrypt(event.part))


def cipher(key: bytes) -> AESCipher:
    """Return the cipher of a recorded session, with a fixed IV."""
    return AESCipher(key, bytes)


def single(name: str) -> Message:
    """Return a message of the industrial-internet client by its name."""
    (entry,) = [entry for entry in vectors()["messages"] if entry["name"] == name]
    return decode_message(bytes.fromhex(entry["hex"]))


def malformed(name: str) -> bytes:
    """Return a malformed request by its name."""
    (entry,) = [entry for entry in vectors()["malformed"] if entry["name"] == name]
    return bytes.fromhex(entry["request_hex"])


def _packets(hexadecimal: str | list[str]) -> tuple[bytes, ...]:
    texts = [hexadecimal] if isinstance(hexadecimal, str) else hexadecimal
    return tuple(bytes.fromhex(text) for text in texts)
