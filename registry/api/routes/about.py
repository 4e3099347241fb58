"""Routes: the registry itself and its description."""

from typing import Final

from registry.api import about, describe
from registry.api.routing import Route
from registry.api.shapes import Status
from registry.authority import Action

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/status",
        handler=about.get_status,
        action=Action.READ_STATUS,
        summary="Tell how the registry is",
        response=Status,
        response_example={
            "database": {"version": "16.2"},
            "journal": {
                "epoch": "0f6c2f0e-6d7e-4c0f-8a55-52d8e0a8a1c3",
                "oldest": "740/1",
                "end": "90211/4",
                "changes_behind_replica": 0,
                "changes_counted_max": 100_000,
            },
            "replica": {"connected": True, "position": "90211/4"},
            "counts": {
                "enterprises": 1000,
                "prefixes": 1012,
                "templates": 3400,
                "tokens": 1250,
                "identifiers_estimate": 10_000_000,
            },
            "more": {},
        },
    ),
    Route(
        method="GET",
        path="/api/v1/openapi.json",
        handler=describe.get_openapi,
        action=Action.READ_API_DESCRIPTION,
        summary="Get this description (OpenAPI 3.1)",
    ),
    Route(
        method="GET",
        path="/api/v1/docs",
        handler=describe.get_page,
        action=Action.READ_API_DESCRIPTION,
        summary="Read this description in a browser",
        response_type="text/html",
    ),
)
