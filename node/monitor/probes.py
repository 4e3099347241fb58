"""Probes as a client makes them: each on a connection of its own, with a limit of time, in a thread.

Probes of this node's own addresses carry its probe secret, over HTTP in a header and over the Handle protocol as a type
that is asked for, so that they count nowhere.
"""

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from identifiers.handle_wire.codes import REQUEST_FLAGS, RETURN_DIGEST, ResponseCode
from identifiers.handle_wire.requests import Request, Resolution
from node.client.errors import ClientError, UnavailableError
from node.client.handle_address import HandleAddress, HandlePlace
from node.client.handle_server import HandleServer, Manner
from node.client.handle_tcp import Patience
from node.monitor.watch import Probed
from resolver.faces.client import PROBE_HEADER, PROBE_TYPE

TIMEOUT_S: Final = 5.0
TTL_S: Final = 60
"""The probe identifier changes each minute."""
ANSWER_OCTETS_MAX: Final = 65_536
_OK: Final = 200
_BAD_REQUEST: Final = 400
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
PROBE_INDEX: Final = 1
"""The value that holds the current minute."""


async def resolution(address: str, identifier: str, secret: str = "") -> Probed:
    """Look an identifier up at an HTTP address; well if the answer has it. The secret is for this node only."""
    url = f"{address.rstrip('/')}/api/handles/{quote(identifier, safe='/')}"
    try:
        status, body = await _ask("GET", url, {PROBE_HEADER: secret} if secret else {})
    except (OSError, http.client.HTTPException) as error:
        return Probed(is_well=False, cause=f"{address}: {_said(error)}", is_unreachable=True)
    code = _member(body, "responseCode")
    if status == _OK and code == ResponseCode.SUCCESS:
        return Probed(is_well=True)
    if code == ResponseCode.HANDLE_NOT_FOUND:
        # The server works. Before the first registration there is nothing to be found.
        return Probed(is_well=True)
    if code == ResponseCode.SERVER_NOT_RESPONSIBLE:
        return Probed(is_well=None, cause=f"{address} does not serve the prefix of {identifier}")
    return Probed(is_well=False, cause=f"{address} answers {status}, response code {code}")


async def registration(address: str, identifier: str, secret: str, token: str, now: datetime) -> Probed:
    """Register the identifier with the current minute; well if that was taken.

    A refusal of the probe itself, for want of a right or of the prefix, says nothing about the service.
    """
    url = f"{address.rstrip('/')}/api/v1/identifiers/{quote(identifier, safe='/')}"
    minute = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
    values = [{"index": PROBE_INDEX, "type": "DESC", "ttl": TTL_S, "data": {"format": "string", "value": minute}}]
    headers = {
        PROBE_HEADER: secret,
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
    }
    try:
        status, body = await _ask("PUT", url, headers, json.dumps({"values": values}).encode())
    except (OSError, http.client.HTTPException) as error:
        return Probed(is_well=False, cause=f"{address}: {_said(error)}")
    if status < _BAD_REQUEST:
        return Probed(is_well=True)
    code = _member(body, "code") or _member(body, "type")
    cause = f"registration answers {status} {code or ''}".strip()
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        return Probed(is_well=False, cause=cause)
    return Probed(is_well=None, cause=cause)


async def own_handle_resolution(host: str, port: int, identifier: str, secret: str) -> Probed:
    """Look the probe identifier up at a Handle server of this node over TCP; the secret is for this node only.

    A server that says that it does not serve the prefix, which is not registered yet then, is well too. A digest is
    asked for because plain requests are counted before anybody looks at what types they name.
    """
    request = Resolution(identifier, (PROBE_INDEX,), (PROBE_TYPE + secret,))
    place = HandlePlace(HandleAddress(host, port), None)
    return await _handle(place, request, flags=REQUEST_FLAGS | RETURN_DIGEST, unserved_is_well=True)


async def handle_resolution(host: str, port: int, identifier: str, way: Literal["tcp", "udp"] = "tcp") -> Probed:
    """Look an identifier up at a Handle server, one way only; well if it is found, or known not to be there."""
    address = HandleAddress(host, port)
    place = HandlePlace(address, None) if way == "tcp" else HandlePlace(None, address)
    return await _handle(place, Resolution(identifier, (), ()), way)


async def connection(host: str, port: int) -> Probed:
    """Connect by TCP; well if that is taken."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return Probed(is_well=False, cause=f"{host} port {port}: {_said(error)}", is_unreachable=True)
    writer.close()
    return Probed(is_well=True)


async def _handle(
    place: HandlePlace,
    request: Request,
    way: Literal["tcp", "udp"] = "tcp",
    *,
    flags: int = REQUEST_FLAGS,
    unserved_is_well: bool = False,
) -> Probed:
    patience = Patience(connect_s=TIMEOUT_S, answer_s=TIMEOUT_S)
    try:
        async with asyncio.timeout(2 * TIMEOUT_S), HandleServer(place, Manner(way=way, patience=patience)) as server:
            received = await server.ask(request, flags)
    except (ClientError, OSError) as error:
        return Probed(is_well=False, cause=f"{place}: {_said(error)}", is_unreachable=_is_silent(error))
    known = (ResponseCode.SUCCESS, ResponseCode.HANDLE_NOT_FOUND, ResponseCode.VALUES_NOT_FOUND)
    if received.header.rc in known:
        return Probed(is_well=True)
    is_unserved = received.header.rc == ResponseCode.SERVER_NOT_RESPONSIBLE
    cause = f"{place} answers response code {received.header.rc}"
    return Probed(is_well=is_unserved and unserved_is_well, cause=cause)


async def _ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> tuple[int, bytes]:
    return await asyncio.to_thread(_ask_now, method, url, headers, body)


def _ask_now(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        # It asks whether the address answers; whose certificate it shows is looked at elsewhere.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001 - the stated reason: nothing is believed
        made: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=TIMEOUT_S, context=context
        )
    else:
        made = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
    try:
        made.request(method, parts.path, body=body, headers=dict(headers))
        answer = made.getresponse()
        return answer.status, answer.read(ANSWER_OCTETS_MAX)
    finally:
        made.close()


def _member(body: bytes, name: str) -> Any:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found.get(name) if isinstance(found, dict) else None


def _is_silent(error: BaseException) -> bool:
    """Whether nothing came back, rather than something that is no answer."""
    return isinstance(error, OSError | UnavailableError)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
