"""The last border: a defect below it becomes an answer in the form of the face, and a line in the log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from resolver.counting import Tallies
from resolver.faces.application import make_application
from resolver.faces.client import Client, TrustedProxies
from resolver.faces.desk import Desk
from resolver.faces.health import Health, MetricFiles
from resolver.metrics import Figures
from resolver.registry_proxy import RegistryProxy
from resolver.replica_reader import ReplicaReader
from tests.integration.running_worker import PREFIX, examples, fill


class _Defective(TrustedProxies):
    """A part with a defect: whoever asks it for the client fails."""

    def client(self, request: web.BaseRequest) -> Client:
        raise RuntimeError(f"a defect, met by {request.method}")


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    writer = fill(tmp_path / "replica", examples())
    desk = Desk(Tallies(), _Defective())
    reader = ReplicaReader(tmp_path / "replica")
    desk.serve_from(reader)
    async with RegistryProxy(tmp_path / "registry.sock", desk.proxies) as proxy:
        health = Health(desk, "test", Figures(CollectorRegistry()), MetricFiles(tmp_path), proxy.writes_possible)
        runner = web.AppRunner(make_application(desk, health, proxy))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield "http://{}:{}".format(*runner.addresses[0])
        await runner.cleanup()
    reader.close()
    writer.close()


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", f"/api/handles/{PREFIX}/SN1", "application/json; charset=UTF-8"),
        ("GET", f"/{PREFIX}/SN1", "text/html; charset=UTF-8"),
        ("POST", "/api/v1/lookup", "application/problem+json"),
        ("GET", "/api/v1/prefixes", "application/problem+json"),
    ],
)
async def test_a_defect_is_500_in_the_form_of_the_face(
    address: str, method: str, path: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.request(method, address + path, data=b'{"identifiers":["a"]}') as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (500, form)
            text = await answer.text()
            assert "defect" not in text
            if "json" in form:
                told = json.loads(text)
                assert told.get("responseCode", told.get("status")) in {2, 500}
        async with session.get(address + "/livez") as answer:
            assert answer.status == 200
    assert f"answering {method} {path} failed" in caplog.text
    assert "a defect, met by" in caplog.text
