"""`idnode status` against a node, over real sockets."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node_command import run_at, run_command, start_at
from tests.stand_in_node import StandInNode
from tests.support import eventually


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        yield running


def test_a_ready_node_shows_its_parts_and_ends_with_0(node: StandInNode) -> None:
    outcome = run_at(node, "status")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        f"{node.url}  ready",
        "version   1",
        "replica   lag_s 0",
        "uptime_s  61.5",
        "",
        "processes",
        "  name      pid  state    restarts  since",
        "  worker-0  12   running  0         2030-01-01T00:00:00Z",
    ]


def test_reporting_is_shown_with_its_oldest_row_and_every_halted_stream_on_a_line_of_its_own(node: StandInNode) -> None:
    node.sync = {
        "reporter": "88.118",
        "acknowledged_at": "2030-01-01T00:00:00Z",
        "oldest_unacknowledged": {"table": "T9", "scope": "88.118.8", "row": 2, "age_s": 3.25},
        "oldest_unread": None,
        "halted_streams": 2,
        "halted": [
            {"table": "T9", "scope": "88.118.8", "reason": "the sequence is not ours"},
            {"table": "T9", "scope": "88.118.10", "reason": "refused"},
        ],
    }
    lines = run_at(node, "status").out.splitlines()
    assert lines[4] == (
        "sync      reporter 88.118, acknowledged_at 2030-01-01T00:00:00Z, oldest_unacknowledged (table T9, "
        "scope 88.118.8, row 2, age_s 3.25), oldest_unread -, halted_streams 2"
    )
    assert lines[-5:] == [
        "",
        "sync: halted",
        "  table  scope      reason",
        "  T9     88.118.8   the sequence is not ours",
        "  T9     88.118.10  refused",
    ]
    assert json.loads(run_at(node, "status", "--json").out)["more"]["sync"] == node.sync


def test_reporting_without_a_halted_stream_says_so(node: StandInNode) -> None:
    node.sync = {"halted_streams": 0, "halted": []}
    assert "sync      halted_streams 0, halted -" in run_at(node, "status").out.splitlines()


def test_the_status_as_json_is_what_the_node_says(node: StandInNode) -> None:
    members = json.loads(run_at(node, "status", "--json").out)
    assert (members["condition"], members["replica"]) == ("ready", {"lag_s": 0.0})


@pytest.mark.parametrize(("resolves", "condition"), [(True, "lookups only"), (False, "not ready")])
def test_while_the_registry_is_down_readiness_is_shown_and_it_ends_with_1(
    node: StandInNode, *, resolves: bool, condition: str
) -> None:
    node.registry_down = True
    node.resolves = resolves
    outcome = run_at(node, "status")
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        f"{node.url}  {condition}",
        "registry  The registry is down",
        f"readyz    lookups {'yes' if resolves else 'no'}, writes no",
    ]


def test_a_status_without_a_token_is_refused_with_4(node: StandInNode) -> None:
    outcome = run_command("status", "--url", node.url)
    assert (outcome.code, "give a valid token with --token" in outcome.err) == (4, True)


def test_a_node_that_is_not_there_ends_with_4(tmp_path: Path) -> None:
    assert run_command("status", "--url", "http://127.0.0.1:9").code == 4
    assert run_command("status", "--data-dir", str(tmp_path)).code == 4


async def test_watching_goes_on_while_the_node_is_away_until_it_is_interrupted(
    node: StandInNode, tmp_path: Path
) -> None:
    def lines() -> list[str]:
        return output.read_text().splitlines()

    output = tmp_path / "status.ndjson"
    with output.open("wb") as stream:
        process = start_at(node, tmp_path, "status", "--watch", "--json", stdout=stream)
    try:
        await eventually(lambda: len(lines()) == 1, timeout_s=20)
        node.registry_down = True
        await eventually(lambda: '"lookups only"' in lines()[-1])
        node.registry_down = False
        await eventually(lambda: '"ready"' in lines()[-1])
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
