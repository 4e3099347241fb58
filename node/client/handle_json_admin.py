"""Administration over the Handle JSON API of any Handle server (Handle HTTP 3 to 5, 7)."""

import base64
import secrets
from collections.abc import AsyncGenerator, Sequence
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson

from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.client import User
from identifiers.handle_wire.codes import SHA256, ResponseCode
from identifiers.handle_wire.digests import Digest
from identifiers.handle_wire.keys import UserPrivateKey
from identifiers.handle_wire.proofs import parse_key_proof, prove_key
from identifiers.value_json import values_to_json
from identifiers.values import Value
from node.client.errors import RefusedError, UsageError
from node.client.handle_errors import HandleRefusedError, UntrustedError
from node.client.problems import describe_problem, printable
from node.client.session import Answer, NodeSession, Query

HANDLES: Final = "/api/handles"
PREFIXES: Final = "/api/prefixes"
PAGE_NAMES: Final = 1_000
_CNONCE_OCTETS: Final = 16


class JsonAdministration:
    """Administration over HTTP; ``session`` must not repeat requests by itself."""

    def __init__(self, session: NodeSession, user: User | None) -> None:
        self._session = session
        self._user = user
        _check_secure(session.node.url, user)

    async def create(self, name: str, values: Sequence[Value], *, overwrite: bool, mint: bool) -> str:
        """Create a record; see Administration."""
        query = [("overwrite", str(overwrite).lower()), *([("mintNewSuffix", "true")] if mint else [])]
        return str((await self._ask("PUT", _path(name), query, values)).get("handle", name))

    async def delete(self, name: str) -> None:
        """Delete a record."""
        await self._ask("DELETE", _path(name))

    async def add(self, name: str, values: Sequence[Value], *, overwrite: bool) -> None:
        """Add values to a record."""
        await self._ask("PUT", _path(name), [("index", "various"), ("overwrite", str(overwrite).lower())], values)

    async def modify(self, name: str, values: Sequence[Value]) -> None:
        """Replace the values with these indexes; values that are not there yet are added, HTTP knows no difference."""
        indexes = [("index", str(value.index)) for value in values]
        await self._ask("PUT", _path(name), [*indexes, ("overwrite", "true")], values)

    async def remove(self, name: str, indexes: Sequence[int]) -> None:
        """Remove the values with these indexes."""
        if not indexes:
            raise UsageError("say which values to remove: without an index, HTTP deletes the whole record")
        await self._ask("DELETE", _path(name), [("index", str(index)) for index in indexes])

    async def names(self, prefix: str) -> AsyncGenerator[Sequence[str]]:
        """Yield the names below a prefix, page by page."""
        async for page in self._pages(HANDLES, [("prefix", prefix)], "handles"):
            yield page

    async def prefixes(self, below: str | None) -> AsyncGenerator[Sequence[str]]:
        """Yield the prefixes that are homed; raise UsageError for those below another."""
        if below is not None:
            raise UsageError("HTTP has no list of the prefixes below another: use --protocol handle-tcp")
        async for page in self._pages(PREFIXES, [], "prefixes"):
            yield page

    async def home(self, prefix: str, *, here: bool) -> None:
        """Let the server answer for a prefix, or no longer."""
        await self._ask("POST" if here else "DELETE", f"{PREFIXES}/{quote(prefix, safe='')}")

    async def site(self) -> dict[str, Any]:
        """Return the server's site record as JSON."""
        site = (await self._ask("GET", "/api/site")).get("site")
        if not isinstance(site, dict):
            raise UntrustedError(f"{self._session.node.url} showed no site")
        return site

    async def _pages(self, path: str, query: list[tuple[str, str]], member: str) -> AsyncGenerator[Sequence[str]]:
        page, seen, total = 0, 0, 1
        while seen < total:
            members = await self._ask("GET", path, [*query, ("page", str(page)), ("pageSize", str(PAGE_NAMES))])
            names, count = members.get(member), str(members.get("totalCount", ""))
            if not isinstance(names, list) or not count.isdigit():
                raise UntrustedError(f"{self._session.node.url} sent no list")
            if not names:
                return
            yield [str(name) for name in names]
            page, seen, total = page + 1, seen + len(names), int(count)

    async def _ask(
        self, method: str, path: str, query: Query | None = None, values: Sequence[Value] | None = None
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if values is not None else {}
        if self._user is not None:
            headers["Authorization"] = await self._credential(self._user)
        body = None if values is None else b'{"values":' + values_to_json(values) + b"}"
        return _members(await self._session.ask(method, path, query=query, headers=headers, body=body))

    async def _credential(self, user: User) -> str:
        identity = quote(f"{user.index}:{user.handle}", safe="/")
        if isinstance(user.key, bytes):
            return "Basic " + base64.b64encode(identity.encode() + b":" + user.key).decode()
        return await self._proof(identity, user.handle, user.key)

    async def _proof(self, identity: str, handle: str, key: UserPrivateKey) -> str:
        """Return the proof over the nonce of a fresh session and one of ours."""
        made = _members(await self._session.ask("POST", "/api/sessions"), of_handle=False)
        try:
            nonce, session_id = base64.b64decode(str(made["nonce"]), validate=True), str(made["sessionId"])
        except (KeyError, ValueError):
            raise UntrustedError(f"{self._session.node.url} made no session") from None
        if '"' in session_id or "\\" in session_id or not session_id.isprintable():
            raise UntrustedError(f"{self._session.node.url} made a session that cannot be used")
        cnonce = secrets.token_bytes(_CNONCE_OCTETS)
        proof = parse_key_proof(prove_key(key, Challenge(Digest(SHA256, cnonce), nonce), handle))
        fields = {
            "version": "0",
            "sessionId": session_id,
            "id": identity,
            "type": "HS_PUBKEY",
            "cnonce": base64.b64encode(cnonce).decode(),
            "alg": proof.hash_name,
            "signature": base64.b64encode(proof.signature).decode(),
        }
        return "Handle " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def _path(name: str) -> str:
    return f"{HANDLES}/{quote(name, safe='')}"


def _check_secure(url: str, user: User | None) -> None:
    parts = urlsplit(url)
    if user is not None and parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
        raise UsageError(f"{url} is not encrypted: keys and secrets go over https only")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _members(answer: Answer, *, of_handle: bool = True) -> dict[str, Any]:
    """Return the members of a success; raise HandleRefusedError, or RefusedError for what no Handle server sends."""
    try:
        members = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        members = None
    is_success = 200 <= answer.status < 300  # noqa: PLR2004 - the class of successes, RFC 9110 15.3
    if not isinstance(members, dict) or (of_handle and not isinstance(members.get("responseCode"), int)):
        line, code = describe_problem(answer.status, answer.body)
        raise RefusedError(f"the server refused: {line}", status=answer.status, code=code)
    rc = members.get("responseCode", ResponseCode.SUCCESS)
    if not is_success or rc != ResponseCode.SUCCESS:
        raise HandleRefusedError(rc, printable(str(members.get("message", ""))))
    return members
