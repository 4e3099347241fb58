"""Deposits by SFTP: the server is known by its key, and an upload goes on where it was cut."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from sync.escrow.errors import ConfigurationUnusable, ConnectionFailed, UploadIncomplete
from sync.escrow.handing_in import BLOCK_OCTETS, SftpTarget, hand_in, target_of
from sync.escrow.settings import EscrowSettings

PASSWORD = "demo-password-1"
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")


class Platform(asyncssh.SSHServer):
    """Lets one user in, by password."""

    connections: list[asyncssh.SSHServerConnection]

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connections.append(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("depositor", PASSWORD)


class Files(asyncssh.SFTPServer):
    """Notes what is written, and cuts the line after so many octets."""

    written: list[tuple[int, int]]
    room: list[int]

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        if self.room[0] < len(data):
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("cut")
        self.room[0] -= len(data)
        self.written.append((offset, len(data)))
        return super().write(file_obj, offset, data)


@asynccontextmanager
async def platform(root: Path, room: int = 1 << 40) -> AsyncIterator[tuple[int, list[tuple[int, int]], list[int]]]:
    """Serve `root`, and yield the port, what was written, and for how many octets there is room."""
    connections: list[asyncssh.SSHServerConnection] = []
    written: list[tuple[int, int]] = []
    left = [room]
    server_of = type("Server", (Platform,), {"connections": connections})
    files_of = type("Root", (Files,), {"written": written, "room": left})
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=server_of,
        server_host_keys=[HOST_KEY],
        sftp_factory=lambda channel: files_of(channel, chroot=str(root).encode()),
        config=[],
    )
    try:
        yield server.get_port(), written, left
    finally:
        server.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()
        await asyncio.sleep(0)  # the sockets close in the loop's next turn


def settings(base: Path, port: int, password: str = PASSWORD, key: asyncssh.SSHKey = HOST_KEY) -> EscrowSettings:
    file = base / "password"
    file.touch(mode=0o600)
    file.write_text(password + "\n")
    return EscrowSettings(
        dsn="",
        sftp_host="127.0.0.1",
        sftp_port=port,
        sftp_path="/upload",
        sftp_user="depositor",
        sftp_password_file=file,
        sftp_host_key=key.export_public_key("openssh").decode(),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "upload").mkdir(parents=True)
    return tmp_path / "root"


async def at_once(_: float) -> None:
    """Wait for nothing."""


async def test_an_upload_that_was_cut_goes_on_at_the_block_before_the_cut(tmp_path: Path, root: Path) -> None:
    volume = tmp_path / "20310506T0030Z-88.118-0.zip.sm2.001"
    content = bytes(range(256)) * 4096 * 4 + b"the end"
    volume.write_bytes(content)
    cut_after = 3 * BLOCK_OCTETS + 100_000
    async with platform(root, cut_after) as (port, written, room):
        target = SftpTarget(settings(tmp_path, port))
        with pytest.raises(UploadIncomplete, match="run the deposit again"):
            await target.put(volume)
        (part,) = (root / "upload").iterdir()
        assert part.name == f".{volume.name}.part"
        assert 2 * BLOCK_OCTETS <= part.stat().st_size < len(content)
        written.clear()
        room[0] = 1 << 40
        await target.put(volume)
        assert min(offset for offset, _ in written) in (BLOCK_OCTETS, 2 * BLOCK_OCTETS)
        assert (root / "upload" / volume.name).read_bytes() == content
        written.clear()
        await target.put(volume)
        assert not written
        await target.aclose()
    assert [file.name for file in (root / "upload").iterdir()] == [volume.name]


async def test_each_file_has_three_tries(tmp_path: Path, root: Path) -> None:
    volume = tmp_path / "20310506T0030Z-88.118-0.zip.sm2.001"
    volume.write_bytes(bytes(1_000))
    async with platform(root, 0) as (port, _, room):
        target = SftpTarget(settings(tmp_path, port))
        waited: list[float] = []

        async def wait(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                room[0] = 10_000

        await hand_in(target, (volume,), wait)
        assert waited == [2.0, 10.0]
        room[0] = 0
        other = volume.with_suffix(".002")
        other.write_bytes(b"x")
        with pytest.raises(UploadIncomplete):
            await hand_in(target, (other,), at_once)
        await target.aclose()


async def test_a_server_with_another_key_is_sent_nothing_and_a_wrong_password_says_so(
    tmp_path: Path, root: Path
) -> None:
    volume = tmp_path / "20310506T0030Z-88.118-0.zip.sm2.001"
    volume.write_bytes(bytes(1_000))
    async with platform(root) as (port, written, _):
        for wrong, words in (
            (settings(tmp_path, port, key=asyncssh.generate_private_key("ssh-ed25519")), "does not show the host key"),
            (settings(tmp_path, port, password="another"), "does not let depositor in"),
        ):
            target = SftpTarget(wrong)
            with pytest.raises(ConnectionFailed, match=words) as caught:
                await target.put(volume)
            assert caught.value.exit_code == 6
            assert PASSWORD not in str(caught.value)
        assert not written


def test_what_is_missing_in_the_settings_is_named(tmp_path: Path) -> None:
    for changed, words in (
        ({"sftp_host": ""}, r"escrow\.sftp_host"),
        ({"sftp_password_file": None}, r"escrow\.sftp_key_file or escrow\.sftp_password_file"),
        ({"sftp_host_key": "no key"}, r"escrow\.sftp_host_key"),
    ):
        whole = settings(tmp_path, 22)
        fields = {name: getattr(whole, name) for name in whole.__struct_fields__} | changed
        with pytest.raises(ConfigurationUnusable, match=words):
            target_of(EscrowSettings(**fields))
