"""Deposits: a registry comes back from them as it was, and nothing wrong with them goes unseen."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from identifiers import sm2
from registry.service import takeovers
from sync import service
from sync.database import open_pool
from sync.escrow import log, verifying
from sync.escrow import service as escrow_service
from sync.escrow.errors import (
    ConfigurationUnusable,
    CryptographyFailed,
    EscrowError,
    NoEntry,
    UploadIncomplete,
    VerificationFailed,
)
from sync.escrow.handing_in import LocalTarget
from sync.escrow.private_tables import PRIVATE, columns
from sync.escrow.scheduling import AGAIN_AFTER, Schedule
from sync.escrow.settings import EscrowSettings, Sizes
from tests.escrow import Desk, answers, rows_of, runs_of, sides_of
from tests.registered_node import REPORTER, SCOPE, register, template, whole_node
from tests.registry_api import Api, running_api
from tests.support import eventually

SECRET = {"index": 2003, "type": "recipe", "data": "for grants only"}
LEFT_OUT = {
    "api_tokens",
    "sign_in_failures",
    "idempotency_keys",
    "schema_migrations",
    "prefix_days",
    "spool_drained",
    "late_days",
    "quota_use",
    "unique_values",
    "identifier_references",
    "search_values",
    "read_only",
    "takeovers",
    "takeover_conflicts",
    "node_events",
    "outages",
}
"""Credentials, what lasts a day, statistics and events of this very node, and what is made of the rest anew."""
SUNDAY = datetime(2031, 5, 11, 1, tzinfo=UTC)
ITEMS = [
    {"index": 2000, "name": "产品名称", "type": "name", "required": True, "length_max": 200},
    {"index": 2001, "name": "序号", "type": "serial", "unique": True, "searchable": True},
    {"index": 2002, "name": "配件", "type": "part", "data_type": "reference"},
    {"index": 2003, "name": "配方", "type": "recipe", "grade": 3},
]


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    await service.prepare(registry_database)
    async with running_api(registry_database, tmp_path, national_link=False) as running:
        yield running


@pytest.fixture
def desk(registry_database: str, tmp_path: Path) -> Desk:
    return Desk(registry_database, tmp_path)


async def ask(api: Api, method: str, path: str, body: Any = None) -> Any:
    reply = await api.admin(method, f"/api/v1{path}", body)
    assert reply.status < 300, (method, path, reply.body)
    return reply.json if reply.body else None


async def fill(api: Api) -> str:
    """Enter something of every kind, and return the enterprise's id."""
    enterprise = await whole_node(api)
    await template(api, "PUMP", items=ITEMS)
    site = [{"code_type": "Handle", "ip_address": "192.0.2.9", "endpoints": [{"protocol": "TCP", "port": 2641}]}]
    await ask(api, "POST", "/prefixes", {"prefix": f"{REPORTER}.7", "name": "Away", "hosting": "routed", "sites": site})
    for number in range(4):
        values = [
            {"index": 2000, "type": "name", "data": "泵 <&> \"'\u0007\ufffe" if number == 1 else "泵"},
            {"index": 2001, "type": "serial", "data": f"S-{number}"},
            SECRET,
        ]
        if number:
            values.append({"index": 2002, "type": "part", "data": f"{SCOPE}/A0"})
        await ask(api, "PUT", f"/identifiers/{SCOPE}/A{number}", {"values": values, "template": "PUMP"})
    await register(api, f"{SCOPE}/B1", None)
    await ask(api, "DELETE", f"/identifiers/{SCOPE}/B1")
    await ask(api, "PUT", f"/aliases/{SCOPE}/OLD", {"identifier": f"{SCOPE}/A0"})
    await ask(api, "PUT", "/aliases/09521234000006", {"identifier": f"{SCOPE}/A1"})
    reader = {"username": "pump-reader", "password": "demo-password-1", "role": "enterprise_user"}
    account = (await ask(api, "POST", "/accounts", {**reader, "enterprise": enterprise}))["account"]["id"]
    of = {"kind": "identifier", "name": f"{SCOPE}/A0"}
    await ask(api, "POST", "/grants", {"subject": {"kind": "account", "id": account}, "object": of})
    group = await ask(api, "POST", "/groups", {"name": "Readers", "description": ""})
    members = {"accounts": [account]}
    await ask(api, "POST", f"/groups/{group['id']}:change-members", {"add": members})
    await ask(api, "PUT", f"/quotas/{enterprise}", {"identifiers_max": 1_000})
    return enterprise


