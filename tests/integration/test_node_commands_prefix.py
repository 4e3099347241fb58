"""`idnode prefix` against a node, over real sockets."""

import json
from collections.abc import Iterator

import pytest

from tests.node_command import run_at
from tests.stand_in_node import StandInNode


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        yield running


def test_prefixes_that_were_created_are_listed_over_all_pages(node: StandInNode) -> None:
    for n in range(5):
        outcome = run_at(node, "prefix", "create", f"88.118.{n}", "--name", f"泵 {n}")
        assert (outcome.code, outcome.out) == (0, f"created 88.118.{n}\n")
    listed = run_at(node, "prefix", "list")
    assert listed.code == 0
    lines = [line.split() for line in listed.out.splitlines()]
    assert lines == [[f"88.118.{n}", "active", "here", "泵", str(n)] for n in range(5)]


def test_a_list_as_json_has_one_object_a_line(node: StandInNode) -> None:
    run_at(node, "prefix", "create", "88.118.8", "--name", "Pumps", "--enterprise", "Example Pumps")
    outcome = run_at(node, "prefix", "list", "--json")
    (line,) = outcome.out.splitlines()
    assert json.loads(line) == {
        "prefix": "88.118.8",
        "name": "Pumps",
        "state": "active",
        "hosting": "here",
        "enterprise": "Example Pumps",
    }


def test_a_prefix_that_exists_ends_with_4_and_one_line(node: StandInNode) -> None:
    run_at(node, "prefix", "create", "88.118.8", "--name", "Pumps")
    outcome = run_at(node, "prefix", "create", "88.118.8", "--name", "Pumps")
    assert (outcome.code, outcome.err) == (4, "idnode: the node refused: The prefix exists\n")


def test_an_empty_list_is_empty(node: StandInNode) -> None:
    outcome = run_at(node, "prefix", "list")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
