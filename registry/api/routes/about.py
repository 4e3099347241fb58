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