async def test_a_registry_restored_from_a_full_deposit_answers_and_holds_the_same(
    api: Api, desk: Desk, database: str
) -> None:
    await fill(api)
    handed = await desk.deposit()
    assert len(handed.package.manifest.files) > 1
    assert sum(file.bytes for file in handed.package.manifest.files) * 3 < (handed.package.manifest.document_bytes or 0)
    assert handed.package.manifest.rows["T9"] == 4
    await desk.restore(database)
    assert await answers(database) == await answers(api.dsn)
    assert await sides_of(database) == await sides_of(api.dsn)
    here, there = await rows_of(api.dsn), await rows_of(database)
    assert here.keys() == PRIVATE.keys()
    administrator = set(there.pop("accounts")) - set(here.pop("accounts"))
    assert len(administrator) == 1  # the new one
    assert there == here


async def change(api: Api, enterprise: str) -> None:
    """Change, take away and add something of every kind."""
    await ask(api, "DELETE", f"/identifiers/{SCOPE}/A3")
    await ask(api, "DELETE", f"/aliases/{SCOPE}/OLD")
    await ask(api, "PUT", f"/aliases/{SCOPE}/NEWER", {"identifier": f"{SCOPE}/A0"})
    await register(api, f"{SCOPE}/A9", "PUMP")
    await register(api, f"{SCOPE}/A1", "PUMP", "改")
    await ask(api, "PUT", "/operator/resolution", {"addresses": []})
    await ask(api, "PUT", f"/quotas/{enterprise}", {"identifiers_max": 2_000})
    (group,) = (await ask(api, "GET", "/groups"))["items"]
    members = {"accounts": [await person(api)]}
    await ask(api, "POST", f"/groups/{group['id']}:change-members", {"remove": members})


async def person(api: Api) -> str:
    """Return the account that signs in with a password."""
    accounts = (await ask(api, "GET", "/accounts"))["items"]
    return next(str(one["id"]) for one in accounts if one.get("username") == "pump-reader")


async def test_diffs_bring_a_restored_registry_to_where_the_last_one_was_made(
    api: Api, desk: Desk, database: str
) -> None:
    enterprise = await fill(api)
    await desk.deposit()
    await change(api, enterprise)
    second = (await desk.deposit()).package.manifest
    assert (second.type, second.rows["T9"], second.deletes["T9"], second.deletes["T2"]) == ("DIFF", 2, 1, 1)
    assert "files" not in second.rows  # what did not change is in no DIFF
    assert second.deletes["identifier_aliases"] == second.deletes["group_members"] == 1
    third = (await desk.deposit()).package.manifest
    assert (third.prev_id, third.deletes) == (second.id, {})
    assert third.rows.keys() <= {"node", "identifiers", "identifier_aliases", "T9"}
    await desk.restore(database, own=True)
    assert await answers(database) == await answers(api.dsn)
    assert await sides_of(database) == await sides_of(api.dsn)
    here, there = await rows_of(api.dsn), await rows_of(database)
    del here["accounts"], there["accounts"]
    assert there == here
    assert await runs_of(api.dsn) == [("FULL", "SUCCESS"), ("DIFF", "SUCCESS"), ("DIFF", "SUCCESS")]


async def test_no_credential_is_in_a_deposit_and_users_set_passwords_anew(
    api: Api, desk: Desk, database: str, tmp_path: Path
) -> None:
    await fill(api)
    await desk.deposit()
    await desk.restore(database)
    there = tmp_path / "there"
    there.mkdir()
    async with running_api(database, there, national_link=False) as other:
        before = {"username": "pump-reader", "password": "demo-password-1"}
        assert (await other.client(None)("POST", "/api/v1/sessions", before)).status == 401
        assert (await other.client(api.admin.token)("GET", "/api/v1/whoami")).status == 401
        admin = other.client((tmp_path / "token").read_text())
        assert (await admin("GET", "/api/v1/whoami")).json["role"] == "administrator"
        account = await person(api)
        reset = await admin("POST", f"/api/v1/accounts/{account}:reset-password", {"password": "demo-password-2"})
        assert reset.status < 300, reset.body
        after = before | {"password": "demo-password-2"}
        assert (await other.client(None)("POST", "/api/v1/sessions", after)).status < 300


