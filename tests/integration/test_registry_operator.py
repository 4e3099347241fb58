"""The operator's record, its documents, and where the node resolves."""

import copy
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.api.routes.operator import ROUTES
from tests.registry_api import Api, Reply, running_api

OPERATOR = "/api/v1/operator"
RESOLUTION = "/api/v1/operator/resolution"
EXAMPLE = next(route.request_example for route in ROUTES if (route.method, route.path) == ("PUT", OPERATOR))
ROW = {
    "code_type": "Handle",
    "prefix_or_range": "88.118",
    "ip_address": "192.0.2.17",
    "endpoints": [{"protocol": "TCP", "port": 2641}, {"protocol": "HTTP", "port": 80}],
    "tls": False,
}


def png(size: int) -> bytes:
    """Make a small picture; another size is another file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = size.to_bytes(4, "big") + size.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress((b"\x00" + bytes(size)) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def upload(api: Api, content: bytes) -> str:
    reply = await api.admin("POST", "/api/v1/files?name=a", data=content, headers={"Content-Type": "application/pdf"})
    assert reply.status == 201, reply.body
    return str(reply.json["id"])


async def record(api: Api) -> dict[str, Any]:
    """Return a full record whose files are uploaded."""
    picture, document = await upload(api, png(3)), await upload(api, PDF)
    body: dict[str, Any] = copy.deepcopy(EXAMPLE)
    details = body["details"]
    for name in ("org_id_images", "legal_rep_id_images", "contact_id_images"):
        details[name] = [picture]
    for name in ("data_escrow", "service_escrow"):
        details[name]["contracts"] = [document]
    details["identity_check"]["data_sources"] = [document]
    return body


async def put(api: Api, body: Any) -> Reply:
    return await api.admin("PUT", OPERATOR, body)


async def journalled(api: Api) -> list[tuple[str, str, Any]]:
    rows = await api.context.pool.fetch("SELECT key, op, after FROM journal WHERE kind = 'operator' ORDER BY xid, seq")
    return [(row["key"], row["op"], json.loads(row["after"])) for row in rows]


def fields(refused: Reply) -> list[str]:
    assert refused.status == 422, refused.body
    return sorted(fault["field"] for fault in refused.json["errors"])


async def test_the_record_is_entered_read_back_and_in_the_journal_with_its_files_described(api: Api) -> None:
    assert (await api.admin("GET", OPERATOR)).json["code"] == "no_operator"
    body = await record(api)
    entered = await put(api, body)
    assert entered.status == 200, entered.body
    assert (await api.admin("GET", OPERATOR)).json == entered.json
    assert (entered.json["node_prefix"], entered.json["version"]) == ("88.118", 1)
    assert entered.json["details"]["org_name"] == body["details"]["org_name"]
    assert len(entered.json["files"]) == 2
    key, op, state = (await journalled(api))[-1]
    assert (key, op) == ("operator", "create")
    (image,) = state["details"]["org_id_images"]
    assert (image["media_type"], image["bytes"], len(image["sha256"])) == ("image/png", len(png(3)), 64)
    assert (await put(api, body)).json["version"] == 2
    assert (await journalled(api))[-1][1] == "update"


async def test_documents_stay_with_the_operator_when_unused_uploads_are_deleted(api: Api) -> None:
    body = await record(api)
    await put(api, body)
    await api.context.pool.execute("DELETE FROM files")
    file_id = body["details"]["org_id_images"][0]
    kept = await api.admin("GET", f"{OPERATOR}/files/{file_id}")
    assert (kept.status, kept.body) == (200, png(3))
    assert kept.headers["Content-Disposition"].startswith("attachment")
    assert (await put(api, body)).status == 200


async def test_a_document_no_longer_named_is_dropped(api: Api) -> None:
    body = await record(api)
    await put(api, body)
    before = body["details"]["org_id_images"][0]
    other = await upload(api, png(4))
    for name in ("org_id_images", "legal_rep_id_images", "contact_id_images"):
        body["details"][name] = [other]
    assert (await put(api, body)).status == 200
    assert (await api.admin("GET", f"{OPERATOR}/files/{before}")).json["code"] == "unknown_file"


async def test_every_fault_of_the_record_is_told_at_once(api: Api) -> None:
    body = await record(api)
    details = body["details"]
    del details["org_profile"]
    details["org_id_number"] = "91990000MA0DEMAT2Q"
    details["org_address_city"] = "110100"
    details["service_build"] = {"mode": 2, "org_name": "Somebody"}
    details["served_industries"] = []
    details["colour"] = "red"
    assert fields(await put(api, body)) == [
        "details.colour",
        "details.org_address_city",
        "details.org_id_number",
        "details.org_profile",
        "details.served_industries",
        "details.service_build.contracts",
    ]
    assert (await api.admin("GET", OPERATOR)).status == 404


async def test_files_are_there_and_of_the_type_asked_for(api: Api) -> None:
    body = await record(api)
    body["details"]["identity_check"]["data_sources"] = body["details"]["org_id_images"]
    body["details"]["contact_id_images"] = ["fil_none"]
    assert fields(await put(api, body)) == ["details.contact_id_images[0]", "details.identity_check.data_sources[0]"]


async def test_the_record_tells_below_which_prefix_numbers_are_given_out(api: Api) -> None:
    body = await record(api)
    await put(api, body)
    assert (await api.admin("GET", "/api/v1/prefix-allocation")).json["next"] == "88.118.1"
    other = await put(api, body | {"node_prefix": "88.119"})
    assert (other.status, other.json["code"]) == (409, "node_prefix_differs")
    assert fields(await put(api, body | {"node_prefix": "88.118.8"})) == ["node_prefix"]


@pytest.mark.parametrize(
    ("role", "reads"), [("reviewer", True), ("auditor", True), ("enterprise_administrator", False), ("reader", False)]
)
async def test_staff_reads_the_record_and_only_administrators_change_it(api: Api, role: str, reads: bool) -> None:  # noqa: FBT001 - a case
    owner = await api.prefix()
    await put(api, await record(api))
    client = await api.holder(role, owner if role.startswith("enterprise") else None)
    for path in (OPERATOR, RESOLUTION):
        assert (await client("GET", path)).status == (200 if reads else 403)
    assert (await client("PUT", OPERATOR, {"node_prefix": "88.118", "details": {}})).status == 403
    assert (await client("PUT", RESOLUTION, {"addresses": []})).status == 403


async def test_each_address_that_changes_is_a_change_of_its_own(api: Api) -> None:
    six = ROW | {"ip_address": "2001:DB8::17", "endpoints": [{"protocol": "HTTP", "port": 443}], "tls": True}
    stored = await api.admin("PUT", RESOLUTION, {"addresses": [six, ROW]})
    assert stored.status == 200, stored.body
    assert stored.json["addresses"] == [ROW, six | {"ip_address": "2001:db8::17"}]
    assert (await api.admin("GET", RESOLUTION)).json == stored.json
    await api.admin("PUT", RESOLUTION, {"addresses": [six, ROW]})
    moved = ROW | {"endpoints": [{"protocol": "UDP", "port": 2641}]}
    await api.admin("PUT", RESOLUTION, {"addresses": [moved]})
    assert [(key, op) for key, op, _ in await journalled(api)] == [
        ("resolution Handle|88.118|IPv6|2001:db8::17", "create"),
        ("resolution Handle|88.118|IPv4|192.0.2.17", "create"),
        ("resolution Handle|88.118|IPv6|2001:db8::17", "withdraw"),
        ("resolution Handle|88.118|IPv4|192.0.2.17", "update"),
    ]
    assert (await journalled(api))[-1][2] == {
        "code_type": "Handle",
        "prefix_or_range": "88.118",
        "ip_type": "IPv4",
        "ip_address": "192.0.2.17",
        "endpoints": [{"protocol": "UDP", "port": 2641}],
        "tls": False,
    }


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"code_type": "EAN"}, "addresses[0].code_type"),
        ({"prefix_or_range": "88.118.9..88.118.8"}, "addresses[0].prefix_or_range"),
        ({"code_type": "GS1", "prefix_or_range": "88.118"}, "addresses[0].prefix_or_range"),
        ({"ip_address": "127.0.0.1"}, "addresses[0].ip_address"),
        ({"endpoints": []}, "addresses[0].endpoints"),
        ({"endpoints": [{"protocol": "TCP", "port": 1}, {"protocol": "TCP", "port": 2}]}, "addresses[0].endpoints"),
        ({"endpoints": [{"protocol": "SCTP", "port": 1}]}, "addresses[0].endpoints[0].protocol"),
        ({"endpoints": [{"protocol": "TCP", "port": 0}]}, "addresses[0].endpoints[0].port"),
    ],
)
async def test_a_bad_address_names_the_field(api: Api, changed: Any, field: str) -> None:
    assert fields(await api.admin("PUT", RESOLUTION, {"addresses": [ROW | changed]})) == [field]


async def test_an_address_is_named_once(api: Api) -> None:
    assert fields(await api.admin("PUT", RESOLUTION, {"addresses": [ROW, ROW]})) == ["addresses[1]"]
    assert fields(await api.admin("PUT", RESOLUTION, {"addresses": [ROW] * 257})) == ["addresses"]
