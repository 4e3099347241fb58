"""`/api/sessions`: a session made, shown, authenticated and ended (Handle over HTTP, 8). Over TLS only."""

from dataclasses import replace
from typing import Any, Final

import orjson
from aiohttp.web import BaseRequest, Response

from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from resolver.faces import handle_answer as form
from resolver.faces.handle_api.authorization import (
    BadAuthorization,
    HandleCredential,
    handle_credential,
    handle_fields,
    scheme_of,
)
from resolver.faces.handle_api.challenge import base64_text
from resolver.faces.handle_api.door import BASIC, HANDLE, SESSION_LOST, Asker, Door, Turned
from resolver.faces.handle_api.sessions import Session
from resolver.faces.handle_reply import ApiRefused, bad_request, body_of, json_reply
from resolver.faces.request_target import Target

THIS: Final = "this"
_PLACE: Final = "/api/sessions/this"


class SessionResource:
    """Serves both paths. Nothing here ever lists a session."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def create(self, request: BaseRequest, _target: Target, _rest: str, asker: Asker) -> Response:
        """Make a session; one that comes with a credential that proves something is authenticated at once."""
        _check_secure(asker)
        fields = await self._fields(asker, request)
        if "sessionid" in fields:
            raise bad_request("A new session has no sessionId: leave it out, or use /api/sessions/this")
        credential = self._credential(asker, fields)
        session = self._door.sessions.open(asker.client.address, self._door.now_s)
        asker = replace(asker, session=session, cnonce=_cnonce(credential))
        by_certificate = credential.shows_certificate or credential == HandleCredential()
        credential = replace(credential, session_id=session.id, shows_certificate=by_certificate)
        try:
            asker = await self._proven(request, asker, credential)
        except Turned as turned:
            return await self._represent(request, turned.status, asker, [str(turned)])
        return await self._represent(request, 201, asker, [], Location=_PLACE)

    async def show(self, request: BaseRequest, _target: Target, rest: str, asker: Asker) -> Response:
        """Tell the state of the session that the header names."""
        _check(asker, rest)
        credential = self._credential(asker, self._header_fields(asker, request))
        if credential.session_id is None:
            return await json_reply(request, 200, b'{"authenticated":false}', private=True)
        asker = replace(asker, session=self._session(credential.session_id), cnonce=_cnonce(credential))
        return await self._represent(request, 200, asker, [])

    async def authenticate(self, request: BaseRequest, _target: Target, rest: str, asker: Asker) -> Response:
        """Prove who asks, within a session."""
        _check(asker, rest)
        credential = self._credential(asker, await self._fields(asker, request))
        asker = replace(asker, session=self._session(credential.session_id), cnonce=_cnonce(credential))
        try:
            asker = await self._proven(request, asker, credential)
        except Turned as turned:
            return await self._represent(request, turned.status, replace(asker, user=None), [str(turned)])
        return await self._represent(request, 200, asker, [])

    async def delete(self, request: BaseRequest, _target: Target, rest: str, asker: Asker) -> Response:
        """Forget a session."""
        _check(asker, rest)
        session = self._session(self._credential(asker, await self._fields(asker, request)).session_id)
        self._door.sessions.end(session.id)
        return Response(status=204, headers=dict(form.OPEN_TO_ALL) | {"Cache-Control": "private, no-store"})

    def _session(self, session_id: str | None) -> Session:
        session = None if session_id is None else self._door.sessions.find(session_id, self._door.now_s)
        if session is None:
            raise ApiRefused(403, form.AUTHENTICATION_FAILED, SESSION_LOST)
        return session

    async def _proven(self, request: BaseRequest, asker: Asker, credential: HandleCredential) -> Asker:
        """Return the asker with the user that a credential proves, if there is one. Raises Turned."""
        assert asker.session is not None  # noqa: S101 - made or found before
        scheme, rest = scheme_of(request.headers.get("Authorization", ""))
        if scheme == BASIC and credential.proof is None:
            user = await self._door.by_basic(asker, rest)
            self._door.sessions.authenticate(asker.session.id, user, b"", self._door.now_s)
            return replace(asker, user=user)
        if credential.proof is None and credential.shows_certificate:
            return await self._door.by_certificate(request, asker)
        return await self._door.in_session(asker, credential, repr(credential.proof).encode())

    async def _fields(self, asker: Asker, request: BaseRequest) -> dict[str, str]:
        """Return the fields of body and header; the header wins. Raises ApiRefused, and Turned."""
        body = await body_of(request)
        return (_body_fields(body) if body else {}) | self._header_fields(asker, request)

    def _header_fields(self, asker: Asker, request: BaseRequest) -> dict[str, str]:
        scheme, rest = scheme_of(request.headers.get("Authorization", ""))
        if scheme != HANDLE:
            return {}
        try:
            return handle_fields(rest)
        except BadAuthorization as error:
            raise Turned(asker, str(error)) from error

    def _credential(self, asker: Asker, fields: dict[str, str]) -> HandleCredential:
        """Return what the fields say. Raises Turned, with the session that they name, so that it can be tried again."""
        try:
            return handle_credential(fields)
        except BadAuthorization as error:
            named = fields.get("sessionid")
            session = None if named is None else self._door.sessions.find(named, self._door.now_s)
            raise Turned(replace(asker, session=session), str(error)) from error

    async def _represent(
        self, request: BaseRequest, status: int, asker: Asker, errors: list[str], **headers: str
    ) -> Response:
        session = asker.session
        assert session is not None  # noqa: S101 - made or found before
        user = asker.user or session.user
        shown: dict[str, Any] = {"sessionId": session.id, "nonce": base64_text(session.nonce)}
        signature = await self._door.signature(session, asker.cnonce)
        if signature is not None:
            shown |= {"serverAlg": signature.algorithm, "serverSignature": base64_text(signature.octets)}
        if user is not None and not errors:
            shown |= {"authenticated": True, "id": f"{user.index}:{user.handle}"}
        if errors:
            shown["error"] = "; ".join(errors)
        more = list(headers.items())
        if status == 401:  # noqa: PLR2004 - Unauthorized
            more += await self._door.challenge(request, asker, shown["error"])
        return await json_reply(request, status, orjson.dumps(shown), more, private=True)


def _check(asker: Asker, rest: str) -> None:
    _check_secure(asker)
    if rest != THIS:
        raise ApiRefused(403, form.LACKS_RIGHT, "The only session that can be named is /api/sessions/this")


def _check_secure(asker: Asker) -> None:
    if not asker.client.secure:
        raise ApiRefused(403, form.AUTHENTICATION_NEEDED, "Sessions are made over TLS only")


def _cnonce(credential: HandleCredential) -> bytes | None:
    return credential.proof.cnonce if credential.proof is not None else credential.cnonce


def _body_fields(body: bytes) -> dict[str, str]:
    """Return the members of a JSON object as fields."""
    try:
        parsed = decode_json(body)
    except ValuesError as error:
        raise bad_request(error.message) from error
    if not isinstance(parsed, dict):
        raise bad_request("The body is not a JSON object")
    return {name.lower(): _text(item) for name, item in parsed.items() if isinstance(item, str | int)}


def _text(item: str | int) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item)
