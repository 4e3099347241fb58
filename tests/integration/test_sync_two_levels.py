"""An enterprise's node, this node and the national one, each on its own socket: two signed links behind one another."""

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identifiers.signing_keys import PrivateKey, generate
from node.intake import PATH, collector
from sync import key_files, service
from sync.rehearsal.reporter import Reporter
from sync.rehearsal.rows import (
    abnormal,
    application,
    enterprise_route,
    identifier,
    performance,
    recovered,
    statistics,
    template,
)
from sync.settings import Upstream
from tests.integration.running_worker import Worker, fill, running
from tests.registered_node import REPORTER, SCOPE, whole_node
from tests.registry_api import Api, running_api
from tests.support import eventually
from tests.sync_reporting import ReportingProcess, TopNodeProcess, reporting_settings

DAY = "2024-05-06"
TEMPLATE = f"{SCOPE}/TPL-1"
ROW_OF_TEMPLATE = {"enterprise_prefix": SCOPE, **template(TEMPLATE)}
NONCE = bytes(range(16))
ABOUT = "/v1/capabilities"


class EnterpriseNode(Reporter):
    """What an enterprise runs: it reports of its own prefix."""

    @property
    def enterprise(self) -> str:
        return self.prefix

    async def told(self, table: str, *data: Any) -> Any:
        """Tell rows that must all be taken; returns the receipt."""
        answer = await self.tell(table, data)
        assert (answer.status, answer.value.get("rejections")) == (200, []), answer.value
        return answer.value


