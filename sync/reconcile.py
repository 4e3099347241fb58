"""Which side is ahead: comparing what we hold acknowledged with what the collector says (docking contract 9.8)."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sync.batch import StreamState, Unknown

Verdict = Literal["go_on", "fetch_receipt", "send_again", "halt"]

FULL_SET_NEEDED: Final = "find out which, then send a full set"
STARTS_OVER: Final = "it starts over by itself"
"""How the reasons of streams end that an operator sends a full set of, and of those that need nobody."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to do, and from which sequence on where that matters."""

    verdict: Verdict
    from_sequence: int = 0
    reason: str = ""


def compare(acknowledged: int, in_flight: UUID | None, remote: StreamState | Unknown) -> Comparison:
    """Compare our last acknowledged sequence L and the batch in flight (L + 1, if any) with the collector's C.

    A stream that the collector does not know counts as C = 0.
    """
    known, last_batch = (0, None) if isinstance(remote, Unknown) else (remote.last_sequence, remote.last_batch_id)
    if known == acknowledged:
        return Comparison("go_on")
    if known == acknowledged + 1 and in_flight is not None and last_batch == in_flight:
        return Comparison("fetch_receipt")
    if known < acknowledged:
        return Comparison(
            "send_again",
            from_sequence=known + 1,
            reason=f"the collector has lost sequences {known + 1} to {acknowledged}",
        )
    return Comparison(
        "halt",
        reason=f"the collector holds sequence {known}, we know of {acknowledged}: somebody else reported on this "
        f"stream, or our database was restored; {FULL_SET_NEEDED}",
    )
