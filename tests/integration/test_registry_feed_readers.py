"""Signed requests to the change feed: whose key counts, for how long, how often, and what its holder sees."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identifiers.request_signing import FEED_TAG, REPORT_TAG, Message, content_digest, sign_request
from identifiers.signing_keys import ALGORITHMS, PrivateKey, generate
from registry.feed_readers import FeedReaders, ReadersUnusable
from tests.registry_api import VALUES, Api, Reply, running_api

CHANGES = "/feed/v1/changes?after=oldest&tables=REC"
SNAPSHOTS = "/feed/v1/snapshots"
NATIONAL, MIRROR = generate("88#2031a"), generate("66.1#mirror")
SECRET = {"index": 2, "type": "COST", "data": "only ours", "permissions": "1100"}


def entry(key: PrivateKey, role: str, more: str = "") -> str:
    return f"[[reader]]\nkey_id = '{key.key_id}'\nrole = '{role}'\npublic_key = '''{key.public().pem()}'''\n{more}\n"


@dataclass
class Scene:
    """A node whose file of readers names the national node and a mirror; the clock stands."""

    api: Api
    file: Path
    now: datetime

    async def ask(
        self,
        key: PrivateKey,
        method: str = "GET",
        path: str = CHANGES,
        body: Any = None,
        *,
        created: timedelta = timedelta(0),
        nonce: bytes | None = None,
        tag: str = FEED_TAG,
        **changed: str,
    ) -> Reply:
        """Send a signed request; `changed` are headers set after signing."""
        headers = {"idn-profile": "idn-feed/1", "idn-reporter": key.key_id.partition("#")[0]}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers |= {"content-type": "application/json", "content-digest": content_digest(content)}
        message = Message(method, f"http://registry{path}", headers)
        nonce = nonce or os.urandom(16)
        signed = sign_request(key, message, now=self.now + created, nonce=nonce, tag=tag)
        sent = headers | signed | {name.replace("_", "-"): text for name, text in changed.items()}
        client = self.api.client(None)
        return await client(method, path, data=content, headers=sent | {"Accept-Encoding": "identity"})

    def enter(self, text: str) -> None:
        self.file.write_text(text)


@pytest.fixture
async def scene(registry_database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    now = datetime.now(UTC)
    file = tmp_path / "readers.toml"
    file.write_text(entry(NATIONAL, "national") + entry(MIRROR, "mirror"))
    readers = FeedReaders(file, lambda: now)
    async with running_api(registry_database, tmp_path, feed_readers=readers) as api:
        await api.prefix()
        await api.admin("PUT", "/api/v1/identifiers/88.118.8/A", {"values": [*VALUES, SECRET]})
        yield Scene(api, file, now)


def indexes(reply: Reply) -> list[int]:
    assert reply.status == 200, reply.body
    return [value["index"] for row in reply.lines[1:] for value in row["data"]["values"]]


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["code"]


async def test_the_role_of_the_key_decides_what_is_seen_whatever_its_algorithm(scene: Scene) -> None:
    for algorithm in ALGORITHMS:
        key = generate(f"77#{algorithm}", algorithm)
        scene.enter(entry(key, "mirror"))
        assert indexes(await scene.ask(key)) == [1]
    scene.enter(entry(NATIONAL, "national") + entry(MIRROR, "mirror"))
    assert indexes(await scene.ask(NATIONAL)) == [1, 2]
    assert indexes(await scene.ask(MIRROR)) == [1]
    asked = await scene.ask(MIRROR, "POST", SNAPSHOTS, {"tables": ["REC"]})
    assert asked.status == 202
    path = f"{SNAPSHOTS}/{asked.json['snapshot_id']}"
    assert (await scene.ask(MIRROR, path=path)).status == 200
    assert code(await scene.ask(NATIONAL, path=path)) == (404, "unknown_snapshot")
    # A signature opens nothing but the feed.
    assert code(await scene.ask(NATIONAL, path="/api/v1/accounts")) == (401, "token_missing")


REFUSED: list[tuple[str, Callable[[Scene], Any], tuple[int, str]]] = [
    ("another key of the same id", lambda scene: scene.ask(generate(NATIONAL.key_id)), (401, "signature_invalid")),
    ("an unknown key", lambda scene: scene.ask(generate("88#other")), (401, "key_unknown")),
    ("the key of another reader", lambda scene: scene.ask(NATIONAL, idn_reporter="66.1"), (401, "key_unknown")),
    ("a signature for reports", lambda scene: scene.ask(NATIONAL, tag=REPORT_TAG), (401, "signature_invalid")),
    ("an old one", lambda scene: scene.ask(NATIONAL, created=timedelta(seconds=-301)), (401, "clock_skew")),
    ("one of the future", lambda scene: scene.ask(NATIONAL, created=timedelta(seconds=301)), (401, "clock_skew")),
    ("another profile", lambda scene: scene.ask(NATIONAL, idn_profile="idn-report/1"), (400, "bad_profile")),
    ("half of it", lambda scene: scene.ask(NATIONAL, signature=""), (401, "signature_missing")),
]


async def test_what_does_not_prove_who_asks_is_refused(scene: Scene) -> None:
    replies = {title: await ask(scene) for title, ask, _ in REFUSED}
    assert {title: code(reply) for title, reply in replies.items()} == {title: told for title, _, told in REFUSED}
    times = {reply.json["server_time"] for reply in replies.values() if reply.status == 401}
    assert times == {scene.now.strftime("%Y-%m-%dT%H:%M:%SZ")}


async def test_a_request_counts_once_and_as_it_was_signed(scene: Scene) -> None:
    nonce = os.urandom(16)
    assert (await scene.ask(NATIONAL, nonce=nonce)).status == 200
    assert code(await scene.ask(NATIONAL, nonce=nonce)) == (401, "signature_invalid")
    nonce = os.urandom(16)
    at_once = await asyncio.gather(*(scene.ask(NATIONAL, nonce=nonce) for _ in range(4)))
    assert sorted(reply.status for reply in at_once) == [200, 401, 401, 401]
    other = content_digest(b'{"tables": ["T1"]}')
    changed = await scene.ask(NATIONAL, "POST", SNAPSHOTS, {"tables": ["REC"]}, content_digest=other)
    assert code(changed) == (401, "signature_invalid")


async def test_what_was_signed_before_a_restart_does_not_count_after_it(scene: Scene) -> None:
    assert (await scene.ask(NATIONAL)).status == 200
    later = scene.now + timedelta(seconds=5)
    begun_anew = FeedReaders(scene.file, lambda: later)
    async with running_api(scene.api.dsn, _folder(scene.file), feed_readers=begun_anew) as api:
        other = Scene(api, scene.file, scene.now)
        assert code(await other.ask(NATIONAL)) == (401, "clock_skew")
        assert (await other.ask(NATIONAL, created=timedelta(seconds=5))).status == 200


def _folder(file: Path) -> Path:
    folder = file.parent / "anew"
    folder.mkdir()
    return folder


async def test_a_changed_file_counts_at_once_and_a_broken_one_changes_nothing(scene: Scene) -> None:
    ended = f"not_after = {(scene.now - timedelta(days=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}"
    scene.enter(entry(NATIONAL, "national", ended) + entry(MIRROR, "mirror"))
    assert code(await scene.ask(NATIONAL)) == (401, "key_unknown")
    assert (await scene.ask(MIRROR)).status == 200
    scene.enter("[[reader")
    assert (await scene.ask(MIRROR)).status == 200
    scene.file.unlink()
    assert (await scene.ask(MIRROR)).status == 200


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[reader]]\nkey_id = '88#a'", "public_key|role"),
        (entry(NATIONAL, "administrator"), "role"),
        (entry(NATIONAL, "mirror", "scope = '88'"), "scope"),
        (entry(NATIONAL, "mirror", "not_after = 2031-01-01T00:00:00"), "zone"),
        ("[[reader]]\nkey_id = '88#a'\nrole = 'mirror'\npublic_key = 'none'", "PEM"),
    ],
)
def test_a_file_that_names_no_readers_is_refused_at_the_start(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "readers.toml"
    file.write_text(text)
    with pytest.raises(ReadersUnusable, match=match) as caught:
        FeedReaders(file)
    assert str(file) in str(caught.value)


async def test_an_enterprises_own_node_reads_what_the_enterprise_may(scene: Scene) -> None:
    await scene.api.prefix("88.118.9", "Valves")
    key = generate("88.118.8#own")
    path = "/api/v1/prefixes/88.118.8/report-keys/own"
    assert (await scene.api.admin("PUT", path, {"public_key": key.public().pem()})).status == 201
    assert indexes(await scene.ask(key)) == [1, 2]
    assert {row["scope"] for row in (await scene.ask(key, path="/feed/v1/changes?after=oldest")).lines[1:]} == {
        "88.118.8"
    }
    assert (await scene.api.admin("DELETE", path)).status == 200
    assert code(await scene.ask(key)) == (401, "key_unknown")
