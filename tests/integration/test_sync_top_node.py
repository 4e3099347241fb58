"""The simulator keeps the collector's side of the contract: idempotent, ordered, durable, open to be looked into."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import msgspec

from sync import body
from sync.batch import PROFILE, Batch, Header, Limits, Period, Receipt, Row
from sync.transport import TransportError
from sync.transports.http import HttpTransport
from tests.sync_reporting import REPORTER, Collector, top_node

SCOPE = "88.118.8"


def batch(sequence: int = 1, *, batch_id: UUID | None = None, names: tuple[str, ...] = ("A",), **data: Any) -> Batch:
    rows = [
        Row(
            n=n,
            key=f"{SCOPE}/{name}",
            op="upsert",
            ver=sequence,
            at="2031-05-06T01:02:03Z",
            data=msgspec.Raw(
                msgspec.json.encode(
                    {
                        "enterprise_prefix": SCOPE,
                        "identifier": f"{SCOPE}/{name}",
                        "created_on": "2031-05-06",
                        "metadata_id": f"{SCOPE}/TPL-1",
                        "operation_type": 1,
                        **data,
                    }
                )
            ),
        )
        for n, name in enumerate(names, start=1)
    ]
    lines = b"".join(map(body.row_line, rows))
    header = Header(
        profile=PROFILE,
        batch_id=batch_id or uuid4(),
        reporter=REPORTER,
        table="T9",
        schema=1,
        scope=SCOPE,
        sequence=sequence,
        mode="delta",
        period=Period("day", "2031-05-05T16:00:00Z", "2031-05-06T16:00:00Z"),
        requires=(),
        row_count=len(rows),
        rows_sha256=body.rows_sha256(lines),
        created_at="2031-05-06T16:10:02Z",
    )
    return Batch(
        batch_id=header.batch_id,
        reporter=REPORTER,
        table="T9",
        scope=SCOPE,
        sequence=sequence,
        row_count=len(rows),
        rows_sha256=header.rows_sha256,
        body=body.compress(body.compose(header, lines)),
    )


async def submit(collector: Collector, told: Batch) -> Receipt | TransportError:
    transport = HttpTransport(collector.url, REPORTER)
    try:
        answer = await transport.submit(told)
        assert isinstance(answer, Receipt)
    except TransportError as error:
        return error
    else:
        return answer
    finally:
        await transport.aclose()


async def test_the_same_batch_again_gets_the_same_receipt_and_takes_effect_once(tmp_path: Path) -> None:
    told = batch()
    async with top_node(tmp_path) as collector:
        first = await submit(collector, told)
        assert await submit(collector, told) == first
    async with top_node(tmp_path) as collector:
        assert await submit(collector, told) == first
        assert await collector.streams() == {SCOPE: 1}
    assert isinstance(first, Receipt)
    assert (first.status, first.rows_accepted, first.next_sequence) == ("accepted", 1, 2)


async def test_a_used_batch_id_with_other_content_is_a_conflict(tmp_path: Path) -> None:
    told = batch()
    async with top_node(tmp_path) as collector:
        await submit(collector, told)
        error = await submit(collector, batch(batch_id=told.batch_id, names=("B",)))
    assert isinstance(error, TransportError)
    assert error.code == "batch_conflict"


async def test_a_sequence_out_of_order_is_refused_and_consumes_nothing(tmp_path: Path) -> None:
    async with top_node(tmp_path) as collector:
        await submit(collector, batch(1))
        for sequence in (1, 3):
            error = await submit(collector, batch(sequence))
            assert isinstance(error, TransportError)
            assert error.code == "out_of_order"
        assert isinstance(await submit(collector, batch(2)), Receipt)


async def test_rejections_come_inline_and_in_pages(tmp_path: Path) -> None:
    async with top_node(tmp_path, "refuse=1") as collector:
        told = batch(names=("A", "B", "C"))
        receipt = await submit(collector, told)
        assert isinstance(receipt, Receipt)
        assert (receipt.status, [one.n for one in receipt.rejections]) == ("rejected", [1, 2, 3])
        page = await collector.get(f"/v1/batches/{told.batch_id}/rejections?after_n=1&limit=1")
        assert [(one["n"], one["key"], one["code"]) for one in page["rejections"]] == [(2, f"{SCOPE}/B", "format")]


async def test_a_body_beyond_every_limit_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    async with top_node(tmp_path) as collector:
        huge = msgspec.structs.replace(batch(), body=bytes(9 * 2**20))
        error = await submit(collector, huge)
    assert isinstance(error, TransportError)
    assert (error.kind, error.max_rows) == ("split", Limits().max_rows)


async def test_what_it_holds_can_be_looked_up_and_looked_at(tmp_path: Path) -> None:
    async with top_node(tmp_path) as collector:
        await submit(collector, batch(names=("A/1 <b>",), product_name="<script>"))
        held = await collector.get(f"/identifiers/{SCOPE}/A%2F1%20%3Cb%3E")
        missing = await collector.get(f"/identifiers/{SCOPE}/B")
        async with aiohttp.ClientSession() as session, session.get(f"{collector.url}/tables/T9") as answer:
            page = await answer.text()
    assert (held["ver"], held["deleted"], held["data"]["product_name"]) == (1, False, "<script>")
    assert missing["type"] == "urn:idn-report:problem:unknown_identifier"
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


async def test_questions_about_the_unknown_are_answered_as_problems(tmp_path: Path) -> None:
    async with top_node(tmp_path) as collector:
        answers = [
            await collector.get(path)
            for path in (
                f"/v1/batches/{uuid4()}",
                "/v1/batches/0",
                "/v1/streams/T9/88.118.1",
                "/v1/streams/T12/88.118",
                "/v1/streams?limit=x",
            )
        ]
        wrong = await collector.get("/v1/streams", **{"Idn-Profile": "idn-report/2"})
    codes = [one["type"].rpartition(":")[2] for one in [*answers, wrong]]
    assert codes == ["unknown_batch", "malformed", "unknown_stream", "unknown_table", "malformed", "malformed"]
