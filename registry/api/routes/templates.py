"""Routes: templates."""

from typing import Final

from registry.api import templates
from registry.api.routing import PAGING, Route
from registry.api.shapes import TemplateAnswer, TemplatePage, TemplateRequest
from registry.authority import Action

_ITEMS = [
    {"index": 2000, "name": "GTIN", "type": "gtin14", "format": "gtin", "required": True},
    {"index": 2001, "name": "Product name", "type": "name", "format": "text", "required": True, "length_max": 200},
]

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/templates",
        handler=templates.create,
        action=Action.CREATE_TEMPLATE,
        summary="Create a template",
        request=TemplateRequest,
        response=TemplateAnswer,
        statuses=(201,),
        refusals=(409,),
        request_example={"code": "product-1", "name": "Products", "items": _ITEMS},
        response_example={
            "code": "product-1",
            "name": "Products",
            "enterprise": None,
            "state": "active",
            "items": [{"length_min": None, "length_max": None, **item} for item in _ITEMS],
            "created_at": "2025-11-22T08:00:00.000Z",
            "updated_at": "2025-11-22T08:00:00.000Z",
        },
    ),
    Route(
        method="GET",
        path="/api/v1/templates",
        handler=templates.page,
        action=Action.LIST_TEMPLATES,
        summary="List templates",
        description="All for an administrator, otherwise those of the caller's enterprise and the node's own.",
        response=TemplatePage,
        parameters=PAGING,
        response_example={"items": [], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/templates/{code}",
        handler=templates.get,
        action=Action.READ_TEMPLATE,
        summary="Read a template",
        response=TemplateAnswer,
        refusals=(404,),
    ),
    Route(
        method="DELETE",
        path="/api/v1/templates/{code}",
        handler=templates.withdraw,
        action=Action.WITHDRAW_TEMPLATE,
        summary="Withdraw a template",
        description="No new record may use it; records that do stay as they are.",
        response=TemplateAnswer,
        refusals=(404,),
    ),
)
