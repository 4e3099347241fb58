"""docs/reporting-profile.md is complete: every field, code, limit and path stands in it, and its examples are right."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from identifiers.request_signing import Message, request_components, signature_base
from sync.batch import Limits
from sync.collecting.batch_check import read_batch
from sync.collecting.digests import Asked
from sync.tables import composites, fields
from sync.tables.field_kinds import Code, Field, Many, Record
from sync.top_node import monthly
from sync.top_node.directives import KINDS
from sync.top_node.faults import FaultSource, parse_faults
from sync.top_node.store import Store

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reporting-profile.md").read_text(encoding="utf-8")
BATCH = re.search(r"```\n(\{\"profile\".*?)```", DOCUMENT, re.DOTALL)
SIGNED = re.search(r"```\n(\"@method\".*?)\n```", DOCUMENT, re.DOTALL)
DIGESTS = re.search(r"```json\n(\{\"table\": \"T9\".*?)```", DOCUMENT, re.DOTALL)
ROW = re.compile(r"^\| `(?P<name>\w+)` \| .+ \| (?P<mark>[RCO]) \|$", re.MULTILINE)
SOURCES = ("sync/top_node", "sync/collecting", "sync/intake")
OF_ITS_OWN_PAGES = {"forbidden", "internal", "unknown_identifier"}
"""Problems of what the simulator offers beside the profile."""


def section(title: str) -> str:
    return re.split(r"^##+ ", DOCUMENT.partition(title)[2], maxsplit=1, flags=re.MULTILINE)[0]


TITLES = {
    **{name: f"### {name} " for name in (f"T{n}" for n in range(1, 12))},
    **dict.fromkeys(("M1", "M2"), "### M1 and M2 "),
    **dict.fromkeys(("E1", "E2"), "### E1 and E2 "),
}


@pytest.mark.parametrize("table", TITLES)
def test_each_table_lists_its_fields_with_their_marks_and_no_others(table: str) -> None:
    told = {row["name"]: row["mark"] for row in ROW.finditer(section(TITLES[table]))}
    marks = {
        one.name: "R" if one.required is True else "C" if one.required else "O" for one in fields.TABLES[table].fields
    }
    assert told == marks


def nested(record: Record) -> Iterator[Field]:
    for one in record.fields:
        yield one
        kind = one.kind.kind if isinstance(one.kind, Many) else one.kind
        if isinstance(kind, Record):
            yield from nested(kind)


def test_every_member_of_a_composite_value_and_every_code_stands_there() -> None:
    values, codes = section("## Composite values"), section("## Codes")
    for name in (
        "FILE",
        "INDUSTRY",
        "RUN",
        "IDENTITY_CHECK",
        "ENTRUSTED",
        "REGISTRATION_SITE",
        "ELEMENT",
        "VERIFICATION",
    ):
        for one in nested(getattr(composites, name)):
            assert f"`{one.name}`" in values or f'"{one.name}"' in values, one.name
    everything = [one for record in fields.TABLES.values() for one in nested(record) if isinstance(one.kind, Code)]
    told = codes + values + DOCUMENT.partition("## Tables")[2]
    for one in everything:
        assert isinstance(one.kind, Code)
        for code in one.kind.codes:
            assert (f"`{code}`" if isinstance(code, str) else f"{code} ") in told, (one.name, code)


def test_every_path_problem_rejection_directive_and_limit_stands_there() -> None:
    paths = [path for folder in SOURCES for path in (Path(__file__).parents[2] / folder).glob("*.py")]
    source = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    for path in set(re.findall(r'"(/v1/[a-z-]+)', source)):
        assert f"{{base}}{path}" in DOCUMENT, path
    for code in set(re.findall(r'Problem\(\s*\d{3}, "([a-z_]+)"', source)) - OF_ITS_OWN_PAGES:
        assert f"`{code}`" in section("## Answers"), code
    for code in set(re.findall(r'(?:Problem|RowProblem)\("([a-z_]+)"', source)):
        assert f"`{code}`" in section("## Rejected rows"), code
    for kind in KINDS:
        assert f"`{kind}`" in section("## Directives"), kind
    for one in monthly._REPORT.fields:
        assert f"`{one.name}`" in section("## Files and monthly reports"), one.name
    limits = Limits()
    told = json.loads(re.search(r"```json\n(\{\"profiles\".*?)```", DOCUMENT, re.DOTALL)[1])["limits"]  # type: ignore[index]
    assert told == {name: getattr(limits, name) for name in limits.__struct_fields__}


def book_with(directory: Path, *statements: str) -> Store:
    store = Store(directory / "top-node.sqlite3", FaultSource(parse_faults(""), 1))
    for one in statements:
        store.book.db.execute(one)
    return store


def held(key: str, ver: int) -> str:
    return f"INSERT INTO held_rows VALUES ('T9', '88.118', '88.118.8', '{key}', 1, {ver}, 0, '', '{{}}', NULL)"


def test_the_example_of_a_batch_is_taken_whole(tmp_path: Path) -> None:
    assert BATCH is not None
    content = BATCH[1].encode()
    header = json.loads(content.splitlines()[0])
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    read = read_batch(
        content,
        path_id=header["batch_id"],
        reporter=header["reporter"],
        digest=f"sha-256=:{digest}:",
        encoding="",
        limits=Limits(),
    )
    store = book_with(
        tmp_path,
        held("88.118.8/SN0002", 3),
        "INSERT INTO streams VALUES ('88.118', 'T11', '88.118.8', 2, '', '')",
        "INSERT INTO streams VALUES ('88.118', 'T9', '88.118.8', 6, '', '')",
    )
    receipt = store.take(read)
    store.close()
    assert receipt is not None
    assert (receipt.status, receipt.rejections, receipt.next_sequence) == ("accepted", [], 8)


def test_the_example_of_a_signature_base_is_what_is_signed() -> None:
    assert SIGNED is not None
    assert BATCH is not None
    digest = base64.b64encode(hashlib.sha256(BATCH[1].encode()).digest()).decode()
    headers = {
        "content-type": "application/x-ndjson",
        "content-digest": f"sha-256=:{digest}:",
        "idn-reporter": "88.118",
        "idn-profile": "idn-report/1",
    }
    uri = SIGNED[1].splitlines()[1].partition(": ")[2]
    parameters = SIGNED[1].splitlines()[-1].partition(": ")[2]
    base = signature_base(Message("PUT", uri, headers), request_components(headers), parameters)
    assert base.decode() == SIGNED[1]


def test_the_example_of_digests_is_what_the_collector_answers(tmp_path: Path) -> None:
    assert DIGESTS is not None
    told = json.loads(DIGESTS[1])
    store = book_with(tmp_path, *(held(one["key"], one["ver"]) for one in told["rows"]))
    answer = store.digest("88.118", "T9", "88.118.8", Asked(None, None, depth=1, rows=True))
    store.close()
    assert answer == told
