"""What follows from an answer of the collector: table 9.7 of the docking contract, one line per line."""

from typing import Final, Literal

Action = Literal[
    "store_receipt",
    "poll_receipt",
    "retry",
    "dependency",
    "pause_link",
    "halt_stream",
    "split",
    "reconcile",
    "rebuild",
    "send_plain",
]

# (status, problem code) -> action. "*" stands for every other code of that status, and for an answer without one.
_TABLE: Final[dict[tuple[int, str], Action]] = {
    (200, "*"): "store_receipt",
    (202, "*"): "poll_receipt",
    (400, "malformed"): "halt_stream",
    (401, "*"): "pause_link",
    (403, "forbidden_scope"): "halt_stream",
    (404, "unknown_table"): "halt_stream",
    (404, "unknown_batch"): "reconcile",
    (408, "*"): "retry",
    (409, "batch_conflict"): "halt_stream",
    (409, "out_of_order"): "reconcile",
    (413, "*"): "split",
    (415, "*"): "send_plain",
    (422, "digest_mismatch"): "rebuild",
    (422, "row_count_mismatch"): "rebuild",
    (422, "schema_unsupported"): "halt_stream",  # this release writes schema 1 only
    (424, "*"): "dependency",
    (425, "*"): "retry",
    (429, "*"): "retry",
    (503, "*"): "retry",
}

_STATUS_SERVER_ERROR: Final = 500


def decide(status: int, code: str) -> Action:
    """Return what to do after an answer with this status and problem code ("" for none).

    Answers outside the table: a server's error may pass, so the batch is tried again. A problem of the profile with a
    code that the table does not have is about this batch, and stops its stream alone. Anything else did not come from
    a collector that speaks this profile (a proxy, a wrong address), and then no stream is to blame: the whole link
    pauses.
    """
    action = _TABLE.get((status, code)) or _TABLE.get((status, "*"))
    if action is not None:
        return action
    if status >= _STATUS_SERVER_ERROR:
        return "retry"
    return "halt_stream" if code else "pause_link"
