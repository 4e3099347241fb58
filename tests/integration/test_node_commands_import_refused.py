"""`idnode import` when it cannot begin: the exit code, one line that says what to do, and nothing touched."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest

from tests.node_command import run_at, run_command
from tests.stand_in_node import TOKEN, StandInNode

SAMPLE = Path(__file__).parent.parent / "data" / "products-sample.csv"


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        yield running


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(copy(SAMPLE, tmp_path / "products.csv"))


@pytest.mark.parametrize(
    ("options", "content", "complaint"),
    [
        (["--prefix", "88.118.8"], b"", "its first row must name the columns"),
        (["--prefix", "88.118.8", "--id-column", "sku"], b"id,name\n", "no column 'sku'; its columns are: id, name"),
        (["--prefix", "88.118.8", "--format", "xlsx"], b"id,name\n", "is no readable XLSX workbook"),
        (["--prefix", "88.118.8", "--encoding", "klingon"], b"id,name\n", "is no text encoding"),
        (["--prefix", "88/118"], b"id\n", "give a prefix without a slash"),
        (["--prefix", "88.118.8", "--delimiter", ",,"], b"id\n", "give one character"),
        (["--prefix", "88.118.8", "--rejects", "/nowhere/x.csv"], b"id\nSN1\n", "give --rejects"),
        ([], b"id\n", "--prefix"),
    ],
)
def test_a_wrong_command_or_file_ends_with_2_and_registers_nothing(
    node: StandInNode, tmp_path: Path, options: list[str], content: bytes, complaint: str
) -> None:
    file = tmp_path / "products.csv"
    file.write_bytes(content)
    outcome = run_at(node, "import", str(file), *options)
    assert outcome.code == 2
    assert complaint in outcome.err
    assert not node.batches


def test_a_file_whose_name_does_not_tell_its_format_needs_to_be_told(node: StandInNode, tmp_path: Path) -> None:
    file = tmp_path / "products"
    file.write_text("id\nSN1\n")
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8")
    assert (outcome.code, "give --format csv|ndjson|xlsx" in outcome.err) == (2, True)
    assert run_at(node, "import", str(file), "--prefix", "88.118.8", "--format", "csv").code == 0


def test_a_prefix_that_the_node_does_not_have_is_one_error_and_not_one_for_each_row(
    node: StandInNode, sample: Path
) -> None:
    node.missing_prefix = "88.118.9"
    outcome = run_at(node, "import", str(sample), "--prefix", "88.118.9")
    assert outcome.code == 4
    remedy = "create it with `idnode prefix create 88.118.9 --name NAME`"
    assert outcome.err == f"idnode: the node does not have the prefix 88.118.9; {remedy}\n"
    assert list(sample.parent.iterdir()) == [sample]


def test_a_prefix_that_takes_no_registrations_is_one_error(node: StandInNode, sample: Path) -> None:
    node.prefix_state = "suspended"
    outcome = run_at(node, "import", str(sample), "--prefix", "88.118.8")
    assert (outcome.code, "is suspended and takes no registrations" in outcome.err) == (4, True)
    assert not node.batches


def test_a_node_that_is_not_there_ends_with_4_at_once_and_the_file_is_not_touched(sample: Path) -> None:
    outcome = run_command("import", str(sample), "--prefix", "88.118.8", "--url", "http://127.0.0.1:9")
    assert outcome.code == 4
    assert outcome.err == (
        "idnode: cannot reach the node at http://127.0.0.1:9: Connection refused; is it running?; "
        "nothing is lost; run the same command again to go on\n"
    )
    assert list(sample.parent.iterdir()) == [sample]


def test_without_a_node_the_message_says_how_to_get_one(tmp_path: Path, sample: Path) -> None:
    outcome = run_command("import", str(sample), "--prefix", "88.118.8", "--data-dir", str(tmp_path))
    assert (outcome.code, "start one with `idnode serve`" in outcome.err) == (4, True)


def test_a_wrong_token_ends_with_4_and_its_remedy(node: StandInNode, sample: Path) -> None:
    outcome = run_command("import", str(sample), "--prefix", "88.118.8", "--url", node.url, "--token", "idn_wrong")
    assert outcome.code == 4
    assert "This needs a token; give a valid token with --token or in IDNODE_TOKEN" in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_local_node_and_its_token_are_found_by_themselves(node: StandInNode, tmp_path: Path, sample: Path) -> None:
    (tmp_path / "data" / "run").mkdir(parents=True)
    (tmp_path / "data" / "run" / "node.json").write_text(json.dumps({"url": node.url}))
    (tmp_path / "data" / "admin-token").write_text(TOKEN)
    options = ["--prefix", "88.118.8", "--data-dir", str(tmp_path / "data")]
    assert run_command("import", str(sample), *options).code == 0
    assert len(node.records) == 38
