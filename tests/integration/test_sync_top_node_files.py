"""The simulator takes reports that come as files: the reporter's transport on one side, its directory on the other."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from sync import body
from sync.batch import Batch, Limits, Pending, Receipt
from sync.directives.shapes import Outcome
from sync.rehearsal import rows
from sync.rehearsal.reporter import Reporter
from sync.top_node.faults import FaultSource, parse_faults
from sync.top_node.report_files import ReportFiles
from sync.top_node.store import Store, utc_now
from sync.transport import TransportError
from sync.transports.directory import LocalDirectory
from sync.transports.files import FilesTransport

REPORTER, SCOPE = "88.999", "88.999.1"


class Desk:
    """Both sides of one directory."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory / "top-node.sqlite3", FaultSource(parse_faults(""), 1))
        self.files = ReportFiles(self.store, directory / "reports", Limits())
        self.own = directory / "reports" / REPORTER
        self.transport = FilesTransport(LocalDirectory(directory / "reports"), REPORTER, name="file")
        self.own.mkdir(parents=True)

    async def hand_over(self, told: Batch) -> Receipt | Pending:
        """Hand a batch over, let the collector look, and ask again."""
        assert isinstance(await self.transport.submit(told), Pending)
        self.files.step()
        return await self.transport.submit(told)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def batch(sequence: int, *names: str, resend_of: str | None = None, like: Batch | None = None) -> Batch:
    if like is not None:
        return msgspec.structs.replace(like, resend_of=resend_of)
    data = [rows.identifier(SCOPE, name, f"{SCOPE}/TPL-1") for name in names]
    maker = Reporter(None, "", REPORTER)  # type: ignore[arg-type]  # only composes
    batch_id, content = maker.batch("T9", SCOPE, sequence, data)
    return Batch(
        batch_id=UUID(batch_id),
        reporter=REPORTER,
        table="T9",
        scope=SCOPE,
        sequence=sequence,
        row_count=len(data),
        rows_sha256=json.loads(content.splitlines()[0])["rows_sha256"],
        body=body.compress(content),
    )


async def test_a_batch_gets_its_receipt_as_a_file_and_the_stream_its_state(desk: Desk) -> None:
    desk.files.step()
    assert (await desk.transport.limits(), desk.transport.supports("T11")) == (Limits(), True)
    told = batch(1, "A", "B")
    receipt = await desk.hand_over(told)
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.rows_accepted) == ("accepted", 2)
    stream = await desk.transport.last_sequence("T9", SCOPE)
    assert (stream.last_sequence, stream.last_batch_id) == (1, told.batch_id)  # type: ignore[union-attr]  # it is there


async def test_what_cannot_be_taken_is_answered_as_over_http_and_judged_again_later(desk: Desk) -> None:
    late, early = batch(2, "B"), batch(1, "A")
    with pytest.raises(TransportError, match="out_of_order"):
        await desk.hand_over(late)
    assert isinstance(await desk.hand_over(early), Receipt)
    assert isinstance(await desk.transport.submit(late), Receipt)


async def test_rejections_all_stand_in_the_answer(desk: Desk) -> None:
    bad = [{**rows.identifier(SCOPE, f"N{n}", "x"), "created_on": "today"} for n in range(1_200)]
    maker = Reporter(None, "", REPORTER)  # type: ignore[arg-type]  # only composes
    batch_id, content = maker.batch("T9", SCOPE, 1, bad)
    digest = json.loads(content.splitlines()[0])["rows_sha256"]
    told = msgspec.structs.replace(
        batch(1), batch_id=UUID(batch_id), row_count=1_200, rows_sha256=digest, body=body.compress(content)
    )
    receipt = await desk.hand_over(told)
    assert isinstance(receipt, Receipt)
    assert (receipt.status, len(receipt.rejections), receipt.rejections_more) == ("rejected", 1_200, False)


async def test_files_monthly_reports_and_directives_go_both_ways(desk: Desk) -> None:
    content = b"%PDF-1.4"
    file = rows.file_reference(hashlib.sha256(content).hexdigest(), len(content))
    report = msgspec.json.encode(rows.monthly_report(REPORTER, "2024-05", 0, file))
    assert await desk.transport.put_monthly_report("2024-05", report) == b"{}"
    desk.files.step()
    await desk.transport.put_file(file["sha256"], "application/pdf", content)
    desk.files.step()
    answer = json.loads(await desk.transport.put_monthly_report("2024-05", report))
    assert (answer["month"], answer["revision"]) == ("2024-05", 0)
    issued = desk.store.directives.issue(REPORTER, "pause", {}, "演练", utc_now())
    desk.files.step()
    (directive,) = await desk.transport.directives("")
    assert (directive.id, directive.kind) == (issued["id"], "pause")
    assert await desk.transport.directives(directive.id) == ()
    await desk.transport.acknowledge_directive(directive.id, Outcome("done", "paused"))
    desk.files.step()
    assert [one["result"] for one in desk.store.directives.newest(10)] == ["done"]


async def test_a_batch_asked_for_again_is_taken_from_the_directives_own_folder(desk: Desk) -> None:
    told = batch(1, "A")
    await desk.hand_over(told)
    asked = {"table": "T9", "scope": SCOPE, "from_sequence": 1, "to_sequence": 1}
    directive = desk.store.directives.issue(REPORTER, "resend_range", asked, "", utc_now())
    desk.files.step()
    receipt = await desk.hand_over(batch(1, like=told, resend_of=directive["id"]))
    assert isinstance(receipt, Receipt)
    assert [one.code for one in receipt.rejections] == ["stale"]
