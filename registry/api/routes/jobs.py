"""Routes: jobs, work on many rows that goes on while nobody waits."""

from typing import Final, Literal

from registry.api import jobs
from registry.api.job_shapes import JobAnswer, JobPage, JobResult, JobRow, JobState
from registry.api.routing import CSV, NDJSON, PAGING, Parameter, Route
from registry.authority import Action

_NOTHING: Final = dict.fromkeys(("created", "replaced", "unchanged", "skipped", "withdrawn", "rejected"), 0)
_JOB: Final = {
    "id": "job_019aa0c5b2008d2f61b4",
    "kind": "import",
    "state": "running",
    "account": "acc_71b0c2f4a98d3e56",
    "enterprise": "ent_3f9c0a7d51e2b846",
    "template": None,
    "on_conflict": "fail",
    "rows_total": 1_000_000,
    "rows_done": 250_000,
    "counts": {**_NOTHING, "created": 249_998, "rejected": 2},
    "problem": None,
    "created_at": "2025-11-22T08:00:00.000Z",
    "started_at": "2025-11-22T08:00:01.000Z",
    "finished_at": None,
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/jobs",
        handler=jobs.create,
        action=Action.RUN_JOB,
        summary="Upload many rows to be worked on while nobody waits",
        description="One JSON object a line, or CSV (`text/csv`, UTF-8) with a header line: the column `identifier`, "
        "and a column `INDEX:TYPE` for each value, such as `1:URL`, or with a template the type or name of an item; an "
        "empty cell is no value. To withdraw, the columns are `identifier` and `successor`. The job begins when the "
        "upload is whole and kept, and then survives any end of the registry; no row is worked on twice. A bad row is "
        "rejected in the results and the others go in.",
        request=JobRow,
        request_type=NDJSON,
        request_also=(CSV,),
        response=JobAnswer,
        statuses=(202,),
        refusals=(409,),
        parameters=(
            Parameter(
                "kind",
                "`import` registers, `update` changes single values, `withdraw` withdraws for good",
                schema=Literal["import", "update", "withdraw"],
                required=True,
            ),
            Parameter(
                "on_conflict",
                "imports: what becomes of a row whose identifier exists with other values: `fail` rejects it (the "
                "default), `skip` leaves what is stored, `replace` replaces it",
                schema=Literal["skip", "replace", "fail"],
            ),
            Parameter("template", "code of the template that every record of an import must follow"),
        ),
        request_example={
            "identifier": "88.118.8/SN0001",
            "values": [{"index": 1, "type": "URL", "data": "https://example.com/sn0001"}],
        },
        csv_example="identifier,1:URL\n88.118.8/SN0001,https://example.com/sn0001\n",
        response_example={**_JOB, "state": "queued", "rows_done": 0, "counts": _NOTHING},
    ),
    Route(
        method="GET",
        path="/api/v1/jobs",
        handler=jobs.page,
        action=Action.READ_JOB,
        summary="List jobs, the newest first",
        description="All for administrators and auditors, otherwise those of the caller's enterprise.",
        response=JobPage,
        parameters=(Parameter("state", "only jobs in this state", schema=JobState), *PAGING),
        response_example={"items": [_JOB], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/jobs/{job}",
        handler=jobs.get,
        action=Action.READ_JOB,
        summary="Read how far a job has come",
        response=JobAnswer,
        refusals=(404,),
        response_example=_JOB,
    ),
    Route(
        method="GET",
        path="/api/v1/jobs/{job}/results",
        handler=jobs.results,
        action=Action.READ_JOB,
        summary="Read what became of each row so far",
        description="A line for each row, in the order of the rows. Kept for some days after the end of the job.",
        response=JobResult,
        response_type=NDJSON,
        refusals=(404,),
        parameters=(Parameter("status", "`rejected`: only the rows that were rejected", schema=Literal["rejected"]),),
        response_example={"line": 1, "identifier": "88.118.8/SN0001", "status": "created"},
    ),
    Route(
        method="POST",
        path="/api/v1/jobs/{job}:cancel",
        handler=jobs.cancel,
        action=Action.RUN_JOB,
        summary="End a job where it is",
        description="What is done stays done. A step that is under way, at most 2,000 rows, is finished or undone.",
        response=JobAnswer,
        refusals=(404, 409),
        response_example={**_JOB, "state": "cancelled", "finished_at": "2025-11-22T08:02:00.000Z"},
    ),
)
