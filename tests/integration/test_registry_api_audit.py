"""The audit log: what every change, refusal, sign-in and restricted read leaves behind, and that it stays."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from registry import audit_months
from registry.maintenance import maintain
from registry.origin import Origin
from registry.service import audit as service
from registry.service.audit import Recorder
from registry.tables.audit import Entry
from tests.registry_api import VALUES, Api, Client, running_api

AUDIT = "/api/v1/audit"
PUT = "PUT /api/v1/identifiers/{identifier}"
PASSWORD = "demo-password-1"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def entries(api: Api, query: str = "", by: Client | None = None) -> list[Any]:
    reply = await (by or api.admin)("GET", f"{AUDIT}?{query}")
    assert reply.status == 200, reply.body
    items: list[Any] = reply.json["items"]
    return items


async def account_of(client: Client) -> str:
    return str((await client("GET", "/api/v1/whoami")).json["account"])


async def test_a_change_is_on_record_with_actor_address_and_request(api: Api) -> None:
    await api.prefix()
    headers = {"X-Idnode-Peer": "192.0.2.17", "X-Request-Id": "order-4711"}
    reply = await api.admin("PUT", "/api/v1/identifiers/88.118.8/SN1", {"values": VALUES}, headers=headers)
    assert reply.headers["X-Request-Id"] == "order-4711"
    (entry,) = await entries(api, "request_id=order-4711")
    assert datetime.fromisoformat(entry.pop("at")) - datetime.now(UTC) < timedelta(minutes=1)
    assert entry == {
        "kind": "change",
        "actor": await account_of(api.admin),
        "address": "192.0.2.17",
        "action": PUT,
        "object": "identifier hdl:88.118.8/SN1",
        "result": "ok",
        "request_id": "order-4711",
        "count": 1,
    }


async def test_a_request_without_an_id_gets_one(api: Api) -> None:
    for sent in ("", "with blanks", "x" * 129):
        reply = await api.admin("POST", "/api/v1/groups", {"name": f"n{len(sent)}"}, headers={"X-Request-Id": sent})
        given = reply.headers["X-Request-Id"]
        assert given != sent
        assert len(await entries(api, f"request_id={given}")) == 1


async def test_what_one_request_changes_stands_under_one_id(api: Api) -> None:
    await api.admin(
        "POST", "/api/v1/prefixes", {"prefix": "88.118.8", "name": "Pumps"}, headers={"X-Request-Id": "one"}
    )
    objects = [entry["object"].split(" ")[0] for entry in await entries(api, "request_id=one")]
    assert sorted(objects) == ["enterprise", "prefix"]


async def test_a_refused_change_is_on_record_with_the_reason(api: Api) -> None:
    reader = await api.holder("reader")
    headers = {"X-Idnode-Peer": "192.0.2.9"}
    await reader("PUT", "/api/v1/identifiers/88.118.8/SN1?x=secret", {"values": []}, headers=headers)
    (entry,) = await entries(api, "result=role_not_allowed")
    assert (entry["actor"], entry["address"]) == (await account_of(reader), "192.0.2.9")
    assert (entry["action"], entry["object"]) == (PUT, "/api/v1/identifiers/88.118.8/SN1")
    assert entry["kind"] == "access"


async def test_a_change_that_changed_nothing_is_on_record_too(api: Api) -> None:
    await api.prefix()
    for _ in range(2):
        await api.admin("PUT", "/api/v1/identifiers/88.118.8/SN1", {"values": VALUES})
    first, second = await entries(api, f"action={PUT.replace(' ', '%20')}")
    assert [second["kind"], first["kind"]] == ["change", "access"]
    assert first["result"] == "ok"


async def test_reads_leave_nothing_unless_they_were_forbidden(api: Api) -> None:
    mine = await api.prefix()
    reader = await api.holder("reader", mine)
    before = await api.context.pool.fetchval("SELECT count(*) FROM audit_log")
    for client, path in (
        (reader, "/api/v1/prefixes/88.118.8"),
        (reader, "/api/v1/prefixes/88.118.99"),
        (api.client("idn_unknown"), "/api/v1/prefixes/88.118.8"),
    ):
        await client("GET", path)
    assert await api.context.pool.fetchval("SELECT count(*) FROM audit_log") == before
    await reader("GET", "/api/v1/accounts")
    (entry,) = await entries(api, "kind=access&result=role_not_allowed")
    assert entry["action"] == "GET /api/v1/accounts"


async def test_reading_the_audit_log_is_itself_on_record(api: Api) -> None:
    await entries(api)
    (entry,) = await entries(api, "action=read%20restricted%20values")
    assert entry["object"] == "audit log"


async def test_a_sign_in_is_on_record_whether_it_worked_or_not_and_never_with_the_password(api: Api) -> None:
    body = {"username": "pump", "password": PASSWORD, "role": "reader"}
    account = (await api.admin("POST", "/api/v1/accounts", body)).json["account"]["id"]
    headers = {"X-Idnode-Peer": "192.0.2.17"}
    nobody = api.client(None)
    for username, password in (("pump", PASSWORD), ("pump", "wrong"), ("my-password-1", "x")):
        await nobody("POST", "/api/v1/sessions", {"username": username, "password": password}, headers=headers)
    found = [(one["actor"], one["object"], one["result"]) for one in await entries(api, "action=sign_in")]
    assert found == [
        (None, "user (unknown name)", "credentials_wrong"),
        (account, "user pump", "credentials_wrong"),
        (account, "user pump", "ok"),
    ]
    whole = await api.context.pool.fetchval("SELECT string_agg(t::text, ' ') FROM audit_log t")
    assert PASSWORD not in whole
    assert "my-password-1" not in whole


async def test_a_batch_has_one_entry_a_chunk_with_its_count(api: Api) -> None:
    await api.prefix()
    await api.admin.batch([{"identifier": f"88.118.8/{number}", "values": VALUES} for number in range(50)])
    (entry,) = await entries(api, "object=identifier")
    assert (entry["count"], entry["action"]) == (50, "POST /api/v1/identifiers:batch")
    assert entry["actor"] == await account_of(api.admin)


async def test_an_entry_is_there_exactly_if_its_change_is(api: Api) -> None:
    await api.prefix()
    changes = await api.context.pool.fetchval("SELECT count(*) FROM audit_log WHERE kind = 'change'")
    # The audit log refuses, so the change is not made either.
    await api.context.pool.execute("ALTER TABLE audit_changes ADD CHECK (object <> 'identifier hdl:88.118.8/SN1')")
    reply = await api.admin("PUT", "/api/v1/identifiers/88.118.8/SN1", {"values": VALUES})
    assert reply.status == 500
    assert (await api.admin("GET", "/api/v1/identifiers/88.118.8/SN1")).status == 404
    assert await api.context.pool.fetchval("SELECT count(*) FROM audit_log WHERE kind = 'change'") == changes


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET result = 'ok'",
        "DELETE FROM audit_log",
        "DELETE FROM audit_changes",
        "TRUNCATE audit_log",
        "TRUNCATE audit_changes",
        "TRUNCATE audit_access_default",
    ],
)
async def test_entries_can_be_neither_changed_nor_removed(api: Api, statement: str) -> None:
    await api.admin("POST", "/api/v1/groups", {"name": "x"})
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await api.context.pool.execute(statement)


async def test_a_month_can_not_be_emptied_either(api: Api, today: datetime) -> None:
    month = f"audit_access_{today:%Y%m}"
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await api.context.pool.execute(f"TRUNCATE {month}")


# Who may read what


async def test_an_enterprise_sees_what_its_own_accounts_did_and_nothing_else(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief, foreign = [await api.holder("enterprise_administrator", one) for one in (mine, other)]
    await chief("PUT", "/api/v1/identifiers/88.118.8/SN1", {"values": VALUES})
    await foreign("PUT", "/api/v1/identifiers/88.118.9/SN1", {"values": VALUES})
    for client in (chief, foreign):
        own = await account_of(client)
        assert {entry["actor"] for entry in await entries(api, by=client)} == {own}
    assert await entries(api, f"actor={await account_of(foreign)}", by=chief) == []
    everybody = {entry["actor"] for entry in await entries(api, by=await api.holder("auditor"))}
    assert everybody >= {await account_of(chief), await account_of(foreign)}


@pytest.mark.parametrize("role", ["reviewer", "enterprise_user", "applicant", "reader"])
async def test_other_roles_do_not_read_the_audit_log(api: Api, role: str) -> None:
    client = await api.holder(role, await api.prefix() if role == "enterprise_user" else None)
    for path in (AUDIT, f"{AUDIT}:export"):
        assert (await client("GET", path)).json["code"] == "role_not_allowed"


# Pages, filters, export


async def test_pages_go_back_in_time_without_gap_or_repetition(api: Api) -> None:
    for number in range(7):
        await api.admin("POST", "/api/v1/groups", {"name": f"g{number}"})
    everything = await entries(api, "kind=change")
    found: list[Any] = []
    cursor = ""
    while True:
        page = (await api.admin("GET", f"{AUDIT}?kind=change&limit=3{cursor}")).json
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == everything
    assert [entry["at"] for entry in found] == sorted((entry["at"] for entry in found), reverse=True)


async def test_filters_choose(api: Api) -> None:
    await api.prefix()
    await api.admin("POST", "/api/v1/groups", {"name": "x"})
    for query, kinds in (
        ("object=prefix", {"prefix"}),
        ("object=prefix%2088.118.8", {"prefix"}),
        ("action=POST%20/api/v1/groups", {"group"}),
        ("kind=change&result=ok&object=enterprise", {"enterprise"}),
        ("since=2099-01-01T00:00:00Z", set()),
        ("until=2001-01-01T00:00:00Z", set()),
    ):
        assert {entry["object"].split(" ")[0] for entry in await entries(api, query)} == kinds, query


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("kind=x", "bad_filter"),
        ("since=yesterday", "bad_instant"),
        ("until=2026-01-01T00:00:00", "bad_instant"),
        ("cursor=x", "bad_cursor"),
        ("limit=0", "bad_limit"),
    ],
)
async def test_bad_filters_are_refused(api: Api, query: str, code: str) -> None:
    assert (await api.admin("GET", f"{AUDIT}?{query}")).json["code"] == code


@pytest.fixture
def two_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "EXPORT_ROWS", 2)


async def test_an_export_has_every_entry(api: Api, two_rows_at_once: None) -> None:
    for number in range(4):
        await api.admin("POST", "/api/v1/groups", {"name": f"g{number}"})
    expected = await entries(api, "kind=change")
    lines = await api.admin("GET", f"{AUDIT}:export?kind=change")
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    assert lines.lines == expected
    table = await api.admin("GET", f"{AUDIT}:export?kind=change&format=csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert [row["request_id"] for row in rows] == [entry["request_id"] for entry in expected]
    assert (await api.admin("GET", f"{AUDIT}:export?format=pdf")).json["code"] == "bad_format"
    empty = await api.admin("GET", f"{AUDIT}:export?actor=nobody&format=csv")
    assert empty.body.decode() == ",".join(service.COLUMNS) + "\r\n"


def test_no_cell_of_an_export_is_a_formula() -> None:
    entry = Entry(1, "access", datetime(2026, 11, 22, tzinfo=UTC), None, "-", "=1+1", "@x", "ok", "r", 1)
    row = service.as_csv([entry], header=False).decode()
    assert ",'-,'=1+1,'@x,ok," in row


# Retention, and when the database is away


async def test_entries_of_access_go_with_their_month_and_those_of_changes_stay(api: Api) -> None:
    pool = api.context.pool
    async with pool.acquire() as connection:
        old = datetime(2026, 1, 15, tzinfo=UTC)
        assert await audit_months.ensure_partitions(connection, old, months_ahead=0) == [date(2026, 1, 1)]
        for kind in ("access", "change"):
            await connection.execute(
                "INSERT INTO audit_log (kind, at, address, action, object, result, request_id) "
                "VALUES ($1, $2, '', 'old', '', 'ok', '')",
                kind,
                old,
            )
        kept_until = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=180)
        await maintain(connection, kept_until - timedelta(days=1))
        assert await connection.fetchval("SELECT count(*) FROM audit_log WHERE action = 'old'") == 2
        await maintain(connection, kept_until)
        kinds = [row["kind"] for row in await connection.fetch("SELECT kind FROM audit_log WHERE action = 'old'")]
    assert kinds == ["change"]


async def test_what_no_month_took_goes_too(api: Api) -> None:
    async with api.context.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO audit_log (kind, at, address, action, object, result, request_id) "
            "VALUES ('access', '2001-05-05', '', 'old', '', 'ok', '')"
        )
        await audit_months.drop_before(connection, date(2001, 5, 5))
        assert await connection.fetchval("SELECT count(*) FROM audit_log WHERE action = 'old'") == 1
        await audit_months.drop_before(connection, date(2001, 5, 6))
        assert await connection.fetchval("SELECT count(*) FROM audit_log WHERE action = 'old'") == 0
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await connection.execute("TRUNCATE audit_access_default")


async def test_a_flood_of_requests_by_nobody_does_not_fill_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "NOBODYS_MAX", 3)
    recorder = Recorder(api.context.pool)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    caplog.set_level("INFO")
    for second in range(2):
        for _ in range(5):
            nobodys = Origin(action="flood", result="token_missing")
            await recorder.record(nobodys, now + timedelta(seconds=second), changing=True)
    somebodys = Origin(action="flood", result="not_yours", actor="acc_1")
    await recorder.record(somebodys, now, changing=True)
    assert await api.context.pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'flood'") == 7
    assert caplog.text.count("not in the audit log") == 4


async def test_without_the_database_the_log_of_the_process_has_the_entry(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    origin = Origin(action="PUT /x", object="/x", result="database_away", actor="acc_1", address="192.0.2.1")
    await Recorder(api.context.pool).record(origin, datetime.now(UTC), changing=True, reachable=False)
    assert "actor=acc_1 address=192.0.2.1 action='PUT /x'" in caplog.text
    assert await entries(api, "result=database_away") == []


async def test_asking_for_the_head_of_an_export_leaves_the_connection_in_order(api: Api) -> None:
    for query in ("", "?format=csv"):
        head = await api.admin("HEAD", f"{AUDIT}:export{query}")
        assert (head.status, head.body) == (200, b"")
        assert (await api.admin("GET", f"{AUDIT}:export{query}")).body
