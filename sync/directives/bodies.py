"""The bodies of directives, one shape for each kind, checked before anything is done (docking contract 9.10)."""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sync.batch import Period
from sync.directives.shapes import Directive

T = TypeVar("T")

KEYS_MAX = 1_000
TableName = Annotated[str, Meta(pattern=r"^(T[1-9]|T1[01]|M[12]|E[12])$")]
Scope = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=255)]
Sequence = Annotated[int, Meta(ge=1)]


class ResendRange(msgspec.Struct, frozen=True):
    """`resend_range`."""

    table: TableName
    scope: Scope
    from_sequence: Sequence
    to_sequence: Sequence


class SendFull(msgspec.Struct, frozen=True):
    """`send_full`, and `start_over`, which is an operator's order only."""

    table: TableName
    scope: Scope


class CorrectRows(msgspec.Struct, frozen=True):
    """`correct_rows`."""

    table: TableName
    scope: Scope
    keys: Annotated[tuple[Annotated[str, Meta(max_length=400)], ...], Meta(min_length=1, max_length=KEYS_MAX)]
    reason: Annotated[str, Meta(max_length=1_024)] = ""


class ResendFacts(msgspec.Struct, frozen=True):
    """`resend_facts`."""

    table: TableName
    scope: Scope
    period: Period | str


class Tables(msgspec.Struct, frozen=True):
    """`pause` and `resume`: these tables, or all."""

    tables: tuple[TableName, ...] | Literal["all"] | UnsetType | None = UNSET

    def names(self) -> tuple[str, ...]:
        """Return the tables; `*` for all."""
        return self.tables if isinstance(self.tables, tuple) else ("*",)


class EscrowVerdict(msgspec.Struct, frozen=True):
    """`escrow_verdict`."""

    deposit_id: Annotated[str, Meta(max_length=255)]
    verdict: Annotated[str, Meta(max_length=64)]
    text: Annotated[str, Meta(max_length=4_096)] = ""


class PrefixDecision(msgspec.Struct, frozen=True):
    """`prefix_decision`."""

    prefix: Scope
    decision: Literal["approved", "rejected"]
    reason: Annotated[str, Meta(max_length=1_024)] = ""


class Takeover(msgspec.Struct, frozen=True):
    """`takeover_started` and `takeover_ended`."""

    scope: Annotated[str, Meta(max_length=255)] = ""


class RotateKey(msgspec.Struct, frozen=True):
    """`rotate_key`."""

    not_after: Annotated[str, Meta(max_length=64)]


class BodyUnfit(Exception):  # noqa: N818 - says what is wrong with the directive, as its name does
    """A directive's body is not what its kind needs; the message is told to the collector."""


def body_of(directive: Directive, kind: type[T]) -> T:
    """Return the body as the shape of its kind; raises BodyUnfit."""
    try:
        return msgspec.json.decode(directive.body, type=kind)
    except msgspec.DecodeError as error:
        raise BodyUnfit(f"the body of {directive.kind} is not as the profile describes it: {error}") from error
