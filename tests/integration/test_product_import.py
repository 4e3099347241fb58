"""The main job: a real product file goes in by one command, and every good row resolves to exactly itself."""

import asyncio
import csv
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from identifiers.gtin import parse_gtin
from identifiers.identifier import Identifier
from tests.support import NodeProcess

PREFIX = "88.118.8"
ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "products-sample.csv"
FULL = Path(os.environ.get("IDNODE_PRODUCTS_CSV", ROOT.parent / "shared" / "data" / "products.csv"))
FIRST_COLUMN_INDEX = 2000


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeProcess]:
    async with NodeProcess(tmp_path / "data") as running:
        yield running


async def idnode(node: NodeProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user beside the node would."""
    command = [str(Path(sys.executable).with_name("idnode")), *arguments]
    environment = os.environ | {"IDNODE_DATA_DIR": str(node.data_dir), "NO_COLOR": "1"}
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


def all_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    return header, rows


def good_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    header, rows = all_rows(path)
    return header, [row for row in rows if isinstance(parse_gtin(row[0].strip()), Identifier)]


def expected_values(header: list[str], row: list[str]) -> list[tuple[int, str, str]]:
    return [
        (FIRST_COLUMN_INDEX + at, name, cell) for at, (name, cell) in enumerate(zip(header, row, strict=True)) if cell
    ]


async def resolved_values(session: aiohttp.ClientSession, identifier: str) -> list[tuple[int, str, str]]:
    async with session.get(f"/api/handles/{identifier}") as answer:
        record = await answer.json()
        assert answer.status == 200, record
    assert record["handle"] == identifier
    return [(value["index"], value["type"], value["data"]["value"]) for value in record["values"]]


def product_files() -> list[object]:
    reason = f"the full product file is not at {FULL}; the sample of the project's own stands in for it"
    return [
        pytest.param(SAMPLE, id="sample"),
        pytest.param(FULL, id="full", marks=pytest.mark.skipif(not FULL.exists(), reason=reason)),
    ]


@pytest.mark.parametrize("products", product_files())
async def test_every_good_row_resolves_to_exactly_its_row(node: NodeProcess, tmp_path: Path, products: Path) -> None:
    header, rows = good_rows(products)
    total = len(all_rows(products)[1])
    rejects = tmp_path / "rejects.csv"
    made = await idnode(node, "prefix", "create", PREFIX, "--name", "Example Foods")
    assert made.returncode == 0, made.stderr

    options = ("--prefix", PREFIX, "--id-scheme", "gtin", "--rejects", str(rejects), "--json")
    first = await idnode(node, "import", str(products), *options)
    assert first.returncode == 3, first.stderr  # some rows were rejected, the rest went in
    summary = json.loads(first.stdout)
    assert summary["created"] == len(rows)
    assert summary["rejected"] == total - len(rows) > 0

    async with aiohttp.ClientSession(node.url) as session:
        for row in rows:
            assert await resolved_values(session, f"{PREFIX}/{row[0].strip()}") == expected_values(header, row)

    with rejects.open(encoding="utf-8", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert len(rejected) == total - len(rows)
    assert all(row["column"] == header[0] and row["reason"] and int(row["line"]) > 1 for row in rejected)

    again = await idnode(node, "import", str(products), *options)
    assert json.loads(again.stdout)["unchanged"] == len(rows)
    assert json.loads(again.stdout)["created"] == 0


async def test_an_export_imports_again_unchanged(node: NodeProcess, tmp_path: Path) -> None:
    await idnode(node, "prefix", "create", PREFIX, "--name", "Example Foods")
    await idnode(node, "import", str(SAMPLE), "--prefix", PREFIX, "--id-scheme", "gtin")
    exported = tmp_path / "export.ndjson"
    out = await idnode(node, "export", "--prefix", PREFIX, "--output", str(exported))
    assert out.returncode == 0, out.stderr
    lines = exported.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(good_rows(SAMPLE)[1])
    again = await idnode(node, "import", str(exported), "--prefix", PREFIX, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["unchanged"] == len(lines)


async def test_the_command_line_resolves_what_was_imported(node: NodeProcess) -> None:
    await idnode(node, "prefix", "create", PREFIX, "--name", "Example Foods")
    await idnode(node, "import", str(SAMPLE), "--prefix", PREFIX, "--id-scheme", "gtin")
    header, rows = good_rows(SAMPLE)
    found = await idnode(node, "resolve", f"{PREFIX}/{rows[0][0]}", "--json")
    assert found.returncode == 0, found.stderr
    assert rows[0][header.index("name")] in found.stdout
    missing = await idnode(node, "resolve", f"{PREFIX}/NOTHING")
    assert missing.returncode == 1
    listed = await idnode(node, "prefix", "list")
    assert PREFIX in listed.stdout
    status = await idnode(node, "status", "--json")
    assert status.returncode == 0, status.stderr
    assert {"worker-0", "registry", "follower", "postgres"} <= {
        process["name"] for process in json.loads(status.stdout)["more"]["processes"]
    }
