"""docs/metrics.md and the code name the same metrics, with the same types and labels."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from node.metrics import process_registry
from sync.metrics import SyncMetrics

ROOT = Path(__file__).parents[2]
PACKAGES = ("identifiers", "registry", "resolver", "sync", "node")
DOCUMENT = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>[a-z_]+)` \| (?P<type>[a-z]+) \| (?P<labels>[^|]+) \|", re.MULTILINE)
TYPES = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "HistogramMetricFamily": "histogram",
}
LABELS_POSITION = 2
SYNC_TABLE_GAUGES = "idnode_sync_{name}"
"""These are made in a loop: what they are called is taken from an instance."""


@dataclass(frozen=True)
class Shown:
    type: str
    labels: frozenset[str]


def exposed(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" and not name.endswith("_total") else name


def from_prometheus(module: ast.Module) -> set[str]:
    """Return the names a module has from prometheus_client, so that collections.Counter is not taken for a metric."""
    return {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for alias in node.names
    }


def constructions() -> Iterator[tuple[str, Shown]]:
    """Yield every metric that the code makes; a name in a form not foreseen here fails the test."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ast.parse(path.read_text(encoding="utf-8"))
            known = from_prometheus(module) & TYPES.keys()
            for call in ast.walk(module):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in known):
                    continue
                kind = TYPES[call.func.id]
                name = call.args[0]
                if isinstance(name, ast.JoinedStr):
                    assert ast.unparse(name) == f"f'{SYNC_TABLE_GAUGES}'", f"{path}: {ast.unparse(name)}"
                    continue
                assert isinstance(name, ast.Constant), f"{path}: {ast.unparse(name)}"
                yield exposed(str(name.value), kind), Shown(kind, labels_of(call))


def labels_of(call: ast.Call) -> frozenset[str]:
    at_position = call.args[LABELS_POSITION : LABELS_POSITION + 1]
    given = [*at_position, *(keyword.value for keyword in call.keywords if keyword.arg in ("labels", "labelnames"))]
    return frozenset(
        str(element.value)
        for labels in given
        if isinstance(labels, ast.List | ast.Tuple)
        for element in labels.elts
        if isinstance(element, ast.Constant)
    )


def sync_table_gauges() -> Iterator[tuple[str, Shown]]:
    registry = CollectorRegistry()
    metrics = SyncMetrics(registry)
    for gauge in metrics._gauges.values():
        yield gauge._name, Shown("gauge", frozenset(gauge._labelnames))


def of_the_client_library() -> Iterator[tuple[str, Shown]]:
    for family in process_registry().collect():
        labels = frozenset(label for sample in family.samples for label in sample.labels)
        yield exposed(family.name, family.type), Shown(family.type, labels)


def documented() -> dict[str, Shown]:
    rows = ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))
    return {row["name"]: Shown(row["type"], frozenset(re.findall(r"`(\w+)`", row["labels"]))) for row in rows}


def test_every_metric_is_documented_with_its_type_and_labels_and_nothing_else_is() -> None:
    assert documented() == dict([*constructions(), *sync_table_gauges(), *of_the_client_library()])


def test_no_metric_stands_in_the_document_twice() -> None:
    names = [row["name"] for row in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))]
    assert len(names) == len(set(names))


def test_every_row_has_all_six_columns() -> None:
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert [line for line in lines if line.count(" | ") != 5] == []
