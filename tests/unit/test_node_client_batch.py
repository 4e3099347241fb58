"""Reading what a node answers to a batch."""

import orjson
import pytest

from node.client.batch import read_outcome, reject_of
from node.client.errors import RefusedError, UnavailableError
from node.client.readers.record import Row


def answer(*lines: dict[str, object]) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


CREATED = {"line": 1, "identifier": "88.1/a", "status": "created"}
SKIPPED = {"line": 2, "identifier": "88.1/b", "status": "skipped"}
SUMMARY: dict[str, object] = {"summary": {"created": 1, "skipped": 1, "resolvable": False}}


def test_outcomes_come_in_the_order_of_the_rows_whatever_the_order_of_the_lines() -> None:
    outcome = read_outcome(answer(SKIPPED, CREATED, SUMMARY), 2)
    assert [row.status for row in outcome.rows] == ["created", "skipped"]
    assert not outcome.resolvable


@pytest.mark.parametrize(
    "body",
    [
        b"",
        answer(CREATED, SKIPPED),
        answer(CREATED, SUMMARY),
        answer(CREATED, CREATED, SUMMARY),
        answer(CREATED, SKIPPED, SUMMARY)[:-5],
        answer(CREATED, {"line": 2, "status": "eaten"}, SUMMARY),
        b"<html>busy</html>",
        b'{"line":1,"status":"created","message":"\xff"}\n{}\n{"summary":{}}',
    ],
)
def test_an_answer_that_does_not_speak_of_each_row_once_counts_as_no_answer(body: bytes) -> None:
    with pytest.raises(UnavailableError):
        read_outcome(body, 2)


@pytest.mark.parametrize(("status", "error"), [(503, UnavailableError), (403, RefusedError), (500, RefusedError)])
def test_a_batch_that_ended_early_is_told_with_its_reason(status: int, error: type[Exception]) -> None:
    problem = {"status": status, "title": "No", "detail": "the database is away", "code": "away"}
    with pytest.raises(error, match="No: the database is away"):
        read_outcome(answer(CREATED, {"summary": {"resolvable": True, "problem": problem}}), 2)


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("identifier", "gtin"),
        ("values[1].data", "size"),
        ("values[1]", "size"),
        ("values[2].data", "values[2].data"),
        ("values[x]", "values[x]"),
        ("template", "template"),
        (None, ""),
    ],
)
def test_the_field_of_a_rejection_becomes_the_column_of_the_file(field: str | None, column: str) -> None:
    body = orjson.dumps({"identifier": "88.1/a", "values": [{"type": "gtin"}, {"type": "size"}]})
    row = Row(7, "88.1/a", body, ["a", "", "1"])
    line: dict[str, object] = {"line": 1, "status": "rejected", "code": "bad", "field": field, "message": "no"}
    (outcome,) = read_outcome(answer(line, SUMMARY), 1).rows
    reject = reject_of(row, outcome, "gtin")
    assert reject == (7, column, "no", "bad", ["a", "", "1"])
