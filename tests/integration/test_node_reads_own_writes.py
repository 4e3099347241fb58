"""Whoever was told that a write can be resolved finds it, from whatever of the replica a lookup is answered."""

from pathlib import Path

import aiohttp

from tests.support import NodeProcess, eventually

PREFIX = "88.118.8"
ROUNDS = 60
LARGE = "x" * 3_000


async def _hot_table_is_live(session: aiohttp.ClientSession) -> bool:
    async with session.get("/metrics") as answer:
        return 'idnode_hot_table_state{process="follower",state="live"} 1.0' in await answer.text()


async def _write(session: aiohttp.ClientSession, suffix: str, location: str, note: str = "") -> None:
    values = [{"index": 1, "type": "URL", "data": location}]
    if note:
        values.append({"index": 2, "type": "NOTE", "data": note})
    async with session.put(f"/api/v1/identifiers/{PREFIX}/{suffix}", json={"values": values}) as answer:
        assert answer.status in (200, 201), await answer.text()
        assert (await answer.json())["resolvable"] is True


async def _seen(node: NodeProcess, suffix: str) -> list[tuple[int, bytes]]:
    """Look a name up on a new connection, three times: the lane keeps a connection only until it hands it over."""
    answers = []
    async with aiohttp.ClientSession(node.url) as session:
        for _ in range(3):
            async with session.get(f"/api/handles/{PREFIX}/{suffix}") as answer:
                answers.append((answer.status, await answer.read()))
    return answers


async def test_a_lookup_after_an_acknowledged_write_shows_it(tmp_path: Path) -> None:
    async with (
        NodeProcess(tmp_path / "data", workers=2) as node,
        aiohttp.ClientSession(node.url, headers=node.authorization) as writer,
    ):
        async with writer.post("/api/v1/prefixes", json={"prefix": PREFIX, "name": "Example Pumps"}) as answer:
            assert answer.status == 201, await answer.text()
        await _write(writer, "ALWAYS", "https://example.com/first")
        await eventually(lambda: _hot_table_is_live(writer), 20.0)
        for number in range(ROUNDS):
            # A new name, the old one replaced by a small record, and now and then by one the lane finds in LMDB.
            await _write(writer, f"SN{number}", f"https://example.com/{number}")
            await _write(writer, "ALWAYS", f"https://example.com/{number}", LARGE if number % 5 == 0 else "")
            for suffix in (f"SN{number}", "ALWAYS"):
                for status, body in await _seen(node, suffix):
                    assert status == 200
                    assert f'"https://example.com/{number}"'.encode() in body
        async with writer.delete(f"/api/v1/identifiers/{PREFIX}/ALWAYS") as answer:
            assert answer.status in (200, 204), await answer.text()
        assert {status for status, _ in await _seen(node, "ALWAYS")} == {404}
