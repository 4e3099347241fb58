"""One batch of rows sent to a node, and what became of each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import orjson

from node.client.errors import ClientError, RefusedError, UnavailableError
from node.client.problems import describe_problem
from node.client.readers.record import Reject, Row
from node.client.session import TRY_AGAIN_STATUSES, NodeSession

BATCH_PATH = "/api/v1/identifiers:batch"
OnConflict = Literal["skip", "replace", "fail"]
Status = Literal["created", "replaced", "unchanged", "skipped", "rejected"]


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """What a whole import asks of the node, the same for each batch."""

    on_conflict: OnConflict
    template: str | None = None

    def query(self, template: str | None) -> dict[str, str]:
        """Return the parameters of a request whose rows follow `template`."""
        query: dict[str, str] = {"on_conflict": self.on_conflict}
        if template is not None:
            query["template"] = template
        return query


class RowOutcome(msgspec.Struct, frozen=True):
    """One line of a batch's answer; `line` counts the rows of the request from 1."""

    line: int
    status: Status
    field: str | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcome of each row, in the order of the rows, and whether lookups on the node see all of them already."""

    rows: Sequence[RowOutcome]
    resolvable: bool


class _Summary(msgspec.Struct):
    resolvable: bool = True
    problem: dict[str, Any] | None = None


class _LastLine(msgspec.Struct):
    summary: _Summary


async def send_batch(session: NodeSession, rows: Sequence[Row], terms: BatchTerms, *, wait: bool) -> BatchOutcome:
    """Register rows; raises RefusedError, UnavailableError.

    One request for each template that rows name, in the order in which they first do, unless the terms give one for
    all. With `wait` the node answers when its lookups see the rows, or after a while that they do not yet. Safe to
    repeat: a row that the node has already taken comes back as "unchanged".
    """
    places: dict[str | None, list[int]] = {}
    for at, row in enumerate(rows):
        places.setdefault(terms.template or row.template, []).append(at)
    found: dict[int, RowOutcome] = {}
    resolvable = True
    for template, of_template in places.items():
        body = b"".join([rows[at].body + b"\n" for at in of_template])
        query = terms.query(template) | {"wait": "true" if wait else "false"}
        answer = await session.post(BATCH_PATH, body, query, {"Content-Type": "application/x-ndjson"})
        outcome = read_outcome(answer.body, len(of_template))
        found.update(zip(of_template, outcome.rows, strict=True))
        resolvable = outcome.resolvable
    return BatchOutcome([msgspec.structs.replace(found[at], line=at + 1) for at in range(len(rows))], resolvable)


def read_outcome(body: bytes, rows: int) -> BatchOutcome:
    """Read a batch's answer, which must be whole and speak of each row exactly once.

    A node that stops half-way ends its answer early, perhaps with the problem that made it stop: what it did commit
    is found again by sending the batch again. Raises UnavailableError, or RefusedError if again would not help.
    """
    *lines, last = body.splitlines() or [b""]
    try:
        summary = msgspec.json.decode(last, type=_LastLine).summary
        outcomes = sorted((_OUTCOME.decode(line) for line in lines), key=lambda outcome: outcome.line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnavailableError(f"the node's answer to a batch is broken off or unreadable: {error}") from error
    if summary.problem is not None:
        raise _stopped(summary.problem)
    if [outcome.line for outcome in outcomes] != list(range(1, rows + 1)):
        raise UnavailableError(f"the node's answer speaks of {len(outcomes)} rows, but {rows} were sent")
    return BatchOutcome(outcomes, summary.resolvable)


def _stopped(problem: dict[str, Any]) -> ClientError:
    status = int(problem.get("status", 500))
    line, code = describe_problem(status, orjson.dumps(problem))
    if status in TRY_AGAIN_STATUSES:
        return UnavailableError(f"the node stopped in the middle of a batch: {line}")
    return RefusedError(f"the node refused the rest of a batch: {line}", status=status, code=code)


def reject_of(row: Row, outcome: RowOutcome, id_column: str) -> Reject:
    """Return the reject of a row that the node did not take, with the file's own line and column."""
    column = _column_of(row, outcome.field or "", id_column)
    return Reject(row.line, column, outcome.message or "the node gave no reason", outcome.code or "rejected", row.cells)


def _column_of(row: Row, field: str, id_column: str) -> str:
    """Find the column behind a field of the record: values[3].data is that of the fourth value, named by its type."""
    if field == "identifier":
        return id_column
    if not field.startswith("values["):
        return field
    number = field[len("values[") :].partition("]")[0]
    values: list[dict[str, Any]] = msgspec.json.decode(row.body)["values"]
    if number.isdecimal() and int(number) < len(values):
        return str(values[int(number)].get("type", field))
    return field


_OUTCOME = msgspec.json.Decoder(RowOutcome)
