"""What an operator of the simulator can do while it runs: faults, directives, loss of data, keys, limits."""

import hashlib
import json
import sqlite3
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from identifiers.request_signing import Message, check_response, read_signature
from identifiers.signing_keys import Algorithm, generate
from sync.rehearsal import rows
from sync.rehearsal.clause import must, taken
from sync.rehearsal.reporter import Reporter, packed
from sync.rehearsal.run import reporting_to
from sync.top_node.api import TopNode
from sync.top_node.faults import FaultSource, parse_faults
from sync.top_node.overview import overview
from sync.top_node.serve import OptionsError, Tls, read_public_keys, read_receipt_key
from sync.top_node.store import Store, utc_now
from tests.certificates import certificate_pem, new_key, write_pair

PREFIX = "88.999"


@asynccontextmanager
async def collector(
    directory: Path, faults: str = "", *, strict: bool = False, tls: Tls | None = None, **more: Any
) -> AsyncIterator[Reporter]:
    """Run the simulator, and give a reporter to it."""
    source = FaultSource(parse_faults(faults), 1)
    app = TopNode(Store(directory / "top-node.sqlite3", source, strict=strict), source, **more).application()
    runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=None if tls is None else tls.context()).start()
        scheme = "http" if tls is None else "https"
        async with reporting_to("{}://{}:{}".format(scheme, *runner.addresses[0]), PREFIX) as reporter:
            yield reporter
    finally:
        await runner.cleanup()


async def control(reporter: Reporter, method: str, path: str, told: Any = None, **headers: str) -> tuple[int, Any]:
    url = reporter.base + "/control" + path
    async with reporter.session.request(method, url, json=told, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None


def pump(reporter: Reporter, name: str = "A", operation: int = 1) -> rows.Data:
    return rows.identifier(reporter.enterprise, name, f"{reporter.enterprise}/TPL-1", operation)


async def test_faults_change_while_it_runs(tmp_path: Path) -> None:
    async with collector(tmp_path) as reporter:
        taken(await reporter.tell("T9", [pump(reporter)]))
        assert (await control(reporter, "POST", "/faults", {"error": 1}))[0] == 200
        assert (await reporter.tell("T9", [pump(reporter)])).status == 500
        await control(reporter, "POST", "/faults", {"error": 0, "down-s": 60})
        with pytest.raises(aiohttp.ClientError):
            await reporter.tell("T9", [pump(reporter)])
        assert (await control(reporter, "DELETE", "/faults"))[1]["down-s"] == 0
        taken(await reporter.tell("T9", [pump(reporter)]))
        assert (await control(reporter, "POST", "/faults", {"earthquake": 1}))[0] == 400


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("wrong-sequence=1", 409, "out_of_order"), ("shrink=1", 413, "too_large"), ("unavailable=1", 503, "unavailable")],
)
async def test_a_fault_refuses_what_is_right(fault: str, status: int, code: str, tmp_path: Path) -> None:
    async with collector(tmp_path, fault) as reporter:
        reporter.sequences["T9", reporter.enterprise] = 0
        must(await reporter.tell("T9", [pump(reporter), pump(reporter, "B")]), status, code)


async def test_a_batch_of_one_row_is_never_asked_to_be_smaller(tmp_path: Path) -> None:
    async with collector(tmp_path, "shrink=1") as reporter:
        taken(await reporter.tell("T9", [pump(reporter)]))


async def test_a_slow_verdict_comes_after_as_many_questions_as_told(tmp_path: Path) -> None:
    async with collector(tmp_path, "pending=1,pending-polls=2,retry-after-s=0") as reporter:
        sequence = await reporter.next_sequence("T9", reporter.enterprise)
        batch_id, content = reporter.batch("T9", reporter.enterprise, sequence, [pump(reporter)])
        assert (await reporter.put(batch_id, content)).status == 202
        statuses = [(await reporter.ask("GET", f"/v1/batches/{batch_id}")).status for _ in range(4)]
    assert statuses == [202, 202, 200, 200]


async def test_a_code_that_the_profile_does_not_have_can_be_rehearsed(tmp_path: Path) -> None:
    async with collector(tmp_path, "unknown-code=1") as reporter:
        taken(await reporter.tell("T9", [pump(reporter)]), {1: "not-of-this-profile"})


async def test_what_came_after_the_checkpoint_is_lost_when_told(tmp_path: Path) -> None:
    async with collector(tmp_path) as reporter:
        taken(await reporter.tell("T9", [pump(reporter)]))
        assert (await control(reporter, "POST", "/checkpoint"))[0] == 204
        taken(await reporter.tell("T9", [pump(reporter, "B")]))
        assert (await control(reporter, "POST", "/lose"))[0] == 204
        answer = must(await reporter.tell("T9", [pump(reporter, "C")]), 409, "out_of_order")
        held = (await control(reporter, "GET", "/rows/T9"))[1]["rows"]
    assert answer.value["expected"] == 2
    assert [row["key"] for row in held] == [f"{reporter.enterprise}/A"]


