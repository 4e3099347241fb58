"""Reports end to end: the journal, a real PostgreSQL, a real socket, the simulator of the national node."""

import logging
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sync import metrics as documented
from sync.batch import Limits
from tests.support import eventually
from tests.sync_reporting import Collector, Source, differences, reporting, reporting_settings, shown, top_node

SCOPE, OTHER = "88.118.8", "88.118.9"


async def test_a_registered_identifier_arrives_with_its_master_data(registry_database: str, tmp_path: Path) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", "轴向柱塞泵"))
        held = await eventually(collector.identifiers)
    assert held[f"{SCOPE}/A"]["data"] == {
        "enterprise_prefix": SCOPE,
        "identifier": f"{SCOPE}/A",
        "created_on": "2031-05-06",
        "metadata_id": f"{SCOPE}/TPL-PUMP",
        "operation_type": 1,
        "product_name": "轴向柱塞泵",
    }


async def test_changes_withdrawals_and_nothing_rolled_back_arrive(registry_database: str, tmp_path: Path) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(*(("create", f"{SCOPE}/{n}", "one") for n in range(120)))
        await eventually(lambda: _same(source, collector))
        await source.write(*(("update", f"{SCOPE}/{n}", "two") for n in range(0, 120, 2)))
        await source.write(*(("withdraw", f"{SCOPE}/{n}", "") for n in range(0, 120, 3)))
        await source.write(("create", f"{SCOPE}/never", ""), rolled_back=True)
        await source.write(("create", f"{OTHER}/A", "elsewhere"))
        await eventually(lambda: _same(source, collector))
        assert await collector.streams() == {SCOPE: (await source.sequences())[SCOPE], OTHER: 1}
        held = await collector.identifiers()
    assert f"{SCOPE}/never" not in held
    assert held[f"{SCOPE}/3"]["deleted"]


async def test_prefixes_of_other_reporters_are_left_out_and_counted(registry_database: str, tmp_path: Path) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path) as collector,
        reporting(reporting_settings(registry_database, collector.url)) as metrics,
    ):
        await source.write(("create", "88.1189.1/A", ""), ("create", "10.5555/A", ""), ("create", f"{SCOPE}/A", ""))
        assert list(await eventually(collector.identifiers)) == [f"{SCOPE}/A"]
        assert shown(metrics, "idnode_sync_rows_total", table="T9", outcome="foreign") == 2


async def test_an_unfit_row_is_withheld_with_its_reason_until_it_is_corrected(
    registry_database: str, tmp_path: Path
) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path) as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.template()
        await source.write(("create", f"{SCOPE}/A", ""), ("create", f"{SCOPE}/B", ""), template=None)
        open_rows = await eventually(source.open_rows)
        assert open_rows == {f"{SCOPE}/A": ("required", "metadata_id"), f"{SCOPE}/B": ("required", "metadata_id")}
        await source.write(("update", f"{SCOPE}/A", "corrected"), ("withdraw", f"{SCOPE}/B", ""))
        held = await eventually(collector.identifiers)
        await eventually(source.all_acknowledged)
        assert await source.open_rows() == {}
    assert list(held) == [f"{SCOPE}/A"]
    assert held[f"{SCOPE}/A"]["data"]["operation_type"] == 1


async def test_rows_refused_for_ever_stay_open_and_the_next_version_is_sent_as_what_it_is(
    registry_database: str, tmp_path: Path
) -> None:
    """Half of all versions are refused, while later ones are queued already, in every combination."""
    settings = reporting_settings(registry_database, "http://127.0.0.1:9", limits=Limits(max_rows=20))
    async with Source(registry_database) as source:
        names = [f"{SCOPE}/{n}" for n in range(60)]
        async with reporting(settings):
            await source.template()
            for op in ("create", "update", "update"):
                await source.write(*((op, name, op) for name in names))
                await eventually(source.all_queued)
            await source.write(*(("withdraw", name, "") for name in names[::5]))
            await eventually(source.all_queued)
        async with (
            top_node(tmp_path, "refuse=0.5") as collector,
            reporting(reporting_settings(registry_database, collector.url)),
        ):
            await eventually(source.all_acknowledged, 20)
            refused = set(await source.open_rows())
            live = await collector.live()
    assert refused
    assert refused.isdisjoint(name for name in names[::5])
    wrong = {name: pair for name, pair in differences(source.live(), live).items() if name not in refused}
    assert wrong == {}


async def test_a_collectors_own_fault_is_repaired_by_itself(registry_database: str, tmp_path: Path) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, "reject=0.3") as collector,
        reporting(reporting_settings(registry_database, collector.url)) as metrics,
    ):
        await source.write(*(("create", f"{SCOPE}/{n}", "") for n in range(40)))
        await source.write(*(("withdraw", f"{SCOPE}/{n}", "") for n in range(0, 40, 4)))
        await eventually(source.all_acknowledged)
        assert differences(source.live(), await collector.live()) == {}
        assert shown(metrics, "idnode_sync_rows_total", table="T9", outcome="rejected") > 0


async def test_more_rejections_than_a_receipt_holds_are_all_noted(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path, "refuse=1") as collector:
        await source.write(*(("create", f"{SCOPE}/{n}", "") for n in range(1_250)))
        async with reporting(reporting_settings(registry_database, collector.url, limits=Limits())):
            assert len(await eventually(source.open_rows)) == 1_250