async def test_every_table_is_deposited_or_left_out_on_purpose(registry_database: str) -> None:
    connection = await asyncpg.connect(registry_database)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
            "AND NOT relispartition AND relname !~ '^(lookup|registration|audit|job|escrow|journal|monthly)'"
        )
        deposited = [name for table in PRIVATE.values() for name in await columns(connection, table)]
    finally:
        await connection.close()
    assert {row["relname"] for row in rows} - PRIVATE.keys() == LEFT_OUT
    assert not [name for name in deposited if re.search("password|secret|totp|login|token", name)]


async def test_what_is_wrong_with_deposits_is_refused_and_leaves_the_database_empty(
    api: Api, desk: Desk, database: str
) -> None:
    await whole_node(api)
    await template(api, "PUMP")
    made = []
    for number in range(3):
        await register(api, f"{SCOPE}/A{number}", "PUMP")
        made.append((await desk.deposit()).package.manifest)
    volume = desk.arrived / made[0].files[1].name
    content = volume.read_bytes()

    volume.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(VerificationFailed, match=r"zip\.sm2\.002 is damaged"):
        await desk.restore(database)
    volume.unlink()
    with pytest.raises(VerificationFailed, match=r"zip\.sm2\.002 is missing"):
        await desk.restore(database)
    volume.write_bytes(content)

    others = desk.own
    desk.own = sm2.generate()
    with pytest.raises(CryptographyFailed, match="the signature is wrong"):
        await desk.restore(database)
    desk.own, platform = others, desk.platform
    desk.platform = sm2.generate()
    with pytest.raises(CryptographyFailed, match="does not open this deposit"):
        await desk.restore(database)
    desk.platform = platform

    first, second, third = (list(desk.arrived.glob(f"{one.id}.*")) for one in made)
    with pytest.raises(VerificationFailed, match=f"goes on from {made[1].id}, which is missing"):
        await desk.restore(database, [*first, *third])
    with pytest.raises(VerificationFailed, match="there is no FULL deposit"):
        await desk.restore(database, [*second, *third])
    assert not (await rows_of(database))["accounts"]

    await desk.restore(database, [*third, *second, *first])
    assert await answers(database) == await answers(api.dsn)
    with pytest.raises(ConfigurationUnusable, match="holds a registry already"):
        await desk.restore(database)


async def test_a_signature_does_not_help_who_exchanges_volumes_of_deposits(api: Api, desk: Desk) -> None:
    await whole_node(api)
    first, second = [(await desk.deposit("FULL")).package.manifest for _ in range(2)]
    for name in ("", ".sig"):
        source = desk.arrived / f"{first.files[0].name}{name}"
        source.replace(desk.arrived / f"{second.files[0].name}{name}")
    work = desk.base / "verifying"
    work.mkdir()
    with pytest.raises(VerificationFailed, match=r"\.001 (is damaged|has [0-9]+ octets)"):
        await verifying.verify([desk.arrived], signer=desk.own.public, key=desk.platform, work=work)


class Ending(LocalTarget):
    """A directory that takes so many files, and then no more."""

    def __init__(self, directory: Path, files: int) -> None:
        super().__init__(directory)
        self.left = files
        self.put_before: list[str] = []

    async def put(self, file: Path) -> None:
        if not self.left:
            raise UploadIncomplete("the line is cut")
        self.left -= 1
        self.put_before.append(file.name)
        await super().put(file)


async def nothing(_: float) -> None:
    """Wait for nothing."""


async def test_a_run_that_did_not_arrive_whole_is_handed_in_by_the_next_and_the_diff_after_it_misses_nothing(
    api: Api, desk: Desk, database: str
) -> None:
    await whole_node(api)
    await template(api, "PUMP")
    with pytest.raises(UploadIncomplete) as caught:
        await desk.deposit(target=Ending(desk.arrived, 1), sleep=nothing)
    assert caught.value.exit_code == 7
    await register(api, f"{SCOPE}/A1", "PUMP")
    handed = await desk.deposit()
    assert handed.resumed
    assert "T9" not in handed.package.manifest.rows
    await register(api, f"{SCOPE}/A2", "PUMP")
    assert (await desk.deposit()).package.manifest.rows["T9"] == 2
    await desk.restore(database)
    assert await answers(database) == await answers(api.dsn)
    assert await runs_of(api.dsn) == [("FULL", "FAIL"), ("FULL", "SUCCESS"), ("DIFF", "SUCCESS")]