async def test_a_directive_is_issued_read_and_answered(tmp_path: Path) -> None:
    async with collector(tmp_path) as reporter:
        told = {"reporter": PREFIX, "kind": "send_full", "body": {"table": "T9", "scope": PREFIX}, "reason": "演练"}
        status, first = await control(reporter, "POST", "/directives", told)
        second = (await control(reporter, "POST", "/directives", {**told, "kind": "pause", "body": {}}))[1]
        assert status == 201
        listed = must(await reporter.ask("GET", "/v1/directives?after=&limit=100"), 200).value["directives"]
        later = must(await reporter.ask("GET", f"/v1/directives?after={first['id']}"), 200).value["directives"]
        assert ([one["id"] for one in listed], later) == ([first["id"], second["id"]], [second])
        json_type = {"Content-Type": "application/json"}
        path = f"/v1/directives/{first['id']}/ack"
        must(await reporter.ask("POST", path, b'{"result":"perhaps"}', headers=json_type), 400, "malformed")
        must(await reporter.ask("POST", path, b'{"result":"done","text":"queued"}', headers=json_type), 200)
        shown = (await control(reporter, "GET", "/directives"))[1]["directives"]
        for wrong in ({"kind": "dance"}, {"body": {"table": "T12", "scope": PREFIX}}, {"reporter": 7}):
            assert (await control(reporter, "POST", "/directives", {**told, **wrong}))[0] == 400
    assert {one["directive_id"]: one["result"] for one in shown} == {first["id"]: "done", second["id"]: None}


async def test_a_range_asked_for_again_is_processed_anew_and_moves_no_sequence(tmp_path: Path) -> None:
    async with collector(tmp_path) as reporter:
        scope, sent = reporter.enterprise, []
        for sequence in (1, 2):
            sent.append(reporter.batch("T9", scope, sequence, [pump(reporter, f"N{sequence}")]))
            taken(await reporter.put(*sent[-1]))
        body = {"table": "T9", "scope": scope, "from_sequence": 1, "to_sequence": 1}
        told = {"reporter": PREFIX, "kind": "resend_range", "body": body}
        directive = (await control(reporter, "POST", "/directives", told))[1]
        must(await reporter.ask("GET", f"/v1/batches/{sent[0][0]}"), 404, "unknown_batch")
        must(await reporter.put(*sent[0]), 409, "out_of_order")
        must(await reporter.put(*sent[0], headers={"Idn-Resend": "d-0"}), 400, "malformed")
        taken(await reporter.put(*sent[0], headers={"Idn-Resend": directive["id"]}), {1: "stale"})
        stream = must(await reporter.ask("GET", f"/v1/streams/T9/{scope}"), 200).value
        assert stream["last_sequence"] == 2
        must(await reporter.ask("GET", f"/v1/batches/{sent[0][0]}"), 200)


async def test_the_control_is_for_this_machine_and_its_own_page_alone(tmp_path: Path) -> None:
    async with collector(tmp_path) as reporter:
        assert (await control(reporter, "POST", "/faults", {}, Origin="https://example.com"))[0] == 403
        assert (await control(reporter, "POST", "/faults", {}, Host="rebound.example.com"))[0] == 403
        assert (await control(reporter, "POST", "/faults", {}, Origin=reporter.base))[0] == 200


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256-sha256", "sm2-sm3"])
async def test_requests_are_signed_and_so_are_receipts(algorithm: Algorithm, tmp_path: Path) -> None:
    own, theirs = generate(f"{PREFIX}#1", algorithm), generate("86#c", algorithm)
    async with collector(tmp_path, keys={own.key_id: own.public()}, receipt_key=theirs) as reporter:
        must(await reporter.ask("GET", "/v1/streams"), 401, "signature_missing")
        must(await reporter.ask("GET", "/v1/streams", key=generate(f"{PREFIX}#1", algorithm)), 401, "signature_invalid")
        reporter.key = own
        answer = taken(await reporter.tell("T9", [pump(reporter)]))
        url = f"{reporter.base}/v1/batches/{answer.value['batch_id']}"
        async with reporter.session.get(url) as unsigned:
            assert unsigned.status == 400
        batch = (await control(reporter, "GET", "/batches/T9"))[1]["batches"][0]
    assert batch["keyid"] == own.key_id
    headers = {name.lower(): value for name, value in answer.headers.items()}
    content = json.dumps(answer.value, ensure_ascii=False, separators=(",", ":")).encode()
    message = Message("PUT", url, headers)
    check_response(read_signature(headers), theirs.public(), message, 200, content, now=utc_now())


