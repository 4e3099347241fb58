"""docs/errors.md lists the exit codes of every command."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from loadtest import command as loadtest_command
from node.client.errors import ClientError
from node.commands.run import Exit
from node.errors import NodeError
from sync import commands as sync_commands
from sync.escrow.errors import EscrowError

DOCUMENT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<commands>`[a-z`, -]+) \| (?P<code>\d+) \|", re.MULTILINE)


def documented() -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for row in ROW.finditer(DOCUMENT.partition("## Exit codes")[2]):
        for command in re.findall(r"`([a-z-]+)`", row["commands"]):
            found[command].add(int(row["code"]))
    return dict(found)


def node_errors(of: type[NodeError] = NodeError) -> Iterator[int]:
    yield of.exit_code
    for one in of.__subclasses__():
        yield from node_errors(one)


def client_errors(of: type[ClientError] = ClientError) -> Iterator[int]:
    yield of.exit_code
    for one in of.__subclasses__():
        yield from client_errors(one)


def escrow_errors(of: type[EscrowError] = EscrowError) -> Iterator[int]:
    yield of.exit_code
    for one in of.__subclasses__():
        yield from escrow_errors(one)


def constants(of: object) -> set[int]:
    return {value for name, value in vars(of).items() if name.startswith("EXIT_") and isinstance(value, int)}


def test_every_exit_code_is_documented_and_no_other_is() -> None:
    of_all_clients = {int(code) for code in Exit} - {Exit.SOME_REJECTED}
    assert documented() == {
        "serve": {Exit.DONE, *node_errors()},
        "config": {Exit.DONE, Exit.USAGE},
        "import": of_all_clients | {Exit.SOME_REJECTED},
        **dict.fromkeys(("export", "resolve", "status", "prefix", "handle"), of_all_clients),
        **dict.fromkeys(("sync", "top-node"), {Exit.DONE} | constants(sync_commands)),
        **{name: {Exit.DONE, *escrow_errors()} for name in ("escrow", "takeover")},
        "loadtest": {Exit.DONE, Exit.USAGE} | constants(loadtest_command),
    }


def test_every_failure_of_a_client_ends_with_a_documented_code() -> None:
    assert set(client_errors()) <= {int(code) for code in Exit}