async def test_after_a_failure_whose_files_are_lost_on_sundays_and_behind_the_journal_it_is_full(
    api: Api, desk: Desk
) -> None:
    async def kind(**seams: Any) -> str:
        return (await desk.deposit(sizes=Sizes(), **seams)).package.manifest.type

    assert [await kind(), await kind()] == ["FULL", "DIFF"]
    assert [await kind(now=lambda: SUNDAY), await kind()] == ["FULL", "DIFF"]
    with pytest.raises(UploadIncomplete):
        await desk.deposit(target=Ending(desk.arrived, 0), sleep=nothing)
    for left in desk.settings.work_dir.rglob("*.sig"):
        left.unlink()
    with pytest.raises(ConfigurationUnusable, match="no DIFF can be made"):
        await desk.deposit("DIFF")
    assert [await kind(), await kind()] == ["FULL", "DIFF"]
    connection = await asyncpg.connect(api.dsn)
    rejected = (await desk.deposit(sizes=Sizes())).package.manifest.id
    assert await log.judge(connection, rejected, "rejected", "cannot be read")
    assert [await kind(), await kind()] == ["FULL", "DIFF"]
    await takeovers.begin(connection, datetime.now(UTC), "flood", "operator")
    await takeovers.end(connection, datetime.now(UTC), "operator")
    assert [await kind(), await kind()] == ["FULL", "DIFF"]
    await connection.execute("UPDATE journal_state SET dropped_xid = pg_current_xact_id()")
    await connection.close()
    assert [await kind(), await kind()] == ["FULL", "DIFF"]


async def test_only_prefixes_of_the_configuration_are_deposited(desk: Desk) -> None:
    desk.settings = Desk(desk.settings.dsn, _folder(desk.base), prefixes=("88.119",)).settings
    with pytest.raises(NoEntry) as caught:
        await desk.deposit()
    assert caught.value.exit_code == 1


def _folder(base: Path) -> Path:
    folder = base / "other"
    folder.mkdir()
    return folder


async def test_deposits_are_made_once_a_day_after_half_past_eight_in_beijing(registry_database: str) -> None:
    now = datetime(2031, 5, 6, 0, 29, tzinfo=UTC)
    made: list[datetime] = []
    fails = False
    pool = await open_pool(registry_database)

    async def deposit(prefix: str) -> None:
        made.append(now)
        if fails:
            raise EscrowError("no")
        async with pool.acquire() as connection:
            run = await log.begin(connection, prefix, "FULL", now)
            await log.end(connection, run, now, None)
            await connection.execute("UPDATE escrow_record_log SET watermark = $1 WHERE id = $2", now, run)

    try:
        schedule = Schedule(EscrowSettings(dsn=registry_database, prefixes=(REPORTER,)), pool, lambda: now, deposit)
        await schedule.step()  # none was ever made
        await schedule.step()
        now += timedelta(minutes=1)
        await schedule.step()
        await schedule.step()
        now += timedelta(hours=23, minutes=59)
        await schedule.step()
        fails = True
        now += timedelta(minutes=1)
        await schedule.step()
        await schedule.step()
        fails = False
        now += AGAIN_AFTER
        await schedule.step()
        await schedule.step()
        async with pool.acquire() as connection:
            await takeovers.begin(connection, now, "flood", "operator")
            await takeovers.end(connection, now + timedelta(seconds=1), "operator")
        now += timedelta(seconds=2)
        await schedule.step()
        await schedule.step()
    finally:
        await pool.close()
    start = datetime(2031, 5, 6, 0, 29, tzinfo=UTC)
    day = timedelta(days=1)
    assert [at - start for at in made] == [
        timedelta(0),
        timedelta(minutes=1),
        day + timedelta(minutes=1),
        day + timedelta(minutes=1) + AGAIN_AFTER,
        day + timedelta(minutes=1, seconds=2) + AGAIN_AFTER,  # a take-over has ended
    ]


async def test_deposits_are_made_by_a_node_that_does_not_report(desk: Desk) -> None:
    stop = asyncio.Event()
    making = asyncio.create_task(escrow_service.run(desk.settings, stop))
    await eventually(lambda: list(desk.arrived.glob("*.manifest.json")))
    stop.set()
    await making


async def test_the_api_lists_the_runs(api: Api, desk: Desk) -> None:
    made = (await desk.deposit()).package
    (run,) = (await ask(api, "GET", "/escrow/deposits?limit=5"))["items"]
    shown = {name: run[name] for name in ("deposit_id", "data_type", "status", "verdict", "rev", "files")}
    assert shown == {
        "deposit_id": made.manifest.id,
        "data_type": "FULL",
        "status": "SUCCESS",
        "verdict": "pending",
        "rev": 0,
        "files": len(made.files),
    }
