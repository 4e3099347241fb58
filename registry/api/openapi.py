"""The OpenAPI 3.1 description, made from the table of routes and the types of the bodies."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from registry.api.call import KEY_CHARACTERS_MAX
from registry.api.problem_examples import EXAMPLES
from registry.api.routing import CSV, OCTETS, Parameter, Route
from registry.api.shapes import HandleValue, Problem
from registry.authority import AUTHORITY, Reach

VERSION: Final = "1"
_TITLE: Final = "idnode registry"
_ABOUT: Final = (
    "Registers identifiers below a prefix and keeps their records. Requests carry a token; instants are RFC 3339 in "
    "UTC; refusals are problem bodies (RFC 9457) with a `code` for programs and a `remedy` for people. A request that "
    "changes something may carry an `Idempotency-Key` and be repeated for 24 hours without being done twice."
)
_IDEMPOTENCY: Final = Parameter(
    "Idempotency-Key",
    "1 to 255 characters of your choice; the same key and request again: the same answer",
    "header",
    Annotated[str, Meta(min_length=1, max_length=KEY_CHARACTERS_MAX, pattern="^[ -~]+$")],
)
_PROBLEM_TYPE: Final = "application/problem+json"
_VARIABLES: Final = {
    "account": "id of an account, like acc_01a2073b4380a4bb",
    "application": "id of an application",
    "code": "code of a template, chosen by who made it",
    "enterprise": "id of an enterprise, like ent_7ada83c4f3252271",
    "event": "id of an event",
    "file": "id of a file, like fil_d3735126a85d9369",
    "form": "form of a document: pdf, docx or html",
    "grant": "id of a grant",
    "group": "id of a group",
    "id": "id of a snapshot",
    "identifier": "the identifier, percent-encoded once; slashes may stand as they are: 88.118.8/SN0001",
    "index": "index of an item, from 2000",
    "job": "id of a job",
    "label": "label of a key, chosen by who registers it",
    "month": "a month of the Beijing calendar, like 2031-04",
    "n": "number of a part, from 1",
    "note": "id of a note",
    "prefix": "a prefix, like 88.118.8",
    "reservation": "id of a reservation",
    "token": "id of a token, which is not the token itself",
}
"""What stands in the variable parts of paths."""
_VARIABLE = re.compile(r"\{([a-z_]+)\}")


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """Describe the routes as an OpenAPI 3.1 document."""
    bodies = [body for route in routes for body in (route.request, route.response) if body is not None]
    _, components = msgspec.json.schema_components(
        [*dict.fromkeys(bodies), HandleValue, Problem], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
            "examples": {_example_of(status): {"value": problem} for status, problem in EXAMPLES.items()},
        },
    }


def refusals(route: Route) -> list[int]:
    """Return the statuses with which a route may refuse, in order."""
    common = {400, 500, 503}
    if AUTHORITY[route.action][None] is Reach.NOTHING:
        common |= {401, 403, 429}
    if route.request is not None or route.request_type == OCTETS:
        common |= {413, 415, 422}
    if route.changes:
        common |= {409, 422}
    return sorted(common | set(route.refusals))


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[3].partition(":")[0].partition(".")[0]],
        "parameters": [_variable(name) for name in _VARIABLE.findall(route.path)]
        + [_parameter(parameter) for parameter in (*route.parameters, *([_IDEMPOTENCY] if route.changes else []))],
        "responses": {
            **{str(status): _success(route, status) for status in route.statuses},
            **{str(status): _refusal(status) for status in refusals(route)},
        },
    }
    if route.description:
        operation["description"] = route.description
    if AUTHORITY[route.action][None] is not Reach.NOTHING:
        operation["security"] = []
    if route.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {
                route.request_type: _content(route.request, route.request_example),
                **_octets(route.request_also, route.csv_example),
            },
        }
    elif route.request_type == OCTETS:
        operation["requestBody"] = {"required": True, "content": _octets((OCTETS, *route.request_also))}
    return operation


def _success(route: Route, status: int) -> dict[str, Any]:
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return described
    if route.response is not None:
        described["content"] = {
            route.response_type: _content(route.response, route.response_example),
            **_octets(route.response_also, route.csv_example),
        }
    elif route.response_type != "application/json":
        described["content"] = {route.response_type: {"schema": {"type": "string"}}}
    else:
        described["content"] = {route.response_type: {"schema": {"type": "object"}}}
    return described


def _octets(media_types: Sequence[str], csv_example: str = "") -> dict[str, Any]:
    octets: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    described = dict.fromkeys(media_types, octets)
    if CSV in described:
        described[CSV] = {"schema": {"type": "string"}, "example": csv_example}
    return described


def _content(body: type[msgspec.Struct], example: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}
    if example is not None:
        content["example"] = example
    return content


def _refusal(status: int) -> dict[str, Any]:
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # told by its header alone
        whole = {"description": "how long it is: `bytes */OCTETS`", "schema": {"type": "string"}}
        return {"description": HTTPStatus(status).phrase, "headers": {"Content-Range": whole}}
    name = _example_of(status)
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {name: {"$ref": f"#/components/examples/{name}"}},
    }
    refusal: dict[str, Any] = {"description": HTTPStatus(status).phrase, "content": {_PROBLEM_TYPE: content}}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        refusal["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    if status == HTTPStatus.UNAUTHORIZED:
        refusal["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return refusal


def _example_of(status: int) -> str:
    return f"problem_{status}"


def _variable(name: str) -> dict[str, Any]:
    described = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    return described | {"description": _VARIABLES[name]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": msgspec.json.schema(parameter.schema),
    }
    return {**described, "required": True} if parameter.required else described


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", route.path.removeprefix("/api/v1"))
    return "_".join([route.method.lower(), *words])
