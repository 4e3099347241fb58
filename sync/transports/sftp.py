"""A directory on an SFTP server whose host key is pinned."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh

from identifiers.signing_keys import KeyUnusable
from sync.key_files import read_secret
from sync.settings import Upstream
from sync.transport import TransportError
from sync.transports.files import NAMES_MAX

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 10.0
STEP_TIMEOUT_S: Final = 60.0
KEEPALIVE_S: Final = 30
SSH_PORT: Final = 22
_GONE: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_LOST: Final = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)


class SftpDirectory:
    """Files below a directory of an SFTP server. One connection, made when first needed, anew after an error.

    The server must show `host_key`, and is shown `client_key`; no password, agent or configuration file is used.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        base: str,
        *,
        client_key: asyncssh.SSHKey,
        host_key: asyncssh.SSHKey,
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._base = PurePosixPath(base)
        self._client_key = client_key
        self._host_key = host_key
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._connecting = asyncio.Lock()

    @classmethod
    def configured(cls, upstream: Upstream) -> "SftpDirectory":
        """Make one of the settings; raises KeyUnusable."""
        address = urlsplit(upstream.sftp_url)
        if address.scheme != "sftp" or not address.hostname or not address.username:
            raise KeyUnusable("the transport sftp needs sync.upstream_sftp, such as sftp://idnode@host:22/reports")
        return cls(
            address.hostname,
            address.port or SSH_PORT,
            unquote(address.username),
            unquote(address.path) or "/",
            client_key=_client_key(upstream.sftp_key_file),
            host_key=_host_key(upstream.sftp_host_key),
        )

    async def read(self, path: str, octets_max: int) -> bytes | None:
        """Return a file's content, None if there is none."""

        async def step(client: asyncssh.SFTPClient) -> bytes | None:
            try:
                async with client.open(self._place(path), "rb") as opened:
                    content = _octets(await opened.read(octets_max + 1))
            except _GONE:
                return None
            if len(content) > octets_max:
                raise TransportError(f"{path}: is longer than {octets_max} octets", kind="retry")
            return content

        return await self._done(path, step)

    async def write(self, path: str, content: bytes) -> None:
        """Write a file through a second name ending in .part."""

        async def step(client: asyncssh.SFTPClient) -> None:
            place = self._place(path)
            await client.makedirs(str(PurePosixPath(place).parent), exist_ok=True)
            async with client.open(f"{place}.part", "wb") as opened:
                await opened.write(content)
            try:
                await client.posix_rename(f"{place}.part", place)
            except asyncssh.SFTPOpUnsupported:
                await client.rename(f"{place}.part", place)

        await self._done(path, step)

    async def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return await self._done(path, lambda client: client.isfile(self._place(path)))

    async def remove(self, path: str) -> None:
        """Remove a file; that there is none is no error."""

        async def step(client: asyncssh.SFTPClient) -> None:
            try:
                await client.remove(self._place(path))
            except _GONE:
                return

        await self._done(path, step)

    async def names(self, path: str) -> list[str]:
        """Return the names in a directory; none if there is no such directory."""

        async def step(client: asyncssh.SFTPClient) -> list[str]:
            found: list[str] = []
            try:
                async for entry in client.scandir(self._place(path)):
                    found.append(str(entry.filename))
                    if len(found) == NAMES_MAX:
                        break
            except _GONE:
                return []
            return [name for name in found if name not in (".", "..")]

        return await self._done(path, step)

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    def _place(self, path: str) -> str:
        return str(self._base / path)

    async def _done(self, path: str, step: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                return await step(await self._connected())
        except asyncssh.HostKeyNotVerifiable as error:
            raise TransportError(
                f"{self._host} does not show the pinned host key: {error}", kind="pause_link"
            ) from error
        except asyncssh.PermissionDenied as error:
            raise TransportError(f"{self._host} does not take our key: {error}", kind="pause_link") from error
        except (asyncssh.Error, OSError) as error:
            if not isinstance(error, asyncssh.SFTPError) or isinstance(error, _LOST):
                await self.aclose()
            raise TransportError(f"sftp {path}: {error or type(error).__name__}", kind="retry") from error

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._client is not None and self._connection is not None and not self._connection.is_closed():
                return self._client
            self._connection = await asyncssh.connect(
                self._host,
                self._port,
                username=self._username,
                client_keys=[self._client_key],
                known_hosts=([self._host_key], [], []),
                config=[],
                agent_path=None,
                password=None,
                connect_timeout=CONNECT_TIMEOUT_S,
                login_timeout=CONNECT_TIMEOUT_S,
                keepalive_interval=KEEPALIVE_S,
            )
            self._client = await self._connection.start_sftp_client()
            return self._client


def _octets(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _client_key(file: Path | None) -> asyncssh.SSHKey:
    if file is None:
        raise KeyUnusable("the transport sftp needs sync.sftp_key_file, the private key shown to the server")
    try:
        return asyncssh.import_private_key(read_secret(file))
    except asyncssh.KeyImportError as error:
        raise KeyUnusable(f"the key file {file} is not an SSH private key without a password") from error


def _host_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise KeyUnusable("sync.sftp_host_key must be the server's public key, such as ssh-ed25519 AAAA…") from error
