"""The listener for TLS: lookups as without it, and certificates of clients asked for and let pass."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
import uvloop

from resolver.tls import CertificateUnusable, TlsSettings, server_context
from tests.certificates import certificate_pem, new_key, write_pair
from tests.integration.running_worker import PREFIX, Worker, examples, fill, running

KEY = new_key()


def listener(directory: Path, client_certificates: Literal["off", "optional"]) -> TlsSettings:
    certificate, key = write_pair(directory, KEY, certificate_pem(KEY, "localhost"), "server")
    return TlsSettings("127.0.0.1", 0, certificate, key, client_certificates)


def trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=directory / "server.crt")


@pytest.fixture(params=["off", "optional"])
async def worker(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Worker]:
    writer = fill(tmp_path / "replica", examples())
    async with running(tmp_path, tls=listener(tmp_path, request.param)) as worker:
        yield worker
    writer.close()


async def test_lookups_over_tls_answer_what_they_answer_without(worker: Worker, tmp_path: Path) -> None:
    plain = await worker.ask(f"/api/handles/{PREFIX}/SN1")
    url = f"https://127.0.0.1:{worker.tls_port}/api/handles/{PREFIX}/"
    async with aiohttp.ClientSession() as session:
        for name, status in (("SN1", 200), ("none", 404), ("SN1?index=1", 200), ("HUGE", 200)):
            async with session.get(url + name, ssl=trusting(tmp_path)) as answer:
                assert answer.status == status
                body = await answer.read()
                if name == "SN1":
                    assert body == plain[2]


async def test_both_event_loops_speak_tls(tmp_path: Path) -> None:
    writer = fill(tmp_path / "replica", examples())

    async def ask() -> int:
        async with running(tmp_path, tls=listener(tmp_path, "optional")) as worker, aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{worker.tls_port}/api/handles/{PREFIX}/HUGE"
            async with session.get(url, ssl=trusting(tmp_path)) as answer:
                await answer.read()
                return answer.status

    assert await ask() == 200
    assert await asyncio.to_thread(lambda: asyncio.Runner(loop_factory=uvloop.new_event_loop).run(ask())) == 200
    writer.close()


async def test_the_oldest_version_spoken_is_1_2(worker: Worker, tmp_path: Path) -> None:
    context = trusting(tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection("127.0.0.1", worker.tls_port, ssl=context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
    writer.close()


async def test_what_is_no_tls_is_closed(worker: Worker) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.tls_port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(reader.read(), 10.0)
    assert reader.at_eof()
    writer.close()


@pytest.mark.parametrize("expired", [False, True])
async def test_a_certificate_that_nobody_vouches_for_is_taken_and_proves_nothing_yet(
    tmp_path: Path, *, expired: bool
) -> None:
    files = fill(tmp_path / "replica", examples())
    client = new_key()
    certificate = certificate_pem(client, f"300:{PREFIX}/NOBODY", expired=expired)
    context = listener(tmp_path, "optional")
    async with running(tmp_path, tls=context) as worker, aiohttp.ClientSession() as session:
        asking = trusting(tmp_path)
        asking.load_cert_chain(*write_pair(tmp_path, client, certificate, "client"))
        url = f"https://127.0.0.1:{worker.tls_port}/api/handles/{PREFIX}/SN1"
        async with session.get(url, ssl=asking) as answer:
            assert answer.status == 401
            assert json.loads(await answer.read())["responseCode"] == 403
    files.close()


async def test_before_there_is_a_replica_nobodys_secret_is_wrong(tmp_path: Path) -> None:
    settings = {"handle_state": tmp_path / "handle", "http_sessions": tmp_path / "sessions"}
    secret = {"Authorization": "Basic MzAwJTNBODguMTE4LjgvQURNSU46cHc="}
    async with (
        running(tmp_path, tls=listener(tmp_path, "off"), **settings) as worker,
        aiohttp.ClientSession(headers=secret) as session,
        session.get(f"https://127.0.0.1:{worker.tls_port}/api/handles/1/2", ssl=trusting(tmp_path)) as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    other = new_key()
    certificate, _ = write_pair(tmp_path, KEY, certificate_pem(KEY, "localhost"), "server")
    _, key = write_pair(tmp_path, other, certificate_pem(other, "localhost"), "other")
    for asks in ("off", "optional"):
        with pytest.raises(CertificateUnusable, match=r"server\.crt and .*other\.key cannot be used"):
            server_context(TlsSettings("127.0.0.1", 0, certificate, key, asks))  # type: ignore[arg-type] # literals in a loop
