"""The client's commands against a whole node: made over one protocol, seen over the others."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identifiers.hs_key import key_from_json
from tests.certificates import certificate_pem, key_pem, new_key, write_pair
from tests.node_command import PROGRAM, Outcome, run_command
from tests.support import NodeProcess, free_port

SECRET = "a secret for tests"
PREFIX = "88.118.8"
BY_SECRET = f"301:{PREFIX}/ADMIN"
BY_KEY = f"300:{PREFIX}/ADMIN"


class Client:
    """Runs commands as the administrator whose secret and key are in files below `directory`."""

    def __init__(self, node: NodeProcess, directory: Path) -> None:
        self.node = node
        self.directory = directory
        self.environment = {"IDNODE_HANDLE_SERVER": node.handle, "IDNODE_URL": node.url}

    async def __call__(self, *arguments: str) -> Outcome:
        return await asyncio.to_thread(run_command, *arguments, environment=self.environment)

    async def handle(self, *arguments: str, key: bool = False) -> Outcome:
        who = ["--auth", BY_KEY, "--key-file", "key"] if key else ["--auth", BY_SECRET, "--secret-file", "secret"]
        return await self("handle", *arguments, *who[:3], str(self.directory / who[3]))


async def set_up(node: NodeProcess, session: aiohttp.ClientSession, public: str) -> None:
    values: list[dict[str, Any]] = [
        {"index": 300, "type": "HS_PUBKEY", "data": public},
        {"index": 301, "type": "HS_SECKEY", "permissions": "1100", "data": SECRET},
    ]
    for method, path, body in [
        ("POST", "/api/v1/prefixes", {"prefix": PREFIX, "name": "Pumps"}),
        ("PUT", f"/api/v1/identifiers/{PREFIX}/ADMIN", {"values": values}),
    ]:
        async with session.request(method, node.url + path, json=body, headers=node.authorization) as answer:
            assert answer.status in (200, 201, 202), await answer.text()


async def test_records_are_made_changed_listed_and_deleted_over_either_protocol(tmp_path: Path) -> None:
    own, key, tls = new_key(), new_key(), free_port()
    certificate, private = write_pair(tmp_path, own, certificate_pem(own, "localhost"), "node")
    (tmp_path / "key").write_bytes(key_pem(key))
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings = {
        "IDNODE_HANDLE_ADMINISTRATORS": f"{BY_SECRET},{BY_KEY}",
        "IDNODE_HTTP_BASIC_ON_LOOPBACK": "true",
        "IDNODE_HTTP_TLS_ADDRESS": f"127.0.0.1:{tls}",
        "IDNODE_HTTP_TLS_CERTIFICATE_FILE": str(certificate),
        "IDNODE_HTTP_TLS_KEY_FILE": str(private),
    }
    async with NodeProcess(tmp_path / "data", environment=settings) as node, aiohttp.ClientSession() as session:
        await set_up(node, session, public)
        client = Client(node, tmp_path)
        await _administer(client)
        await _ask(client, tmp_path)
        await _load(client, tmp_path)
        await _prove_a_key_over_https(f"https://127.0.0.1:{tls}", tmp_path, certificate)


async def _administer(client: Client) -> None:
    http = ["--protocol", "http"]
    value = ["--value", "1:URL=https://x/1"]
    for number, (more, key) in enumerate([([], False), (["--session"], True), (http, False)]):
        name = f"{PREFIX}/P{number}"
        for arguments in (
            ["create", name, *value, *more],
            ["add", name, "--value", "2:NOTE=a", *more],
            ["modify", name, "--value", "2:NOTE=b", *more],
            ["remove", name, "1", *more],
        ):
            outcome = await client.handle(*arguments, key=key)
            assert (outcome.code, outcome.err) == (0, ""), (arguments, outcome)
        assert (await client.handle("create", name, *value, *more, key=key)).code == 4
        shown = await client("resolve", name, "--json")
        assert shown.code == 0, shown
        assert [value["data"]["value"] for value in json.loads(shown.out)["values"]] == ["b"]
    over_wire, over_http = await client.handle("list", PREFIX), await client.handle("list", PREFIX, *http)
    assert over_wire.out.split() == over_http.out.split() == [f"{PREFIX}/{n}" for n in ("ADMIN", "P0", "P1", "P2")]
    for command in ("home", "homed", "unhome"):
        named = [] if command == "homed" else ["88.118.9"]
        for more in ([], http):
            outcome = await client.handle(command, *named, *more)
            assert outcome.code == 0, outcome
            assert command != "homed" or outcome.out.split() == ["0.NA/88.118.8", "0.NA/88.118.9"]
    for name, more in (("P0", []), ("P1", http)):
        assert (await client.handle("delete", f"{PREFIX}/{name}", *more)).code == 0


async def _ask(client: Client, directory: Path) -> None:
    site = (await client("handle", "site")).out
    assert json.loads(site) == json.loads((await client("handle", "site", "--protocol", "http")).out)
    (directory / "root.json").write_text(site)
    for more in (
        ["--protocol", "handle-udp"],
        ["--protocol", "handle-tcp", "--session"],
        ["--recursive", "--root", client.node.handle],
        ["--recursive", "--root", str(directory / "root.json")],
    ):
        outcome = await client("resolve", f"{PREFIX}/P2", *more)
        assert (outcome.code, outcome.out) == (0, f"{PREFIX}/P2\n  2  NOTE  b\n"), (more, outcome)
    hidden = ["resolve", f"{PREFIX}/ADMIN", "--type", "HS_SECKEY", "--protocol", "handle-tcp"]
    assert SECRET not in (await client(*hidden)).out
    proof = ["--auth", BY_KEY, "--key-file", str(directory / "key")]
    assert SECRET in (await client(*hidden, *proof)).out
    await _check_signatures(client, directory, site)


async def _check_signatures(client: Client, directory: Path, site: str) -> None:
    shown = json.loads(site)["servers"][0]["publicKey"]["value"]
    (directory / "server.key").write_bytes(key_from_json(shown, "publicKey"))
    (directory / "other.key").write_bytes(
        new_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for name, code in (("server.key", 0), ("other.key", 4)):
        outcome = await client(
            "resolve", f"{PREFIX}/P2", "--protocol", "handle-tcp", "--server-key", str(directory / name)
        )
        assert outcome.code == code, outcome


async def _load(client: Client, directory: Path) -> None:
    """Create records in a session as a load test does, and look one of them up."""
    to = ["--protocol", "handle-tcp", "--url", f"handle://{client.node.handle}", "--scenario", "register"]
    who = ["--auth", BY_SECRET, "--secret-file", str(directory / "secret"), "--prefix", PREFIX]
    how = ["--loop", "closed", "--connections", "4", "--duration", "0.3", "--warmup", "0", "--json"]
    outcome = await client("loadtest", *to, *who, *how)
    assert outcome.code == 0, outcome
    series = json.loads(outcome.out)["series"][0]
    assert series["statuses"] == {"1": series["answered"]}
    made = [name for name in (await client.handle("list", PREFIX)).out.split() if "/LOAD-" in name]
    assert len(made) == series["arrived"] + 1
    assert (await client("resolve", made[-1])).code == 0


async def _prove_a_key_over_https(url: str, directory: Path, certificate: Path) -> None:
    """Delete the last record; a process of its own, for it reads once which certificates it trusts."""
    command = ["handle", "delete", f"{PREFIX}/P2", "--protocol", "http", "--url", url, "--auth", BY_KEY]
    for key, code in (("node.key", 4), ("key", 0)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *command, "--key-file", str(directory / key),
            env=os.environ | {"SSL_CERT_FILE": str(certificate)}, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        said = await process.communicate()
        assert process.returncode == code, said
