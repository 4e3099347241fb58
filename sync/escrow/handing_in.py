"""Handing files in: by SFTP to a server whose host key is pinned, or into a directory (docking contract 7.4).

A file arrives under `.<name>.part` and gets its name when it is whole. What is there with the right length is not sent
again; a part goes on one block before its end, because only blocks before the last one are known to be whole.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, TypeVar

import asyncssh

from identifiers.signing_keys import KeyUnusable
from sync.escrow.errors import ConfigurationUnusable, ConnectionFailed, UploadIncomplete
from sync.escrow.settings import EscrowSettings
from sync.key_files import read_secret

T = TypeVar("T")

BACK_OFF_S: Final = (2.0, 10.0)
"""The waits between the three tries for a file."""
BLOCK_OCTETS: Final = 1_048_576
STEP_TIMEOUT_S: Final = 60.0
CONNECT_TIMEOUT_S: Final = 15.0

Sleep = Callable[[float], Awaitable[None]]


class Target(Protocol):
    """Where files go."""

    async def put(self, file: Path) -> None:
        """Hand one file in, or as much as is missing of it. Raises EscrowError."""
        ...

    async def aclose(self) -> None:
        """Give up connections."""
        ...


async def hand_in(target: Target, files: tuple[Path, ...], sleep: Sleep = asyncio.sleep) -> None:
    """Hand files in, in their order, each with three tries. Raises UploadIncomplete and ConnectionFailed."""
    for file in files:
        for wait in (*BACK_OFF_S, None):
            try:
                await target.put(file)
                break
            except (UploadIncomplete, ConnectionFailed):
                if wait is None:
                    raise
                await sleep(wait)


class LocalTarget:
    """A directory of this host."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, file: Path) -> None:
        """Copy one file."""
        try:
            await asyncio.to_thread(self._copy, file)
        except OSError as error:
            raise UploadIncomplete(f"{file.name} cannot be copied to {self._directory}: {error.strerror}") from error

    async def aclose(self) -> None:
        """Nothing is open between two files."""

    def _copy(self, file: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        place, part = self._directory / file.name, self._directory / f".{file.name}.part"
        if place.exists() and place.stat().st_size == file.stat().st_size:
            return
        with file.open("rb") as source, part.open("wb") as copy:
            while block := source.read(BLOCK_OCTETS):
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        part.replace(place)


class SftpTarget:
    """A directory of an SFTP server, which must show the pinned key; one connection, anew after an error."""

    def __init__(self, settings: EscrowSettings) -> None:
        self._host = settings.sftp_host
        self._port = settings.sftp_port
        self._path = PurePosixPath(settings.sftp_path)
        self._user = settings.sftp_user
        self._password, self._keys = _credentials(settings)
        self._host_key = _host_key(settings.sftp_host_key)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    async def put(self, file: Path) -> None:
        """Send one file, or the rest of it."""
        client = await self._connected()
        try:
            await self._send(client, file)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            await self.aclose()
            raise UploadIncomplete(
                f"{file.name} did not arrive whole at {self._host}: {error or type(error).__name__}; "
                "run the deposit again, and it goes on here"
            ) from error

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    async def _send(self, client: asyncssh.SFTPClient, file: Path) -> None:
        octets = (await asyncio.to_thread(file.stat)).st_size
        place, part = str(self._path / file.name), str(self._path / f".{file.name}.part")
        if await self._timed(_size(client, place)) == octets:
            return
        begun = await self._timed(_size(client, part))
        start = 0 if begun is None or begun > octets else max(0, begun // BLOCK_OCTETS - 1) * BLOCK_OCTETS
        async with client.open(part, "r+b" if start else "wb") as remote:
            with file.open("rb") as source:
                source.seek(start)
                while block := source.read(BLOCK_OCTETS):
                    await self._timed(remote.write(block, start))
                    start += len(block)
        if (arrived := await self._timed(_size(client, part))) != octets:
            raise asyncssh.SFTPFailure(f"{arrived} of {octets} octets are there")
        try:
            await self._timed(client.posix_rename(part, place))
        except asyncssh.SFTPOpUnsupported:
            await self._timed(client.rename(part, place))

    async def _timed(self, step: Awaitable[T]) -> T:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return await step

    async def _connected(self) -> asyncssh.SFTPClient:
        if self._client is not None and self._connection is not None and not self._connection.is_closed():
            return self._client
        try:
            self._connection = await asyncssh.connect(
                self._host,
                self._port,
                username=self._user,
                password=self._password,
                client_keys=self._keys,
                known_hosts=([self._host_key], [], []),
                config=[],
                agent_path=None,
                connect_timeout=CONNECT_TIMEOUT_S,
                login_timeout=CONNECT_TIMEOUT_S,
                keepalive_interval=30,
            )
            self._client = await self._connection.start_sftp_client()
        except asyncssh.HostKeyNotVerifiable as error:
            raise ConnectionFailed(
                f"{self._host} does not show the host key of escrow.sftp_host_key: nothing was sent"
            ) from error
        except asyncssh.PermissionDenied as error:
            raise ConnectionFailed(f"{self._host} does not let {self._user} in: check the password or key") from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            text = str(error) or type(error).__name__
            raise ConnectionFailed(f"{self._host}:{self._port} cannot be reached: {text}") from error
        return self._client


def target_of(settings: EscrowSettings) -> Target:
    """Return where deposits go; raises ConfigurationUnusable."""
    if settings.directory is not None:
        return LocalTarget(settings.directory)
    if not settings.sftp_host or not settings.sftp_user:
        raise ConfigurationUnusable("set escrow.sftp_host and escrow.sftp_user, or escrow.directory")
    return SftpTarget(settings)


async def _size(client: asyncssh.SFTPClient, path: str) -> int | None:
    try:
        return (await client.stat(path)).size
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return None


def _credentials(settings: EscrowSettings) -> tuple[str | None, list[asyncssh.SSHKey]]:
    try:
        if settings.sftp_key_file is not None:
            return None, [asyncssh.import_private_key(read_secret(settings.sftp_key_file))]
        if settings.sftp_password_file is not None:
            return read_secret(settings.sftp_password_file).strip(), []
    except KeyUnusable as error:
        raise ConfigurationUnusable(str(error)) from None
    except asyncssh.KeyImportError:
        raise ConfigurationUnusable(
            f"the key file {settings.sftp_key_file} is not an SSH private key without a password"
        ) from None
    raise ConfigurationUnusable("set escrow.sftp_key_file or escrow.sftp_password_file: the server asks who we are")


def _host_key(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        raise ConfigurationUnusable(
            "escrow.sftp_host_key must be the server's public key, such as ssh-ed25519 AAAA…"
        ) from None
