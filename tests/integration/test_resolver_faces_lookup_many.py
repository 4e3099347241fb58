"""Many identifiers in one request, over a real socket and a real replica."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running_worker import PREFIX, Worker, examples, fill, running

PATH = "/api/v1/lookup"


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    writer = fill(tmp_path / "replica", examples())
    async with running(tmp_path) as worker:
        yield worker
    writer.close()


async def ask(worker: Worker, *identifiers: str) -> list[dict[str, Any]]:
    status, headers, body = await worker.ask(PATH, method="POST", json={"identifiers": identifiers})
    assert status == 200
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    results: list[dict[str, Any]] = json.loads(body)["results"]
    return results


async def test_each_identifier_has_its_own_outcome_in_the_order_asked(worker: Worker) -> None:
    names = [f"{PREFIX}/sn1", f"{PREFIX}/none", f"{PREFIX}/GONE", "88.118.10/x", f"{PREFIX}/\x01", "20.500/x", ""]
    results = await ask(worker, *names)
    assert [result["identifier"] for result in results] == names
    outcomes = [result["outcome"] for result in results]
    assert outcomes == ["found", "absent", "gone", "referral", "invalid", "absent", "invalid"]
    assert [value["index"] for value in results[0]["values"]] == [1, 2, 3]
    assert results[3]["values"][0]["type"] == "HS_SITE"
    assert results[4]["error"]["code"] == "bad_char"
    assert results[6]["error"]["code"] == "empty"


async def test_only_public_values_are_told(worker: Worker) -> None:
    results = await ask(worker, f"{PREFIX}/MIXED", f"{PREFIX}/HIDDEN")
    assert [value["type"] for value in results[0]["values"]] == ["NOTE"]
    assert results[1]["values"] == []


async def test_large_answers_come_in_pieces_and_whole(worker: Worker) -> None:
    results = await ask(worker, *[f"{PREFIX}/HUGE"] * 30)
    assert len(results) == 30
    assert all(len(result["values"][0]["data"]["value"]) == 100_000 for result in results)


async def test_a_thousand_are_taken_and_no_more(worker: Worker) -> None:
    assert len(await ask(worker, *[f"{PREFIX}/SN1"] * 1_000)) == 1_000
    body = {"identifiers": [f"{PREFIX}/SN1"] * 1_001}
    status, _, octets = await worker.ask(PATH, method="POST", json=body)
    problem = json.loads(octets)
    assert (status, problem["errors"][0]["field"]) == (400, "identifiers")
    assert "1000" in problem["errors"][0]["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b'{"identifiers":', "body"),
        (b"{}", "body"),
        (b'{"identifiers":[]}', "identifiers"),
        (b'{"identifiers":"88.118.8/SN1"}', "identifiers"),
        (b'{"identifiers":["a",1]}', "identifiers[1]"),
        (b'{"identifiers":["a"],"more":1}', "body"),
        (b'{"identifiers":["\xff"]}', "body"),
    ],
)
async def test_a_body_of_another_form_is_a_problem_that_names_the_field(
    worker: Worker, body: bytes, field: str
) -> None:
    status, headers, octets = await worker.ask(PATH, method="POST", data=body)
    problem = json.loads(octets)
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert problem["code"] == "invalid_body"
    assert problem["type"] == "urn:idnode:problem:invalid_body"
    assert [error["field"] for error in problem["errors"]] == [field]
    assert "identifiers" in problem["remedy"]


async def test_bodies_that_cannot_be_taken_are_refused(worker: Worker) -> None:
    large = io.BytesIO(b'{"identifiers":["' + b"x" * 1_048_576 + b'"]}')
    assert (await worker.ask(PATH, method="POST", data=large))[0] == 413
    coded = {"Content-Encoding": "gzip"}
    assert (await worker.ask(PATH, method="POST", data=b"x", headers=coded))[0] == 415


async def test_other_methods_are_refused(worker: Worker) -> None:
    status, headers, _ = await worker.ask(PATH)
    assert (status, headers["Allow"]) == (405, "POST, OPTIONS")
    assert (await worker.ask(PATH, method="OPTIONS"))[0] == 200
