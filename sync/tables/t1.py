"""T1 二级节点系统运行单位主体数据: the operator of the node (docking contract 4.1)."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from registry.operator_states import operator_state
from registry.tables.operator import Operator, OperatorFile
from sync.state_rows import Wanted, known


class FileRef(NamedTuple):
    """A document that a row refers to; its content goes to the collector before the row (9.9)."""

    sha256: str
    media_type: str
    octets: int
    name: str


def operator_row(operator: Operator, files: Mapping[str, OperatorFile]) -> Wanted:
    """Return the operator's row; its key is the node's prefix."""
    state = msgspec.json.decode(operator_state(operator, files), type=dict[str, Any])
    prefix = operator.node_prefix
    return Wanted("T1", prefix, prefix, {"node_prefix": prefix, **known(state["details"])}, (prefix,))


def files_named(value: Any) -> Iterator[FileRef]:
    """Yield every document that a row's data refer to, in order; the same one may come several times."""
    if isinstance(value, Mapping):
        if {"sha256", "media_type", "bytes", "name"} <= value.keys():
            yield FileRef(value["sha256"], value["media_type"], value["bytes"], value["name"])
        else:
            for member in value.values():
                yield from files_named(member)
    elif isinstance(value, list):
        for entry in value:
            yield from files_named(entry)
