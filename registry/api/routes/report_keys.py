"""Routes: keys with which an enterprise's own node signs what it reports here."""

from typing import Final

from registry.api import report_keys
from registry.api.report_key_shapes import ReportKeyAnswer, ReportKeyList, ReportKeyRequest
from registry.api.routing import Route
from registry.authority import Action

_PEM: Final = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
"""
_KEY: Final = {
    "key_id": "88.118.8#2031a",
    "label": "2031a",
    "algorithm": "ed25519",
    "public_key": _PEM,
    "not_before": None,
    "not_after": "2032-01-01T00:00:00.000Z",
    "created_at": "2031-01-01T08:00:00.000Z",
    "revoked_at": None,
}

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/prefixes/{prefix}/report-keys",
        handler=report_keys.page,
        action=Action.READ_REPORT_KEY,
        summary="List the keys that the enterprise's own node signs reports with",
        response=ReportKeyList,
        refusals=(404,),
        response_example={"items": [_KEY]},
    ),
    Route(
        method="PUT",
        path="/api/v1/prefixes/{prefix}/report-keys/{label}",
        handler=report_keys.put,
        action=Action.CHANGE_REPORT_KEY,
        summary="Register a key of the enterprise's own node",
        description="Its id is `<prefix>#<label>`. A key is never changed: register the next one, and revoke this.",
        request=ReportKeyRequest,
        response=ReportKeyAnswer,
        statuses=(201,),
        refusals=(404, 409),
        request_example={"public_key": _PEM, "not_after": "2032-01-01T00:00:00Z"},
        response_example=_KEY,
    ),
    Route(
        method="DELETE",
        path="/api/v1/prefixes/{prefix}/report-keys/{label}",
        handler=report_keys.revoke,
        action=Action.CHANGE_REPORT_KEY,
        summary="Revoke a key for good",
        response=ReportKeyAnswer,
        refusals=(404,),
        response_example={**_KEY, "revoked_at": "2031-06-01T08:00:00.000Z"},
    ),
)
