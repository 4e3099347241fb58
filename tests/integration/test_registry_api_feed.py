"""The change feed: every committed change once, in order, to whom it may be shown, and snapshots to begin with."""

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identifiers.changes import Cursor
from identifiers.feed_cursor import epoch_digest, read_feed_cursor, write_feed_cursor
from registry import journal
from registry.database import connected
from tests.registry_api import VALUES, Api, Client, Reply, running_api
from tests.support import eventually

CHANGES = "/api/v1/changes"
SNAPSHOTS = "/feed/v1/snapshots"
PLAIN = {"Accept-Encoding": "identity"}
SECRET_VALUES = [
    *VALUES,
    {"index": 2, "type": "COST", "data": "only ours", "permissions": "1100"},
    {"index": 3, "type": "RECIPE", "data": "nobody's", "permissions": "0100"},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def read(client: Client, query: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    reply = await client("GET", f"{CHANGES}?{query}", headers=PLAIN)
    assert reply.status == 200, reply.body
    head, *rows = reply.lines
    return head, rows


async def read_all(client: Client, after: str = "oldest", query: str = "") -> list[dict[str, Any]]:
    """Walk to the end in small steps."""
    found: list[dict[str, Any]] = []
    while True:
        head, rows = await read(client, f"after={after}&limit=3{query}")
        assert head["count"] == len(rows)
        assert head["from"] == (after if after != "oldest" else head["oldest"])
        found += rows
        after = head["next"]
        if head["caught_up"] and not rows:
            return found


async def put(api: Api, name: str, values: Any = VALUES) -> Reply:
    return await api.admin("PUT", f"/api/v1/identifiers/88.118.8/{name}", {"values": values})


async def snapshot_rows(client: Client, body: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    asked = await client("POST", SNAPSHOTS, body)
    assert asked.status in (200, 202), asked.body
    path = f"{SNAPSHOTS}/{asked.json['snapshot_id']}"

    async def ready() -> bool:
        return bool((await client("GET", path)).json["status"] == "ready")

    await eventually(ready)
    told = (await client("GET", path)).json
    rows: list[dict[str, Any]] = []
    for part in told["parts"]:
        reply = await client("GET", part["path"])
        assert reply.headers["Content-Type"] == "application/gzip"
        assert hashlib.sha256(reply.body).hexdigest() == part["sha256"]
        lines = gzip.decompress(reply.body).splitlines()
        assert (len(lines), len(reply.body)) == (part["rows"], part["bytes"])
        assert all(json.loads(line)["table"] == part["table"] for line in lines)
        rows += map(json.loads, lines)
    return told, rows


async def test_every_change_comes_once_and_in_order(api: Api) -> None:
    await api.prefix()
    for name in ("A", "B", "A"):
        await put(api, name, [{"index": 1, "type": "URL", "data": f"https://example.com/{name}{len(name)}"}])
    await api.admin("DELETE", "/api/v1/identifiers/88.118.8/B?successor=88.118.8/A")
    await api.admin("PUT", "/api/v1/aliases/88.118.8/OLD", {"identifier": "88.118.8/A", "kind": "former"})
    rows = await read_all(api.admin, query="&tables=REC")
    told = [(row["key"], row["ver"], row["data"]["state"]) for row in rows]
    assert told == [
        ("hdl:88.118.8/A", 1, "active"),
        ("hdl:88.118.8/B", 1, "active"),
        ("hdl:88.118.8/B", 2, "withdrawn"),
        ("hdl:88.118.8/OLD", 1, "alias"),
    ]
    assert rows[2]["data"]["successor"] == "88.118.8/A"
    assert rows[3]["data"]["primary"] == "88.118.8/A"
    assert {row["op"] for row in rows} == {"upsert"}
    assert all(re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", row["at"]) for row in rows)  # whole seconds, as everywhere
    _, again = await read(api.admin, f"after={rows[1]['c']}&tables=REC")
    assert again == rows[2:]


async def test_filters_leave_out_rows_and_move_the_cursor_on(api: Api) -> None:
    await api.prefix()
    await api.prefix("88.118.9", "Valves")
    await put(api, "A")
    await api.admin("PUT", "/api/v1/identifiers/88.118.9/B", {"values": VALUES})
    rows = await read_all(api.admin, query="&scope=88.118.9")
    assert [(row["table"], row["scope"]) for row in rows] == [("PFX", "88.118.9"), ("REC", "88.118.9")]
    assert [row["table"] for row in await read_all(api.admin, query="&tables=PFX&tables=T9,T7")] == ["PFX", "PFX"]
    head, none = await read(api.admin, "after=oldest&scope=88.117")
    assert (none, head["caught_up"]) == ([], True)
    assert head["next"] != head["from"]


async def test_nobody_sees_more_in_the_feed_than_elsewhere(api: Api) -> None:
    enterprise = await api.prefix()
    other = await api.prefix("88.118.9", "Valves")
    await put(api, "A", SECRET_VALUES)

    async def indexes(client: Client) -> list[list[int]]:
        rows = await read_all(client, query="&tables=REC")
        _, parts = await snapshot_rows(client, {"tables": ["REC"]})
        assert [row["data"] for row in parts] == [row["data"] for row in rows]
        return [[value["index"] for value in row["data"]["values"]] for row in rows]

    assert await indexes(api.admin) == [[1, 2]]  # what only a grant opens is in no feed
    assert await indexes(await api.holder("auditor")) == [[1]]
    assert await indexes(await api.holder("enterprise_user", enterprise)) == [[1, 2]]
    assert await indexes(await api.holder("reader")) == [[1]]  # a mirror
    assert await indexes(await api.holder("enterprise_user", other)) == []
    refused = await (await api.holder("reviewer"))("GET", f"{CHANGES}?after=oldest")
    assert refused.status == 403


async def test_what_commits_late_is_never_behind_a_cursor(api: Api) -> None:
    await api.prefix()
    async with connected(api.context.pool) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await journal.append(slow, actor="test", kind="prefix", key="88.118.7", op="create", after=_prefix("88.118.7"))
        await put(api, "LATER")
        now, rows = await read(api.admin, "after=now")
        assert rows == []
        before, _ = await read(api.admin, "after=oldest")
        assert datetime.fromisoformat(before["horizon"]) <= datetime.now(UTC)
        await transaction.commit()
    for cursor in (now["next"], before["next"]):
        rows = await read_all(api.admin, cursor)
        assert [row["key"] for row in rows if row["key"] in ("88.118.7", "hdl:88.118.8/LATER")] == [
            "88.118.7",
            "hdl:88.118.8/LATER",
        ]


def _prefix(prefix: str) -> bytes:
    return json.dumps(
        {"prefix": prefix, "name": "x", "state": "active", "hosting": "here", "enterprise": "ent_1"}
    ).encode()


async def test_many_writers_are_read_without_loss_or_doubles(api: Api) -> None:
    await api.prefix()
    head, _ = await read(api.admin, "after=now")
    seen: list[str] = []

    async def write(writer: int) -> None:
        for number in range(10):
            assert (await put(api, f"W{writer}-{number}")).status < 300

    async def follow() -> None:
        after = head["next"]
        while len(seen) < 80:
            told, rows = await read(api.admin, f"after={after}&tables=REC&limit=7&wait=5")
            seen.extend(row["key"] for row in rows)
            after = told["next"]

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        for writer in range(8):
            tasks.create_task(write(writer))
    assert sorted(seen) == sorted(f"hdl:88.118.8/W{writer}-{number}" for writer in range(8) for number in range(10))
    for writer in range(8):
        mine = [key for key in seen if key.startswith(f"hdl:88.118.8/W{writer}-")]
        assert mine == [f"hdl:88.118.8/W{writer}-{number}" for number in range(10)]


async def test_a_waiting_reader_is_answered_when_something_comes(api: Api) -> None:
    await api.prefix()
    head, _ = await read(api.admin, "after=now")
    waiting = asyncio.create_task(read(api.admin, f"after={head['next']}&wait=30"))
    await put(api, "COMES")
    async with asyncio.timeout(10):
        _, rows = await waiting
    assert [row["key"] for row in rows] == ["hdl:88.118.8/COMES"]


async def test_long_answers_are_compressed_for_who_takes_it(api: Api) -> None:
    await api.prefix()
    for number in range(8):
        await put(api, f"N{number}")
    plain = await api.admin("GET", f"{CHANGES}?after=oldest", headers=PLAIN)
    packed = await api.admin("GET", f"{CHANGES}?after=oldest", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body).splitlines()[1:] == plain.body.splitlines()[1:]
    refused = await api.admin("GET", f"{CHANGES}?after=oldest", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "bad_cursor"),
        ("after=x", 400, "bad_cursor"),
        (f"after={'A' * 34}", 400, "bad_cursor"),
        (f"after={write_feed_cursor('00' * 8, Cursor(1, 1))}", 409, "epoch_changed"),
        ("after=now&limit=0", 400, "bad_parameter"),
        ("after=now&limit=5001", 400, "bad_parameter"),
        ("after=now&wait=31", 400, "bad_parameter"),
        ("after=now&tables=T12", 400, "bad_parameter"),
        ("after=now&scope=88..1", 400, "bad_parameter"),
    ],
)
async def test_bad_questions_are_named(api: Api, query: str, status: int, code: str) -> None:
    reply = await api.admin("GET", f"{CHANGES}?{query}")
    assert (reply.status, reply.json["code"]) == (status, code)


async def test_a_cursor_older_than_the_journal_is_gone(api: Api) -> None:
    head, _ = await read(api.admin, "after=oldest")
    async with connected(api.context.pool) as connection:
        await connection.execute("UPDATE journal_state SET dropped_xid = '1000000000'")
    reply = await api.admin("GET", f"{CHANGES}?after={head['next']}")
    assert (reply.status, reply.json["code"]) == (410, "cursor_expired")
    again, _ = await read(api.admin, f"after={reply.json['oldest']}")
    assert again["from"] == again["oldest"] == reply.json["oldest"]


async def test_a_snapshot_and_what_follows_it_are_the_registry(api: Api) -> None:
    await api.prefix()
    for number in range(5):
        await put(api, f"N{number}")
    await api.admin("PUT", "/api/v1/aliases/88.118.8/OLD", {"identifier": "88.118.8/N1", "kind": "same"})
    told, rows = await snapshot_rows(api.admin, {})
    assert told["tables"] == ["PFX", "REC"]
    assert sorted(row["key"] for row in rows if row["table"] == "REC") == [
        *(f"hdl:88.118.8/N{number}" for number in range(5)),
        "hdl:88.118.8/OLD",
    ]
    assert not any("c" in row for row in rows)
    await put(api, "AFTER")
    assert [row["key"] for row in await read_all(api.admin, told["cursor"])] == ["hdl:88.118.8/AFTER"]
    async with connected(api.context.pool) as connection:
        assert read_feed_cursor(told["cursor"]).epoch == epoch_digest(await journal.epoch(connection))


async def test_a_part_can_be_fetched_on_from_where_it_broke_off(api: Api) -> None:
    await api.prefix()
    await put(api, "A")
    told, _ = await snapshot_rows(api.admin, {"tables": ["REC"]})
    path = told["parts"][0]["path"]
    whole = (await api.admin("GET", path)).body
    rest = await api.admin("GET", path, headers={"Range": "bytes=10-"})
    assert (rest.status, rest.body) == (206, whole[10:])
    beyond = await api.admin("GET", path, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status, beyond.body) == (416, b"")
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole)}"


