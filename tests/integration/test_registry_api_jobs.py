"""Jobs over the API: uploaded whole, carried out step by step, and told of row by row."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.context import JobSettings
from registry.service import job_import, job_input, job_runner, jobs
from registry.service.job_runner import JobRunner
from registry.tables import jobs as job_table
from tests.registry_api import Api, Client, Reply, raw_request, running_api
from tests.support import eventually

JOBS = "/api/v1/jobs"
NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        await running.prefix()
        yield running


def runner(api: Api) -> JobRunner:
    context = api.context
    return JobRunner(context.pool, context.barrier, context.clock, context.jobs_waiting)


def row(name: str, data: str = "https://example.com/1", prefix: str = "88.118.8", index: int = 1) -> dict[str, Any]:
    return {"identifier": f"{prefix}/{name}", "values": [{"index": index, "type": "URL", "data": data}]}


async def upload(client: Client, rows: list[Any] | bytes, query: str = "kind=import", **rest: Any) -> Reply:
    data = rows if isinstance(rows, bytes) else b"".join(json.dumps(one).encode() + b"\n" for one in rows)
    return await client("POST", f"{JOBS}?{query}", data=data, headers=rest.get("headers", NDJSON))


async def finish(api: Api) -> None:
    working = runner(api)
    while await working.take_turn():
        pass


async def carried_out(api: Api, rows: list[Any] | bytes, query: str = "kind=import", **rest: Any) -> dict[str, Any]:
    """Upload, let everything be done, and return the job as it ended."""
    reply = await upload(rest.pop("client", api.admin), rows, query, **rest)
    assert reply.status == 202, reply.body
    await finish(api)
    found: dict[str, Any] = (await api.admin("GET", reply.headers["Location"])).json
    return found


async def results(api: Api, job: dict[str, Any], query: str = "") -> list[Any]:
    reply = await api.admin("GET", f"{JOBS}/{job['id']}/results{query}")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-ndjson")
    return reply.lines


async def data_of(api: Api, name: str) -> str:
    reply = await api.admin("GET", f"/api/v1/identifiers/88.118.8/{name}")
    return str(reply.json["values"][0]["data"]["value"])


async def test_a_job_goes_from_queued_to_done_and_tells_of_each_row(api: Api) -> None:
    reply = await upload(api.admin, [row("SN1"), row("BAD", prefix="88.118.9"), row("SN2"), row("sn1")])
    assert reply.status == 202
    assert reply.headers["Location"] == f"{JOBS}/{reply.json['id']}"
    assert (reply.json["state"], reply.json["rows_total"], reply.json["rows_done"]) == ("queued", 4, 0)
    await finish(api)
    job = (await api.admin("GET", reply.headers["Location"])).json
    assert (job["state"], job["rows_done"], job["problem"]) == ("done", 4, None)
    assert {name: count for name, count in job["counts"].items() if count} == {
        "created": 2,
        "unchanged": 1,
        "rejected": 1,
    }
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    found = await results(api, job)
    assert [(line["line"], line["status"]) for line in found] == [
        (1, "created"),
        (2, "rejected"),
        (3, "created"),
        (4, "unchanged"),
    ]
    assert await results(api, job, "?status=rejected") == [found[1]]
    assert found[1]["code"] == "unknown_prefix"
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN2")).status == 200


async def test_after_results_the_connection_serves_the_next_request(api: Api) -> None:
    job = (await upload(api.admin, [row("SN1")])).json
    reader, writer = await asyncio.open_unix_connection(str(api.socket))
    head = f"GET {JOBS}/{job['id']}/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.admin.token}\r\n\r\n"
    for _ in range(3):
        writer.write(head.encode())
        whole = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)
        assert whole.startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_long_upload_is_done_in_steps_and_its_results_stay_in_order(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", {"import": 10})
    rows = [row(f"SN{number}") for number in range(95)]
    reply = await upload(api.admin, rows)
    working = runner(api)
    assert await working.take_turn()
    path = reply.headers["Location"]
    half = (await api.admin("GET", path)).json
    assert (half["state"], half["rows_done"], half["started_at"] is None) == ("running", 10, False)
    assert len(await results(api, half)) == 10
    await finish(api)
    assert [line["line"] for line in await results(api, half)] == list(range(1, 96))
    assert (await api.admin("GET", path)).json["counts"]["created"] == 95
    assert await api.context.pool.fetchval("SELECT count(*) FROM job_input") == 0


@pytest.mark.parametrize(
    ("on_conflict", "status", "data"),
    [("fail", "rejected", "old"), ("skip", "skipped", "old"), ("replace", "replaced", "new")],
)
async def test_an_import_treats_what_exists_as_a_batch_does(api: Api, on_conflict: str, status: str, data: str) -> None:
    await api.admin.batch([row("SN1", "old"), row("SAME")])
    job = await carried_out(api, [row("SN1", "new"), row("SAME"), row("NEW")], f"kind=import&on_conflict={on_conflict}")
    assert [line["status"] for line in await results(api, job)] == [status, "unchanged", "created"]
    assert await data_of(api, "SN1") == data


async def test_an_import_follows_its_template(api: Api) -> None:
    item = {"index": 2000, "name": "重量", "type": "weight", "format": "integer", "required": True}
    body = {"code": "t1", "name": "T", "items": [item], "publish": True}
    assert (await api.admin("POST", "/api/v1/templates", body)).status == 201
    data = "identifier,重量,1:URL\n88.118.8/A,7,https://example.com\n88.118.8/B,much,\n88.118.8/C,,x\n".encode()
    job = await carried_out(api, data, "kind=import&template=t1", headers=CSV)
    found = await results(api, job)
    assert [(line["line"], line["status"], line.get("code")) for line in found] == [
        (2, "created", None),
        (3, "rejected", "template_violated"),
        (4, "rejected", "template_violated"),
    ]
    assert job["template"] == "t1"
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/A")).json["template"] == "t1"


async def test_an_update_adds_replaces_and_removes_single_values(api: Api) -> None:
    await api.admin.batch([row("SN1", "a"), row("SN2", "a"), row("SN3", "a")])
    rows = [
        row("SN1", "b"),
        {**row("SN2", "c", index=2), "remove": [1]},
        {"identifier": "88.118.8/SN3"},
        row("SN9"),
        {"identifier": "88.118.8/SN1", "remove": [77]},
        {"identifier": "88.118.8/SN1", "other": 1},
        {"identifier": "88.118.8/SN1", "values": [{"index": 0}]},
        "no object",
    ]
    job = await carried_out(api, rows, "kind=update")
    found = await results(api, job)
    assert [(line["line"], line["status"], line.get("code")) for line in found] == [
        (1, "replaced", None),
        (2, "replaced", None),
        (3, "unchanged", None),
        (4, "rejected", "unknown_identifier"),
        (5, "rejected", "unknown_index"),
        (6, "rejected", "bad_row"),
        (7, "rejected", "bad_values"),
        (8, "rejected", "bad_row"),
    ]
    assert (found[5]["identifier"], found[5]["field"]) == ("88.118.8/SN1", "other")
    assert await data_of(api, "SN1") == "b"
    assert [
        value["index"] for value in (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN2")).json["values"]
    ] == [2]


async def test_a_withdrawal_leaves_tombstones_and_may_be_repeated(api: Api) -> None:
    await api.admin.batch([row("SN1"), row("SN2")])
    data = b"identifier,successor\n88.118.8/SN1,88.118.8/SN2\n88.118.8/SN9,\n"
    first = await carried_out(api, data, "kind=withdraw", headers=CSV)
    again = await carried_out(api, data, "kind=withdraw", headers=CSV)
    assert [line["status"] for line in await results(api, first)] == ["withdrawn", "rejected"]
    assert [line["status"] for line in await results(api, again)] == ["unchanged", "rejected"]
    gone = await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")
    assert (gone.status, "88.118.8/SN2" in gone.json["remedy"]) == (410, True)


async def test_jobs_take_turns(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", {"import": 1})
    long = (await upload(api.admin, [row(f"L{number}") for number in range(5)])).json["id"]
    short = (await upload(api.admin, [row("S1"), row("S2")])).json["id"]
    working = runner(api)
    for _ in range(4):
        assert await working.take_turn()
    assert (await api.admin("GET", f"{JOBS}/{short}")).json["state"] == "done"
    assert (await api.admin("GET", f"{JOBS}/{long}")).json["rows_done"] == 2


async def test_two_runners_do_each_row_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", {"import": 5})
    reply = await upload(api.admin, [row(f"SN{number}") for number in range(200)])

    async def work() -> None:
        working = runner(api)
        while (await api.admin("GET", reply.headers["Location"])).json["state"] != "done":
            await working.take_turn()

    await asyncio.gather(work(), work(), work())
    found = await results(api, reply.json)
    assert [line["status"] for line in found] == ["created"] * 200
    assert await api.context.pool.fetchval("SELECT count(*) FROM journal WHERE kind = 'identifier'") == 200


async def test_a_step_that_is_undone_leaves_nothing_and_is_done_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = await upload(api.admin, [row("SN1"), row("SN2")])
    advance = job_table.advance

    async def killed(*_: Any, **__: Any) -> bool:
        raise asyncio.CancelledError

    monkeypatch.setattr(job_table, "advance", killed)
    with pytest.raises(asyncio.CancelledError):
        await runner(api).take_turn()
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).status == 404
    assert await results(api, reply.json) == []
    monkeypatch.setattr(job_table, "advance", advance)
    await finish(api)
    assert [line["status"] for line in await results(api, reply.json)] == ["created", "created"]


async def test_a_cancelled_job_stops_where_it_is(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", {"import": 1})
    reply = await upload(api.admin, [row("SN1"), row("SN2")])
    await runner(api).take_turn()
    cancelled = await api.admin("POST", f"{JOBS}/{reply.json['id']}:cancel")
    assert (cancelled.status, cancelled.json["state"], cancelled.json["rows_done"]) == (200, "cancelled", 1)
    await finish(api)
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).status == 200
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN2")).status == 404
    again = await api.admin("POST", f"{JOBS}/{reply.json['id']}:cancel")
    assert (again.status, again.json["code"]) == (409, "job_ended")


async def test_a_step_under_way_when_its_job_is_cancelled_is_undone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = await upload(api.admin, [row("SN1")])
    add_result = job_table.add_result

    async def cancelled_meanwhile(*arguments: Any) -> None:
        await add_result(*arguments)
        assert (await api.admin("POST", f"{JOBS}/{reply.json['id']}:cancel")).status == 200

    monkeypatch.setattr(job_table, "add_result", cancelled_meanwhile)
    await finish(api)
    assert (await api.admin("GET", reply.headers["Location"])).json["state"] == "cancelled"
    assert await api.context.pool.fetchval("SELECT count(*) FROM job_input") == 0
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).status == 404
    assert await results(api, reply.json) == []


async def test_a_job_ends_when_its_account_may_no_more(api: Api) -> None:
    mine = (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    client = await api.holder("enterprise_user", mine)
    reply = await upload(client, [row("SN1")])
    await api.context.pool.execute("UPDATE accounts SET state = 'disabled' WHERE id = $1", reply.json["account"])
    await finish(api)
    job = (await api.admin("GET", reply.headers["Location"])).json
    assert (job["state"], job["problem"]["code"]) == ("failed", "account_lost")
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).status == 404


async def test_a_job_whose_steps_keep_failing_is_given_up(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(job_import.ImportChunkWriter, "write_within", broken)
    job = await carried_out(api, [row("SN1")])
    assert (job["state"], job["problem"]["code"]) == ("failed", "job_broken")
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == job_runner.STUMBLES_MAX


async def test_changes_of_a_job_are_recorded_as_its_account_s(api: Api) -> None:
    mine = (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    client = await api.holder("enterprise_user", mine)
    job = await carried_out(api, [row("SN1")], client=client)
    actor = await api.context.pool.fetchval("SELECT actor FROM journal WHERE key = 'hdl:88.118.8/SN1'")
    assert actor == job["account"] == (await client("GET", "/api/v1/whoami")).json["account"]
    entry = await api.context.pool.fetchrow("SELECT action, request_id FROM audit_log WHERE object LIKE '%SN1'")
    assert entry is not None
    assert tuple(entry.values()) == ("job import", job["id"])


async def test_an_enterprise_sees_and_ends_its_own_jobs_only(api: Api) -> None:
    mine = (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    owner, colleague = await api.holder("enterprise_administrator", mine), await api.holder("enterprise_user", mine)
    other = await api.holder("enterprise_administrator", await api.prefix("88.118.9", "Valves"))
    auditor, reader = await api.holder("auditor"), await api.holder("reader", mine)
    job = (await upload(owner, [row("SN1")])).json["id"]
    for path in (f"{JOBS}/{job}", f"{JOBS}/{job}/results"):
        answers = [await one("GET", path) for one in (colleague, other, auditor, reader, api.client(None))]
        assert [answer.status for answer in answers] == [200, 403, 200, 403, 401]
    lists = [(await one("GET", JOBS)).json["items"] for one in (owner, other, auditor)]
    assert [len(items) for items in lists] == [1, 0, 1]
    cancels = [await one("POST", f"{JOBS}/{job}:cancel") for one in (other, auditor, reader, colleague)]
    assert [answer.status for answer in cancels] == [403, 403, 403, 200]
    assert (await upload(reader, [row("SN1")])).status == 403
    assert (await upload(auditor, [row("SN1")])).status == 403


async def test_rows_below_prefixes_of_others_are_rejected(api: Api) -> None:
    other = await api.holder("enterprise_user", await api.prefix("88.118.9", "Valves"))
    job = await carried_out(api, [row("SN1"), row("SN1", prefix="88.118.9")], client=other)
    assert [(line["status"], line.get("code")) for line in await results(api, job)] == [
        ("rejected", "not_yours"),
        ("created", None),
    ]


async def test_jobs_are_listed_the_newest_first_in_pages_and_by_state(api: Api) -> None:
    made = [(await upload(api.admin, [row(f"SN{number}")])).json["id"] for number in range(3)]
    await runner(api).take_turn()
    first = (await api.admin("GET", f"{JOBS}?limit=2")).json
    second = (await api.admin("GET", f"{JOBS}?limit=2&cursor={first['next']}")).json
    listed = [job["id"] for job in first["items"] + second["items"]]
    assert sorted(listed) == sorted(made)
    assert listed == sorted(listed, reverse=True)
    assert second["next"] is None
    assert len((await api.admin("GET", f"{JOBS}?state=done")).json["items"]) == 1
    assert (await api.admin("GET", f"{JOBS}?state=uploading")).json["code"] == "bad_state"


@pytest.mark.parametrize(
    ("query", "data", "headers", "status", "code"),
    [
        ("kind=regrade", b"{}", NDJSON, 400, "bad_kind"),
        ("", b"{}", NDJSON, 400, "bad_kind"),
        ("kind=import&on_conflict=maybe", b"{}", NDJSON, 400, "bad_on_conflict"),
        ("kind=update&on_conflict=skip", b"{}", NDJSON, 400, "bad_on_conflict"),
        ("kind=import&template=none", b"{}", NDJSON, 422, "unknown_template"),
        ("kind=import", b"\n  \n", NDJSON, 400, "no_rows"),
        ("kind=import", b"identifier\nA,B\n", CSV, 400, "bad_csv"),
        ("kind=import", b"{}", {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
        ("kind=import", b"{}", {**NDJSON, "Idempotency-Key": "k"}, 400, "idempotency_key_not_used"),
    ],
)
async def test_an_upload_that_cannot_be_is_refused_and_leaves_nothing(
    api: Api, query: str, data: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    reply = await upload(api.admin, data, query, headers=headers)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert await api.context.pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_an_upload_that_breaks_off_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_input, "CHUNK_OCTETS_MAX", 10)
    line = json.dumps(row("SN1")).encode() + b"\n"
    head = (
        f"POST {JOBS}?kind=import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.admin.token}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: {len(line) + 1}\r\n\r\n"
    )
    _, writer = await asyncio.open_unix_connection(api.socket)
    writer.write(head.encode() + line)

    async def kept(table: str) -> int:
        return int(await api.context.pool.fetchval(f"SELECT count(*) FROM {table}"))

    async def nothing_is_left() -> bool:
        return await kept("jobs") == 0

    await eventually(lambda: kept("job_input"))
    writer.close()
    await writer.wait_closed()
    await eventually(nothing_is_left)


async def test_too_many_open_jobs_and_too_long_uploads_are_refused(registry_database: str, tmp_path: Path) -> None:
    settings = JobSettings(octets_max=1_000, rows_max=3, open_max=2)
    async with running_api(registry_database, tmp_path, jobs=settings) as api:
        assert (await upload(api.admin, b"{}\n" * 4)).json["code"] == "too_many_rows"
        assert (await upload(api.admin, b"x" * 1_001)).json["code"] == "upload_too_large"
        assert [(await upload(api.admin, b"{}\n")).status for _ in range(3)] == [202, 202, 409]
        refused = await upload(api.admin, b"{}\n")
        assert (refused.status, refused.json["code"]) == (409, "too_many_jobs")
        await finish(api)
        assert (await upload(api.admin, b"{}\n")).status == 202


async def test_jobs_are_forgotten_some_days_after_their_end(api: Api) -> None:
    job = await carried_out(api, [row("SN1")])
    open_job = (await upload(api.admin, [row("SN2")])).json["id"]
    abandoned = "UPDATE jobs SET state = 'uploading', updated_at = now() - interval '11 minutes' WHERE id = $1"
    kept, now = api.context.settings.jobs.kept, api.context.clock()
    async with api.context.pool.acquire() as connection:
        await jobs.forget_expired(connection, now, kept)
        assert (await api.admin("GET", f"{JOBS}/{job['id']}")).status == 200
        await jobs.forget_expired(connection, now + kept, kept)
        assert (await api.admin("GET", f"{JOBS}/{job['id']}")).json["code"] == "unknown_job"
        assert (await api.admin("GET", f"{JOBS}/{open_job}")).status == 200
        await connection.execute(abandoned, open_job)
        await jobs.forget_expired(connection, now, kept)
        assert await connection.fetchval("SELECT count(*) FROM jobs") == 0
        assert await connection.fetchval("SELECT count(*) FROM job_input") == 0


async def test_the_runner_begins_at_once_and_goes_on_after_trouble(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "REST_S", 60.0)
    monkeypatch.setattr(job_runner, "BACK_OFF_S", 0.0)
    candidates, asked = job_table.candidates, asyncio.Event()
    failures = iter([OSError("away")])

    async def sometimes(*arguments: Any) -> list[str]:
        asked.set()
        if (failure := next(failures, None)) is not None:
            raise failure
        return await candidates(*arguments)

    monkeypatch.setattr(job_table, "candidates", sometimes)
    task = asyncio.create_task(runner(api).run())
    try:
        async with asyncio.timeout(10):
            await asked.wait()
        path = (await upload(api.admin, [row("SN1")])).headers["Location"]

        async def is_done() -> bool:
            return bool((await api.admin("GET", path)).json["state"] == "done")

        await eventually(is_done)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_head_of_the_results_has_no_body(api: Api) -> None:
    job = await carried_out(api, [row("SN1")])
    head = (
        f"HEAD {JOBS}/{job['id']}/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.admin.token}\r\n"
        "Connection: close\r\n\r\n"
    )
    answer = await raw_request(api.socket, head.encode())
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


async def test_a_large_upload_streams_in(api: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3_000):
            yield json.dumps(row(f"SN{number:05d}")).encode() + b"\n"

    headers = {**NDJSON, "Authorization": f"Bearer {api.admin.token}"}
    async with api.session.post(f"http://registry{JOBS}?kind=import", data=pieces(), headers=headers) as answer:
        assert answer.status == 202
        job = await answer.json()
    await finish(api)
    assert job["rows_total"] == 3_000
    assert len(await results(api, job)) == 3_000