async def test_unsigned_requests_pass_beside_keys_only_when_allowed(tmp_path: Path) -> None:
    own = generate(f"{PREFIX}#1")
    async with collector(tmp_path, keys={own.key_id: own.public()}, allow_unsigned=True) as reporter:
        must(await reporter.ask("GET", "/v1/streams"), 200)
        must(await reporter.ask("GET", "/v1/streams", key=own, break_signature=True), 401, "signature_invalid")
    async with collector(tmp_path) as reporter:
        must(await reporter.ask("GET", "/v1/streams", key=own), 401, "key_unknown")


async def test_a_reporter_that_is_too_quick_waits(tmp_path: Path) -> None:
    async with collector(tmp_path, batches_per_s=2) as reporter:
        for _ in range(2):
            taken(await reporter.tell("T9", []))
        answer = must(await reporter.tell("T9", []), 429, "rate_limited")
    assert answer.headers["Retry-After"] == "1"


async def test_references_are_checked_once_the_node_is_known_or_always_when_strict(tmp_path: Path) -> None:
    async with collector(tmp_path / "strict", strict=True) as reporter:
        taken(await reporter.tell("T9", [pump(reporter)]), {1: "unknown_prefix"})
    async with collector(tmp_path / "usual") as reporter:
        taken(await reporter.tell("T9", [pump(reporter)]))
        content = b"%PDF-1.4"
        file = rows.file_reference(hashlib.sha256(content).hexdigest(), len(content))
        headers = {"Content-Type": "application/pdf"}
        must(await reporter.ask("PUT", f"/v1/attachments/{file['sha256']}", content, headers=headers), 201)
        taken(await reporter.tell("T1", [rows.operator(PREFIX, file)]))
        taken(await reporter.tell("T9", [pump(reporter, "B")]), {1: "unknown_enterprise"})


async def test_https_demands_the_clients_certificate_when_told_whose(tmp_path: Path) -> None:
    server, client = new_key(), new_key()
    own = write_pair(tmp_path, server, certificate_pem(server, "localhost"), "server")
    theirs = write_pair(tmp_path, client, certificate_pem(client, PREFIX), "client")
    context = ssl.create_default_context(cafile=str(own[0]))
    async with collector(tmp_path, tls=Tls(*own, client_ca_file=theirs[0])) as reporter:
        url, headers = f"{reporter.base}/v1/streams", {"Idn-Profile": "idn-report/1", "Idn-Reporter": PREFIX}
        with pytest.raises(aiohttp.ClientError):
            async with reporter.session.get(url, headers=headers, ssl=context) as answer:
                await answer.read()
        context.load_cert_chain(*theirs)
        async with reporter.session.get(url, headers=headers, ssl=context) as answer:
            assert answer.status == 200


async def test_a_batch_may_come_compressed_in_one_member_only(tmp_path: Path) -> None:
    async with collector(tmp_path) as reporter:
        batch_id, content = reporter.batch("T9", reporter.enterprise, 1, [])
        encoded = {"Content-Encoding": "gzip"}
        must(await reporter.put(batch_id, packed(content) * 2, headers=encoded), 400, "malformed")
        must(await reporter.put(batch_id, packed(content)[:-1], headers=encoded), 400, "malformed")
        taken(await reporter.put(batch_id, packed(content), headers=encoded))


async def test_the_overview_counts_periods_and_shows_events_and_deposits(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in ("d1.zip.sm2.001", "d1.manifest.json", "d1.manifest.json.sig"):
        (inbox / name).write_bytes(b"1234")
    store = Store(tmp_path / "top-node.sqlite3", FaultSource(parse_faults(""), 1))
    shown = overview(store.book, inbox, utc_now())
    store.close()
    assert [(one["deposit"], one["files"], one["bytes"], one["signed"]) for one in shown.deposits] == [
        ("d1", 3, 12, True)
    ]
    assert {row.table: len(row.cells) for row in shown.periods}["T3"] == 14
    assert all(cell.told == 0 for row in shown.periods for cell in row.cells)


def test_a_book_of_an_earlier_release_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "top-node.sqlite3"
    with sqlite3.connect(path) as older:
        older.execute("CREATE TABLE streams (reporter TEXT)")
    older.close()
    store = Store(path, FaultSource(parse_faults(""), 1))
    assert store.streams(PREFIX, ("", ""), 10) == []
    store.close()
    assert path.with_name("top-node.sqlite3.old").exists()


def test_keys_and_certificates_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    key, path = generate(f"{PREFIX}#1"), tmp_path / "key.pem"
    path.write_text(key.public().pem(), encoding="ascii")
    assert read_public_keys([f"{PREFIX}#1={path}"])[f"{PREFIX}#1"].pem() == key.public().pem()
    for wrong in (f"{PREFIX}#1", f"{PREFIX}#1={tmp_path / 'none.pem'}", f"here={path}"):
        with pytest.raises(OptionsError):
            read_public_keys([wrong])
    with pytest.raises(OptionsError):
        read_receipt_key(f"{PREFIX}#1={path}")
    with pytest.raises(OptionsError):
        Tls(path, path).context()
