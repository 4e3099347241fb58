"""Recorded exchanges over TCP, sent as native messages over HTTP: the same answers (Handle over HTTP, 9)."""

from typing import Any

import pytest

from identifiers.handle_wire.message import decode_message
from tests.integration.running_worker import Worker
from tests.integration.test_resolver_handle_golden import (
    REPLAYED,
    asked,
    joined,
    packets_of,
    shown,
    store,
    worker,
)

__all__ = ["store", "worker"]

NATIVE = {"Content-Type": "application/x-hdl-message", "Accept": "application/x-hdl-message"}
OVER_TCP = [exchange for exchange in REPLAYED if exchange["transport"] == "tcp"]


@pytest.mark.parametrize("exchange", OVER_TCP, ids=lambda exchange: exchange["name"])
async def test_a_message_gets_over_http_what_it_gets_over_tcp(worker: Worker, exchange: dict[str, Any]) -> None:
    octets = joined(packets_of(exchange["request_hex"]))
    status, headers, body = await worker.ask("/20.500.999%2FX", method="POST", data=octets, headers=NATIVE)
    assert (status, headers["Content-Type"]) == (200, "application/x-hdl-message")
    over_http = decode_message(body)
    over_tcp = decode_message((await asked(worker, exchange))[0])
    assert shown(over_http) == shown(over_tcp)
    assert over_http.body == over_tcp.body
