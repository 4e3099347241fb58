"""Errors of the node's own API, as RFC 9457 problem bodies that name the field and the remedy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus

import orjson
from aiohttp.web import Response


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a request: where it is, and what it is."""

    field: str
    message: str


def problem(
    status: int, code: str, detail: str, remedy: str, *, errors: Sequence[FieldError] = (), retry_after_s: int = 0
) -> Response:
    """Return the response; `code` is the stable name programs match on."""
    body = {
        "type": f"urn:idnode:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [asdict(error) for error in errors],
        "remedy": remedy,
    }
    headers = {"Content-Type": "application/problem+json", "Access-Control-Allow-Origin": "*"}
    if retry_after_s:
        headers["Retry-After"] = str(retry_after_s)
    return Response(status=status, headers=headers, body=orjson.dumps(body))
