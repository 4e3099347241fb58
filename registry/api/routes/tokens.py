"""Routes: tokens, and whom they speak for."""

from typing import Final

from registry.api import tokens
from registry.api.routing import PAGING, Route
from registry.api.shapes import Account, IssuedToken, TokenAnswer, TokenPage, TokenRequest
from registry.authority import Action

_ISSUED: Final = {
    "id": "tok_9d27c04b6a1e85f3",
    "account": "acc_71b0c2f4a98d3e56",
    "role": "enterprise_administrator",
    "enterprise": "ent_3f9c0a7d51e2b846",
    "scopes": None,
    "label": "ERP of Example Pumps",
    "created_at": "2025-11-22T08:00:00.000Z",
    "expires_at": None,
}
_TOKEN: Final = {**_ISSUED, "revoked_at": None}

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/tokens",
        handler=tokens.issue,
        action=Action.ISSUE_TOKEN,
        summary="Issue a token: of an account that there is, or with an account of its own",
        description="An enterprise's administrator issues tokens of its own enterprise.",
        request=TokenRequest,
        response=IssuedToken,
        statuses=(201,),
        refusals=(404,),
        request_example={
            "role": "enterprise_administrator",
            "enterprise": "ent_3f9c0a7d51e2b846",
            "label": "ERP of Example Pumps",
        },
        response_example={**_ISSUED, "token": "idn_…"},
    ),
    Route(
        method="GET",
        path="/api/v1/tokens",
        handler=tokens.page,
        action=Action.LIST_TOKENS,
        summary="List tokens, without their secrets",
        response=TokenPage,
        parameters=PAGING,
        response_example={"items": [_TOKEN], "next": None},
    ),
    Route(
        method="DELETE",
        path="/api/v1/tokens/{token}",
        handler=tokens.revoke,
        action=Action.REVOKE_TOKEN,
        summary="Revoke a token",
        response=TokenAnswer,
        refusals=(404,),
        response_example={**_TOKEN, "revoked_at": "2025-11-23T08:00:00.000Z"},
    ),
    Route(
        method="GET",
        path="/api/v1/whoami",
        handler=tokens.whoami,
        action=Action.READ_OWN_ACCOUNT,
        summary="Tell whom the token of this request speaks for",
        response=Account,
        response_example={
            "account": "acc_71b0c2f4a98d3e56",
            "role": "administrator",
            "enterprise": None,
            "scopes": None,
        },
    ),
)
