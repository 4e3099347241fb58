"""Uploaded documents over the API."""

import hashlib
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from registry.maintenance import maintain
from registry.service.file_contents import PDF_OCTETS_MAX
from registry.service.files import UNBOUND_MAX
from tests.documents import JPEG, PDF, PNG, document
from tests.enterprise_statements import application, upload
from tests.registry_api import Api, Client, Reply, running_api

FILES = "/api/v1/files"
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def send(client: Client, content: bytes, query: str = "", **headers: str) -> Reply:
    sent = OCTETS | {name.replace("_", "-"): text for name, text in headers.items()}
    return await client("POST", FILES + query, data=io.BytesIO(content), headers=sent)


@pytest.mark.parametrize(
    ("content", "media_type", "name"),
    [(PNG, "image/png", "file.png"), (JPEG, "image/jpeg", "file.jpg"), (PDF, "application/pdf", "file.pdf")],
)
async def test_a_file_is_given_back_as_it_was_sent(api: Api, content: bytes, media_type: str, name: str) -> None:
    owner = await api.holder("applicant")
    made = await send(owner, content)
    assert (made.status, made.headers["Location"]) == (201, f"{FILES}/{made.json['id']}")
    assert (made.json["media_type"], made.json["octets"], made.json["name"]) == (media_type, len(content), name)
    assert made.json["sha256"] == hashlib.sha256(content).hexdigest()
    assert made.json["enterprise"] is None
    assert (await owner("GET", made.headers["Location"])).json == made.json
    given = await owner("GET", f"{made.headers['Location']}/content")
    assert (given.body, given.headers["Content-Type"]) == (content, "application/octet-stream")
    assert given.headers["X-Content-Type-Options"] == "nosniff"
    assert given.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{name}"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("%E8%90%A5%E4%B8%9A%E6%89%A7%E7%85%A7.pdf", "营业执照.pdf"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C:%5Ctemp%5Cscan.pdf", "scan.pdf"),
        ("a%0D%0Ab.pdf", "ab.pdf"),
        ("%20", "file.pdf"),
        ("x" * 300, "x" * 255),
    ],
)
async def test_of_a_name_the_last_part_is_kept(api: Api, sent: str, kept: str) -> None:
    assert (await send(api.admin, PDF, f"?name={sent}")).json["name"] == kept


async def test_the_same_content_of_the_same_owner_is_the_same_file(api: Api) -> None:
    first, second = await api.holder("applicant"), await api.holder("applicant")
    made = await upload(first, PDF)
    assert (await upload(first, PDF, "other.pdf"))["id"] == made["id"]
    assert (await upload(second, PDF))["id"] != made["id"]
    assert (await upload(first, document(1)))["id"] != made["id"]


async def test_what_is_not_accepted_says_why(api: Api) -> None:
    for content, status, code in (
        (b"<html>", 422, "file_type_not_accepted"),
        (PNG[:-4], 422, "file_damaged"),
        (PDF + bytes(PDF_OCTETS_MAX), 413, "file_too_large"),
        (b"", 422, "file_type_not_accepted"),
    ):
        refused = await send(api.admin, content)
        assert (refused.status, refused.json["code"]) == (status, code)
    form = await api.admin("POST", FILES, data=PDF, headers={"Content-Type": "text/html"})
    assert (form.status, form.json["code"]) == (415, "unsupported_media_type")
    keyed = await send(api.admin, PDF, Idempotency_Key="1")
    assert (keyed.status, keyed.json["code"]) == (400, "idempotency_key_not_used")
    assert (await api.admin("GET", f"{FILES}/fil_none")).json["code"] == "unknown_file"
    assert await api.context.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_a_file_is_for_its_owner_for_the_node_and_for_its_enterprise(api: Api) -> None:
    await api.admin("PUT", "/api/v1/prefix-allocation", {"node_prefix": "88.118", "first": 1, "last": 99})
    applicant = await api.holder("applicant")
    body = await application(applicant)
    [licence] = body["documents"]["org_id_images"]
    enterprise = (await applicant("POST", "/api/v1/enterprises", body)).json["id"]
    assert (await applicant("GET", f"{FILES}/{licence}")).json["enterprise"] == enterprise
    spare = (await upload(applicant, PDF))["id"]
    others = {
        "another": await api.holder("applicant"),
        "user": await api.holder("enterprise_user", enterprise),
        "reader": await api.holder("reader", enterprise),
        "colleague": await api.holder("enterprise_administrator", enterprise),
        "reviewer": await api.holder("reviewer"),
        "auditor": await api.holder("auditor"),
    }
    may = {licence: {"colleague", "reviewer", "auditor"}, spare: {"reviewer", "auditor"}}
    for file_id, allowed in may.items():
        for caller, client in others.items():
            for path in (f"{FILES}/{file_id}", f"{FILES}/{file_id}/content"):
                status = (await client("GET", path)).status
                assert status == (200 if caller in allowed else 403), (caller, path)
    assert (await api.client(None)("GET", f"{FILES}/{licence}")).status == 401
    for role in ("reader", "auditor", "reviewer"):
        assert (await send(await api.holder(role), PDF)).status == 403


async def test_files_that_no_application_uses_are_deleted_after_seven_days(api: Api) -> None:
    await api.admin("PUT", "/api/v1/prefix-allocation", {"node_prefix": "88.118", "first": 1, "last": 99})
    applicant = await api.holder("applicant")
    body = await application(applicant)
    assert (await applicant("POST", "/api/v1/enterprises", body)).status == 201
    [used] = body["documents"]["org_id_images"]
    spare = (await upload(applicant, PDF))["id"]
    now = api.context.clock()
    for days, expected in ((6, 200), (8, 404)):
        async with api.context.pool.acquire() as connection:
            await maintain(connection, now + timedelta(days=days))
        assert (await applicant("GET", f"{FILES}/{spare}")).status == expected
        assert (await applicant("GET", f"{FILES}/{used}")).status == 200


async def test_nobody_keeps_many_files_that_no_application_uses(api: Api) -> None:
    applicant = await api.holder("applicant")
    for number in range(UNBOUND_MAX):
        await upload(applicant, document(number))
    refused = await send(applicant, PDF)
    assert (refused.status, refused.json["code"]) == (409, "too_many_files")
    assert (await send(applicant, document(0))).status == 201, "it is there already"


async def test_reading_a_document_is_on_record(api: Api) -> None:
    made = await upload(api.admin, PDF)
    await api.admin("GET", f"{FILES}/{made['id']}/content")
    objects = [row["object"] for row in await api.context.pool.fetch("SELECT object FROM audit_log")]
    assert f"file {made['id']}" in objects
