"""One connection to a node: requests with credentials, time limits, bounded answers, and errors in our words."""

import io
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from node.client.errors import ClientError, RefusedError, UnavailableError, UsageError
from node.client.location import NodeLocation
from node.client.problems import describe_problem
from node.client.retry import RetryPolicy, retrying

ANSWER_OCTETS_MAX = 300 * 1024 * 1024
"""A page of 1,000 records of the largest size (262,000 octets each) fits."""

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 120.0
"""The longest silence of a node at work: a batch waits for its commit, and that for a database under load."""

Query = Mapping[str, str] | Sequence[tuple[str, str]]
TRY_AGAIN_STATUSES = frozenset({429, 502, 503, 504})
REMEDIES = {
    401: "give a valid token with --token or in IDNODE_TOKEN",
    403: "this token may not do that; give another with --token",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the node: status, body, and the headers a command may look at."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body as JSON; raises RefusedError when it is none, for then this is hardly a node."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise RefusedError(
                "the answer is not JSON; is there a node at this address?", status=self.status
            ) from error


class NodeSession:
    """Sends requests to one node. Everything sent through it must be safe to repeat, for failures are retried."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        node: NodeLocation,
        policy: RetryPolicy,
        on_wait: Callable[[UnavailableError, float], None] | None = None,
    ) -> None:
        self._http = http
        self.node = node
        self._policy = policy
        self._on_wait = on_wait

    def __repr__(self) -> str:
        return f"<NodeSession {self.node.url}{' with token' if self.node.token else ''}>"

    async def get(self, path: str, query: Query | None = None) -> Answer:
        """GET a path (already percent-encoded); raises RefusedError, UnavailableError."""
        return accepted(await self.ask("GET", path, query=query))

    async def post(
        self, path: str, body: bytes, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """POST a body, JSON unless `headers` say otherwise; raises RefusedError, UnavailableError."""
        typed = {"Content-Type": "application/json", **(headers or {})}
        return accepted(await self.ask("POST", path, query=query, headers=typed, body=body))

    async def peek(self, path: str) -> Answer:
        """GET a path once and return whatever answer comes; raises UnavailableError only if none comes."""
        return await self._once("GET", self._url(path, None), {}, None)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Return the node's answer whatever its status, but retry while it is unavailable, as the policy says."""

        async def once() -> Answer:
            answer = await self._once(method, self._url(path, query), headers or {}, body)
            if answer.status in TRY_AGAIN_STATUSES:
                raise self._busy(answer)
            return answer

        return await retrying(self._policy, once, self._on_wait)

    def _url(self, path: str, query: Query | None) -> URL:
        # Already encoded: a client that normalises paths would change the identifiers in them.
        return URL(self.node.url + path + ("?" + urlencode(query) if query else ""), encoded=True)

    async def _once(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        # As a file a large body is sent in pieces between which the event loop gets its turns.
        data = None if body is None else io.BytesIO(body)
        try:
            async with self._http.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
                return Answer(response.status, await _bounded_body(response), response.headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _busy(self, answer: Answer) -> UnavailableError:
        line, _ = describe_problem(answer.status, answer.body)
        wish_s = _seconds(answer.headers.get("Retry-After"))
        return UnavailableError(f"the node at {self.node.url} cannot answer now: {line}", retry_after_s=wish_s)

    def _unreachable(self, error: Exception) -> ClientError:
        if isinstance(error, aiohttp.InvalidURL):
            return UsageError(f"{self.node.url} is not a usable address")
        reason = _reason(error)
        return UnavailableError(f"cannot reach the node at {self.node.url}: {reason}; is it running?")


@asynccontextmanager
async def open_session(
    node: NodeLocation,
    policy: RetryPolicy,
    on_wait: Callable[[UnavailableError, float], None] | None = None,
) -> AsyncIterator[NodeSession]:
    """Open a session with `node`; its connections are closed at the end of the block."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
    headers = {"Accept": "application/json"}
    if node.token is not None:
        headers["Authorization"] = f"Bearer {node.token}"
    cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, cookie_jar=cookies) as http:
        yield NodeSession(http, node, policy, on_wait)


def accepted(answer: Answer) -> Answer:
    """Return `answer` if it is a success; raises RefusedError with the node's own reason if it is not."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the class of successes, RFC 9110 15.3
        return answer
    line, code = describe_problem(answer.status, answer.body)
    remedy = REMEDIES.get(answer.status)
    if remedy is not None and remedy not in line:
        line = f"{line}; {remedy}"
    raise RefusedError(f"the node refused: {line}", status=answer.status, code=code)


def _reason(error: Exception) -> str:
    """Say shortly why a connection failed; the library repeats host, port and transport settings."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not accepted ({error.certificate_error})"
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    return (isinstance(cause, OSError) and cause.strerror) or str(cause) or type(cause).__name__


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in response.content.iter_any():
        length += len(part)
        if length > ANSWER_OCTETS_MAX:
            raise RefusedError(f"the answer is longer than {ANSWER_OCTETS_MAX} octets", status=response.status)
        parts.append(part)
    return b"".join(parts)


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; its date form is left to our own back-off."""
    return float(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else None
