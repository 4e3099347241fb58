"""The code tables over the API: for everyone, level by level."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.registry_api import Api, running_api


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def test_divisions_are_listed_from_the_provinces_down(api: Api) -> None:
    nobody = api.client(None)
    provinces = (await nobody("GET", "/api/v1/regions")).json
    assert {"code": "320000", "name": "江苏省"} in provinces["items"]
    assert provinces["next"] is None
    cities = (await nobody("GET", "/api/v1/regions?within=320000")).json["items"]
    assert cities[0] == {"code": "320100", "name": "南京市"}
    counties = (await nobody("GET", "/api/v1/regions?within=320100")).json["items"]
    assert counties[0] == {"code": "320102", "name": "玄武区"}
    assert (await nobody("GET", "/api/v1/regions?within=320102")).json["items"] == []


async def test_industries_are_listed_from_the_sections_down(api: Api) -> None:
    nobody = api.client(None)
    names = {}
    for within in ("", "?within=C", "?within=34", "?within=344"):
        items = (await nobody("GET", f"/api/v1/industries{within}")).json["items"]
        names |= {item["code"]: item["name"] for item in items}
    assert names["C"] == "制造业"
    assert names["34"] == "通用设备制造业"
    assert names["344"] == "泵、阀门、压缩机及类似机械制造"
    assert names["3441"] == "泵及真空设备制造"


@pytest.mark.parametrize("path", ["/api/v1/regions?within=999999", "/api/v1/industries?within=U"])
async def test_an_unknown_code_is_not_found(api: Api, path: str) -> None:
    refused = await api.client(None)("GET", path)
    assert (refused.status, refused.json["code"]) == (404, "unknown_code")
