"""Reports as files: in a directory of this machine, and by SFTP to a real server on the loopback interface."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncssh
import msgspec
import pytest

from identifiers.signing_keys import KeyUnusable
from sync import body
from sync.batch import Batch, Limits, Pending, Receipt, StreamState, Unknown, Untold
from sync.digests import KeyRange
from sync.directives.shapes import Outcome
from sync.settings import Upstream
from sync.transport import TransportError
from sync.transports.directory import LocalDirectory
from sync.transports.files import FilesTransport
from sync.transports.sftp import SftpDirectory
from tests.support import free_port

REPORTER = "88.118"
BATCH_ID = UUID("0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10")
BATCH = Batch(
    batch_id=BATCH_ID,
    reporter=REPORTER,
    table="T9",
    scope="88.118.8",
    sequence=42,
    row_count=1,
    rows_sha256="0" * 64,
    body=body.compress(b'{"header":1}\n{"n":1}\n'),
)
PATH = f"batches/T9/88.118.8/0000000042-{BATCH_ID}.ndjson.gz"
RECEIPT = {
    "batch_id": str(BATCH_ID),
    "receipt_id": "r-1",
    "status": "accepted",
    "table": "T9",
    "scope": "88.118.8",
    "sequence": 42,
    "next_sequence": 43,
    "received_at": "2031-05-06T16:10:04Z",
    "rows_sha256": "0" * 64,
    "rows_accepted": 1,
    "rows_rejected": 0,
}


@dataclass
class Place:
    """The reporter's transport and the directory as the collector's people see it."""

    transport: FilesTransport
    directory: Path

    def put(self, path: str, content: object) -> None:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")

    def answer(self, status: int, content: object) -> None:
        self.put(f"answers/{BATCH_ID}.json", {"status": status, "body": content})

    def files(self) -> list[str]:
        return sorted(str(one.relative_to(self.directory)) for one in self.directory.rglob("*") if one.is_file())


class Accounts(asyncssh.SSHServer):
    """An SSH server that knows one key."""

    def __init__(self, key: asyncssh.SSHKey, connections: list[asyncssh.SSHServerConnection]) -> None:
        self._key = key
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "idnode" and key.public_data == self._key.public_data


@asynccontextmanager
async def sftp_server(root: Path, client: asyncssh.SSHKey, host: asyncssh.SSHKey, port: int = 0) -> AsyncIterator[int]:
    """Serve `root` by SFTP, and yield the port."""
    connections: list[asyncssh.SSHServerConnection] = []
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=lambda: Accounts(client, connections),
        server_host_keys=[host],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode()),
        config=[],
    )
    try:
        yield server.get_port()
    finally:
        server.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()
        await asyncio.sleep(0)  # the sockets close in the loop's next turn


def new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def upstream(tmp_path: Path, port: int, client: asyncssh.SSHKey, host: asyncssh.SSHKey) -> Upstream:
    file = tmp_path / "client-key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(client.export_private_key("pkcs8-pem"))
    return Upstream(
        transport="sftp",
        sftp_url=f"sftp://idnode@127.0.0.1:{port}/reports",
        sftp_key_file=file,
        sftp_host_key=host.export_public_key("openssh").decode(),
    )


@pytest.fixture(params=["file", "sftp"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    reports = tmp_path / "root" / "reports"
    reports.mkdir(parents=True)
    if request.param == "file":
        transport = FilesTransport(LocalDirectory(reports), REPORTER, name="file")
        yield Place(transport, reports / REPORTER)
        return
    client, host = new_key(), new_key()
    async with sftp_server(tmp_path / "root", client, host) as port:
        directory = SftpDirectory.configured(upstream(tmp_path, port, client, host))
        transport = FilesTransport(directory, REPORTER, name="sftp")
        try:
            yield Place(transport, reports / REPORTER)
        finally:
            await transport.aclose()


async def test_a_batch_is_a_file_and_its_answer_another(place: Place) -> None:
    assert isinstance(await place.transport.submit(BATCH), Pending)
    assert place.files() == [PATH]
    assert (place.directory / PATH).read_bytes() == BATCH.body
    assert isinstance(await place.transport.receipt(BATCH_ID), Pending)
    place.answer(200, RECEIPT)
    receipt = await place.transport.receipt(BATCH_ID)
    assert isinstance(receipt, Receipt)
    assert (receipt.batch_id, receipt.sequence, receipt.rows_accepted) == (BATCH_ID, 42, 1)
    assert await place.transport.submit(BATCH) == receipt


async def test_a_refusal_is_read_once_so_that_the_next_attempt_waits_for_a_new_answer(place: Place) -> None:
    await place.transport.submit(BATCH)
    place.answer(413, {"type": "urn:idn-report:problem:too_large", "detail": "too many", "max_rows": 10})
    with pytest.raises(TransportError, match="too_large too many") as refused:
        await place.transport.receipt(BATCH_ID)
    assert (refused.value.kind, refused.value.max_rows) == ("split", 10)
    assert isinstance(await place.transport.receipt(BATCH_ID), Unknown)
    (place.directory / PATH).write_bytes(b"taken away")
    assert isinstance(await place.transport.submit(BATCH), Pending)
    assert (place.directory / PATH).read_bytes() == BATCH.body
    assert isinstance(await place.transport.receipt(BATCH_ID), Pending)


async def test_a_batch_that_is_judged_later_is_only_asked_about(place: Place) -> None:
    await place.transport.submit(BATCH)
    place.answer(202, {})
    assert isinstance(await place.transport.receipt(BATCH_ID), Pending)
    assert isinstance(await place.transport.receipt(BATCH_ID), Pending)


async def test_a_receipt_of_another_batch_is_no_receipt(place: Place) -> None:
    await place.transport.submit(BATCH)
    place.answer(200, RECEIPT | {"batch_id": "0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a11"})
    with pytest.raises(TransportError, match="receipt of another batch"):
        await place.transport.receipt(BATCH_ID)


async def test_an_answer_that_is_not_json_is_waited_for_again(place: Place) -> None:
    await place.transport.submit(BATCH)
    (place.directory / "answers").mkdir()
    (place.directory / f"answers/{BATCH_ID}.json").write_bytes(b'{"status": 20')
    with pytest.raises(TransportError, match="cannot be read") as refused:
        await place.transport.receipt(BATCH_ID)
    assert refused.value.kind == "retry"


async def test_limits_and_tables_come_from_a_file_or_are_the_usual_ones(place: Place) -> None:
    assert await place.transport.limits() == Limits()
    assert place.transport.supports("T9")
    place.put("capabilities.json", {"tables": {"T6": [1], "T9": [2]}, "limits": {"max_rows": 7}})
    assert (await place.transport.limits()).max_rows == 7
    assert place.transport.supports("T6")
    assert not place.transport.supports("T9")


async def test_how_far_a_stream_is_may_stay_untold(place: Place) -> None:
    assert await place.transport.last_sequence("T9", "88.118.8") == Untold()
    place.put("streams/T9/88.118.8.json", {"table": "T9", "scope": "88.118.8", "last_sequence": 3})
    assert await place.transport.last_sequence("T9", "88.118.8") == StreamState("T9", "88.118.8", 3)


async def test_directives_are_files_in_order_and_so_are_their_acknowledgements(place: Place) -> None:
    assert await place.transport.directives("") == ()
    for name in ("d-2", "d-1", "d-3"):
        place.put(f"directives/{name}.json", {"id": "other", "kind": "pause", "body": {}})
    (place.directory / "directives/d-4.json.part").write_bytes(b"{")
    assert [one.id for one in await place.transport.directives("d-1")] == ["d-2", "d-3"]
    await place.transport.acknowledge_directive("d-1", Outcome("done", "as told"))
    written = json.loads((place.directory / "directive-acks/d-1.json").read_bytes())
    assert written == {"result": "done", "text": "as told"}


async def test_attachments_monthly_reports_and_resent_batches_have_places_of_their_own(place: Place) -> None:
    await place.transport.put_file("ab" * 32, "image/png", b"picture")
    assert await place.transport.put_monthly_report("2031-05", b'{"revision":0}') == b"{}"
    await place.transport.submit(msgspec.structs.replace(BATCH, resend_of="d/../1"))
    name = PATH.rpartition("/")[2]
    assert place.files() == [f"attachments/{'ab' * 32}", "monthly-reports/2031-05.json", f"resends/d%2F..%2F1/{name}"]
    place.put("monthly-reports/2031-05.answer.json", {"in_time": True})
    assert json.loads(await place.transport.put_monthly_report("2031-05", b'{"revision":1}')) == {"in_time": True}
    assert (place.directory / "monthly-reports/2031-05.json").read_bytes() == b'{"revision":1}'


async def test_files_cannot_be_asked_for_digests(place: Place) -> None:
    with pytest.raises(TransportError, match="cannot ask for digests"):
        await place.transport.digests("T9", "88.118.8", KeyRange(), depth=0, rows=False)


async def test_a_server_with_another_host_key_is_shown_nothing(tmp_path: Path) -> None:
    client, host = new_key(), new_key()
    async with sftp_server(tmp_path, client, host) as port:
        transport = FilesTransport(
            SftpDirectory.configured(upstream(tmp_path, port, client, new_key())), REPORTER, name="sftp"
        )
        with pytest.raises(TransportError, match="pinned host key") as refused:
            await transport.submit(BATCH)
        assert refused.value.kind == "pause_link"
        await transport.aclose()


async def test_a_server_that_does_not_take_the_key_pauses_the_link(tmp_path: Path) -> None:
    client, host = new_key(), new_key()
    async with sftp_server(tmp_path, new_key(), host) as port:
        transport = FilesTransport(
            SftpDirectory.configured(upstream(tmp_path, port, client, host)), REPORTER, name="sftp"
        )
        with pytest.raises(TransportError, match="does not take our key") as refused:
            await transport.submit(BATCH)
        assert refused.value.kind == "pause_link"
        await transport.aclose()


async def test_a_server_that_comes_back_is_connected_to_again(tmp_path: Path) -> None:
    client, host, port = new_key(), new_key(), free_port()
    (tmp_path / "root" / "reports").mkdir(parents=True)
    transport = FilesTransport(SftpDirectory.configured(upstream(tmp_path, port, client, host)), REPORTER, name="sftp")
    async with sftp_server(tmp_path / "root", client, host, port):
        assert isinstance(await transport.submit(BATCH), Pending)
    with pytest.raises(TransportError) as lost:
        await transport.receipt(BATCH_ID)
    assert lost.value.kind == "retry"
    async with sftp_server(tmp_path / "root", client, host, port):
        assert isinstance(await transport.receipt(BATCH_ID), Pending)
        await transport.aclose()


def test_settings_that_cannot_work_are_refused_before_anything_is_connected(tmp_path: Path) -> None:
    right = upstream(tmp_path, 22, new_key(), new_key())
    for wrong, said in (
        ({"sftp_url": "sftp://host"}, "upstream_sftp"),
        ({"sftp_key_file": None}, "sftp_key_file"),
        ({"sftp_host_key": "ssh-ed25519 AAAA"}, "sftp_host_key"),
    ):
        with pytest.raises(KeyUnusable, match=said):
            SftpDirectory.configured(Upstream(**{**{n: getattr(right, n) for n in right.__struct_fields__}, **wrong}))
    (tmp_path / "client-key").chmod(0o644)
    with pytest.raises(KeyUnusable, match="can be read by others"):
        SftpDirectory.configured(right)