async def test_batches_larger_than_the_collector_takes_are_cut(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source:
        async with reporting(reporting_settings(registry_database, "http://127.0.0.1:9")):
            await source.write(*(("create", f"{SCOPE}/{n}", "") for n in range(100)))
            await eventually(source.all_queued)
        async with (
            top_node(tmp_path, limits=Limits(max_rows=7)) as collector,
            reporting(reporting_settings(registry_database, collector.url)),
        ):
            await eventually(lambda: _same(source, collector))
            sequences = await source.sequences()
            assert await collector.streams() == sequences
    assert sequences[SCOPE] >= 100 / 7


async def test_a_batch_under_judgement_is_asked_for_until_its_receipt_is_there(
    registry_database: str, tmp_path: Path
) -> None:
    async with (
        Source(registry_database) as source,
        top_node(tmp_path, "pending=1,retry-after-s=0") as collector,
        reporting(reporting_settings(registry_database, collector.url)),
    ):
        await source.write(*(("create", f"{SCOPE}/{n}", "") for n in range(120)))
        await eventually(source.all_acknowledged)
        assert differences(source.live(), await collector.live()) == {}


async def test_a_collector_that_lost_everything_gets_it_again(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source:
        await source.write(*(("create", f"{SCOPE}/{n}", "") for n in range(120)))
        for place in ("first", "second"):
            async with (
                top_node(tmp_path / place) as collector,
                reporting(reporting_settings(registry_database, collector.url)),
            ):
                await eventually(lambda: _same(source, collector))


async def test_a_collector_ahead_of_us_halts_that_stream_and_no_other(
    registry_database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        settings = reporting_settings(registry_database, collector.url)
        async with reporting(settings):
            await source.write(("create", f"{SCOPE}/A", ""))
            await eventually(source.all_acknowledged)
        # As after a restore from a backup taken before the report.
        await source.fetch("UPDATE report_streams SET acknowledged_sequence = 0")
        await source.fetch("DELETE FROM report_batches")
        with caplog.at_level(logging.ERROR):
            async with reporting(settings):
                await source.write(("create", f"{SCOPE}/B", ""), ("create", f"{OTHER}/A", ""))
                (halted,) = await eventually(lambda: _halted(source))
                await eventually(lambda: _has(collector, f"{OTHER}/A"))
    assert halted["scope"] == SCOPE
    assert "full set" in halted["halted_reason"]
    assert "halted until an operator resumes it" in caplog.text


async def test_a_wrong_token_pauses_the_link_and_halts_nothing(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path, token="right") as collector:
        await source.write(("create", f"{SCOPE}/A", ""))
        async with reporting(reporting_settings(registry_database, collector.url, token="wrong")) as metrics:
            await eventually(lambda: shown(metrics, "idnode_sync_failures_total", what="capabilities"))
            assert shown(metrics, "idnode_sync_link_up") == 0
        async with reporting(reporting_settings(registry_database, collector.url, token="right")) as metrics:
            await eventually(source.all_acknowledged)
            assert shown(metrics, "idnode_sync_link_up") == 1
            assert await _halted(source) == []


async def test_two_reporters_by_mistake_do_no_harm(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path, "lose-acks=0.2,slow-ms=1") as collector:
        settings = reporting_settings(registry_database, collector.url, limits=Limits(max_rows=10))
        async with reporting(settings), reporting(settings):
            for n in range(30):
                await source.write(*(("create", f"{SCOPE}/{n}-{m}", "") for m in range(5)))
            await eventually(source.all_acknowledged, 20)
            assert differences(source.live(), await collector.live()) == {}
            assert await collector.streams() == await source.sequences()


async def test_a_damaged_stored_batch_halts_its_stream_alone(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source:
        async with reporting(reporting_settings(registry_database, "http://127.0.0.1:9")):
            await source.write(("create", f"{SCOPE}/A", ""), ("create", f"{OTHER}/A", ""))
            await eventually(source.all_queued)
        await source.fetch(
            "UPDATE report_batches SET row_lines = 'x' WHERE stream_id = "
            "(SELECT stream_id FROM report_streams WHERE scope = $1)",
            SCOPE,
        )
        async with top_node(tmp_path) as collector, reporting(reporting_settings(registry_database, collector.url)):
            await eventually(lambda: _has(collector, f"{OTHER}/A"))
            (halted,) = await eventually(lambda: _halted(source))
    assert halted["scope"] == SCOPE
    assert "damaged" in halted["halted_reason"]


async def test_the_service_shows_every_figure_it_documents(registry_database: str, tmp_path: Path) -> None:
    async with Source(registry_database) as source, top_node(tmp_path) as collector:
        await source.write(("create", f"{SCOPE}/A", ""), ("create", f"{SCOPE}/B", ""), ("create", "10.1/A", ""))
        async with reporting(reporting_settings(registry_database, collector.url)) as metrics:
            await eventually(source.all_acknowledged)
            await eventually(lambda: shown(metrics, "idnode_sync_rows_total", table="T9", outcome="accepted") == 2)
            names = _names(metrics)
    told = {word for word in (documented.__doc__ or "").split() if word.startswith("idnode_sync_")}
    assert {name for name in names if name.startswith("idnode_sync_")} == told


def _names(metrics: CollectorRegistry) -> set[str]:
    return {family.name + ("_total" if family.type == "counter" else "") for family in metrics.collect()}


async def _same(source: Source, collector: Collector) -> bool:
    return await source.all_acknowledged() and source.live() == await collector.live()


async def _has(collector: Collector, identifier: str) -> bool:
    return identifier in await collector.identifiers()


async def _halted(source: Source) -> list[dict[str, str]]:
    return await source.fetch("SELECT scope, halted_reason FROM report_streams WHERE halted_reason IS NOT NULL")
