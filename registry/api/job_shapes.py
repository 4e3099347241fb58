"""The JSON bodies of jobs, as types."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from registry.api.shapes import HandleValues, Instant

JobKind = Literal["import", "update", "withdraw", "regrade"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class JobRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a job: what becomes of an identifier.

    `import`: the whole record, in `values`. `update`: values to add or replace, and in `remove` the indexes of values
    to remove. `withdraw`: in `successor` the identifier to use instead, or nothing.
    """

    identifier: str
    values: HandleValues = []
    remove: list[int] = []
    successor: str | None = None


class JobResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one line; `code`, `field` and `message` say why it was rejected."""

    line: int
    identifier: str | None
    status: Literal["created", "replaced", "unchanged", "skipped", "withdrawn", "rejected"]
    code: str = ""
    field: str = ""
    message: str = ""


class JobProblem(msgspec.Struct, frozen=True):
    """Why a job could not go on: `code` for programs, `detail` and `remedy` for people."""

    code: str
    detail: str
    remedy: str


class JobCounts(msgspec.Struct, frozen=True):
    """How many rows ended how."""

    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    skipped: int = 0
    withdrawn: int = 0
    rejected: int = 0


class JobAnswer(msgspec.Struct, frozen=True):
    """A job. It is over when it is `done`, `failed` or `cancelled`; what is done by then stays done.

    `rows_done` of `rows_total` rows are worked on; a `regrade` goes through all records of its template twice, and
    nobody has counted them.
    """

    id: str
    kind: JobKind
    state: JobState
    account: str
    enterprise: str | None
    template: Annotated[str | None, Meta(description="code of the template the records follow")]
    on_conflict: Literal["skip", "replace", "fail"] | None
    rows_total: int | None
    rows_done: int
    counts: JobCounts
    problem: JobProblem | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, the newest first. `next` is the cursor of the next page, null on the last one."""

    items: list[JobAnswer]
    next: str | None
