"""Turning an answer into an HTTP response: conditional requests, compression, and the headers every read shares."""

import asyncio
import gzip
import re
from collections.abc import Iterable
from typing import Final

from aiohttp.web import BaseRequest, Response
from multidict import CIMultiDict

from resolver.faces.handle_answer import VARY_ENCODING

Headers = Iterable[tuple[str, str]]

_GZIP_LEVEL: Final = 6
_GZIP_ON_LOOP_OCTETS_MAX: Final = 65_536
"""Compressing more than this takes over a millisecond, so it leaves the event loop."""

_NOT_ON_304: Final = ("Content-Type", "Content-Length")
_ZERO_WEIGHT: Final = re.compile(r"q=0(?:\.0{0,3})?")
_MEMBER_OF_ETAG_LIST: Final = re.compile(r'(?:W/)?"([^"]*)"')

PREFLIGHT: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, HEAD, PUT, DELETE"),
    (
        "Access-Control-Allow-Headers",
        "X-Requested-With, Authorization, Origin, Accept, Content-Type, If-Match, If-None-Match",
    ),
    ("Access-Control-Max-Age", "86400"),
)


async def reply(
    request: BaseRequest, status: int, headers: Headers, body: bytes, *, etag: str = "", compressible: bool = False
) -> Response:
    """Make the response. A strong `etag` (unquoted) makes it conditional; `compressible` lets gzip be chosen.

    A compressed body is another representation, so its entity tag says so.
    """
    named = CIMultiDict(headers)
    compress = compressible and accepts_gzip(request.headers.get("Accept-Encoding", ""))
    if etag:
        etag = f"{etag}-gzip" if compress else etag
        named["ETag"] = f'"{etag}"'
    if compressible:
        named.add(*VARY_ENCODING)
    if etag and status == 200 and _has(request, etag):  # noqa: PLR2004 - conditions apply to OK only
        for name in _NOT_ON_304:
            named.popall(name, None)
        return Response(status=304, headers=named)
    if compress:
        named["Content-Encoding"] = "gzip"
        body = await _gzipped(body)
    return Response(status=status, headers=named, body=body)


def preflight(allow: str) -> Response:
    """Answer OPTIONS: the methods of the resource, and what other sites' scripts may send."""
    return Response(status=200, headers=CIMultiDict([("Allow", allow), *PREFLIGHT]))


def accepts_gzip(accept_encoding: str) -> bool:
    """Say whether an Accept-Encoding header takes gzip (RFC 9110, 12.5.3); a weight of 0 refuses it."""
    weights: dict[str, bool] = {}
    for member in accept_encoding.lower().split(","):
        coding, _, parameters = member.partition(";")
        weights[coding.strip()] = not _ZERO_WEIGHT.fullmatch(parameters.strip())
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def accepts_only_json(accept: str) -> bool:
    """Say whether an Accept header asks for JSON and not for HTML as well."""
    types = {member.partition(";")[0].strip().lower() for member in accept.split(",")}
    return "application/json" in types and "text/html" not in types


def _has(request: BaseRequest, etag: str) -> bool:
    """Say whether the client already has this representation (weak comparison, RFC 9110, 13.1.2)."""
    condition = ",".join(request.headers.getall("If-None-Match", ()))
    return request.method in ("GET", "HEAD") and (
        condition.strip() == "*" or etag in _MEMBER_OF_ETAG_LIST.findall(condition)
    )


async def _gzipped(body: bytes) -> bytes:
    if len(body) > _GZIP_ON_LOOP_OCTETS_MAX:
        return await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)
