"""The simulator's verdict on rows and batches: strict, and with the contract's codes."""

import base64
import gzip
import hashlib
import json
from typing import Any
from uuid import uuid4

import pytest

from sync import body
from sync.batch import Limits
from sync.top_node.batch_check import read_batch
from sync.top_node.faults import Faults, FaultsError, FaultSource, parse_faults
from sync.top_node.judgement import Held, judge
from sync.top_node.problems import Problem

SCOPE, REPORTER, BATCH_ID = "88.999.1", "88.999", str(uuid4())


def row(operation: int = 1, ver: int = 5, **members: Any) -> dict[str, Any]:
    data = {"enterprise_prefix": SCOPE, "identifier": f"{SCOPE}/A", "operation_type": operation}
    if operation != 2:
        data |= {"created_on": "2031-05-06", "metadata_id": f"{SCOPE}/TPL-1"}
    op = "delete" if operation == 2 else "upsert"
    return {"n": 1, "key": f"{SCOPE}/A", "op": op, "ver": ver, "at": "2031-05-06T01:02:03Z", "data": data, **members}


@pytest.mark.parametrize(
    ("operation", "held", "code"),
    [
        (1, None, None),
        (1, Held(4, deleted=False), None),
        (1, Held(4, deleted=True), None),
        (1, Held(5, deleted=False), "stale"),
        (1, Held(6, deleted=True), "stale"),
        (3, Held(4, deleted=False), None),
        (3, Held(4, deleted=True), "unknown_identifier"),
        (3, None, "unknown_identifier"),
        (2, Held(4, deleted=False), None),
        (2, None, "unknown_identifier"),
    ],
)
def test_a_row_is_judged_by_what_is_held_of_its_key(operation: int, held: Held | None, code: str | None) -> None:
    problem = judge(row(operation), SCOPE, held)
    assert (problem.code if problem else None) == code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"op": "delete"}, "schema"),
        ({"key": f"{SCOPE}/B"}, "schema"),
        ({"data": {**row()["data"], "enterprise_prefix": "88.999.2"}}, "forbidden"),
        ({"data": {**row()["data"], "identifier": "88.999.2/A"}, "key": "88.999.2/A"}, "unknown_prefix"),
        ({"data": {**row()["data"], "metadata_id": None}}, "required"),
        ({"data": {**row()["data"], "colour": "red"}}, "schema"),
    ],
)
def test_a_row_that_contradicts_itself_is_rejected(changed: dict[str, Any], code: str) -> None:
    problem = judge({**row(), **changed}, SCOPE, None)
    assert problem is not None
    assert problem.code == code


def content(rows: list[dict[str, Any]] | None = None, lines: bytes | None = None, **header: Any) -> bytes:
    told = [row()] if rows is None else rows
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in told) if lines is None else lines
    first = {
        "profile": "idn-report/1",
        "batch_id": BATCH_ID,
        "reporter": REPORTER,
        "table": "T9",
        "schema": 1,
        "scope": SCOPE,
        "sequence": 1,
        "mode": "delta",
        "period": {"kind": "day", "start": "2031-05-05T16:00:00Z", "end": "2031-05-06T16:00:00Z"},
        "requires": [],
        "row_count": len(told),
        "rows_sha256": hashlib.sha256(lines).hexdigest(),
        "created_at": "2031-05-06T16:10:02Z",
        **header,
    }
    return json.dumps(first).encode() + b"\n" + lines


def read(sent: bytes, *, digest: str | None = None, encoding: str = "") -> Any:
    own = "sha-256=:" + base64.b64encode(hashlib.sha256(sent).digest()).decode() + ":"
    return read_batch(
        sent,
        path_id=BATCH_ID,
        reporter=REPORTER,
        digest=own if digest is None else digest,
        encoding=encoding,
        limits=Limits(),
    )


