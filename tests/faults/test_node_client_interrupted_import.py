"""An import that is interrupted anywhere goes on and ends as if it had not been: nothing lost, nothing twice."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node_command import Outcome, run_at, start_at
from tests.stand_in_node import StandInNode
from tests.support import eventually

CHUNKS = 6
CONTENT = "id,name\n" + "".join(
    f"{'TPL-' if n % 5 == 0 else ''}SN{n},{'REFUSE' if n % 7 == 0 else f'name {n}'}\n" for n in range(CHUNKS * 4)
)
OPTIONS = ["--prefix", "88.118.8", "--chunk-rows", "4", "--json", "--retry-for", "0"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text(CONTENT)
    return path


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        yield running


@pytest.fixture
def undisturbed(tmp_path: Path) -> tuple[dict[str, object], bytes]:
    """Import into a node of its own, and return the records and the rejects that this must lead to."""
    (tmp_path / "undisturbed").mkdir()
    file = tmp_path / "undisturbed" / "products.csv"
    file.write_text(CONTENT)
    with StandInNode() as node:
        assert run_import(node, file).code == 3
        return dict(node.records), rejects_of(file)


def run_import(node: StandInNode, file: Path, *options: str) -> Outcome:
    return run_at(node, "import", str(file), *OPTIONS, *options)


def rejects_of(file: Path) -> bytes:
    return file.with_name("products.csv.rejects.csv").read_bytes()


def assert_finished(node: StandInNode, file: Path, expected: tuple[dict[str, object], bytes]) -> None:
    assert (dict(node.records), rejects_of(file)) == expected
    assert not file.with_name("products.csv.idnode-import.json").exists()


@pytest.mark.parametrize("parallel", ["1", "2", "3"])
@pytest.mark.parametrize("lost", range(1, CHUNKS + 1))
def test_an_answer_lost_after_the_commit_at_any_chunk_is_made_good_by_a_second_run(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes], lost: int, parallel: str
) -> None:
    node.lose_answers = {lost}
    first = run_import(node, file, "--parallel", parallel)
    assert first.code == 4
    assert "nothing is lost; run the same command again to go on" in first.err

    second = run_import(node, file, "--parallel", parallel)

    assert second.code == 3
    summary = json.loads(second.out)
    assert summary["records"] == CHUNKS * 4
    assert summary["created"] + summary["unchanged"] + summary["rejected"] == CHUNKS * 4
    assert summary["unchanged"] > 0
    assert_finished(node, file, undisturbed)


def test_chunks_that_were_acknowledged_are_not_sent_again(node: StandInNode, file: Path) -> None:
    node.lose_answers = {4}
    run_import(node, file, "--parallel", "1")
    sent = len(node.batches)
    second = run_import(node, file, "--parallel", "1")
    assert json.loads(second.out)["continued_after"] == 12
    assert "going on after record 12" in second.err
    assert node.batches[sent:] == [node.batches[3], *node.batches[5:]]


def test_a_lost_answer_is_made_good_within_the_run_when_there_is_time(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes]
) -> None:
    node.lose_answers = {2, 3, 5}
    outcome = run_import(node, file, "--retry-for", "30")
    assert outcome.code == 3
    assert_finished(node, file, undisturbed)


@pytest.mark.parametrize("moment", range(1, CHUNKS + 1))
def test_a_killed_process_is_continued_by_the_next(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes], moment: int
) -> None:
    async def kill(number: int) -> None:
        if number == moment:
            os.kill(process.pid, signal.SIGKILL)
            await eventually(lambda: process.poll() is not None)

    node.during_batch = kill
    process = start_at(node, file.parent, "import", str(file), *OPTIONS)
    assert process.wait(60) == -signal.SIGKILL
    node.during_batch = None

    assert run_import(node, file).code == 3
    assert_finished(node, file, undisturbed)


def test_an_interrupt_from_the_keyboard_ends_with_130_and_can_be_continued(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes]
) -> None:
    async def interrupt(number: int) -> None:
        if number == 3:
            process.send_signal(signal.SIGINT)
            await eventually(lambda: process.poll() is not None)

    node.during_batch = interrupt
    process = start_at(node, file.parent, "import", str(file), *OPTIONS)
    assert process.wait(60) == 130
    node.during_batch = None

    assert run_import(node, file).code == 3
    assert_finished(node, file, undisturbed)


def test_rejects_written_after_the_last_progress_are_not_doubled(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes]
) -> None:
    node.lose_answers = {4}
    run_import(node, file)
    with file.with_name("products.csv.rejects.csv").open("ab") as rejects:
        rejects.write(b"14,id,half a rej")
    run_import(node, file)
    assert_finished(node, file, undisturbed)


def interrupted(node: StandInNode, file: Path) -> None:
    node.lose_answers = {3}
    assert run_import(node, file, "--parallel", "1").code == 4
    node.lose_answers = set()


def test_a_changed_file_starts_over_and_says_so(node: StandInNode, file: Path) -> None:
    interrupted(node, file)
    file.write_text(CONTENT.replace("name 1\n", "another name\n"))
    outcome = run_import(node, file, "--on-conflict", "replace")
    assert "starting over: the file has changed" in outcome.err
    assert json.loads(outcome.out)["continued_after"] == 0
    assert node.values_of("88.118.8/SN1")["name"] == "another name"


def test_other_options_start_over_and_say_which(node: StandInNode, file: Path) -> None:
    interrupted(node, file)
    outcome = run_import(node, file, "--on-conflict", "skip")
    assert "starting over: the earlier run had other options (on_conflict)" in outcome.err


def test_a_node_that_lost_the_first_runs_rows_gets_them_again(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes]
) -> None:
    interrupted(node, file)
    node.records.clear()
    outcome = run_import(node, file)
    assert "starting over: the node no longer has 88.118.8/SN" in outcome.err
    assert_finished(node, file, undisturbed)


def test_a_vanished_rejects_file_starts_over_so_that_no_reject_is_missing(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes]
) -> None:
    interrupted(node, file)
    file.with_name("products.csv.rejects.csv").unlink()
    assert "starting over: the rejects file of the earlier run is gone" in run_import(node, file).err
    assert_finished(node, file, undisturbed)


def test_an_import_can_be_told_to_start_over(
    node: StandInNode, file: Path, undisturbed: tuple[dict[str, object], bytes]
) -> None:
    interrupted(node, file)
    outcome = run_import(node, file, "--restart")
    assert json.loads(outcome.out)["continued_after"] == 0
    assert_finished(node, file, undisturbed)


def test_damage_in_the_middle_of_the_file_leaves_an_import_that_can_be_continued(
    node: StandInNode, tmp_path: Path
) -> None:
    file = tmp_path / "products.csv"
    whole = "id,name\n" + "".join(f"SN{n},泵{n}\n" for n in range(40_000))
    octets = whole.encode("utf-16")
    file.write_bytes(octets + b"\x00")
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8")
    assert (outcome.code, "cannot read on" in outcome.err) == (2, True)
    file.write_bytes(octets)
    assert run_at(node, "import", str(file), "--prefix", "88.118.8").code == 0
    assert len(node.records) == 40_000
