"""Handlers: the API's description, as OpenAPI and as a page for people. Both are made once, when the process starts."""

from typing import Final

from aiohttp import web

from registry.api.call import Answer, Call
from registry.api.docs_page import CONTENT_SECURITY_POLICY

OPENAPI: Final = web.AppKey("openapi", bytes)
DOCS_PAGE: Final = web.AppKey("docs_page", bytes)

_KEPT: Final = "max-age=300"


async def get_openapi(call: Call) -> Answer:
    """GET /api/v1/openapi.json."""
    return Answer(200, call.request.app[OPENAPI], {"Cache-Control": _KEPT})


async def get_page(call: Call) -> Answer:
    """GET /api/v1/docs."""
    headers = {"Cache-Control": _KEPT, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Answer(200, call.request.app[DOCS_PAGE], headers, "text/html")
