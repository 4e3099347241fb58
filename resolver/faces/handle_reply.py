"""What the resources below `/api` have in common: refusals as exceptions, and the JSON responses they all send."""

from collections.abc import Iterable

from aiohttp.web import BaseRequest, Response
from multidict import CIMultiDict

from identifiers.handle import parse_handle
from identifiers.identifier import Invalid
from resolver.counting import Outcome
from resolver.faces import handle_answer as form
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.handle_query import callback_of
from resolver.faces.reply import reply
from resolver.faces.request_target import BadTarget, Parameters, Target, decode_once

Header = tuple[str, str]
RETRY_AFTER: Header = ("Retry-After", "1")
NOT_SERVED = "The prefix is not served here"
_UNAVAILABLE = 503
_EXPOSE = "Access-Control-Expose-Headers"
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
    """Answer with JSON, or JSONP, that nobody keeps; `private`: made for one user, or with a secret in its headers."""
    more = (RETRY_AFTER,) if status == _UNAVAILABLE else ()
    named = CIMultiDict((*form.ERROR_HEADERS, *more, *headers))
    if "Allow" in named:
        named[_EXPOSE] += ", Allow"
    if private:
        named["Cache-Control"] = "private, no-store"
    elif callback := callback_of(request.method, Target.of(request.raw_path)):
        body = as_script(named, callback, body)
    return await reply(request, status, named.items(), body)


def as_script(headers: CIMultiDict[str], callback: str, body: bytes) -> bytes:
    """Return a call of a function with JSON, and name it so in the headers (10.2)."""
    headers["Content-Type"] = "application/javascript; charset=UTF-8"
    headers["X-Content-Type-Options"] = "nosniff"
    return b"%b(%b);" % (callback.encode(), body)


async def refusal(
    request: BaseRequest, refused: ApiRefused, challenge: Iterable[Header] = (), *, private: bool = False
) -> Response:
    """Answer with the error form. A challenge holds the secret of a session, so nobody keeps that either."""
    body = form.error_body(refused.code, refused.handle, refused.message)
    offered = tuple(challenge)
    return await json_reply(
        request, refused.status, body, (*refused.headers, *offered), private=private or bool(offered)
    )


def decoded_name(raw: str) -> str:
    """Return the name in the raw rest of a path. Raises ApiRefused."""
    try:
        return decode_once(raw)
    except BadTarget as error:
        raise bad_request(str(error), code=form.INVALID_HANDLE) from error


def checked_name(raw: str) -> str:
    """Return the name in the raw rest of a path that is to be changed. Raises ApiRefused for what is no name."""
    name = decoded_name(raw)
    if isinstance(found := parse_handle(name), Invalid):
        raise bad_request(invalid_text(found), name, form.INVALID_HANDLE)
    return name


def invalid_text(found: Invalid) -> str:
    """Return what is wrong with a name, in the words that clients of other servers know."""
    return "Empty handle invalid" if found.code == "empty" else found.message


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
