"""Enterprises' own nodes report to this node: who may, what is taken, and how it reaches the national node."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from identifiers.signing_keys import PrivateKey, generate
from node.feed_reports import FeedReports
from node.intake import PATH, answer_key, collector
from node.settings import Sync
from registry.service import takeovers
from sync import service
from sync.batch import ProvedReceipt
from sync.body import decompress, rows_of
from sync.context import Context
from sync.full_sets import send_full
from sync.intake import attachments, onward
from sync.key_files import write_new
from sync.rehearsal import on_the_link, on_the_rest, on_the_rows, on_the_tables
from sync.rehearsal.reporter import Reporter, packed
from sync.rehearsal.rows import abnormal, application, enterprise_route, identifier, performance, statistics, template
from sync.rehearsal.run import try_clauses
from sync.self_run import hand_on
from sync.state_feed import StateFeed
from sync.transport import TransportError
from sync.transports.http import HttpTransport
from tests.integration.running_worker import fill, running
from tests.registered_node import REPORTER, SCOPE, whole_node
from tests.registry_api import Api, running_api
from tests.sync_reporting import given_context

TEMPLATE = f"{SCOPE}/TPL-1"
DAY = "2024-05-06"
ABNORMAL = abnormal(SCOPE, "")


class OwnNode(Reporter):
    """An enterprise's own node, which reports of its own prefix."""

    @property
    def enterprise(self) -> str:
        return self.prefix


@dataclass(frozen=True)
class Scene:
    """A node with one enterprise that has a node of its own, and that node's key."""

    api: Api
    key: PrivateKey
    own: PrivateKey
    context: Context

    def reporter(self, prefix: str = SCOPE, key: PrivateKey | None = None) -> Reporter:
        return OwnNode(self.api.session, f"http://registry{PATH}", prefix, key=key or self.key, day=DAY)

    async def queued(self, table: str) -> list[Any]:
        """Return the rows queued for the national node that were not looked at before."""
        rows = await self.context.pool.fetch(
            "UPDATE report_batches b SET row_lines = NULL FROM report_streams s, report_batches o "
            "WHERE s.stream_id = b.stream_id AND o.batch_id = b.batch_id AND s.table_id = $1 "
            "AND b.row_lines IS NOT NULL RETURNING b.first_row, o.row_lines",
            table,
        )
        return [row for _, lines in sorted(map(tuple, rows)) for row in rows_of(decompress(lines))]

    async def follow(self) -> None:
        feed = StateFeed(self.context)
        while (await feed.step()).read:
            pass


async def route(api: Api, prefix: str) -> None:
    body = {"addresses": [{"ip": "198.51.100.7", "tcp_port": 2641}]}
    reply = await api.admin("PUT", f"/api/v1/prefixes/{prefix}/route", body)
    assert reply.status < 300, reply.body


async def register_key(api: Api, key: PrivateKey, **more: Any) -> None:
    prefix, _, label = key.key_id.partition("#")
    body = {"public_key": key.public().pem(), **more}
    reply = await api.admin("PUT", f"/api/v1/prefixes/{prefix}/report-keys/{label}", body)
    assert reply.status == 201, reply.body


async def tell(reporter: Reporter, table: str, rows: list[Any], **more: Any) -> None:
    taken = await reporter.tell(table, rows, **more)
    assert (taken.status, taken.value.get("rows_rejected")) == (200, 0), taken.value


async def tell_templates(reporter: Reporter) -> None:
    rows = [
        {"enterprise_prefix": SCOPE, **template(f"{SCOPE}/TPL-{number}", object_type=kind)}
        for number, kind in ((1, 2), (2, 1))
    ]
    await tell(reporter, "T11", rows)