@dataclass
class Levels:
    """The enterprise's node, and the processes above it."""

    enterprise: EnterpriseNode
    reporting: ReportingProcess
    national: TopNodeProcess
    worker: Worker
    api: Api

    def book(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the national node's book."""
        with contextlib.closing(sqlite3.connect(self.national.data_dir / "top-node.sqlite3")) as book:
            return book.execute(query).fetchall()

    def held(self) -> dict[str, dict[str, int]]:
        """Return the versions of the enterprise's rows that the national node holds, by table and key."""
        found: dict[str, dict[str, int]] = {}
        for table, key, ver in self.book(
            f"SELECT table_id, key, ver FROM held_rows WHERE scope = '{SCOPE}' AND NOT deleted"
        ):
            found.setdefault(table, {})[key] = ver
        return found


@pytest.fixture
async def levels(registry_database: str, tmp_path: Path) -> AsyncIterator[Levels]:
    await service.prepare(registry_database)
    ours, theirs = generate(f"{REPORTER}#n"), generate(f"{SCOPE}#a")
    key_files.write_new(tmp_path / "node.pem", ours)
    (tmp_path / "node.public.pem").write_text(ours.public().pem(), encoding="ascii")
    national = TopNodeProcess(tmp_path, "--strict", "--key", f"{ours.key_id}={tmp_path / 'node.public.pem'}")
    upstream = Upstream(sign_key_file=tmp_path / "node.pem", key_id=ours.key_id)
    reporting = ReportingProcess(reporting_settings(registry_database, national.url, upstream=upstream), tmp_path)
    fill(tmp_path / "replica", []).close()
    beside = {PATH: lambda context: collector(context, REPORTER)}
    try:
        await national.begin()
        async with (
            running_api(registry_database, tmp_path, national_link=False, beside=beside) as api,
            running(tmp_path, registry_socket=api.socket) as worker,
        ):
            await whole_node(api)
            await _answered_elsewhere(api, theirs)
            base = f"http://127.0.0.1:{worker.port}{PATH}"
            enterprise = EnterpriseNode(worker.session, base, SCOPE, key=theirs, day=DAY)
            yield Levels(enterprise, reporting, national, worker, api)
    finally:
        reporting.end()
        national.end()
    assert "Traceback" not in reporting.log


async def _answered_elsewhere(api: Api, key: PrivateKey) -> None:
    """Say that the enterprise has a node of its own, and register that node's key."""
    addresses = {"addresses": [{"ip": "198.51.100.7", "tcp_port": 2641}]}
    for path, body in (
        (f"/api/v1/prefixes/{SCOPE}/route", addresses),
        (f"/api/v1/prefixes/{SCOPE}/report-keys/a", {"public_key": key.public().pem()}),
    ):
        reply = await api.admin("PUT", path, body)
        assert reply.status < 300, reply.body


async def test_what_an_enterprise_may_tell_arrives_at_the_national_node_in_order_and_once_and_nothing_else_does(
    levels: Levels,
) -> None:
    enterprise = levels.enterprise
    await _refused_for_who_speaks(enterprise)
    await _refused_for_what_is_told(enterprise)
    # Files and digests are each reporter's own.
    assert (await enterprise.ask("HEAD", f"/v1/attachments/{os.urandom(32).hex()}")).status == 404
    assert (await enterprise.ask("GET", f"/v1/digests/T9/{REPORTER}.2")).value["count"] == 0

    begun, ended = enterprise.event_no(SCOPE), enterprise.event_no(SCOPE)
    await enterprise.told("T8", {**statistics(SCOPE, DAY), "x_measured_by": "enterprise"})
    await enterprise.told("M2", performance(SCOPE, DAY))
    levels.reporting.start()
    # The template and what follows it in one breath, and a batch whose receipt was lost twice.
    await enterprise.told("T11", ROW_OF_TEMPLATE)
    added = [enterprise.row("T9", identifier(SCOPE, name, TEMPLATE), n, ver=5) for n, name in ((1, "A"), (2, "B"))]
    sequence = await enterprise.next_sequence("T9", SCOPE)
    batch_id, content = enterprise.batch("T9", SCOPE, sequence, added)
    receipts = [(await enterprise.put(batch_id, content)).value for _ in range(3)]
    assert receipts == [receipts[0]] * 3
    enterprise.sequences["T9", SCOPE] = sequence
    # Told in batches of their own, of one day: they must not become one there.
    modified = enterprise.row("T9", {**identifier(SCOPE, "B", TEMPLATE), "operation_type": 3}, ver=6)
    await enterprise.told("T9", modified)
    await enterprise.told("T9", enterprise.row("T9", identifier(SCOPE, "A", TEMPLATE, operation=2), ver=7))
    await enterprise.told("T7", enterprise.row("T7", enterprise_route(SCOPE), ver=1))
    await enterprise.told("T10", {"enterprise_prefix": SCOPE, **application("app-1", "2024-05")})
    await enterprise.told("E2", abnormal(SCOPE, begun), recovered(SCOPE, ended, begun))

    tables = {"T6", "T7", "T8", "T9", "T10", "T11", "M2", "E2"}
    await eventually(lambda: tables == levels.held().keys() and levels.held()["T9"] == {f"{SCOPE}/B": 6}, 20)
    held = levels.held()
    assert [key.rpartition("|")[2] for key in held["T7"]] == ["192.0.2.17"]
    assert held["T8"].keys() == held["M2"].keys() == {f"{SCOPE}|{DAY}"}
    assert {table: set(held[table]) for table in ("T10", "T11", "E2")} == {
        "T10": {"app-1"},
        "T11": {TEMPLATE},
        "E2": {begun, ended},
    }
    # Nothing was refused on the way up, no version came twice, and each key's versions only rise.
    assert levels.book("SELECT code, message FROM rejections") == []
    applied = levels.book("SELECT key, ver FROM applied WHERE table_id = 'T9' ORDER BY number")
    assert applied == [(f"{SCOPE}/A", 5), (f"{SCOPE}/B", 5), (f"{SCOPE}/B", 6), (f"{SCOPE}/A", 7)]
    order = [table for (table,) in levels.book("SELECT table_id FROM batches ORDER BY number")]
    assert order.index("T6") < order.index("T11") < order.index("T9")
    # Every one of these batches was signed by this node, not by the enterprise's.
    assert levels.book("SELECT DISTINCT keyid FROM batches") == [(f"{REPORTER}#n",)]


async def _refused_for_who_speaks(enterprise: EnterpriseNode) -> None:
    """Nobody, somebody else, too late, twice, or not in these words."""
    assert (await enterprise.ask("GET", ABOUT, signed=False)).code == "signature_missing"
    assert (await enterprise.ask("GET", ABOUT, break_signature=True)).code == "signature_invalid"
    assert (await enterprise.ask("GET", ABOUT, key=generate(f"{SCOPE}#a"))).code == "signature_invalid"
    assert (await enterprise.ask("GET", ABOUT, key=generate(f"{SCOPE}#b"))).code == "key_unknown"
    skewed = await enterprise.ask("GET", ABOUT, at=datetime.now(UTC) - timedelta(seconds=301))
    assert (skewed.code, "server_time" in skewed.value) == ("clock_skew", True)
    assert (await enterprise.ask("GET", ABOUT, nonce=NONCE)).status == 200
    assert (await enterprise.ask("GET", ABOUT, nonce=NONCE)).code == "signature_invalid"
    batch_id, content = enterprise.batch("T11", SCOPE, 1, [ROW_OF_TEMPLATE])
    digest = {"Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}
    assert (await enterprise.put(batch_id, content, headers=digest)).code == "signature_invalid"


async def _refused_for_what_is_told(enterprise: EnterpriseNode) -> None:
    """Another's table, scope or row, what follows no template, and what is out of turn."""
    assert str(await enterprise.tell("T6", [], scope=SCOPE)) == "404 unknown_table"
    assert str(await enterprise.tell("T1", [])) == "404 unknown_table"
    assert str(await enterprise.tell("T7", [], scope=f"{REPORTER}.2")) == "403 forbidden_scope"
    for table, row, code in (
        ("T7", enterprise_route(f"{REPORTER}.2"), "forbidden"),
        ("T9", identifier(f"{REPORTER}.2", "A", TEMPLATE), "forbidden"),
        ("T9", identifier(SCOPE, "A", TEMPLATE), "unknown_template"),
    ):
        answer = await enterprise.tell(table, [row])
        assert [one["code"] for one in answer.value["rejections"]] == [code]
    batch_id, content = enterprise.batch("T11", SCOPE, 2, [ROW_OF_TEMPLATE])
    early = await enterprise.put(batch_id, content)
    assert (str(early), early.value["expected"]) == ("409 out_of_order", 1)