async def test_a_young_snapshot_is_used_again_and_others_are_not_found(api: Api) -> None:
    enterprise = await api.prefix()
    told, _ = await snapshot_rows(api.admin, {"tables": ["REC"]})
    path = f"{SNAPSHOTS}/{told['snapshot_id']}"
    again = await api.admin("POST", SNAPSHOTS, {"tables": ["REC"]})
    assert (again.status, again.json["snapshot_id"]) == (200, told["snapshot_id"])
    user = await api.holder("enterprise_user", enterprise)
    assert (await user("GET", path)).json["code"] == "unknown_snapshot"
    assert (await user("GET", f"{path}/parts/1")).status == 404
    assert (await api.admin("GET", f"{path}/parts/9")).status == 404
    assert (await api.admin("DELETE", path)).status == 204
    assert (await api.admin("GET", path)).status == 404


async def test_snapshots_are_forgotten_after_a_day(registry_database: str, tmp_path: Path) -> None:
    at = [datetime.now(UTC)]
    async with running_api(registry_database, tmp_path, clock=lambda: at[0]) as api:
        await api.prefix()
        told, _ = await snapshot_rows(api.admin, {})
        assert list((tmp_path / "snapshots").iterdir())
        at[0] += timedelta(hours=25)
        assert (await api.admin("GET", f"{SNAPSHOTS}/{told['snapshot_id']}")).status == 404
        assert not list((tmp_path / "snapshots").iterdir())


async def test_an_account_reads_with_a_bounded_number_of_requests(api: Api) -> None:
    head, _ = await read(api.admin, "after=now")
    waiting = [asyncio.create_task(read(api.admin, f"after={head['next']}&wait=30")) for _ in range(4)]

    await eventually(lambda: api.context.feed.reading == 4)
    refused = await api.admin("GET", f"{CHANGES}?after=now")
    assert (refused.status, refused.json["code"]) == (429, "too_many_readers")
    assert "Retry-After" in refused.headers
    await api.prefix()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert (await api.admin("GET", f"{CHANGES}?after=now")).status == 200
