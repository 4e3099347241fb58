"""Every command explains itself."""

import re

import pytest

from tests.node_command import run_command


@pytest.mark.parametrize("command", ["import", "export", "resolve", "status", "prefix create", "prefix list"])
def test_a_command_shows_an_example_and_its_exit_codes(command: str) -> None:
    outcome = run_command(*command.split(), "--help")
    assert outcome.code == 0
    assert f"Example: idnode {command} " in outcome.out
    _, _, codes = outcome.out.partition("Exit codes:")
    assert {"0", "1", "2", "4"} <= set(re.findall(r"^ ?([0-9]) ", codes, re.MULTILINE))


@pytest.mark.parametrize("command", ["import", "export", "resolve", "status", "prefix create", "prefix list"])
def test_a_command_can_be_pointed_at_any_node(command: str) -> None:
    text = run_command(*command.split(), "--help").out
    assert all(option in text for option in ("--url", "--token", "--data-dir", "IDNODE_URL", "IDNODE_TOKEN"))
