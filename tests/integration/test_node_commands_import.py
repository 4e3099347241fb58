"""`idnode import` against a node, over real sockets: what goes in, what is refused, what is said, and how it ends."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest
from openpyxl import Workbook

from tests.node_command import Outcome, run_at
from tests.stand_in_node import StandInNode
from tests.support import eventually

SAMPLE = Path(__file__).parent.parent / "data" / "products-sample.csv"


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        yield running


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(copy(SAMPLE, tmp_path / "products.csv"))


def import_sample(node: StandInNode, sample: Path, *options: str) -> Outcome:
    return run_at(node, "import", str(sample), "--prefix", "88.118.8", "--id-scheme", "gtin", *options)


def rejects_of(file: Path) -> list[dict[str, str]]:
    with file.with_name(file.name + ".rejects.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_every_good_row_is_registered_as_exactly_its_row_and_every_bad_one_is_told(
    node: StandInNode, sample: Path
) -> None:
    outcome = import_sample(node, sample, "--json", "--chunk-rows", "7")

    assert outcome.code == 3
    summary = json.loads(outcome.out)
    assert {name: summary[name] for name in ("created", "rejected", "records", "unchanged", "continued_after")} == {
        "created": 36,
        "rejected": 2,
        "records": 38,
        "unchanged": 0,
        "continued_after": 0,
    }
    with SAMPLE.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    good = [row for row in rows if row["gtin"] not in {"09521234444023", "0952123"}]
    assert len(node.records) == len(good) == 36
    for row in good:
        expected = {name: cell for name, cell in row.items() if cell}
        assert node.values_of(f"88.118.8/{row['gtin'].strip()}") == expected
    rejects = rejects_of(sample)
    assert [(r["line"], r["column"], r["code"]) for r in rejects] == [
        ("17", "gtin", "bad_check_digit"),
        ("31", "gtin", "bad_length"),
    ]
    assert rejects[0]["reason"] == "the check digit is 2 if all other digits are right"
    assert rejects[0]["ingredients"] == "Beeswax, linseed oil"


def test_nothing_but_the_rejects_is_left_behind(node: StandInNode, sample: Path) -> None:
    import_sample(node, sample)
    assert sorted(path.name for path in sample.parent.iterdir()) == ["products.csv", "products.csv.rejects.csv"]


def test_a_clean_import_ends_with_0_and_leaves_nothing(node: StandInNode, tmp_path: Path) -> None:
    file = tmp_path / "clean.csv"
    file.write_text("id,name\nSN1,a\n")
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8")
    assert outcome.code == 0
    assert outcome.out.startswith("88.118.8: 1 created (")
    assert list(tmp_path.iterdir()) == [file]


def test_a_second_import_changes_nothing(node: StandInNode, sample: Path) -> None:
    import_sample(node, sample)
    before = dict(node.records)
    summary = json.loads(import_sample(node, sample, "--json").out)
    assert (summary["created"], summary["unchanged"], summary["rejected"]) == (0, 36, 2)
    assert node.records == before


def test_rows_that_the_node_refuses_are_told_with_the_line_and_column_of_the_file(
    node: StandInNode, tmp_path: Path
) -> None:
    file = tmp_path / "products.csv"
    file.write_text('id,size,name\nSN1,,"a\nb"\nSN2,,REFUSE\nTPL-3,1,c\n\n,2,d\nSN5,,e\n')
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8")
    assert outcome.code == 3
    assert [(r["line"], r["column"], r["code"], r["id"], r["name"]) for r in rejects_of(file)] == [
        ("4", "name", "bad_value", "SN2", "REFUSE"),
        ("5", "id", "bad_suffix", "TPL-3", "c"),
        ("7", "id", "empty", "", "d"),
    ]
    assert set(node.records) == {"88.118.8/SN1", "88.118.8/SN5"}
    assert f"the rejected rows, with reasons, are in {file}.rejects.csv" in outcome.out


@pytest.mark.parametrize(
    ("on_conflict", "code", "name", "counted"),
    [("fail", 3, "old", "rejected"), ("skip", 0, "old", "skipped"), ("replace", 0, "new", "replaced")],
)
def test_conflicts_end_as_asked(
    node: StandInNode, tmp_path: Path, on_conflict: str, code: int, name: str, counted: str
) -> None:
    file = tmp_path / "products.csv"
    file.write_text("id,name\nSN1,old\n")
    run_at(node, "import", str(file), "--prefix", "88.118.8")
    file.write_text("id,name\nSN1,new\nSN2,other\n")
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8", "--on-conflict", on_conflict, "--json")
    assert outcome.code == code
    assert json.loads(outcome.out)[counted] == 1
    assert node.values_of("88.118.8/SN1")["name"] == name


@pytest.mark.parametrize(("on_conflict", "name"), [("replace", "3"), ("skip", "0"), ("fail", "0")])
def test_rows_of_one_identifier_are_applied_in_the_order_of_the_file_for_all_parallelism(
    node: StandInNode, tmp_path: Path, on_conflict: str, name: str
) -> None:
    file = tmp_path / "products.csv"
    file.write_text("id,name\nsn1,0\nSN1,1\nSN1,2\nsn1,3\n")
    node.linger_s = 0.05
    options = ["--chunk-rows", "1", "--parallel", "4", "--on-conflict", on_conflict]
    run_at(node, "import", str(file), "--prefix", "88.118.8", *options)
    assert node.values_of("88.118.8/SN1")["name"] == name
    assert node.overlaps == 0


def test_requests_travel_in_parallel_up_to_the_limit(node: StandInNode, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("id\n" + "".join(f"SN{n}\n" for n in range(12)))

    async def until_three_are_underway(_number: int) -> None:
        await eventually(lambda: node.underway_most >= 3)

    node.during_batch = until_three_are_underway
    node.linger_s = 0.05
    options = ["--chunk-rows", "1", "--parallel", "3"]
    assert run_at(node, "import", str(file), "--prefix", "88.118.8", *options).code == 0
    assert node.underway_most == 3
    assert len(node.records) == 12


def test_the_columns_become_the_items_of_a_template(node: StandInNode, tmp_path: Path) -> None:
    node.templates["T1"] = {"code": "T1", "items": [{"index": 2100, "type": "product_name", "name": "Name"}]}
    file = tmp_path / "products.csv"
    file.write_text("id,Name\nSN1,Pump\n")
    assert run_at(node, "import", str(file), "--prefix", "88.118.8", "--template", "T1").code == 0
    assert node.records["88.118.8/SN1"][1] == [{"index": 2100, "type": "product_name", "data": "Pump"}]
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8", "--template", "T2")
    assert (outcome.code, outcome.err.count("\n")) == (4, 1)
    assert "There is no template T2" in outcome.err


def test_a_workbook_is_imported_like_a_csv(node: StandInNode, tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    for row in (["gtin", "name"], [95212340, "离心泵"], [95212341, "b"]):
        book.active.append(row)
    book.save(tmp_path / "products.xlsx")
    outcome = run_at(node, "import", str(tmp_path / "products.xlsx"), "--prefix", "88.118.8", "--id-scheme", "gtin")
    assert outcome.code == 3
    assert node.values_of("88.118.8/95212340") == {"gtin": "95212340", "name": "离心泵"}
    assert [r["line"] for r in rejects_of(tmp_path / "products.xlsx")] == ["3"]


def test_what_was_exported_is_imported_again_into_an_empty_node(node: StandInNode, sample: Path) -> None:
    import_sample(node, sample)
    exported = sample.with_name("exported.ndjson")
    assert run_at(node, "export", "--prefix", "88.118.8", "--output", str(exported)).code == 0
    before = dict(node.records)
    node.records.clear()
    outcome = run_at(node, "import", str(exported), "--prefix", "88.118.8")
    assert outcome.code == 0
    assert node.records == before


def test_records_follow_the_templates_again_that_they_were_exported_with(node: StandInNode, tmp_path: Path) -> None:
    for at, template in enumerate(["pump", None, "valve", "pump"]):
        name = f"88.118.8/SN{at}"
        node.records[name] = (name, [{"index": 2000, "type": "id", "data": "REFUSE" if at == 3 else "x"}])
        if template is not None:
            node.followed[name] = template
    exported = tmp_path / "exported.ndjson"
    assert run_at(node, "export", "--prefix", "88.118.8", "--output", str(exported)).code == 0
    before, followed = dict(node.records), dict(node.followed)
    del before["88.118.8/SN3"]
    node.records.clear()
    node.followed.clear()
    assert run_at(node, "import", str(exported), "--prefix", "88.118.8").code == 3
    assert (node.records, node.followed) == (before, followed)
    assert node.batches == [["88.118.8/SN0", "88.118.8/SN3"], ["88.118.8/SN1"], ["88.118.8/SN2"]]
    assert [reject["line"] for reject in rejects_of(exported)] == ["4"]


def test_a_template_given_for_the_import_holds_for_every_record(node: StandInNode, tmp_path: Path) -> None:
    node.templates["pump"] = {"items": []}
    file = tmp_path / "exported.ndjson"
    file.write_text(
        '{"identifier":"88.118.8/A","values":[],"template":"valve"}\n{"identifier":"88.118.8/B","values":[]}\n'
    )
    assert run_at(node, "import", str(file), "--prefix", "88.118.8", "--template", "pump").code == 0
    assert node.followed == {"88.118.8/A": "pump", "88.118.8/B": "pump"}


def test_only_the_last_request_waits_for_the_replica(node: StandInNode, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("id\n" + "".join(f"SN{n}\n" for n in range(5)))
    outcome = run_at(node, "import", str(file), "--prefix", "88.118.8", "--chunk-rows", "2", "--json")
    assert json.loads(outcome.out)["resolvable"]
    assert node.waits == ["false", "false", "true"]
    assert node.batches[-1] == ["88.118.8/SN4"]


def test_large_records_are_sent(node: StandInNode, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("id,text\n" + "".join(f"SN{n},{'泵' * 80_000}\n" for n in range(20)))
    assert run_at(node, "import", str(file), "--prefix", "88.118.8").code == 0
    assert len(node.records) == 20


def test_a_lagging_replica_is_said(node: StandInNode, tmp_path: Path) -> None:
    node.resolvable = False
    (tmp_path / "products.csv").write_text("id\nSN1\n")
    outcome = run_at(node, "import", str(tmp_path / "products.csv"), "--prefix", "88.118.8")
    assert (outcome.code, "replica has caught up" in outcome.out) == (0, True)


def test_a_node_that_is_busy_is_waited_for(node: StandInNode, sample: Path) -> None:
    node.busy_answers = 3
    outcome = import_sample(node, sample)
    assert outcome.code == 3
    assert "cannot answer now: Too much at once; trying again in" in outcome.err
    assert len(node.records) == 36
