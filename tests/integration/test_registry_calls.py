"""The socket between workers and registry: nobody else reaches it, and what happens when one side is away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from identifiers.frames import FRAME_OCTETS_MAX
from identifiers.handle_requests import Create, HandleRequest, ListHandles
from identifiers.values import Value
from registry.api.plain_registrations import PlainRegistrations
from registry.calls import serve_calls
from registry.handle_admin.execution import HandleAdministration
from resolver.registry_calls import RegistryCalls
from tests.handle_stack import PREFIX, SERVICE
from tests.registry_api import Api, running_api


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


def bound(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(str(path))
    return made


async def said(path: Path, octets: bytes) -> bytes:
    """Send octets and return everything that comes back until the end."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(octets)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_what_is_no_call_ends_the_connection_unanswered(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "calls.sock"
    async with serve_calls(HandleAdministration(api.context, (SERVICE,)), PlainRegistrations(api.context), bound(path)):
        for octets in [
            b"POST /internal/v1/handle HTTP/1.1\r\n\r\n",
            (FRAME_OCTETS_MAX + 1).to_bytes(4, "big") + b"x",
            (3).to_bytes(4, "big") + b"abc",
        ]:
            assert await said(path, octets) == b""


async def test_no_public_path_leads_to_administration(api: Api, tmp_path: Path) -> None:
    call = msgspec.msgpack.encode(HandleRequest(1, Create(f"{PREFIX}/X", ()), "handle_tcp", SERVICE))
    for path in ("/internal/v1/handle", "/api/v1/internal/handle", "/api/v1/../../internal/v1/handle"):
        reply = await api.admin("POST", path, data=call, headers={"Content-Type": "application/msgpack"})
        assert reply.status in (404, 405), path


async def test_a_registry_that_is_away_is_said_and_found_again(api: Api, tmp_path: Path) -> None:
    await api.prefix()
    path = tmp_path / "calls.sock"
    calls = RegistryCalls(path)
    made = Create(f"{PREFIX}/A", (Value(1, "URL", b"x:y"),))
    away = await calls.execute(made, user=SERVICE, face="handle_tcp")
    assert away.code == 7
    administration = HandleAdministration(api.context, (SERVICE,))
    async with serve_calls(administration, PlainRegistrations(api.context), bound(path)):
        assert (await calls.execute(made, user=SERVICE, face="handle_tcp")).code == 1
    path.unlink()
    interrupted_or_away = await calls.execute(made, user=SERVICE, face="handle_tcp")
    assert interrupted_or_away.code in (2, 7)
    assert (await calls.execute(made, user=SERVICE, face="handle_tcp")).code == 7
    async with serve_calls(administration, PlainRegistrations(api.context), bound(path)):
        assert (await calls.execute(made, user=SERVICE, face="handle_tcp")).code == 101
    calls.close()


async def test_a_registry_that_goes_away_with_a_call_in_its_hands_is_said(tmp_path: Path) -> None:
    path = tmp_path / "calls.sock"

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.close()

    server = await asyncio.start_unix_server(leave, path)
    calls = RegistryCalls(path)
    assert (await calls.execute(ListHandles(PREFIX), user=SERVICE, face="handle_tcp")).code == 2
    calls.close()
    server.close()


async def test_exhausted_quotas_and_lost_databases_have_their_codes(api: Api, tmp_path: Path) -> None:
    enterprise = await api.prefix()
    administration = HandleAdministration(api.context, (SERVICE,))

    async def create(suffix: str) -> int:
        request = HandleRequest(1, Create(f"{PREFIX}/{suffix}", ()), "handle_tcp", SERVICE)
        return (await administration.execute(request)).code

    limits = {"identifiers_max": 1, "identifiers_per_day_max": None, "octets_max": None, "job_rows_max": None}
    reply = await api.admin("PUT", f"/api/v1/quotas/{enterprise}", limits)
    assert reply.status == 200, reply.body
    assert [await create("Q1"), await create("Q2")] == [1, 604]
    await api.context.pool.close()
    assert await create("Q3") == 7
