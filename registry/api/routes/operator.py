"""Routes: the operator's record, where the node resolves, and applications that use identifiers."""

from typing import Any, Final

from registry.api import applications, operator
from registry.api.operator_shapes import (
    ApplicationAnswer,
    ApplicationPage,
    ApplicationRequest,
    OperatorAnswer,
    OperatorRequest,
    ResolutionAnswer,
    ResolutionRequest,
)
from registry.api.routing import OCTETS, PAGING, Route
from registry.authority import Action

_SITE: Final = {"deploy_mode": 2, "provider": "Example Cloud"}
_DETAILS: Final[dict[str, Any]] = {
    "org_name": "示例标识运营有限公司",
    "org_nature": 2,
    "org_address": "示例路 1 号",
    "org_address_province": "320000",
    "org_address_city": "320100",
    "org_id_type": 1,
    "org_id_number": "91990000MA0DEMAT2P",
    "org_id_images": ["fil_0a1b2c3d4e5f6071"],
    "org_profile": "Runs the secondary node of the pump industry.",
    "industry_category": "C",
    "industry_specific": "34",
    "legal_rep_name": "Example Person",
    "legal_rep_id_type": 3,
    "legal_rep_id_number": "X-1",
    "legal_rep_id_images": ["fil_1a1b2c3d4e5f6071", "fil_2a1b2c3d4e5f6071"],
    "contact_name": "Example Person",
    "contact_mobile": "13900000000",
    "contact_id_type": 3,
    "contact_id_number": "X-1",
    "contact_id_images": ["fil_3a1b2c3d4e5f6071"],
    "contact_email": "contact@example.com",
    "service_build": {"mode": 1},
    "service_operation": {"mode": 1},
    "site_registration_system": {**_SITE, "endpoints": [{"ip": "192.0.2.17", "port": 8080}]},
    "site_registration_data": _SITE,
    "site_registration_backup": _SITE,
    "site_resolution_server": _SITE,
    "data_escrow": {"org_name": "Example Escrow", "contracts": ["fil_4a1b2c3d4e5f6071"]},
    "service_escrow": {"org_name": "Example Recovery", "contracts": ["fil_5a1b2c3d4e5f6071"]},
    "identity_check": {"mode": 1, "data_sources": ["fil_6a1b2c3d4e5f6071"]},
    "name_compliance": "GB/T 36461-2018",
    "served_industries": [{"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}],
    "public_site": {"name": "Example Node", "domain": "id.example.com", "ips": ["192.0.2.17"]},
}
_OPERATOR: Final = {
    "node_prefix": "88.118",
    "details": _DETAILS,
    "files": [
        {
            "id": "fil_0a1b2c3d4e5f6071",
            "name": "licence.png",
            "media_type": "image/png",
            "octets": 48213,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        }
    ],
    "version": 1,
    "updated_at": "2025-11-22T08:00:00.000Z",
}
_RESOLUTION: Final = {
    "addresses": [
        {
            "code_type": "Handle",
            "prefix_or_range": "88.118",
            "ip_address": "192.0.2.17",
            "endpoints": [{"protocol": "TCP", "port": 2641}, {"protocol": "HTTP", "port": 443}],
            "tls": True,
        }
    ]
}
_DESCRIBED: Final = {
    "app_name": "Pump passport",
    "app_type": 2,
    "app_intro": "Shows the maintenance record of a pump that is scanned.",
    "app_users": 1200,
    "recursive_service": "192.0.2.53 port 2641, run by the node",
    "app_developer": "Example Pumps",
    "enterprise_prefix": "88.118.8",
}
_APPLICATION: Final = {
    "id": "app_4c21a9d07e5b8f36",
    "enterprise": "ent_3f9c0a7d51e2b846",
    **_DESCRIBED,
    "created_at": "2025-11-22T08:00:00.000Z",
    "updated_at": "2025-11-22T08:00:00.000Z",
    "ended_at": None,
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/operator",
        handler=operator.get,
        action=Action.READ_OPERATOR,
        summary="Read who runs the node",
        response=OperatorAnswer,
        refusals=(404,),
        response_example=_OPERATOR,
    ),
    Route(
        method="PUT",
        path="/api/v1/operator",
        handler=operator.put,
        action=Action.CHANGE_OPERATOR,
        summary="Enter who runs the node",
        description="All fields of table T1 of the national docking contract. Files are uploaded first; the operator "
        "keeps copies of those it names.",
        request=OperatorRequest,
        response=OperatorAnswer,
        request_example={"node_prefix": "88.118", "details": _DETAILS},
        response_example=_OPERATOR,
    ),
    Route(
        method="GET",
        path="/api/v1/operator/files/{file}",
        handler=operator.get_file,
        action=Action.READ_OPERATOR,
        summary="Read a document of the operator",
        response_type=OCTETS,
        refusals=(404,),
    ),
    Route(
        method="GET",
        path="/api/v1/operator/resolution",
        handler=operator.get_resolution,
        action=Action.READ_OPERATOR,
        summary="Read where the node resolves",
        response=ResolutionAnswer,
        response_example=_RESOLUTION,
    ),
    Route(
        method="PUT",
        path="/api/v1/operator/resolution",
        handler=operator.put_resolution,
        action=Action.CHANGE_OPERATOR,
        summary="Say where the node resolves, for the national node to know: all addresses",
        description="The rows of table T2 of the national docking contract, one for each address.",
        request=ResolutionRequest,
        response=ResolutionAnswer,
        request_example=_RESOLUTION,
        response_example=_RESOLUTION,
    ),
    Route(
        method="POST",
        path="/api/v1/applications",
        handler=applications.create,
        action=Action.CHANGE_APPLICATION,
        summary="Add an application that uses identifiers",
        description="Of the enterprise that has `enterprise_prefix`; an administrator may leave it out for the node's "
        "own.",
        request=ApplicationRequest,
        response=ApplicationAnswer,
        statuses=(201,),
        refusals=(404,),
        request_example=_DESCRIBED,
        response_example=_APPLICATION,
    ),
    Route(
        method="GET",
        path="/api/v1/applications",
        handler=applications.page,
        action=Action.READ_APPLICATION,
        summary="List applications",
        description="All for the node's own staff, otherwise those of the caller's enterprise; ended ones too.",
        response=ApplicationPage,
        parameters=PAGING,
        response_example={"items": [_APPLICATION], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/applications/{application}",
        handler=applications.get,
        action=Action.READ_APPLICATION,
        summary="Read an application",
        response=ApplicationAnswer,
        refusals=(404,),
        response_example=_APPLICATION,
    ),
    Route(
        method="PUT",
        path="/api/v1/applications/{application}",
        handler=applications.change,
        action=Action.CHANGE_APPLICATION,
        summary="Change an application",
        request=ApplicationRequest,
        response=ApplicationAnswer,
        refusals=(404,),
        request_example=_DESCRIBED,
        response_example=_APPLICATION,
    ),
    Route(
        method="DELETE",
        path="/api/v1/applications/{application}",
        handler=applications.end,
        action=Action.CHANGE_APPLICATION,
        summary="End an application: it is reported for the last time for this month",
        response=ApplicationAnswer,
        refusals=(404,),
        response_example={**_APPLICATION, "ended_at": "2025-11-22T09:00:00.000Z"},
    ),
)
