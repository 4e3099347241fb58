"""What each face says of names below a prefix that is suspended, withdrawn, or only applied for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from identifiers.changes import PrefixStateName
from resolver.replica import ReplicaWriter
from tests.integration.running_worker import SITE, Worker, fill, running
from tests.unit.replica_states import identifier_change, prefix_change, url

PREFIX = "88.118.8"
NAME = f"{PREFIX}/SN1"
PLAIN = b"GET /api/handles/88.118.8/SN1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def writer(tmp_path: Path) -> ReplicaWriter:
    return fill(
        tmp_path / "replica",
        [
            prefix_change(1, PREFIX),
            prefix_change(2, "88.118.9", hosting="routed", sites=[SITE]),
            identifier_change(3, NAME, url("https://example.com/1")),
        ],
    )


@pytest.fixture
async def worker(tmp_path: Path, writer: ReplicaWriter) -> AsyncIterator[Worker]:
    async with running(tmp_path) as running_worker:
        yield running_worker


async def lookup(worker: Worker, name: str) -> object:
    _, _, body = await worker.ask("/api/v1/lookup", "POST", json={"identifiers": [name]})
    return json.loads(body)["results"][0]


@pytest.mark.parametrize("state", ["suspended", "withdrawn"])
async def test_names_below_a_stopped_prefix_are_gone_on_every_face(
    worker: Worker, writer: ReplicaWriter, state: PrefixStateName
) -> None:
    assert (await worker.ask_raw(PLAIN)).startswith(b"HTTP/1.1 200 ")  # the lane has it at hand
    writer.apply([prefix_change(4, PREFIX, state=state)])
    message = f"The prefix {PREFIX} is {state}"

    lane = await worker.ask_raw(PLAIN)
    assert lane.startswith(b"HTTP/1.1 404 ")
    assert message.encode() in lane
    status, _, body = await worker.ask(f"/api/handles/{NAME}?type=URL")
    assert (status, json.loads(body)) == (404, {"responseCode": 100, "handle": NAME, "message": message})
    status, _, body = await worker.ask(f"/{NAME}", headers={"Accept": "application/json"})
    assert (status, json.loads(body)["message"]) == (410, message)
    status, headers, body = await worker.ask(f"/{NAME}", headers={"Accept": "text/html"})
    assert (status, headers.get("Location")) == (410, None)
    assert message.encode() in body
    assert await lookup(worker, NAME) == {"identifier": NAME, "outcome": "gone"}


async def test_a_suspended_prefix_refers_nobody_to_its_enterprise(worker: Worker, writer: ReplicaWriter) -> None:
    assert (await worker.ask("/api/handles/88.118.9/A"))[0] == 300
    writer.apply([prefix_change(4, "88.118.9", state="suspended", hosting="routed", sites=[SITE])])
    status, _, body = await worker.ask("/api/handles/88.118.9/A")
    assert (status, b"192.0.2.1" in body) == (404, False)


async def test_a_resumed_prefix_resolves_again(worker: Worker, writer: ReplicaWriter) -> None:
    writer.apply([prefix_change(4, PREFIX, state="suspended")])
    assert (await worker.ask_raw(PLAIN)).startswith(b"HTTP/1.1 404 ")
    writer.apply([prefix_change(5, PREFIX)])
    assert (await worker.ask_raw(PLAIN)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("state", ["applied", "under_review", "rejected"])
async def test_a_prefix_that_was_never_in_force_is_not_served(
    worker: Worker, writer: ReplicaWriter, state: PrefixStateName
) -> None:
    writer.apply([prefix_change(4, PREFIX, state=state)])
    assert b'"responseCode":301' in await worker.ask_raw(PLAIN)
    assert await lookup(worker, NAME) == {"identifier": NAME, "outcome": "absent"}


async def test_a_prefix_about_to_be_withdrawn_is_answered_as_before(worker: Worker, writer: ReplicaWriter) -> None:
    writer.apply([prefix_change(4, PREFIX, state="withdrawing")])
    assert (await worker.ask_raw(PLAIN)).startswith(b"HTTP/1.1 200 ")
