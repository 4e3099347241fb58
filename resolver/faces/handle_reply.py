"""What the resources below `/api` have in common: refusals as exceptions, and the JSON responses they all send."""

from collections.abc import Iterable

from aiohttp.web import BaseRequest, Response
from multidict import CIMultiDict

from resolver.counting import Outcome
from resolver.faces import handle_answer as form
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.reply import reply
from resolver.faces.request_target import BadTarget, Parameters, Target, decode_once

Header = tuple[str, str]
RETRY_AFTER: Header = ("Retry-After", "1")
_UNAVAILABLE = 503
_SHOWN_MAX = 200


class ApiRefused(Exception):  # noqa: N818 - names what happened to the request
    """The request ends here. `outcome` is what it counts as if it was a resolution; None: it does not count."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str = "",
        handle: str | None = None,
        *,
        headers: tuple[Header, ...] = (),
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.handle = handle
        self.headers = headers
        self.outcome = outcome


def bad_request(message: str, handle: str | None = None, code: int = form.PROTOCOL_ERROR) -> ApiRefused:
    """Return the refusal of a request that does not have its form."""
    return ApiRefused(400, code, message, handle, outcome="malformed")


async def json_reply(
    request: BaseRequest, status: int, body: bytes, headers: Iterable[Header] = (), *, private: bool = False
) -> Response:
    """Answer with JSON that nobody keeps; `private`: made for one user."""
    more = (RETRY_AFTER,) if status == _UNAVAILABLE else ()
    named = CIMultiDict((*form.ERROR_HEADERS, *more, *headers))
    if private:
        named["Cache-Control"] = "private, no-store"
    return await reply(request, status, named.items(), body)


async def refusal(request: BaseRequest, refused: ApiRefused, headers: Iterable[Header] = ()) -> Response:
    """Answer with the error form."""
    body = form.error_body(refused.code, refused.handle, refused.message)
    return await json_reply(request, refused.status, body, (*refused.headers, *headers))


def decoded_name(raw: str) -> str:
    """Return the name in the raw rest of a path. Raises ApiRefused."""
    try:
        return decode_once(raw)
    except BadTarget as error:
        raise bad_request(str(error), code=form.INVALID_HANDLE) from error


def query_of(target: Target, handle: str | None = None) -> Parameters:
    """Return the parameters of a query. Raises ApiRefused."""
    try:
        return Parameters.of(target.query)
    except BadTarget as error:
        raise bad_request(str(error), handle) from error


async def body_of(request: BaseRequest, handle: str | None = None) -> bytes:
    """Return the body whole. Raises ApiRefused."""
    try:
        return await read_body(request)
    except BodyRefused as error:
        raise ApiRefused(error.status, form.PROTOCOL_ERROR, str(error), handle, outcome="malformed") from error


def media_type_of(request: BaseRequest) -> str:
    """Return the media type of a body, without parameters, folded."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def shown(text: str) -> str:
    """Return a text of the client's for an error message: bounded, and without octets that are no UTF-8."""
    return text[:_SHOWN_MAX].encode("utf-8", "replace").decode()
