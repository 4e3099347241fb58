"""`run/node.json`: how a command on this host finds the running node, and what it may know without asking."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a running node says of itself; nothing in it is secret. `ready`: all of it has started.

    `url` is how this host reaches it, `public_url` how its clients do; `handle` is where it speaks the Handle protocol.
    """

    url: str
    public_url: str
    pid: int
    ready: bool
    token_file: str
    data_dir: str
    database: str
    version: str
    started_at: str
    handle: str
    processes: Mapping[str, int]


def write_node_file(path: Path, description: NodeDescription) -> None:
    """Replace the file in one step; everybody may read it."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(orjson.dumps(description, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    fresh.chmod(0o644)
    os.replace(fresh, path)  # noqa: PTH105 - says in one word that it is one step