@pytest.fixture
async def scene(registry_database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    await service.prepare(registry_database)
    own = generate(f"{REPORTER}#a", "sm2-sm3")
    beside = {PATH: lambda context: collector(context, REPORTER, own)}
    feed = FeedReports(REPORTER)
    async with (
        running_api(registry_database, tmp_path, national_link=False, beside=beside, reports=feed) as api,
        given_context(registry_database) as context,
    ):
        await whole_node(api)
        await route(api, SCOPE)
        key = generate(f"{SCOPE}#a")
        await register_key(api, key)
        yield Scene(api, key, own, context)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the intake, which is to start after this, take more batches a second than the clauses need."""
    monkeypatch.setattr("sync.intake.gate.BATCHES_PER_S", 1_000)


async def test_clauses_of_the_contract_hold_at_the_intake(unhurried: None, scene: Scene) -> None:
    reporter = scene.reporter()
    await tell_templates(reporter)
    await tell(reporter, "T7", [enterprise_route(SCOPE)])
    await tell(reporter, "T8", [{**statistics(SCOPE, DAY), "x_measured_by": "node"}])
    about_others = ("capabilities name", "rows of an enterprise", "a route that another", "a monthly report")
    about_files = [one for one in on_the_tables.CLAUSES if one.number == "9.9" and "taken once" in one.title]
    clauses = [
        one
        for one in (*on_the_link.CLAUSES, *on_the_rows.CLAUSES, *about_files, *on_the_rest.CLAUSES)
        if not one.title.startswith(about_others)
    ]
    results = await try_clauses(reporter, lambda _: None, tuple(clauses))
    assert [one for one in results if one.outcome != "pass"] == []
    assert len(results) >= 30


async def test_only_a_registered_key_of_a_prefix_answered_elsewhere_may_report(scene: Scene) -> None:
    api, about = scene.api, "/v1/capabilities"
    assert (await scene.reporter().ask("GET", about)).value["tables"].keys() == {
        "T7", "T8", "T9", "T10", "T11", "M2", "E2",
    }  # fmt: skip
    # Another enterprise's key, and one's own key for another's prefix.
    other = generate("88.118.2#a")
    await api.prefix("88.118.2", "Valves")
    await register_key(api, other)
    assert (await scene.reporter(SCOPE, other).ask("GET", about)).code == "key_unknown"
    assert (await scene.reporter("88.118.2").ask("GET", about)).code == "key_unknown"
    # A prefix that is hosted here tells nothing of itself.
    assert str(await scene.reporter("88.118.2", other).ask("GET", about)) == "403 forbidden_scope"
    await route(api, "88.118.2")
    assert (await scene.reporter("88.118.2", other).ask("GET", about)).status == 200
    # Scopes and tables that are not the reporter's.
    foreign = enterprise_route("88.118.2")
    assert str(await scene.reporter().tell("T7", [foreign], scope="88.118.2")) == "403 forbidden_scope"
    assert str(await scene.reporter().tell("T6", [], scope=SCOPE)) == "404 unknown_table"
    assert (await scene.reporter().tell("T7", [foreign])).value["rejections"][0]["code"] == "forbidden"
    # A key that has ended, or was revoked.
    ended = generate(f"{SCOPE}#old")
    await register_key(api, ended, not_after=(datetime.now(UTC) - timedelta(days=1)).isoformat())
    assert (await scene.reporter(SCOPE, ended).ask("GET", about)).code == "key_unknown"
    reply = await api.admin("DELETE", f"/api/v1/prefixes/{SCOPE}/report-keys/a")
    assert reply.json["revoked_at"]
    assert (await scene.reporter().ask("GET", about)).code == "key_unknown"


async def test_a_signature_covers_the_address_that_the_reporter_sees(scene: Scene, tmp_path: Path) -> None:
    fill(tmp_path / "replica", []).close()
    async with running(tmp_path, registry_socket=scene.api.socket) as worker:
        reporter = OwnNode(worker.session, f"http://127.0.0.1:{worker.port}{PATH}", SCOPE, key=scene.key, day=DAY)
        batch_id, content = reporter.batch("T7", SCOPE, 1, [enterprise_route(SCOPE)])
        taken = await reporter.put(batch_id, packed(content), headers={"Content-Encoding": "gzip"})
        assert (taken.status, taken.value["status"]) == (200, "accepted")
        elsewhere = {"Host": "other.example.com"}
        assert (await reporter.ask("GET", "/v1/streams", headers=elsewhere)).code == "signature_invalid"
        assert [one["table"] for one in (await reporter.ask("GET", "/v1/streams")).value["streams"]] == ["T7"]


async def test_answers_are_signed_for_the_address_that_the_reporter_sees(scene: Scene, tmp_path: Path) -> None:
    fill(tmp_path / "replica", []).close()
    async with running(tmp_path, registry_socket=scene.api.socket) as worker:
        base = f"http://127.0.0.1:{worker.port}{PATH}"
        transport = HttpTransport(base, SCOPE, key=scene.key, collector_key=scene.own.public())
        stranger = HttpTransport(base, SCOPE, key=scene.key, collector_key=generate(f"{REPORTER}#a").public())
        try:
            batch_id, content = scene.reporter().batch("T7", SCOPE, 1, [enterprise_route(SCOPE)])
            await scene.reporter().put(batch_id, packed(content), headers={"Content-Encoding": "gzip"})
            receipt = await transport.receipt(UUID(batch_id))
            assert isinstance(receipt, ProvedReceipt)
            assert receipt.proof.target_uri == f"{base}/v1/batches/{batch_id}"
            with pytest.raises(TransportError, match="not proved"):
                await stranger.receipt(UUID(batch_id))
        finally:
            await transport.aclose()
            await stranger.aclose()


def test_a_key_that_cannot_be_used_leaves_answers_unsigned_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, file = generate(f"{REPORTER}#a"), tmp_path / "sign-key.pem"
    write_new(file, key)
    sync = Sync(reporter_prefix=REPORTER, sign_key_file=str(file), key_id=key.key_id)
    found = answer_key(sync)
    assert found is not None
    assert found.public().pem() == key.public().pem()
    assert answer_key(Sync(reporter_prefix=REPORTER)) is None
    assert not caplog.messages
    file.chmod(0o644)
    assert answer_key(sync) is None
    assert "are not signed" in caplog.text


async def test_keys_are_checked_recorded_and_never_replaced(scene: Scene) -> None:
    path = f"/api/v1/prefixes/{SCOPE}/report-keys"
    (shown,) = (await scene.api.admin("GET", path)).json["items"]
    assert (shown["key_id"], shown["algorithm"]) == (scene.key.key_id, "ed25519")
    again = await scene.api.admin("PUT", f"{path}/a", {"public_key": generate(f"{SCOPE}#a").public().pem()})
    assert (again.status, again.json["code"]) == (409, "report_key_exists")
    for label, pem in (("b", "no key"), ("b", scene.key.pem()), ("%20", scene.key.public().pem())):
        reply = await scene.api.admin("PUT", f"{path}/{label}", {"public_key": pem})
        assert (reply.status, reply.json["code"]) == (422, "bad_report_key")
    unknown = await scene.api.admin("DELETE", f"{path}/nobody")
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_report_key")
    rows = await scene.context.pool.fetch("SELECT object FROM audit_log WHERE object LIKE 'report_key %'")
    assert [row["object"] for row in rows] == [f"report_key {scene.key.key_id}"]


async def test_what_an_enterprise_tells_reaches_the_national_node_once(scene: Scene) -> None:
    reporter = scene.reporter()
    await scene.follow()
    await scene.queued("T7")
    await tell_templates(reporter)
    row = reporter.row("T9", identifier(SCOPE, "A", TEMPLATE), ver=7)
    batch_id, content = reporter.batch("T9", SCOPE, 1, [row])
    first = await reporter.put(batch_id, content)
    assert (await reporter.put(batch_id, content)).value == first.value
    reporter.sequences["T9", SCOPE] = 1
    await tell(reporter, "T7", [enterprise_route(SCOPE)])
    await tell(reporter, "T10", [{"enterprise_prefix": SCOPE, **application("app-1", "2024-05")}])
    await tell(reporter, "E2", [{**ABNORMAL, "event_no": (number := reporter.event_no(SCOPE))}])
    await scene.follow()
    while await onward.hand_on(scene.context):
        pass
    (told,) = await scene.queued("T9")
    assert (told.key, told.op, told.ver) == (f"{SCOPE}/A", "upsert", 7)
    assert msgspec.json.decode(told.data) == row["data"]
    assert [one.key for one in await scene.queued("T11")] == [f"{SCOPE}/TPL-1", f"{SCOPE}/TPL-2"]
    routes = {(one.key.rpartition("|")[2], one.op) for one in await scene.queued("T7")}
    assert routes == {("192.0.2.17", "upsert"), ("198.51.100.7", "delete")}
    assert [one.key for one in (*await scene.queued("T10"), *await scene.queued("E2"))] == ["app-1", number]
    (shown,) = (await scene.api.admin("GET", "/monitor/v1/events")).json["items"]
    assert (shown["event_no"], shown["source"]) == (number, "enterprise")
    assert shown["queued_at"] is not None, "it is not told twice"
    assert await onward.hand_on(scene.context) == 0

    # A complete set that leaves the identifier out ends it, there too, under the next version.
    full = {"id": "00000000-0000-4000-8000-000000000001", "part": 1, "last": True}
    moment = "2024-05-06T17:02:03Z"
    await tell(reporter, "T9", [], mode="full", full=full, period={"kind": "instant", "start": moment, "end": moment})
    await onward.hand_on(scene.context)
    period = await scene.context.pool.fetchval("SELECT period FROM report_batches ORDER BY created_at DESC LIMIT 1")
    assert msgspec.json.decode(period)["start"] == "2024-05-06T16:00:00Z"
    (ended,) = await scene.queued("T9")
    assert (ended.op, ended.ver, msgspec.json.decode(ended.data)["operation_type"]) == ("delete", 8, 2)


async def test_rows_wait_until_the_templates_told_before_them_are_queued(scene: Scene) -> None:
    reporter = scene.reporter()
    await scene.follow()
    await tell_templates(reporter)
    await tell(reporter, "T9", [identifier(SCOPE, "A", TEMPLATE)])
    assert await onward.hand_on(scene.context) == 0
    await scene.follow()
    assert await onward.hand_on(scene.context) == 1


async def test_files_are_each_reporters_own_and_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, content = scene.reporter(), b"%PDF-1.7 of one enterprise"
    path, pdf = f"/v1/attachments/{hashlib.sha256(content).hexdigest()}", {"Content-Type": "application/pdf"}
    assert (await reporter.ask("PUT", path, content, headers=pdf)).status == 201
    other = generate("88.118.2#a")
    await scene.api.prefix("88.118.2", "Valves")
    await route(scene.api, "88.118.2")
    await register_key(scene.api, other)
    assert (await scene.reporter("88.118.2", other).ask("HEAD", path)).status == 404
    assert (await reporter.ask("HEAD", path)).status == 200
    assert str(await reporter.ask("PUT", "/v1/attachments/A", content, headers=pdf)) == "400 malformed"
    monkeypatch.setattr("sync.intake.attachments.OCTETS_OF_REPORTER_MAX", 2 * len(content) - 1)
    second = content[::-1]
    full = await reporter.ask("PUT", f"/v1/attachments/{hashlib.sha256(second).hexdigest()}", second, headers=pdf)
    assert (str(full), full.value["max_bytes"]) == ("413 too_large", len(content) - 1)
    # A file of more than 20 MiB is not even read to its end.
    monkeypatch.setattr("sync.intake.application.FILE_OCTETS_MAX", 16)
    assert str(await reporter.ask("PUT", path, content, headers=pdf)) == "413 too_large"
    async with scene.context.pool.acquire() as connection:
        assert await attachments.forget(connection, datetime.now(UTC), 10) == 1
    assert (await reporter.ask("HEAD", path)).status == 404


async def test_what_an_enterprise_has_no_part_in_is_refused_in_the_words_of_the_profile(scene: Scene) -> None:
    reporter, json = scene.reporter(), {"Content-Type": "application/json"}
    assert str(await reporter.ask("GET", "/v1/monthly-reports/2024-05")) == "404 unknown_month"
    assert str(await reporter.ask("PUT", "/v1/monthly-reports/2024-05", b"{}", headers=json)) == "403 forbidden_scope"
    assert str(await reporter.ask("POST", "/v1/directives/1/ack", b"{}", headers=json)) == "404 unknown_directive"
    assert str(await reporter.ask("GET", "/v1/elsewhere")) == "404 malformed"
    assert str(await reporter.ask("POST", "/v1/streams", b"{}", headers=json)) == "405 malformed"


async def test_days_figures_are_handed_on_as_the_enterprise_told_them(scene: Scene) -> None:
    reporter = scene.reporter()
    fact = {**statistics(SCOPE, DAY), "x_measured_by": "enterprise", "parts": 2}
    halves = [
        {**fact, "part": part, "sources": [{"ip": f"192.0.2.{part}", "count": count}]}
        for part, count in ((1, 3), (2, 2))
    ]
    rows = [reporter.row("T8", one, n, ver=1) for n, one in enumerate(halves, start=1)]
    await tell(reporter, "T8", rows[:1])
    assert await hand_on(scene.context) == 0  # the other half is still to come
    await tell(reporter, "T8", [{**rows[1], "n": 1}])
    await tell(reporter, "M2", [performance(SCOPE, DAY)])
    await hand_on(scene.context)
    assert [msgspec.json.decode(one.data) for one in await scene.queued("T8")] == halves
    (told,) = await scene.queued("M2")
    assert msgspec.json.decode(told.data)["stat_date"] == date.fromisoformat(DAY).isoformat()


async def test_full_sets_and_the_feed_tell_what_enterprises_told(scene: Scene) -> None:
    reporter = scene.reporter()
    await tell_templates(reporter)
    await tell(reporter, "T9", [identifier(SCOPE, name, TEMPLATE) for name in ("A", "B", "C")])
    now = scene.api.context.clock()
    async with scene.context.pool.acquire() as connection:
        await takeovers.begin(connection, now, "flood", "operator")
        await tell(reporter, "T9", [identifier(SCOPE, "B", TEMPLATE, operation=2)])  # reports go on meanwhile
        await takeovers.end(connection, now, "operator")
    await onward.hand_on(scene.context)
    await scene.queued("T9")
    async with scene.context.pool.acquire() as connection, connection.transaction():
        assert await send_full(connection, scene.context, "T9", SCOPE) == 2
    assert [one.key for one in await scene.queued("T9")] == [f"{SCOPE}/A", f"{SCOPE}/C"]

    async def keys(client: Any) -> list[tuple[str, str, str]]:
        path = "/api/v1/changes?after=oldest&tables=T9,T11&limit=5000"
        reply = await client("GET", path, headers={"Accept-Encoding": "identity"})
        return [(row["table"], row["key"].rpartition("/")[2], row["op"]) for row in reply.lines[1:]]

    told = await keys(scene.api.admin)
    assert told == [
        ("T11", "TPL-1", "upsert"),
        ("T11", "TPL-2", "upsert"),
        ("T9", "A", "upsert"),
        ("T9", "C", "upsert"),
        ("T9", "B", "delete"),
    ]
    # What of the values is public the enterprise's node does not say: a mirror learns that the identifiers are there.
    mirror = await scene.api.holder("reader")
    assert await keys(mirror) == told
    for client, seen in ((scene.api.admin, True), (mirror, False)):
        reply = await client("GET", "/api/v1/changes?after=oldest&tables=T9", headers={"Accept-Encoding": "identity"})
        (row,) = [row for row in reply.lines[1:] if row["key"] == f"{SCOPE}/A"]
        assert ("product_name" in row["data"]) is seen
        assert row["data"]["metadata_id"] == TEMPLATE
