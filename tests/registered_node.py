"""A node that has been entered completely over the API: operator, addresses, enterprises, templates."""

import copy
from typing import Any

from registry.api.routes.operator import ROUTES
from tests.documents import document
from tests.enterprise_statements import application, full_details, upload
from tests.registry_api import Api, Client

REPORTER = "88.118"
SCOPE = "88.118.1"
INDUSTRY = {"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}
ADDRESS = {
    "code_type": "Handle",
    "prefix_or_range": REPORTER,
    "ip_address": "192.0.2.17",
    "endpoints": [{"protocol": "TCP", "port": 2641}, {"protocol": "HTTP", "port": 443}],
    "tls": True,
}
ITEMS = [{"index": 2000, "name": "产品名称", "type": "name", "required": True, "length_max": 200}]
_EXAMPLE = next(one.request_example for one in ROUTES if (one.method, one.path) == ("PUT", "/api/v1/operator"))


async def put_operator(api: Api, **changed: Any) -> None:
    """Enter the operator's record, every document uploaded."""
    body: dict[str, Any] = copy.deepcopy(_EXAMPLE)
    details = body["details"] | changed
    front, back = [(await upload(api.admin, document(number)))["id"] for number in (901, 902)]
    for name in ("org_id_images", "legal_rep_id_images", "contact_id_images"):
        details[name] = [front, back]
    for name in ("data_escrow", "service_escrow"):
        details[name]["contracts"] = [front]
    details["identity_check"]["data_sources"] = [back]
    await _done(api.admin, "PUT", "/api/v1/operator", {"node_prefix": REPORTER, "details": details})


async def put_addresses(api: Api, *addresses: dict[str, Any]) -> None:
    """Say where the node resolves."""
    await _done(api.admin, "PUT", "/api/v1/operator/resolution", {"addresses": list(addresses)})


async def enterprise(api: Api, number: int = 1, *, approved: bool = True, **rest: Any) -> str:
    """Let an enterprise apply with everything stated, for the prefix 88.118.NUMBER, and return its id."""
    applicant = await api.holder("applicant")
    body = await application(applicant, number, details=full_details(number), **rest)
    applied = await _done(applicant, "POST", "/api/v1/enterprises", body)
    if approved:
        await _done(api.admin, "POST", f"/api/v1/enterprises/{applied['id']}:approve")
    return str(applied["id"])


async def template(api: Api, code: str, prefix: str | None = SCOPE, **changed: Any) -> dict[str, Any]:
    """Publish a template, of the node's own without a prefix, and return it."""
    body = {"code": code, "name": code, "industry": INDUSTRY, "items": ITEMS, "publish": True, **changed}
    if prefix is not None:
        body |= {"prefix": prefix}
    made: dict[str, Any] = await _done(api.admin, "POST", "/api/v1/templates", body)
    return made


async def register(api: Api, identifier: str, code: str | None, name: str = "泵") -> None:
    """Register an identifier that follows a template."""
    values = [{"index": 2000, "type": "name", "data": name}]
    body = {"values": values} if code is None else {"values": values, "template": code}
    await _done(api.admin, "PUT", f"/api/v1/identifiers/{identifier}", body)


async def whole_node(api: Api) -> str:
    """Enter an operator, an address, one hosted enterprise, and return the enterprise's id."""
    await put_operator(api)
    await put_addresses(api, ADDRESS)
    return await enterprise(api)


async def _done(client: Client, method: str, path: str, body: Any = None) -> Any:
    reply = await client(method, path, body)
    assert reply.status < 300, (method, path, reply.body)
    return reply.json
