"""A whole node of two workers, administered over TCP: whichever worker a connection reaches, it is the same node."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Resolved
from identifiers.handle_wire.requests import CreateHandle, HomePrefix, Login, Resolution, UnhomePrefix
from identifiers.values import Reference, Value
from tests.handle_sockets import Connections
from tests.handle_stack import SECRET, Client
from tests.support import NodeProcess, eventually

ADMIN = Reference("88.118.8/ADMIN", 300)
OWN_ID = 10_001


async def set_up(node: NodeProcess, session: aiohttp.ClientSession) -> None:
    values: list[dict[str, Any]] = [{"index": 300, "type": "HS_SECKEY", "permissions": "1100", "data": SECRET.decode()}]
    for method, path, body in [
        ("POST", "/api/v1/prefixes", {"prefix": "88.118.8", "name": "Pumps"}),
        ("PUT", "/api/v1/identifiers/88.118.8/ADMIN", {"values": values}),
    ]:
        async with session.request(method, node.url + path, json=body, headers=node.authorization) as answer:
            assert answer.status in (200, 201, 202), await answer.text()


@pytest.mark.slow
async def test_administration_reaches_every_face_over_any_worker(tmp_path: Path) -> None:
    settings = {"IDNODE_HANDLE_ADMINISTRATORS": f"{ADMIN.index}:{ADMIN.handle}"}
    async with (
        NodeProcess(tmp_path / "data", workers=2, environment=settings) as node,
        aiohttp.ClientSession() as session,
    ):
        await set_up(node, session)
        anew: Any = Connections(node.handle)
        client = Client(anew)
        values = (Value(1, "URL", b"https://example.com/1"), Value(2, "PRICE", b"12", permissions=0b1100))
        for at in range(4):
            assert (await client.done(CreateHandle(f"88.118.8/N{at}", values), ADMIN)).rc == 1
        await client.set_up_session(ADMIN)
        for at in range(4, 8):
            assert (await client.done(CreateHandle(f"88.118.8/N{at}", values), ADMIN)).rc == 1
        assert (await client.send(CreateHandle("88.118.8/N8", values))).rc == 1

        one: Any = Connections(node.handle, one=True)
        industrial = Client(one)
        asked = await industrial.send(Login(ADMIN.handle, ADMIN.index), session_id=OWN_ID)
        assert [reply.rc for reply in await industrial.prove(asked, ADMIN)] == [1]
        private = await industrial.send(Resolution("88.118.8/N0"), codes.PUBLIC_ONLY, session_id=OWN_ID)
        assert isinstance(private.body, Resolved)
        assert len(private.body.values) == 2
        await one.close()

        await eventually(lambda: _is_found(session, node, "88.118.8/N8"))
        async with session.get(f"{node.url}/api/handles/88.118.8/N8") as answer:
            assert "PRICE" not in await answer.text()
        async with session.get(f"{node.url}/api/v1/identifiers/88.118.8/N8", headers=node.authorization) as answer:
            assert [value["index"] for value in (await answer.json())["values"]] == [1, 2]
        async with session.get(f"{node.url}/api/handles/88.118.8/ADMIN") as answer:
            assert SECRET.decode() not in await answer.text()
        async with session.post(f"{node.url}/internal/v1/handle", data=b"x") as answer:
            assert answer.status == 400

        stranger = Client(anew)  # without the session: the key below the unhomed prefix has to be proved again
        for request in (UnhomePrefix("88.118.8"), HomePrefix("88.118.8")):
            assert (await stranger.done(request, ADMIN)).rc == 1


async def _is_found(session: aiohttp.ClientSession, node: NodeProcess, name: str) -> bool:
    async with session.get(f"{node.url}/api/handles/{name}") as answer:
        return answer.status == 200
