"""Routes: templates, and what they expose."""

from typing import Any, Final

from registry.api import exposure, templates
from registry.api.routing import PAGING, Parameter, Route
from registry.api.template_shapes import (
    ExposurePage,
    RegradeAnswer,
    RegradeRequest,
    TemplateAnswer,
    TemplateCopyRequest,
    TemplatePage,
    TemplatePatch,
    TemplateRequest,
)
from registry.authority import Action

_NO_LIMITS: Final[dict[str, Any]] = {
    "data_type": "string",
    "format": "text",
    "required": False,
    "unique": False,
    "searchable": False,
    "state": "enabled",
    "length_min": None,
    "length_max": None,
    "number_min": None,
    "number_max": None,
    "digits": None,
    "decimals": None,
    "date_format": None,
    "reference_template": None,
    "files_max": None,
    "file_suffixes": [],
    "domain": "external",
    "grade": 1,
}
_ITEMS: Final[list[dict[str, Any]]] = [
    {"index": 2000, "name": "商品条码", "type": "gtin14", "format": "gtin", "required": True, "unique": True},
    {"index": 2001, "name": "产品名称", "type": "product_name", "required": True, "length_max": 200},
    {
        "index": 2002,
        "name": "单价",
        "type": "price",
        "data_type": "number",
        "number_min": "0",
        "decimals": 2,
        "grade": 2,
    },
]
_INDUSTRY: Final = {"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}
_REQUEST: Final[dict[str, Any]] = {
    "code": "product-1",
    "name": "产品",
    "name_en": "Products",
    "prefix": "88.118.8",
    "version": "A10",
    "industry": _INDUSTRY,
    "master_data": {"product_name": "产品名称"},
    "items": _ITEMS,
}
_TEMPLATE: Final[dict[str, Any]] = {
    "code": "product-1",
    "name": "产品",
    "name_en": "Products",
    "enterprise": "ent_3f9c0a7d51e2b846",
    "prefix": "88.118.8",
    "version": "A10",
    "handle": "88.118.8/TPL-4ZB0X9T7QK2M5W8R1C6D3F0GHJ",
    "state": "draft",
    "industry": _INDUSTRY,
    "object_type": 2,
    "description": "",
    "standard": "",
    "shared": False,
    "master_data": {"product_name": "product_name"},
    "copied_from": None,
    "items": [{**_NO_LIMITS, "length_max": 255 if item.get("unique") else None, **item} for item in _ITEMS],
    "created_at": "2025-11-22T08:00:00.000Z",
    "updated_at": "2025-11-22T08:00:00.000Z",
}
_GRANT: Final = {
    "grant": "grt_5b0c7e91d2f3a468",
    "subject_kind": "enterprise",
    "subject": "ent_7d1b3c5e9f024a68",
    "right": "read",
    "indexes": [2002],
    "expires_at": None,
}
_EXPOSURE: Final = {
    "template": "product-1",
    "name": "产品",
    "enterprise": "ent_3f9c0a7d51e2b846",
    "state": "published",
    "identifiers": 1200,
    "grades": [
        {
            "grade": 2,
            "read_by": "owner and administrators",
            "items": [{"index": 2002, "name": "单价", "type": "price", "domain": "external", "state": "enabled"}],
            "grants": [_GRANT],
        }
    ],
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/templates",
        handler=templates.create,
        action=Action.CREATE_TEMPLATE,
        summary="Create a template",
        description="A draft, unless `publish` is true: records can follow a template once it is published.",
        request=TemplateRequest,
        response=TemplateAnswer,
        statuses=(201,),
        request_example=_REQUEST,
        response_example=_TEMPLATE,
    ),
    Route(
        method="GET",
        path="/api/v1/templates",
        handler=templates.page,
        action=Action.LIST_TEMPLATES,
        summary="List templates",
        description="All for an administrator, otherwise those of the caller's enterprise, the node's own, and "
        "published ones that other enterprises share.",
        response=TemplatePage,
        parameters=(
            *PAGING,
            Parameter("state", "only those that are draft, published or withdrawn"),
            Parameter("prefix", "only those below this prefix"),
        ),
        response_example={"items": [_TEMPLATE], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/templates/{code}",
        handler=templates.get,
        action=Action.READ_TEMPLATE,
        summary="Read a template",
        response=TemplateAnswer,
        refusals=(404,),
        response_example=_TEMPLATE,
    ),
    Route(
        method="PATCH",
        path="/api/v1/templates/{code}",
        handler=templates.change,
        action=Action.CHANGE_TEMPLATE,
        summary="Change a template",
        description="Members and items that are not named stay as they are. Items of a published template are "
        "disabled, not removed; changed rules apply to records written from now on.",
        request=TemplatePatch,
        response=TemplateAnswer,
        refusals=(404,),
        request_example={"items": [{"index": 2001, "state": "disabled"}, {"name": "品牌", "type": "brand"}]},
        response_example=_TEMPLATE,
    ),
    Route(
        method="DELETE",
        path="/api/v1/templates/{code}",
        handler=templates.withdraw,
        action=Action.WITHDRAW_TEMPLATE,
        summary="Withdraw a template",
        description="No new record may use it; records that do stay as they are. This is final.",
        response=TemplateAnswer,
        refusals=(404,),
        response_example={**_TEMPLATE, "state": "withdrawn"},
    ),
    Route(
        method="POST",
        path="/api/v1/templates/{code}:publish",
        handler=templates.publish,
        action=Action.CHANGE_TEMPLATE,
        summary="Publish a template",
        description="From now on records may follow it. A template of active identifier carriers needs items that "
        "fill the columns of T9 required of these.",
        response=TemplateAnswer,
        refusals=(404,),
        response_example={**_TEMPLATE, "state": "published"},
    ),
    Route(
        method="POST",
        path="/api/v1/templates/{code}:copy",
        handler=templates.copy,
        action=Action.CREATE_TEMPLATE,
        summary="Copy a template",
        description="Makes a draft of the caller's own from any template the caller may read, with its enabled items.",
        request=TemplateCopyRequest,
        response=TemplateAnswer,
        statuses=(201,),
        refusals=(404,),
        request_example={"code": "pump-1", "name": "泵", "prefix": "88.118.8"},
        response_example={**_TEMPLATE, "code": "pump-1", "name": "泵", "copied_from": "product-1"},
    ),
    Route(
        method="POST",
        path="/api/v1/templates/{code}/items/{index}:regrade",
        handler=templates.regrade,
        action=Action.CHANGE_TEMPLATE,
        summary="Give an item another grade",
        description="New values have the grade at once; a job brings the stored ones to it. Stored values that were "
        "sent with fewer permissions than the old grade left them keep these.",
        request=RegradeRequest,
        response=RegradeAnswer,
        refusals=(404,),
        request_example={"grade": 3},
        response_example={"template": _TEMPLATE, "job": "job_01890a5d3c7e4f21"},
    ),
    Route(
        method="GET",
        path="/api/v1/exposure",
        handler=exposure.page,
        action=Action.READ_EXPOSURE,
        summary="Report what is exposed at which grade",
        description="For each template its items by grade, the number of identifiers that follow it, and the grants "
        "in force. An enterprise sees its own identifiers and the grants it gave.",
        response=ExposurePage,
        parameters=PAGING,
        response_example={"items": [_EXPOSURE], "next": None},
    ),
)
