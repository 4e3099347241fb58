"""`POST /api/v1/lookup`: many identifiers in one request, each with its own outcome and what the caller may read."""

import asyncio
import re
from typing import Annotated, Any, Final

import msgspec
import orjson
from aiohttp.web import BaseRequest, Response, StreamResponse

from identifiers.identifier import Invalid
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.client import Client
from resolver.faces.desk import Desk, Inquiry, LookupsUnavailable, outcome_of
from resolver.faces.handle_answer import JSON_TYPE
from resolver.faces.problem import FieldError, problem
from resolver.faces.reading_rights import CredentialRefused, Rights, rights_of
from resolver.faces.referral_sites import sites_json
from resolver.faces.reply import preflight
from resolver.faces.visible_values import all_visible
from resolver.lookup import Answer, Found, Gone, Referral

IDENTIFIERS_MAX: Final = 1_000
PIECE_OCTETS: Final = 262_144
"""Answers beyond this are sent piece by piece, so 1,000 of the largest records never stand in memory together."""
TURN: Final = 100
"""After so many lookups other connections get their turn; about half a millisecond."""

_ALLOW: Final = "POST, OPTIONS"
_HEADERS: Final = {"Content-Type": JSON_TYPE, "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
_REMEDY: Final = 'Send {"identifiers":["88.118.8/SN0001"]} with 1 to 1,000 texts, at most 1,048,576 octets'
_WITH_PLACE: Final = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    identifiers: Annotated[list[str], msgspec.Meta(min_length=1, max_length=IDENTIFIERS_MAX)]


class LookupMany:
    """Serves the one path."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Answer any method on it."""
        if request.method == "OPTIONS":
            return preflight(_ALLOW)
        if request.method != "POST":
            refusal = problem(405, "method_not_allowed", f"{request.method} is not offered here", "Send a POST request")
            refusal.headers["Allow"] = _ALLOW
            return refusal
        reader = self._desk.reader
        if reader is None:
            return problem(503, "starting", "The replica is being built", "Try again in a moment", retry_after_s=1)
        client = self._desk.proxies.client(request)
        try:
            rights = rights_of(request.headers.get("Authorization"), client, reader, self._desk.clock())
        except CredentialRefused as error:
            refusal = problem(401, "token_invalid", str(error), "Send another token, or none to see public values")
            refusal.headers["WWW-Authenticate"] = 'Bearer realm="idnode"'
            return refusal
        body = await _read(request)
        return body if isinstance(body, Response) else await self._answer(request, client, body.identifiers, rights)

    async def _answer(
        self, request: BaseRequest, client: Client, identifiers: list[str], rights: Rights | None
    ) -> StreamResponse:
        response: StreamResponse | None = None
        piece = bytearray(b'{"results":[')
        for at, text in enumerate(identifiers):
            piece += b"," if at else b""
            piece += self._result(client, text, rights)
            if len(piece) > PIECE_OCTETS:
                response = response or await _begun(request)
                await response.write(bytes(piece))
                piece.clear()
            elif at % TURN == TURN - 1:
                await asyncio.sleep(0)
        piece += b"]}"
        if response is None:
            return Response(headers=_HEADERS, body=bytes(piece))
        await response.write(bytes(piece))
        return response

    def _result(self, client: Client, text: str, rights: Rights | None) -> bytes:
        inquiry = Inquiry("lookup", client)
        try:
            answer = self._desk.find(text)
        except LookupsUnavailable as error:
            return _member(text, "unavailable", b"error", _error("unavailable", str(error)))
        result = _shown(text, answer, rights)
        self._desk.count(inquiry, self._desk.prefix_of(text, answer), outcome_of(answer))
        return result


def _shown(text: str, answer: Answer | Invalid, rights: Rights | None) -> bytes:
    if isinstance(answer, Found):
        values_json, withheld = all_visible(answer.record, answer.prefix, rights)
        shown = _member(text, "found", b"values", values_json)
        more: dict[str, Any] = {"withheld": withheld} if withheld else {}
        if answer.alias is not None:
            more |= {"alias": answer.alias, "record": answer.record.spelling}
        return shown[:-1] + b"," + orjson.dumps(more)[1:] if more else shown
    if isinstance(answer, Referral):
        return _member(text, "referral", b"values", sites_json(answer.prefix))
    if isinstance(answer, Invalid):
        return _member(text, "invalid", b"error", _error(answer.code, answer.message, answer.suggestion))
    result = {"identifier": text, "outcome": outcome_of(answer)}
    if isinstance(answer, Gone) and answer.record is not None and answer.record.instead is not None:
        result["successor"] = answer.record.instead
    return orjson.dumps(result)


def _member(text: str, outcome: str, name: bytes, octets: bytes) -> bytes:
    return b'{"identifier":%b,"outcome":"%b","%b":%b}' % (orjson.dumps(text), outcome.encode(), name, octets)


def _error(code: str, message: str, suggestion: str | None = None) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message}
    return orjson.dumps(error | ({"suggestion": suggestion} if suggestion else {}))


async def _begun(request: BaseRequest) -> StreamResponse:
    response = StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    return response


async def _read(request: BaseRequest) -> _Body | Response:
    try:
        return _decoder.decode(await read_body(request))
    except BodyRefused as error:
        return problem(error.status, "body_refused", str(error), _REMEDY)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        fault = _fault(str(error))
        return problem(400, "invalid_body", f"The body is not what is asked for: {error}", _REMEDY, errors=[fault])


def _fault(text: str) -> FieldError:
    """Take a decoder's text, `Expected … - at `$.identifiers[3]``, apart."""
    placed = _WITH_PLACE.fullmatch(text)
    return FieldError(placed[2] or "body", placed[1]) if placed else FieldError("body", text)


_decoder = msgspec.json.Decoder(_Body)
