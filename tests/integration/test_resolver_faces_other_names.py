"""Aliases and successors on every face: other names lead to the record, withdrawn ones say where to go."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running_worker import PREFIX, Worker, examples, fill, running
from tests.unit.replica_states import alias_change, identifier_change, url

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
CANONICAL = f'</{PREFIX}/SN1>; rel="canonical"'
FORMER = f'</{PREFIX}/SN1>; rel="canonical successor-version"'


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    changes = [
        *examples(),
        alias_change(30, f"{PREFIX}/SAME", f"{PREFIX}/SN1"),
        alias_change(31, f"{PREFIX}/OLD", f"{PREFIX}/SN1", "former"),
        alias_change(32, "09521234000006", f"{PREFIX}/SN1"),
        alias_change(33, f"{PREFIX}/LOST", f"{PREFIX}/GONE"),
        alias_change(34, f"{PREFIX}/AWAY", "88.118.10/X"),
        alias_change(35, f"{PREFIX}/ENDED", f"{PREFIX}/SN1", withdrawn=True),
        alias_change(36, f"{PREFIX}/PRIVATE", f"{PREFIX}/MIXED"),
        identifier_change(37, f"{PREFIX}/MOVED", state="withdrawn", successor=f"{PREFIX}/SN<1>"),
        identifier_change(38, f"{PREFIX}/WAS", url("https://example.com/was")),
        alias_change(39, f"{PREFIX}/WAS", f"{PREFIX}/SN1"),
    ]
    writer = fill(tmp_path / "replica", changes)
    async with running(tmp_path) as worker:
        yield worker
    writer.close()


async def handle(worker: Worker, name: str, **more: Any) -> tuple[int, str | None, dict[str, Any]]:
    status, headers, body = await worker.ask(f"/api/handles/{name}", **more)
    return status, headers.get("Link"), json.loads(body)


@pytest.mark.parametrize(
    ("name", "link"),
    [
        (f"{PREFIX}/SAME", CANONICAL),
        (f"{PREFIX}/same", CANONICAL),
        (f"{PREFIX}/OLD", FORMER),
        (f"{PREFIX}/WAS", CANONICAL),
    ],
)
async def test_an_alias_answers_with_the_records_values_under_the_name_asked_for(
    worker: Worker, name: str, link: str
) -> None:
    _, _, record = await handle(worker, f"{PREFIX}/SN1")
    status, found_link, answer = await handle(worker, name)
    assert (status, found_link) == (200, link)
    assert (answer["handle"], answer["values"]) == (name, record["values"])
    assert (await handle(worker, f"{PREFIX}/SN1"))[1] is None


async def test_a_code_of_another_scheme_answers_too(worker: Worker) -> None:
    status, link, answer = await handle(worker, "09521234000006")
    assert (status, link, answer["responseCode"]) == (200, CANONICAL, 1)
    status, headers, _ = await worker.ask("/9521234000006", headers=BROWSER)
    assert (status, headers["Location"]) == (302, "https://example.com/SN1?a=1&b=2")
    assert (await handle(worker, "09521234000013"))[2]["responseCode"] != 1


async def test_a_link_under_an_alias_opens_the_records_url(worker: Worker) -> None:
    status, headers, _ = await worker.ask(f"/{PREFIX}/OLD", headers=BROWSER)
    assert (status, headers["Location"], headers["Link"]) == (302, "https://example.com/SN1?a=1&b=2", FORMER)


async def test_many_at_once_tell_the_alias_and_the_record(worker: Worker) -> None:
    names = [f"{PREFIX}/OLD", f"{PREFIX}/SN1", f"{PREFIX}/MOVED", f"{PREFIX}/GONE"]
    _, _, body = await worker.ask("/api/v1/lookup", method="POST", data=json.dumps({"identifiers": names}).encode())
    old, plain, moved, gone = json.loads(body)["results"]
    assert (old["outcome"], old["alias"], old["record"]) == ("found", "former", f"{PREFIX}/SN1")
    assert old["values"] == plain["values"]
    assert "alias" not in plain
    assert (moved["outcome"], moved["successor"]) == ("gone", f"{PREFIX}/SN<1>")
    assert "successor" not in gone


async def test_restricted_values_stay_so_under_an_alias(worker: Worker) -> None:
    _, _, record = await handle(worker, f"{PREFIX}/MIXED")
    _, _, answer = await handle(worker, f"{PREFIX}/PRIVATE")
    assert answer["values"] == record["values"]
    owner = {"Authorization": "Bearer owner"}
    _, _, as_owner = await handle(worker, f"{PREFIX}/PRIVATE", headers=owner)
    assert as_owner["values"] == (await handle(worker, f"{PREFIX}/MIXED", headers=owner))[2]["values"]


async def test_an_alias_of_what_is_gone_or_elsewhere_answers_as_that_does(worker: Worker) -> None:
    assert (await handle(worker, f"{PREFIX}/LOST"))[2]["responseCode"] == 100
    assert (await worker.ask(f"/{PREFIX}/LOST", headers=BROWSER))[0] == 410
    assert (await handle(worker, f"{PREFIX}/AWAY"))[2]["responseCode"] == 302


@pytest.mark.parametrize(
    ("name", "successor", "path"),
    [("MOVED", f"{PREFIX}/SN<1>", f"/{PREFIX}/SN%3C1%3E"), ("ENDED", f"{PREFIX}/SN1", f"/{PREFIX}/SN1")],
)
async def test_what_is_withdrawn_says_where_to_go(worker: Worker, name: str, successor: str, path: str) -> None:
    link = f'<{path}>; rel="successor-version"'
    status, found, answer = await handle(worker, f"{PREFIX}/{name}")
    assert (status, found) == (404, link)
    assert answer["message"] == f"This identifier was withdrawn: use {successor} instead"
    status, headers, body = await worker.ask(f"/{PREFIX}/{name}", headers=BROWSER)
    assert (status, headers["Link"]) == (410, link)
    assert f'<a href="{path}">' in body.decode()
    assert "SN<1>" not in body.decode()
