"""What a rehearsal consists of: clauses, each a right or wrong thing to say and what must come back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sync.rehearsal.reporter import Answer, Reporter

Outcome = Literal["pass", "fail", "skipped"]
Check: TypeAlias = Callable[[Reporter], Awaitable[None]]

DETAIL_CHARACTERS_MAX: Final = 300


class Broken(Exception):  # noqa: N818 - a finding, not an error of ours
    """The collector did something else than the clause says; the message says what."""


class NotOffered(Exception):  # noqa: N818 - as above
    """The collector does not offer what the clause is about, and need not."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that is tried. `number` is the contract's section."""

    number: str
    title: str
    check: Check


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a clause."""

    clause: str
    title: str
    outcome: Outcome
    detail: str = ""


class Clauses(list[Clause]):
    """The clauses of one subject, in the order in which they are tried: later ones build on what earlier ones told."""

    def clause(self, number: str, title: str) -> Callable[[Check], Check]:
        """Add a check."""

        def added(check: Check) -> Check:
            self.append(Clause(number, title, check))
            return check

        return added


def must(answer: Answer, status: int, code: str = "") -> Answer:
    """Raise Broken unless the answer has this status and problem code."""
    if (answer.status, answer.code) != (status, code):
        raise Broken(f"expected {f'{status} {code}'.strip()}, got {answer}{_said(answer)}")
    return answer


def taken(answer: Answer, rejections: dict[int, str] | None = None) -> Answer:
    """Raise Broken unless it is a receipt that rejects exactly these rows, by number and code."""
    must(answer, 200)
    receipt = answer.value
    found = {one["n"]: one["code"] for one in receipt.get("rejections", ())}
    if found != (rejections or {}):
        said = "; ".join(f"{one.get('field')}: {one.get('message')}" for one in receipt["rejections"][:3])
        raise Broken(f"expected the rejections {rejections or {}}, got {found} {said}".rstrip())
    refused = len(found)
    status = "accepted" if not refused else "rejected" if receipt["rows_accepted"] == 0 else "partial"
    if receipt["status"] != status or receipt["rows_rejected"] != refused:
        raise Broken(f"the receipt says {receipt['status']} with {receipt['rows_rejected']} rejected rows")
    return answer


def require(holds: object, otherwise: str) -> None:
    """Raise Broken with the text unless something holds."""
    if not holds:
        raise Broken(otherwise)


def _said(answer: Answer) -> str:
    detail = answer.value.get("detail") if isinstance(answer.value, dict) else None
    return f": {detail}"[:DETAIL_CHARACTERS_MAX] if detail else ""