def test_a_batch_is_the_same_however_it_was_compressed() -> None:
    plain = read(content())
    packed = read(gzip.compress(content(), 9), encoding="gzip")
    assert plain.rows == packed.rows == [row()]
    assert plain.content_sha256 == packed.content_sha256


def test_unknown_header_members_are_ignored_only_if_they_begin_with_x() -> None:
    assert read(content(x_covers="unchanged")).rows
    with pytest.raises(Problem, match="unknown header members"):
        read(content(colour="red"))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"", 400, "malformed"),
        (content()[:-1], 400, "malformed"),
        (content(batch_id=str(uuid4())), 400, "malformed"),
        (content(reporter="88.998"), 400, "malformed"),
        (content(mode="full"), 400, "malformed"),
        (content(sequence=0), 400, "malformed"),
        (content(created_at="yesterday"), 400, "malformed"),
        (content(profile="idn-report/2"), 400, "malformed"),
        (content(table="T7"), 404, "unknown_table"),
        (content(schema=2), 422, "schema_unsupported"),
        (content(scope="88.9991"), 403, "forbidden_scope"),
        (content(row_count=2), 422, "row_count_mismatch"),
        (content(rows_sha256="0" * 64), 422, "digest_mismatch"),
        (content([row(n=2)]), 400, "malformed"),
        (content([row(ver=0)]), 400, "malformed"),
        (content([row(colour="red")]), 400, "malformed"),
        (content([row(key="x" * 401)]), 400, "malformed"),
        (content([], lines=b"[]\n", row_count=1), 400, "malformed"),
        (content([], lines=b'{"n":1,"n":1}\n', row_count=1), 400, "malformed"),
        (content([], lines=b"\n" * 2_001, row_count=2_001), 413, "too_large"),
        (content([], lines=b" " * 262_144 + b"\n", row_count=1), 413, "too_large"),
        (content() + b" " * 8_388_608 + b"\n", 413, "too_large"),
    ],
)
def test_a_batch_that_breaks_the_profile_is_refused_as_a_whole(sent: bytes, status: int, code: str) -> None:
    with pytest.raises(Problem) as caught:
        read(sent)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_a_digest_that_is_not_of_the_content_as_sent_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        read(content(), digest="sha-256=:" + base64.b64encode(bytes(32)).decode() + ":")
    assert caught.value.code == "digest_mismatch"
    with pytest.raises(Problem) as caught:
        read(content(), digest="md5=:AAAA:")
    assert caught.value.code == "malformed"


def test_other_encodings_and_bombs_are_refused() -> None:
    with pytest.raises(Problem) as caught:
        read(content(), encoding="br")
    assert (caught.value.status, caught.value.code) == (415, "unsupported_encoding")
    with pytest.raises(Problem) as caught:
        read(body.compress(bytes(9 * 2**20)), encoding="gzip")
    assert (caught.value.status, caught.value.code) == (413, "too_large")
    with pytest.raises(Problem) as caught:
        read(b"no gzip", encoding="gzip")
    assert caught.value.code == "malformed"


def test_faults_are_read_from_text_and_repeat_with_their_seed() -> None:
    faults = parse_faults("lose-acks=0.5, slow-ms=20,retry-after-s=0")
    assert faults == Faults(lose_acks=0.5, slow_ms=20, retry_after_s=0)
    first, again = FaultSource(faults, 7), FaultSource(faults, 7)
    assert [first.strikes(0.5) for _ in range(50)] == [again.strikes(0.5) for _ in range(50)]
    refusing = FaultSource(parse_faults("refuse=0.5"), 7)
    assert {refusing.refuses(f"k{n}", 1) for n in range(50)} == {True, False}
    assert refusing.refuses("k1", 1) == refusing.refuses("k1", 1)


@pytest.mark.parametrize("text", ["earthquake=1", "reject", "reject=often", "reject=1.5", "slow-ms=-1"])
def test_a_fault_that_does_not_exist_is_refused_with_what_does(text: str) -> None:
    with pytest.raises(FaultsError):
        parse_faults(text)
