"""`idnode resolve` against a node, over real sockets."""

import json
from collections.abc import Iterator

import pytest

from tests.node_command import run_at, run_command
from tests.stand_in_node import TOKEN, StandInNode

NAME = "88.118.8/a b%/ü?泵"


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        values = [
            {"index": 1, "type": "URL", "data": {"format": "string", "value": "https://x"}},
            {"index": 2000, "type": "name", "data": {"format": "string", "value": "a\n\x1b[2Jb"}},
        ]
        for name in (NAME, "88.118.8/SN1"):
            running.records[name.upper()] = (name, values)
        yield running


@pytest.mark.parametrize("name", [NAME, "88.118.8/SN1"])
def test_a_found_code_is_shown_with_its_values_and_nothing_that_steers_the_terminal(
    node: StandInNode, name: str
) -> None:
    outcome = run_at(node, "resolve", name)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{name}\n  1     URL   https://x\n  2000  name  a\\n\\x1b[2Jb\n"


def test_values_are_selected_by_type_and_index_for_one_code_and_for_many(node: StandInNode) -> None:
    for codes in (["88.118.8/SN1"], ["88.118.8/SN1", NAME]):
        outcome = run_at(node, "resolve", *codes, "--type", "URL", "--json")
        values = [json.loads(line)["values"] for line in outcome.out.splitlines()]
        assert [[value["index"] for value in found] for found in values] == [[1]] * len(codes)
    assert run_at(node, "resolve", "88.118.8/SN1", "--index", "7").out == "88.118.8/SN1\n  no such values\n"


def test_a_code_that_is_not_found_ends_with_1(node: StandInNode) -> None:
    outcome = run_at(node, "resolve", "88.118.8/SN2")
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "idnode: 88.118.8/SN2: not registered here\n")
    outcome = run_at(node, "resolve", "88.118.8/SN1", "88.118.8/SN2", "--json")
    assert outcome.code == 1
    assert [json.loads(line)["outcome"] for line in outcome.out.splitlines()] == ["found", "absent"]


def test_the_nodes_reason_is_shown_for_what_is_no_code(node: StandInNode) -> None:
    outcome = run_at(node, "resolve", "88.118.8/SN1", "a b")
    assert (outcome.code, outcome.err) == (1, "idnode: a b: a blank\n")


def test_a_node_that_cannot_tell_now_is_not_taken_for_one_that_does_not_know(node: StandInNode) -> None:
    node.resolves = False
    outcome = run_at(node, "resolve", "88.118.8/SN2", "88.118.8/SN3")
    assert (outcome.code, outcome.err) == (4, "idnode: 88.118.8/SN2: the node cannot tell now: no\n")


def test_codes_are_read_from_standard_input_among_others_in_their_order(node: StandInNode) -> None:
    codes = "".join(f"88.118.8/X{n}\n\n" for n in range(1500))
    outcome = run_at(node, "resolve", "88.118.8/SN1", "-", NAME, "--json", stdin=codes)
    answers = [json.loads(line)["identifier"] for line in outcome.out.splitlines()]
    assert answers == ["88.118.8/SN1", *(f"88.118.8/X{n}" for n in range(1500)), NAME]


def test_octets_that_are_no_text_are_not_found_and_do_no_harm(node: StandInNode) -> None:
    code = b"88.118.8/\xb1\xc3".decode("utf-8", "surrogateescape")
    assert run_at(node, "resolve", code).code == 1
    assert run_at(node, "resolve", "-", stdin=b"88.118.8/\xb1\xc3\n88.118.8/SN1\n").out.startswith("88.118.8/SN1")


def test_lookups_are_anonymous_unless_a_token_is_given(node: StandInNode) -> None:
    assert run_command("resolve", "88.118.8/SN1", "--url", node.url).code == 0
    assert run_command("resolve", "88.118.8/SN1", "--url", node.url, "--token", TOKEN).code == 0
    assert node.authorizations == [None, f"Bearer {TOKEN}"]


def test_no_codes_is_a_wrong_command(node: StandInNode) -> None:
    assert run_at(node, "resolve").code == 2
    outcome = run_at(node, "resolve", "-", stdin="")
    assert (outcome.code, outcome.out) == (0, "")


def test_a_node_that_is_not_there_ends_with_4() -> None:
    outcome = run_command("resolve", "88.118.8/SN1", "--url", "http://127.0.0.1:9")
    assert outcome.code == 4
