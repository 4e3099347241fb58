"""What the operator enters over the API for the monthly report, the emergency contact and the agreement."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.registry_api import Api, running_api

NOTES = "/api/v1/sync/notes"
CONTACTS = "/api/v1/sync/contacts"
AGREEMENT = "/api/v1/sync/agreement"
STOP: dict[str, Any] = {
    "kind": "maintenance",
    "started_at": "2031-04-12T18:00:00Z",
    "ended_at": "2031-04-12T18:02:35Z",
    "description": "数据库升级",
}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def test_stops_and_emergencies_are_entered_changed_and_taken_back(api: Api) -> None:
    stop = await api.admin("POST", NOTES, STOP)
    assert (stop.status, stop.json["description"]) == (201, "数据库升级")
    lasting = {
        "kind": "emergency",
        "started_at": "2031-04-20T01:00:00+08:00",
        "description": "电源故障",
        "remedy": "切换",
    }
    emergency = (await api.admin("POST", NOTES, lasting)).json
    assert (emergency["started_at"], emergency["ended_at"]) == ("2031-04-19T17:00:00.000Z", None)
    path = f"{NOTES}/{emergency['note_id']}"
    ended = await api.admin("PUT", path, {**lasting, "ended_at": "2031-04-20T02:00:00+08:00"})
    assert (ended.status, ended.json["ended_at"]) == (200, "2031-04-19T18:00:00.000Z")
    assert (await api.admin("GET", path)).json == ended.json
    assert (await api.admin("GET", NOTES)).json["items"] == [ended.json, stop.json]
    assert (await api.admin("DELETE", path)).status == 200
    assert (await api.admin("GET", f"{NOTES}?limit=5")).json["items"] == [stop.json]
    for method, body in (("GET", None), ("DELETE", None), ("PUT", lasting)):
        reply = await api.admin(method, path, body)
        assert (reply.status, reply.json["code"]) == (404, "unknown_note")


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"ended_at": "2031-04-12T17:59:59Z"}, "bad_note", "ended_at"),
        ({"remedy": "none"}, "bad_note", "remedy"),
        ({"started_at": "yesterday"}, "bad_instant", "started_at"),
        ({"description": ""}, "bad_fields", "description"),
        ({"description": "a\nb"}, "bad_fields", "description"),
    ],
)
async def test_a_note_that_cannot_be_is_refused_by_its_field(
    api: Api, changed: dict[str, Any], code: str, field: str
) -> None:
    reply = await api.admin("POST", NOTES, STOP | changed)
    assert (reply.status, reply.json["code"]) == (422, code)
    assert [one["field"] for one in reply.json["errors"]] == [field]
    assert (await api.admin("GET", NOTES)).json["items"] == []


async def test_the_kind_of_a_note_stays(api: Api) -> None:
    made = (await api.admin("POST", NOTES, STOP)).json
    reply = await api.admin("PUT", f"{NOTES}/{made['note_id']}", STOP | {"kind": "emergency"})
    assert (reply.status, reply.json["code"]) == (404, "unknown_note")


async def test_a_contact_has_its_history_and_the_newest_change_is_signed(api: Api) -> None:
    unsigned = await api.admin("POST", f"{CONTACTS}:sign", {"signed_on": "2031-05-07"})
    assert (unsigned.status, unsigned.json["code"]) == (404, "no_contact")
    people = [{"name": name, "telephone": "+86 10 1", "email": "a@example.com"} for name in ("张三", "李四")]
    for person in people:
        assert (await api.admin("POST", CONTACTS, person)).status == 201
    signed = (await api.admin("POST", f"{CONTACTS}:sign", {"signed_on": "2031-05-07"})).json
    assert (signed["name"], signed["signed_on"]) == ("李四", "2031-05-07")
    listed = (await api.admin("GET", CONTACTS)).json["items"]
    assert [(one["name"], one["signed_on"]) for one in listed] == [("李四", "2031-05-07"), ("张三", None)]
    wrong = await api.admin("POST", f"{CONTACTS}:sign", {"signed_on": "2031-02-29"})
    assert (wrong.status, wrong.json["code"]) == (422, "bad_date")
    assert (await api.admin("POST", CONTACTS, people[0] | {"email": "nowhere"})).status == 422


async def test_the_agreement_is_entered_and_replaced(api: Api) -> None:
    assert (await api.admin("GET", AGREEMENT)).json["code"] == "no_agreement"
    for ends in ("2033-05-31", "2036-05-31"):
        body = {"signed_on": "2030-06-01", "expires_on": ends}
        assert (await api.admin("PUT", AGREEMENT, body)).json == body
        assert (await api.admin("GET", AGREEMENT)).json == body
    reply = await api.admin("PUT", AGREEMENT, {"signed_on": "2030-06-01", "expires_on": "2030-06-01"})
    assert (reply.status, reply.json["code"]) == (422, "bad_agreement")
