"""A second node that mirrors the first one through its change feed: the same answers, no writes, nothing private."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from identifiers.signing_keys import generate
from sync.key_files import write_new
from tests.support import NodeProcess, eventually

PRIVATE = {"index": 2, "type": "COST", "data": "for owners", "permissions": "1100"}


class Asked:
    """Two nodes and a client for both."""

    def __init__(self, session: aiohttp.ClientSession, source: NodeProcess, mirror: NodeProcess) -> None:
        self.session, self.source, self.mirror = session, source, mirror

    async def write(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.source.url}/api/v1{path}"
        async with self.session.request(method, url, json=body, headers=self.source.authorization) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def look(self, node: NodeProcess, name: str) -> tuple[int, Any]:
        async with self.session.get(f"{node.url}/api/handles/{name}") as answer:
            return answer.status, await answer.json(content_type=None)

    def same(self, *names: str) -> Callable[[], Any]:
        async def check() -> bool:
            for name in names:
                assert await self.look(self.mirror, name) == await self.look(self.source, name)
            return True

        return check


@pytest.fixture
async def nodes(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Asked]:
    """Two nodes; the mirror shows a token, or signs its requests."""
    readers = tmp_path / "readers.toml"
    readers.touch()
    given = {"IDNODE_FEED_READERS_FILE": str(readers)}
    async with (
        aiohttp.ClientSession() as session,
        NodeProcess(tmp_path / "source", environment=given) as source,
    ):
        asked = Asked(session, source, source)
        await asked.write("POST", "/prefixes", {"prefix": "88.118.8", "name": "Pumps"})
        values = [{"index": 1, "type": "URL", "data": "https://example.com/1"}, PRIVATE]
        await asked.write("PUT", "/identifiers/88.118.8/SN1", {"values": values})
        if request.param == "token":
            token = (await asked.write("POST", "/tokens", {"role": "reader", "label": "mirror"}))["token"]
            (tmp_path / "token").write_text(token + "\n")
            shown = {"IDNODE_MIRROR_TOKEN_FILE": str(tmp_path / "token")}
        else:
            key = generate("66.1#mirror")
            write_new(tmp_path / "key.pem", key)
            shown = {"IDNODE_MIRROR_SIGN_KEY_FILE": str(tmp_path / "key.pem"), "IDNODE_MIRROR_KEY_ID": key.key_id}
            about = f"key_id = '{key.key_id}'\nrole = 'mirror'"
            readers.write_text(f"[[reader]]\n{about}\npublic_key = '''{key.public().pem()}'''\n")
        environment = {"IDNODE_MIRROR_UPSTREAM_URL": source.url, **shown}
        async with NodeProcess(tmp_path / "mirror", environment=environment) as asked.mirror:
            yield asked


@pytest.mark.parametrize("nodes", ["key"], indirect=True)
async def test_a_mirror_answers_what_its_source_answers(nodes: Asked) -> None:
    await eventually(nodes.same("88.118.8/SN1", "88.118.8/NONE", "88.119/X"))
    status, told = await nodes.look(nodes.mirror, "88.118.8/SN1")
    assert (status, [value["index"] for value in told["values"]]) == (200, [1])
    assert b"for owners" not in b"".join(
        path.read_bytes() for path in (nodes.mirror.data_dir / "replica").rglob("*") if path.is_file()
    )

    await nodes.write(
        "PUT", "/identifiers/88.118.8/SN2", {"values": [{"index": 1, "type": "URL", "data": "https://x/2"}]}
    )
    await nodes.write("PUT", "/aliases/88.118.8/OLD", {"identifier": "88.118.8/SN2", "kind": "former"})
    await nodes.write("DELETE", "/identifiers/88.118.8/SN1?successor=88.118.8/SN2")
    await eventually(lambda: _is(nodes, "88.118.8/SN1", 404))
    await eventually(nodes.same("88.118.8/SN1", "88.118.8/SN2", "88.118.8/OLD"))

    # It goes on from where it was after a kill, and with lookups while its source is away.
    os.kill(nodes.mirror.pids["follower"], signal.SIGKILL)
    await nodes.write(
        "PUT", "/identifiers/88.118.8/SN3", {"values": [{"index": 1, "type": "URL", "data": "https://x/3"}]}
    )
    await eventually(nodes.same("88.118.8/SN3"))
    os.kill(nodes.source.pids["registry"], signal.SIGKILL)
    assert (await nodes.look(nodes.mirror, "88.118.8/SN3"))[0] == 200


async def _is(nodes: Asked, name: str, status: int) -> bool:
    return (await nodes.look(nodes.mirror, name))[0] == status


@pytest.mark.parametrize("nodes", ["token"], indirect=True)
async def test_a_mirror_takes_no_writes_and_says_where_to_send_them(nodes: Asked) -> None:
    url = f"{nodes.mirror.url}/api/v1/identifiers/88.118.8/SN9"
    async with nodes.session.put(url, json={"values": []}, headers=nodes.source.authorization) as answer:
        told = json.loads(await answer.read())
    assert (answer.status, told["code"]) == (403, "read_only_mirror")
    assert nodes.source.url in told["remedy"]
    async with nodes.session.post(f"{nodes.mirror.url}/identityv2/data", json={}) as answer:
        assert (await answer.json())["status"] == -2
    await eventually(nodes.same("88.118.8/SN1"))
    assert set(nodes.mirror.pids) == {"follower", "worker-0"}
    async with nodes.session.get(f"{nodes.mirror.url}/readyz") as answer:
        assert answer.status == 200
