"""Batches over the API: what becomes of each line, and that nothing is lost, doubled or half-applied."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from identifiers.changes import START, IdentifierState
from registry import journal
from registry.api import answer_stream
from registry.service import batch as batch_service
from tests.registry_api import VALUES, Api, raw_request, running_api

BATCH = "/api/v1/identifiers:batch"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        await running.prefix()
        yield running


def row(name: str, data: str = "https://example.com/1", prefix: str = "88.118.8") -> dict[str, Any]:
    return {"identifier": f"{prefix}/{name}", "values": [{"index": 1, "type": "URL", "data": data}]}


def statuses(lines: list[Any]) -> list[str]:
    return [line["status"] for line in lines[:-1]]


async def data_of(api: Api, name: str) -> str:
    reply = await api.admin("GET", f"/api/v1/identifiers/88.118.8/{name}")
    return str(reply.json["values"][0]["data"]["value"])


async def journal_states(api: Api) -> list[IdentifierState]:
    async with api.context.pool.acquire() as connection:
        changes = await journal.read_changes(connection, START, 1_000_000)
    return [
        msgspec.json.decode(change.after, type=IdentifierState) for change in changes if change.kind == "identifier"
    ]


async def test_a_batch_answers_each_line_and_sums_up(api: Api) -> None:
    lines = await api.admin.batch([row("SN1"), row("SN2", "x"), row("SN1")])
    assert lines == [
        {"line": 1, "identifier": "88.118.8/SN1", "status": "created"},
        {"line": 2, "identifier": "88.118.8/SN2", "status": "created"},
        {"line": 3, "identifier": "88.118.8/SN1", "status": "unchanged"},
        {
            "summary": {
                "created": 2,
                "replaced": 0,
                "unchanged": 1,
                "skipped": 0,
                "rejected": 0,
                "resolvable": False,
            }
        },
    ]
    assert await data_of(api, "SN2") == "x"


async def test_a_record_from_a_batch_is_the_same_as_one_from_a_put(api: Api) -> None:
    await api.admin("PUT", "/api/v1/identifiers/88.118.8/PUT-%E6%B3%B5", {"values": VALUES})
    await api.admin.batch([{"identifier": "88.118.8/put-泵2", "values": VALUES}])
    one, other = await journal_states(api)
    read = (await api.admin("GET", "/api/v1/identifiers/88.118.8/put-%E6%B3%B52")).json
    assert msgspec.structs.replace(other, identifier="", created_at="", updated_at="") == msgspec.structs.replace(
        one, identifier="", created_at="", updated_at="", values=other.values
    )
    assert (read["created_at"], read["updated_at"]) == (other.created_at, other.updated_at)
    assert read["values"] == json.loads(bytes(other.values))
    assert other.identifier == "88.118.8/put-泵2"


@pytest.mark.parametrize(
    ("on_conflict", "expected", "data"),
    [("skip", "skipped", "old"), ("replace", "replaced", "new"), ("fail", "rejected", "old")],
)
async def test_what_becomes_of_a_line_that_exists_with_other_values(
    api: Api, on_conflict: str, expected: str, data: str
) -> None:
    await api.admin.batch([row("SN1", "old"), row("SAME", "same")])
    lines = await api.admin.batch([row("sn1", "new"), row("SAME", "same"), row("SN3")], f"?on_conflict={on_conflict}")
    assert statuses(lines) == [expected, "unchanged", "created"]
    assert await data_of(api, "SN1") == data
    if expected == "rejected":
        assert (lines[0]["code"], lines[0]["field"]) == ("identifier_exists", "identifier")


async def test_a_replaced_record_keeps_spelling_and_old_timestamps_and_counts_up(api: Api) -> None:
    two = [{"index": 1, "type": "URL", "data": "a"}, {"index": 2, "type": "URL", "data": "b"}]
    await api.admin.batch([{"identifier": "88.118.8/SN1", "values": two}])
    await api.context.pool.execute(
        "UPDATE identifiers SET values = regexp_replace(values, '20..-..-..T..:..:..Z', '2001-01-01T00:00:00Z', 'g')"
    )
    two[1]["data"] = "B"
    await api.admin.batch([{"identifier": "88.118.8/sn1", "values": two}], "?on_conflict=replace")
    read = (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).json
    assert (read["identifier"], read["version"]) == ("88.118.8/SN1", 2)
    assert read["values"][0]["timestamp"] == "2001-01-01T00:00:00Z" < read["values"][1]["timestamp"]
    assert [(state.identifier, state.version) for state in await journal_states(api)] == [
        ("88.118.8/SN1", 1),
        ("88.118.8/SN1", 2),
    ]


async def test_lines_that_name_the_same_identifier_take_effect_in_their_order(api: Api) -> None:
    rows = [row("SN1", "1"), row("SN2", "1"), row("sn1", "2"), row("SN1", "3"), row("SN2", "1")]
    lines = await api.admin.batch(rows, "?on_conflict=replace")
    assert statuses(lines) == ["created", "created", "replaced", "replaced", "unchanged"]
    assert await data_of(api, "SN1") == "3"
    assert [state.version for state in await journal_states(api) if state.identifier.endswith("SN1")] == [1, 2, 3]


async def test_bad_lines_are_rejected_with_number_and_reason_and_the_others_go_in(api: Api) -> None:
    withdrawn = "/api/v1/identifiers/88.118.8/GONE"
    await api.admin("PUT", withdrawn, {"values": VALUES})
    await api.admin("DELETE", withdrawn)
    await api.prefix("88.118.7")
    await api.admin("PATCH", "/api/v1/prefixes/88.118.7", {"state": "suspended"})
    lines = [
        json.dumps(row("SN1")).encode(),
        b"",
        b'{"identifier": "88.118.8/SN2", "values": [}',
        b'{"identifier": "88.118.8/SN3"}',
        b'{"identifier": "88.118.8/SN4", "values": [{"index": 1, "type": "URL", "data": 5}]}',
        b"\xff\xfe",
        json.dumps(row("SN5", prefix="88.118.9")).encode(),
        json.dumps(row("META_1")).encode(),
        json.dumps(row("GONE")).encode(),
        b'{"identifier": "88.118.8/SN6", "values": [], "values": []}',
        json.dumps(row("SN7", prefix="88.118.7")).encode(),
        b"   ",
        json.dumps(row("SN8")).encode(),
        b'{"identifier": "88.118.8/SN9", "values": [{"index": 1, "type": "URL", "data": "\xff"}]}',
    ]
    answers = await api.admin.batch(b"\r\n".join(lines))
    assert [(line["line"], line["status"], line.get("code"), line.get("field", "")) for line in answers[:-1]] == [
        (1, "created", None, ""),
        (3, "rejected", "bad_row", ""),
        (4, "rejected", "bad_row", ""),
        (5, "rejected", "bad_values", "values[0].data"),
        (6, "rejected", "bad_row", ""),
        (7, "rejected", "unknown_prefix", "identifier"),
        (8, "rejected", "bad_suffix", "identifier"),
        (9, "rejected", "identifier_withdrawn", "identifier"),
        (10, "rejected", "bad_row", ""),
        (11, "rejected", "prefix_suspended", "identifier"),
        (13, "created", None, ""),
        (14, "rejected", "bad_row", ""),
    ]
    assert all(line["message"] for line in answers[:-1] if line["status"] == "rejected")
    assert answers[1]["identifier"] is None
    assert answers[3]["identifier"] == "88.118.8/SN4"
    assert answers[-1]["summary"]["rejected"] == 10


async def test_a_line_that_is_too_long_is_rejected_and_the_stream_goes_on(api: Api) -> None:
    long = json.dumps(row("LONG", "x" * 2_000_000)).encode()
    lines = await api.admin.batch(b"\n".join([json.dumps(row("SN1")).encode(), long, json.dumps(row("SN2")).encode()]))
    assert statuses(lines) == ["created", "rejected", "created"]
    assert lines[1]["code"] == "row_too_long"
    assert statuses(await api.admin.batch(long)) == ["rejected"]


async def test_thousands_of_rows_go_in_by_chunks_and_again_unchanged(api: Api) -> None:
    rows = [row(f"SN{number}", str(number)) for number in range(5_500)]
    lines = await api.admin.batch(rows)
    assert [line["line"] for line in lines[:-1]] == list(range(1, 5_501))
    assert lines[-1]["summary"]["created"] == 5_500
    transactions = await api.context.pool.fetchval("SELECT count(DISTINCT xid) FROM journal WHERE kind = 'identifier'")
    assert transactions == 3
    again = await api.admin.batch([*rows[1000:], row("NEW")])
    assert again[-1]["summary"] | {"resolvable": None} == {
        "created": 1,
        "replaced": 0,
        "unchanged": 4_500,
        "skipped": 0,
        "rejected": 0,
        "resolvable": None,
    }
    states = await journal_states(api)
    assert Counter(state.identifier for state in states).most_common(1)[0][1] == 1
    assert len(states) == 5_501


async def test_concurrent_batches_and_single_writes_of_the_same_names_end_consistent(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "CHUNK_ROWS", 20)
    names = [f"SN{number}" for number in range(60)]

    async def single(number: int) -> None:
        path = f"/api/v1/identifiers/88.118.8/{names[number]}"
        await api.admin("PUT", path, {"values": [{"index": 1, "type": "URL", "data": f"single {number}"}]})

    batches = [api.admin.batch([row(name, f"batch {n}") for name in names], "?on_conflict=replace") for n in range(6)]
    results = await asyncio.gather(*batches, *(single(number) for number in range(0, 60, 3)))
    stored: dict[str, IdentifierState] = {}
    for state in await journal_states(api):
        assert state.version == (stored[state.identifier].version + 1 if state.identifier in stored else 1)
        stored[state.identifier] = state
    items = (await api.admin("GET", "/api/v1/identifiers?prefix=88.118.8&limit=1000")).json["items"]
    assert {item["identifier"]: item["values"] for item in items} == {
        name: json.loads(bytes(state.values)) for name, state in stored.items()
    }
    for lines in results[:6]:
        rejected = [line for line in lines[:-1] if line["status"] == "rejected"]
        assert {line["code"] for line in rejected} <= {"concurrent_change"}
    assert len(items) == 60


async def test_a_template_applies_to_every_line(api: Api) -> None:
    items = [{"index": 2000, "name": "GTIN", "type": "gtin14", "format": "gtin", "required": True}]
    await api.admin("POST", "/api/v1/templates", {"code": "gtin", "name": "GTIN", "items": items, "publish": True})
    good = {"identifier": "88.118.8/G1", "values": [{"index": 2000, "type": "gtin14", "data": "09521234567882"}]}
    bad = {"identifier": "88.118.8/G2", "values": [{"index": 2000, "type": "gtin14", "data": "09521234567881"}]}
    lines = await api.admin.batch([good, bad, good], "?template=gtin")
    assert statuses(lines) == ["created", "rejected", "unchanged"]
    assert (lines[1]["code"], lines[1]["field"]) == ("template_violated", "values[0].data")
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/G1")).json["template"] == "gtin"
    without = await api.admin.batch([good], "?on_conflict=replace")
    assert statuses(without) == ["replaced"], "a record without its template is another record"


async def test_an_enterprise_writes_below_its_own_prefixes_only(api: Api) -> None:
    mine = await api.prefix("88.118.9", "Valves")
    client = await api.holder("enterprise_administrator", mine)
    lines = await client.batch([row("SN1"), row("SN1", prefix="88.118.9")])
    assert [line.get("code") for line in lines[:-1]] == ["not_yours", None]


async def test_exact_case_holds_in_batches_too(api: Api) -> None:
    await api.prefix("88.118.9", exact_case=True)
    lines = await api.admin.batch([row("sn1", prefix="88.118.9"), row("SN1", prefix="88.118.9")])
    assert statuses(lines) == ["created", "created"]
    again = await api.admin.batch([row("sn1", prefix="88.118.9"), row("SN1", "x", "88.118.9")])
    assert statuses(again) == ["unchanged", "rejected"]


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("?on_conflict=maybe", NDJSON, 400, "bad_on_conflict"),
        ("?wait=perhaps", NDJSON, 400, "bad_wait"),
        ("?chunk=7", NDJSON, 400, "unknown_parameter"),
        ("?template=none", NDJSON, 422, "unknown_template"),
        ("", {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
        ("", {**NDJSON, "Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        ("", {**NDJSON, "Idempotency-Key": "k"}, 400, "idempotency_key_not_used"),
    ],
)
async def test_a_batch_that_cannot_begin_is_a_problem(
    api: Api, query: str, headers: dict[str, str], status: int, code: str
) -> None:
    refusal = await api.admin("POST", BATCH + query, data=json.dumps(row("SN1")).encode(), headers=headers)
    assert (refusal.status, refusal.json["code"]) == (status, code)


async def test_an_empty_batch_is_a_batch(api: Api) -> None:
    assert (await api.admin.batch(b""))[-1]["summary"]["created"] == 0
    assert (await api.admin.batch(b"\n\n"))[-1]["summary"]["rejected"] == 0


async def test_rows_over_the_limit_end_the_batch_and_are_told_by_the_summary(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "ROWS_MAX", 10)
    lines = await api.admin.batch([row(f"SN{number}") for number in range(12)])
    assert len(lines) == 11
    assert lines[-1]["summary"]["created"] == 10
    assert lines[-1]["summary"]["problem"]["code"] == "too_many_rows"


async def test_answers_come_while_the_batch_is_still_being_sent(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "CHUNK_ROWS", 2)
    go_on = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for number in range(6):
            yield json.dumps(row(f"SN{number}")).encode() + b"\n"
        await go_on.wait()
        yield json.dumps(row("LAST")).encode()

    headers = {**NDJSON, "Authorization": f"Bearer {api.admin.token}"}
    async with api.session.post(f"http://registry{BATCH}", data=body(), headers=headers) as reply:
        assert json.loads(await reply.content.readline())["status"] == "created"
        go_on.set()
        rest = [json.loads(line) async for line in reply.content]
    assert rest[-1]["summary"]["created"] == 7


async def test_a_client_that_reads_nothing_until_all_is_sent_gets_every_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "CHUNK_ROWS", 50)
    count = 3_000
    body = b"".join(b'{"identifier":"%b","values":[]}\n' % (b"9" * 3_000) for _ in range(count))
    head = (
        f"POST {BATCH} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n"
        f"Authorization: Bearer {api.admin.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = await raw_request(api.socket, head.encode() + body)
    assert answer.count(b'"status":"rejected"') == count
    assert b'"rejected":%d' % count in answer


async def test_a_client_that_never_reads_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "CHUNK_ROWS", 50)
    monkeypatch.setattr(answer_stream, "PENDING_OCTETS_MAX", 100_000)
    monkeypatch.setattr(answer_stream, "STALL_MAX_S", 0.2)
    _, writer = await asyncio.open_unix_connection(api.socket, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    head = (
        f"POST {BATCH} HTTP/1.1\r\nHost: registry\r\nContent-Type: application/x-ndjson\r\n"
        f"Authorization: Bearer {api.admin.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())
    line = b'{"identifier":"%b","values":[]}\n' % (b"9" * 3_000)
    chunk = b"%x\r\n%b\r\n" % (len(line) * 100, line * 100)

    async def send() -> None:
        while True:
            writer.write(chunk)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send(), 30)
    writer.transport.abort()


async def test_what_was_complete_when_the_client_went_away_is_stored_whole_or_not_at_all(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "CHUNK_ROWS", 10)

    async def body() -> AsyncIterator[bytes]:
        for number in range(25):
            yield json.dumps(row(f"SN{number}")).encode() + b"\n"
        raise ConnectionResetError

    headers = {**NDJSON, "Authorization": f"Bearer {api.admin.token}"}
    with pytest.raises((aiohttp.ClientError, OSError)):
        async with api.session.post(f"http://registry{BATCH}", data=body(), headers=headers) as reply:
            await reply.read()
    rows = [row(f"SN{number}") for number in range(25)]
    lines = await api.admin.batch(rows)
    counts = lines[-1]["summary"]
    assert counts["created"] + counts["unchanged"] == 25
    assert len(await journal_states(api)) == 25
    assert await api.context.pool.fetchval("SELECT count(*) FROM identifiers") == 25


async def test_a_stalled_sender_is_told_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "SILENCE_MAX_S", 0.2)

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps(row("SN1")).encode() + b"\n"
        await asyncio.Event().wait()

    headers = {**NDJSON, "Authorization": f"Bearer {api.admin.token}"}
    async with api.session.post(f"http://registry{BATCH}", data=body(), headers=headers) as reply:
        lines = [json.loads(line) async for line in reply.content]
    assert lines[0]["status"] == "created"
    assert lines[-1]["summary"]["problem"]["code"] == "batch_stalled"


async def test_a_line_without_the_values_its_writer_cannot_see_is_what_is_stored(api: Api) -> None:
    shown = {"index": 1, "type": "URL", "data": "https://example.com/1"}
    hidden = {"index": 2, "type": "SECRET", "data": "x", "permissions": "0100"}
    await api.admin("PUT", "/api/v1/identifiers/88.118.8/SN1", {"values": [shown, hidden]})
    lines = [
        {"identifier": "88.118.8/SN1", "values": [shown]},
        {"identifier": "88.118.8/SN1", "values": [{**shown, "data": "https://example.com/2"}]},
        {"identifier": "88.118.8/SN1", "values": []},
    ]
    same, *others, _ = await api.admin.batch(lines)
    assert same["status"] == "unchanged"
    assert [other["code"] for other in others] == ["identifier_exists"] * 2
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).json["withheld"] == [2]
