"""Routes: the monitoring interface for the national node, and events that the operator enters."""

from typing import Final

from registry.api import events
from registry.api.event_shapes import EventEntered, EventList, EventRequest, PerformanceAnswer, RecoveryRequest
from registry.api.routing import PAGING, Parameter, Route
from registry.authority import Action

_NUMBER: Final = "88.118-20310506010203-7M4KQ0ZD"
_EVENT: Final = {
    "event_no": _NUMBER,
    "prefix": "88.118",
    "event_type": "abnormal",
    "related_event_no": None,
    "occurred_at": "2031-05-06T01:02:03.000Z",
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/monitor/metrics",
        also_at="/monitor/v1/metrics",
        handler=events.metrics,
        action=Action.READ_STATUS,
        summary="Tell how a day performed: latencies and the busiest second",
        description="Of the node, or with `scope` of an enterprise's prefix. Also at `/monitor/v1/metrics`; whether "
        "the node works now is at `/monitor/v1/status`, for which no token is needed.",
        response=PerformanceAnswer,
        parameters=(
            Parameter("date", "the Beijing day, YYYY-MM-DD", required=True),
            Parameter("scope", "an enterprise's prefix; without it the node's own"),
        ),
        refusals=(404, 422),
        response_example={
            "prefix": "88.118",
            "stat_date": "2031-05-05",
            "resolution_latency_avg_ms": 0.41,
            "resolution_latency_max_at": "2031-05-05T06:20:11.000Z",
            "resolution_latency_max_ms": 8.7,
            "resolution_latency_min_at": "2031-05-05T18:00:02.000Z",
            "resolution_latency_min_ms": 0.06,
            "resolution_qps_max": 11_240,
            "resolution_qps_max_at": "2031-05-05T06:20:11.000Z",
            "registration_latency_avg_ms": 4.2,
            "registration_latency_max_at": "2031-05-05T02:00:00.000Z",
            "registration_latency_max_ms": 96.0,
            "registration_latency_min_at": "2031-05-05T18:00:09.000Z",
            "registration_latency_min_ms": 1.9,
            "x_resolution_count": 48_211_004,
            "x_registration_count": 91_200,
            "x_registration_items": 2_104_000,
            "x_measured_seconds": 86_400,
        },
    ),
    Route(
        method="GET",
        path="/api/v1/monitor/events",
        also_at="/monitor/v1/events",
        handler=events.page,
        action=Action.READ_STATUS,
        summary="List abnormal and recovered events in the order in which they became known",
        description="Also at `/monitor/v1/events`.",
        response=EventList,
        parameters=(Parameter("after", "`next` of the answer before; without it from the beginning"), PAGING[0]),
        response_example={
            "items": [
                {
                    **_EVENT,
                    "position": 7,
                    "condition": "registration",
                    "cause": "registration answers 503",
                    "abnormal_type": 2,
                    "source": "monitor",
                    "recorded_at": "2031-05-06T01:02:40.000Z",
                    "queued_at": "2031-05-06T01:02:41.000Z",
                }
            ],
            "next": 7,
        },
    ),
    Route(
        method="POST",
        path="/api/v1/events",
        handler=events.create,
        action=Action.ENTER_EVENT,
        summary="Enter that something is abnormal, of the node or of an enterprise",
        request=EventRequest,
        response=EventEntered,
        statuses=(201,),
        request_example={"prefix": "88.118", "abnormal_type": 3, "cause": "flood of requests from many networks"},
        response_example=_EVENT,
    ),
    Route(
        method="POST",
        path="/api/v1/events/{event}:recover",
        handler=events.recover,
        action=Action.ENTER_EVENT,
        summary="Enter that an event which the operator entered is over",
        request=RecoveryRequest,
        response=EventEntered,
        statuses=(201,),
        refusals=(404,),
        request_example={},
        response_example={
            **_EVENT,
            "event_no": "88.118-20310506020304-0HX3T9WB",
            "event_type": "recovered",
            "related_event_no": _NUMBER,
            "occurred_at": "2031-05-06T02:03:04.000Z",
        },
    ),
)
