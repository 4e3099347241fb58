"""A whole node that speaks TLS, and what its settings have to say for that."""

import ssl
from pathlib import Path

import aiohttp
import pytest

from tests.certificates import certificate_pem, new_key, write_pair
from tests.handle_stack import SECRET
from tests.integration.handle_http_face import basic
from tests.support import NodeProcess, free_port

PREFIX = "88.118.8"


@pytest.mark.slow
async def test_a_handle_is_created_over_tls_and_found_without(tmp_path: Path, registry_database: str) -> None:
    key, port = new_key(), free_port()
    certificate, key_file = write_pair(tmp_path, key, certificate_pem(key, "localhost"), "server")
    environment = {
        "IDNODE_HTTP_TLS_ADDRESS": f"127.0.0.1:{port}",
        "IDNODE_HTTP_TLS_CERTIFICATE_FILE": str(certificate),
        "IDNODE_HTTP_TLS_KEY_FILE": str(key_file),
        "IDNODE_HTTP_CLIENT_CERTIFICATES": "optional",
        "IDNODE_HANDLE_ADMINISTRATORS": f"300:{PREFIX}/ADMIN",
    }
    context = ssl.create_default_context(cafile=certificate)
    node = NodeProcess(tmp_path / "data", "--database", registry_database, workers=2, environment=environment)
    async with node, aiohttp.ClientSession() as session:
        token = {"Authorization": f"Bearer {node.token}"}
        prefix = {"prefix": PREFIX, "name": "Pumps"}
        async with session.post(f"{node.url}/api/v1/prefixes", json=prefix, headers=token) as answer:
            assert answer.status == 201
        user = {"values": [{"index": 300, "type": "HS_SECKEY", "data": SECRET.decode(), "permissions": "1100"}]}
        url = f"{node.url}/api/v1/identifiers/{PREFIX}/ADMIN"
        async with session.put(url, json=user, headers=token) as answer:
            assert answer.status == 201
        name = f"/api/handles/{PREFIX}/SN1"
        value = {"index": 1, "type": "URL", "data": "https://example.com/1"}
        proof = {"Authorization": basic(f"300%3A{PREFIX}/ADMIN", SECRET)}
        async with session.put(f"https://127.0.0.1:{port}{name}", json=[value], headers=proof, ssl=context) as answer:
            assert answer.status == 201, await answer.read()
        async with session.get(node.url + name) as answer:
            assert answer.status == 200
