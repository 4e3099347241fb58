"""The JSON bodies of events and of a day's performance."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant
from registry.service.events import CONDITION

_TEXT = r"^[^\x00-\x1f\x7f]*(?!\s)[^\x00-\x1f\x7f]$"
Prefix = Annotated[str, Meta(min_length=1, max_length=40, examples=["88.118"])]
AbnormalType = Annotated[int, Meta(ge=1, le=4, description="1 network fault, 2 system fault, 3 attack, 4 other")]
Cause = Annotated[str, Meta(min_length=1, max_length=1024, pattern=_TEXT)]


class EventRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something abnormal, of the node's own prefix or an enterprise's; one of a prefix and condition is open."""

    prefix: Prefix
    abnormal_type: AbnormalType
    cause: Cause | None = None
    occurred_at: Instant | None = None
    condition: Annotated[str, Meta(min_length=1, max_length=64, pattern=_TEXT)] = CONDITION


class RecoveryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since when it is well again; without it: now."""

    occurred_at: Instant | None = None


class EventAnswer(msgspec.Struct, frozen=True):
    """An event. `queued_at`: when it was queued for the national node; null while it is not, or nothing is reported."""

    position: int
    event_no: str
    prefix: str
    condition: str
    event_type: Literal["abnormal", "recovered"]
    related_event_no: str | None
    occurred_at: Instant
    cause: str | None
    abnormal_type: int | None
    source: Literal["monitor", "operator", "enterprise"]
    recorded_at: Instant
    queued_at: Instant | None


class EventList(msgspec.Struct, frozen=True):
    """Events in the order in which they became known here; `next` is what to ask behind the next time."""

    items: list[EventAnswer]
    next: int


class EventEntered(msgspec.Struct, frozen=True):
    """The number of the event that was entered."""

    event_no: str
    prefix: str
    event_type: Literal["abnormal", "recovered"]
    related_event_no: str | None
    occurred_at: Instant


class PerformanceAnswer(msgspec.Struct, frozen=True):
    """The performance of a day; null without samples. What an enterprise's own node told is shown as it told it."""

    prefix: str
    stat_date: str
    resolution_latency_avg_ms: float | None
    resolution_latency_max_at: Instant | None
    resolution_latency_max_ms: float | None
    resolution_latency_min_at: Instant | None
    resolution_latency_min_ms: float | None
    resolution_qps_max: int | None
    resolution_qps_max_at: Instant | None
    registration_latency_avg_ms: float | None
    registration_latency_max_at: Instant | None
    registration_latency_max_ms: float | None
    registration_latency_min_at: Instant | None
    registration_latency_min_ms: float | None
    x_resolution_count: int | None = None
    x_registration_count: int | None = None
    x_registration_items: int | None = None
    x_measured_seconds: int | None = None
