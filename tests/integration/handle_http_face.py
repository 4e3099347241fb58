"""A worker with the Handle JSON API over TLS, with registry and follower behind it, and a client for it."""

import base64
import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from cryptography.hazmat.primitives.asymmetric import rsa
from multidict import CIMultiDictProxy
from yarl import URL

from identifiers.values import Reference
from resolver.handle.limits import HandleSettings
from resolver.handle.site import own_site
from resolver.tls import TlsSettings
from tests.certificates import certificate_pem, key_pem, new_key, write_pair
from tests.handle_stack import ADMIN, SECRET, Stack, running_stack
from tests.integration.running_worker import Worker, running

SITE = own_site([ip_address("192.0.2.7")], 2641, serial=1, description="test site")
SITE_KEY = new_key()


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.json["responseCode"])

    @property
    def challenge(self) -> dict[str, str]:
        """The pairs of the joined header, split as known clients split it."""
        joined = ", ".join(self.headers.getall("WWW-Authenticate", []))
        pairs = (part.partition("=") for part in joined.split('", "') for part in part.split('", '))
        return {name: value.strip('"') for name, _, value in pairs}


@dataclass
class Face:
    """The client. `stack` is what is behind the worker."""

    stack: Stack
    worker: Worker
    directory: Path
    session: aiohttp.ClientSession
    trusting: ssl.SSLContext

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: Reference | str | None = None,
        secret: bytes = SECRET,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
        context: ssl.SSLContext | None = None,
    ) -> Reply:
        """Ask over TLS (or `plain`), with Basic for a `user`. A body that is not octets is sent as JSON."""
        sent = dict(headers or {})
        if user is not None:
            sent.setdefault("Authorization", basic(user, secret))
        if body is not None and not isinstance(body, bytes | io.BytesIO):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        port = self.worker.port if plain else self.worker.tls_port
        url = URL(f"{'http' if plain else 'https'}://127.0.0.1:{port}{path}", encoded=True)
        asking = self.session.request(
            method, url, data=body, headers=sent, ssl=context or self.trusting, allow_redirects=False
        )
        async with asking as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def put(self, name: str, *values: dict[str, Any], query: str = "", **more: Any) -> Reply:
        more.setdefault("user", ADMIN)
        return await self("PUT", f"/api/handles/{name}{query}", list(values), **more)

    async def get(self, name: str, query: str = "", **more: Any) -> Reply:
        return await self("GET", f"/api/handles/{name}{query}", **more)

    async def delete(self, name: str, query: str = "", **more: Any) -> Reply:
        more.setdefault("user", ADMIN)
        return await self("DELETE", f"/api/handles/{name}{query}", **more)

    def showing(self, key: rsa.RSAPrivateKey, name: str, *, as_uid: bool = False) -> ssl.SSLContext:
        """Return a context that shows a certificate."""
        context = ssl.create_default_context(cafile=self.directory / "server.crt")
        certificate = certificate_pem(key, name, as_uid=as_uid)
        context.load_cert_chain(*write_pair(self.directory, key, certificate, f"client{id(key)}"))
        return context


def basic(user: Reference | str, secret: bytes) -> str:
    """Return a Basic credential: the user's colon and percent signs encoded, as usual."""
    text = user if isinstance(user, str) else quote(f"{user.index}:{user.handle}", safe="/")
    return "Basic " + base64.b64encode(text.encode() + b":" + secret).decode()


def url(index: int = 1, text: str = "https://example.com/1", **more: Any) -> dict[str, Any]:
    return {"index": index, "type": "URL", "data": text, **more}


def admin(index: int = 100, user: Reference = ADMIN, permissions: str = "011111111111") -> dict[str, Any]:
    value = {"handle": user.handle, "index": str(user.index), "permissions": permissions}
    return {"index": index, "type": "HS_ADMIN", "data": {"format": "admin", "value": value}}


@asynccontextmanager
async def running_face(
    dsn: str, directory: Path, *, administrators: Sequence[Reference] = (), **settings: Any
) -> AsyncIterator[Face]:
    """Run everything; `settings` are the worker's."""
    key = new_key()
    certificate, key_file = write_pair(directory, key, certificate_pem(key, "localhost"), "server")
    signing = directory / "site.key"
    signing.write_bytes(key_pem(SITE_KEY))
    signing.chmod(0o600)
    how = {"administrators": administrators} if administrators else {}
    async with running_stack(dsn, directory, **how) as stack:
        made: dict[str, Any] = {
            "registry_calls_socket": directory / "calls.sock",
            "handle_state": directory / "http-state",
            "handle_auth": stack.settings,
            "http_sessions": directory / "http-sessions",
            "handle": HandleSettings("127.0.0.1", 0, SITE, key_file=signing),
            "tls": TlsSettings("127.0.0.1", 0, certificate, key_file, "optional"),
        }
        async with running(directory, **{**made, **settings}) as worker:
            skipped = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
            async with aiohttp.ClientSession(skip_auto_headers=skipped, auto_decompress=True) as session:
                yield Face(stack, worker, directory, session, ssl.create_default_context(cafile=certificate))
