"""A session on a whole node: the registry and the resolver take it alike, and a new start keeps it."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import NodeProcess, eventually

PASSWORD = "demo-password-1"
NAME = "88.118.8/SN1"
VALUES = [
    {"index": 1, "type": "URL", "data": "https://example.com/1"},
    {"index": 2, "type": "SECRET", "data": "for the enterprise", "permissions": "1100"},
]


async def call(node: NodeProcess, method: str, path: str, token: str | None, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, node.url + path, json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def indexes_seen(node: NodeProcess, token: str | None) -> list[int] | int:
    """Return the indexes of the values that a look-up shows, or the status that refuses it."""
    status, body = await call(node, "GET", f"/api/handles/{NAME}", token)
    return [value["index"] for value in body["values"]] if status == 200 else status


async def test_a_session_opens_both_the_registry_and_look_ups_until_it_ends(tmp_path: Path) -> None:
    async with NodeProcess(tmp_path / "data") as node:
        secret = node.data_dir / "node-secret"
        assert (len(secret.read_bytes()), secret.stat().st_mode & 0o777) == (32, 0o600)
        await call(node, "POST", "/api/v1/prefixes", node.token, {"prefix": "88.118.8", "name": "Pumps"})
        _, prefix = await call(node, "GET", "/api/v1/prefixes/88.118.8", node.token)
        await call(node, "PUT", f"/api/v1/identifiers/{NAME}", node.token, {"values": VALUES})
        account = {
            "username": "pump",
            "password": PASSWORD,
            "role": "enterprise_user",
            "enterprise": prefix["enterprise"],
        }
        assert (await call(node, "POST", "/api/v1/accounts", node.token, account))[0] == 201
        credentials = {"username": "pump", "password": PASSWORD}
        status, session = await call(node, "POST", "/api/v1/sessions", None, credentials)
        assert status == 201
        token = session["token"]

        # Signing in answers when the look-ups of this host know the session.
        assert await indexes_seen(node, token) == [1, 2]
        assert await indexes_seen(node, None) == [1]
        assert (await call(node, "GET", "/api/v1/whoami", token))[1]["account"] == session["account"]
        _, log = await call(node, "GET", "/api/v1/audit?action=sign_in", node.token)
        assert [(entry["actor"], entry["address"]) for entry in log["items"]] == [(session["account"], "127.0.0.1")]

        before = secret.read_bytes()
        await node.stop()
        await node.start()
        assert secret.read_bytes() == before
        assert await indexes_seen(node, token) == [1, 2]

        assert (await call(node, "DELETE", "/api/v1/sessions/current", token))[0] == 200
        assert (await call(node, "GET", "/api/v1/whoami", token))[0] == 401

        async def refused() -> bool:
            return await indexes_seen(node, token) == 401

        await eventually(refused)


async def test_a_node_whose_secret_others_can_read_does_not_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    secret = data_dir / "node-secret"
    secret.write_bytes(bytes(32))
    secret.chmod(0o644)
    node = NodeProcess(data_dir)
    process = node.begin()
    assert await asyncio.to_thread(process.wait, 60) == 3
    assert "can be read by others" in node.log
