"""The JSON bodies about emergency take-overs, as types."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant

Reason = Annotated[str, Meta(min_length=1, max_length=1_024)]
Side = Literal["ours", "theirs"]


class TakeoverRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a take-over is declared."""

    reason: Reason


class DecisionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which side's content an identifier is to have."""

    identifier: Annotated[str, Meta(min_length=1, max_length=4_096)]
    decision: Side


class TakeoverRow(msgspec.Struct, frozen=True):
    """One take-over; without `ended_at` it is under way."""

    started_at: Instant
    reason: str
    started_by: str
    ended_at: Instant | None
    ended_by: str | None


class TakeoverState(msgspec.Struct, frozen=True):
    """Whether changes are taken, the newest take-overs, and how many conflicts wait for a decision."""

    read_only: bool
    takeovers: list[TakeoverRow]
    conflicts_open: int


class ConflictRow(msgspec.Struct, frozen=True):
    """An identifier of which the other body holds something else; `ours` is null where nothing is registered."""

    identifier: str
    reason: str
    ours: msgspec.Raw | None
    theirs: msgspec.Raw
    found_at: Instant
    decision: Side | None
    decided_at: Instant | None
    decided_by: str | None


class ConflictList(msgspec.Struct, frozen=True):
    """A page of conflicts in the order of their keys."""

    items: list[ConflictRow]
    next: str | None
