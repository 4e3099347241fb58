"""The problems a collector answers with (docking contract 9.7), as RFC 9457 bodies."""

from typing import Any

import msgspec
from aiohttp import web


class Problem(Exception):  # noqa: N818 - it names the answer it becomes
    """Why a request is refused; nothing was stored. `more` are further members of the body."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        more: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.more = more or {}
        self.headers = headers or {}


def problem_body(problem: Problem) -> dict[str, Any]:
    """Return what is said of the problem."""
    return {
        "type": f"urn:idn-report:problem:{problem.code}",
        "title": problem.code.replace("_", " "),
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }


def as_answer(problem: Problem) -> web.Response:
    """Return the problem as an answer."""
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(problem_body(problem)),
        content_type="application/problem+json",
        headers=problem.headers,
    )
