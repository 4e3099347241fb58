"""`idnode export` against a node, over real sockets."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node_command import PROGRAM, run_at
from tests.stand_in_node import TOKEN, StandInNode


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        for n in range(8):
            values = [
                {"index": 2000, "type": "id", "data": f"SN{n}"},
                {"index": 2001 + n % 2, "type": "name", "data": '泵,\n"A"'},
            ]
            running.records[f"88.118.8/SN{n}"] = (f"88.118.8/sn{n}", values)
        running.records["88.118.80/X"] = ("88.118.80/X", [])
        yield running


def test_all_pages_of_the_prefix_are_written_as_lines(node: StandInNode) -> None:
    outcome = run_at(node, "export", "--prefix", "88.118.8")
    assert outcome.code == 0
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert [line["identifier"] for line in lines] == [f"88.118.8/sn{n}" for n in range(8)]
    assert lines[0]["values"] == node.records["88.118.8/SN0"][1]


def test_a_csv_has_one_column_for_each_place_of_a_value(node: StandInNode, tmp_path: Path) -> None:
    output = tmp_path / "products.csv"
    outcome = run_at(node, "export", "--prefix", "88.118.8", "--format", "csv", "--output", str(output))
    assert (outcome.code, outcome.err) == (0, f"8 identifiers in {output}\n")
    with output.open(encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))
    assert rows[0] == ["identifier", "id", "name[2001]", "name[2002]"]
    assert rows[1] == ["88.118.8/sn0", "SN0", '泵,\n"A"', ""]
    assert len(rows) == 9


def test_a_failure_leaves_the_output_of_before_and_nothing_else(node: StandInNode, tmp_path: Path) -> None:
    output = tmp_path / "products.ndjson"
    output.write_text("of before")
    node.registry_down = True
    outcome = run_at(node, "export", "--prefix", "88.118.8", "--output", str(output), "--retry-for", "0")
    assert (outcome.code, outcome.err.count("\n")) == (4, 1)
    assert output.read_text() == "of before"
    assert list(tmp_path.iterdir()) == [output]


def test_an_output_that_cannot_be_written_ends_with_2(node: StandInNode) -> None:
    outcome = run_at(node, "export", "--prefix", "88.118.8", "--output", "/nowhere/x.ndjson")
    assert (outcome.code, outcome.err.startswith("idnode: cannot write /nowhere/x.ndjson")) == (2, True)


def test_a_reader_that_has_seen_enough_ends_the_export_without_complaint(node: StandInNode) -> None:
    for n in range(20_000):
        node.records[f"88.118.8/Z{n}"] = (f"88.118.8/Z{n}", [])
    node.page_rows_max = 1000
    command = [sys.executable, "-c", PROGRAM, "export", "--prefix", "88.118.8", "--url", node.url, "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
