"""Single identifiers over the API: registering, replacing, patching, withdrawing, reading, listing."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry.database import transaction
from tests.registry_api import VALUES, Api, Client, running_api

PATH = "/api/v1/identifiers/"
ONE = f"{PATH}88.118.8/SN1"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        await running.prefix()
        yield running


def value(index: int, data: Any = "x", kind: str = "name", **rest: Any) -> dict[str, Any]:
    return {"index": index, "type": kind, "data": data, **rest}


async def put(client: Client, path: str = ONE, *values: Any, **headers: str) -> Any:
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client("PUT", path, {"values": list(values) or VALUES}, headers=sent)


async def test_a_new_identifier_is_created_and_reads_as_it_was_sent(api: Api) -> None:
    written = await put(api.admin)
    assert written.status == 202, "no follower runs here, so nothing is resolvable yet"
    assert written.json == {"identifier": "88.118.8/SN1", "version": 1, "resolvable": False}
    assert written.headers["ETag"] == '"1"'
    assert written.headers["Location"] == ONE
    read = await api.admin("GET", ONE)
    assert read.status == 200
    assert read.headers["ETag"] == '"1"'
    body = read.json
    timestamp = body["values"][0].pop("timestamp")
    assert re.fullmatch(r"20..-..-..T..:..:..Z", timestamp)
    assert body["values"] == [{**VALUES[0], "data": {"format": "string", "value": VALUES[0]["data"]}, "ttl": 86400}]
    assert (body["identifier"], body["prefix"], body["state"], body["version"]) == (
        "88.118.8/SN1",
        "88.118.8",
        "active",
        1,
    )
    assert body["created_at"] == body["updated_at"]


async def test_a_replacement_keeps_the_spelling_and_the_timestamps_of_what_stays(api: Api) -> None:
    await put(api.admin, ONE, value(1, "a"), value(2, "b"))
    async with transaction(api.context.pool) as connection:
        await connection.execute(
            "UPDATE identifiers "
            "SET values = regexp_replace(values, '20..-..-..T..:..:..Z', '2001-01-01T00:00:00Z', 'g')"
        )
    assert (await put(api.admin, f"{PATH}88.118.8/sn1", value(1, "a"), value(2, "B"))).json["version"] == 2
    body = (await api.admin("GET", ONE)).json
    assert body["identifier"] == "88.118.8/SN1"
    kept, changed = (found["timestamp"] for found in body["values"])
    assert kept == "2001-01-01T00:00:00Z"
    assert changed > kept


async def test_sending_the_same_record_again_changes_nothing(api: Api) -> None:
    await put(api.admin)
    changes = await api.context.pool.fetchval("SELECT count(*) FROM journal")
    again = await put(api.admin)
    assert again.json["version"] == 1
    assert "Location" not in again.headers
    assert await api.context.pool.fetchval("SELECT count(*) FROM journal") == changes


async def test_every_data_format_comes_back_as_it_was_written(api: Api) -> None:
    values = [
        value(1, {"format": "base64", "value": "AAEC/w=="}),
        value(
            2, {"format": "admin", "value": {"handle": "0.NA/88.118.8", "index": 200, "permissions": "011111110011"}}
        ),
        value(3, '泵 "quoted"\n', ttl="2031-01-01T00:00:00Z", permissions="1111"),
        value(4, "x", references=[{"handle": "88.118.8/SN2", "index": 7}]),
    ]
    values[1]["type"] = "HS_ADMIN"
    await put(api.admin, ONE, *values)
    read = (await api.admin("GET", ONE)).json["values"]
    assert [found["data"]["value"] for found in read[:3]] == [
        "AAEC/w==",
        {"handle": "0.NA/88.118.8", "index": 200, "permissions": "011111110011"},
        '泵 "quoted"\n',
    ]
    assert (read[2]["ttl"], read[2]["permissions"]) == ("2031-01-01T00:00:00Z", "1111")
    assert read[3]["references"] == [{"handle": "88.118.8/SN2", "index": 7}]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("88.118.8/a%2Fb", "88.118.8/a/b"),
        ("88.118.8//a//b", "88.118.8//a//b"),
        ("88.118.8/../x/./y", "88.118.8/../x/./y"),
        ("88.118.8/a+b;c=d,e", "88.118.8/a+b;c=d,e"),
        ("88.118.8/100%25%3F%23", "88.118.8/100%?#"),
        ("88.118.8/%E6%B3%B5", "88.118.8/泵"),
        ("88.118.8/%252F", "88.118.8/%2F"),
        ("88.118.8/a%20b", "88.118.8/a b"),
    ],
)
async def test_the_raw_path_is_decoded_once_and_not_otherwise_touched(api: Api, path: str, name: str) -> None:
    assert (await put(api.admin, PATH + path)).json["identifier"] == name
    read = await api.admin("GET", PATH + path)
    assert read.json["identifier"] == name
    location = (await api.admin("DELETE", PATH + path)).headers.get("Location", "")
    assert location == ""


async def test_the_location_of_a_new_identifier_leads_to_it(api: Api) -> None:
    location = (await put(api.admin, f"{PATH}88.118.8/a%23b%3F%20%E6%B3%B5/%25")).headers["Location"]
    assert (await api.admin("GET", location)).json["identifier"] == "88.118.8/a#b? 泵/%"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("88.118.8/%FF", "bad_char"),
        ("88.118.8/%ZZ", "bad_char"),
        ("88.118.8/a%00b", "bad_char"),
        ("88.118.8/a%0Ab", "bad_char"),
        ("88.118.8/", "bad_suffix"),
        ("88.118.8", "bad_suffix"),
        ("88.118.8/TPL-1", "bad_suffix"),
        ("88.118.8/A%CC%81", "not_nfc"),
        ("88.1/x", "bad_prefix"),
        ("88.118.8/" + "x" * 300, "too_long"),
    ],
)
async def test_a_name_that_breaks_the_rules_is_refused_with_its_reason(api: Api, path: str, code: str) -> None:
    refusal = await put(api.admin, PATH + path)
    assert (refusal.status, refusal.json["code"]) == (400, code)
    assert refusal.json["remedy"]


async def test_a_prefix_that_is_not_here_is_not_found(api: Api) -> None:
    for method, body in (("PUT", {"values": VALUES}), ("GET", None), ("DELETE", None)):
        refusal = await api.admin(method, f"{PATH}88.118.9/SN1", body)
        assert (refusal.status, refusal.json["code"]) == (404, "unknown_prefix")


async def test_patch_adds_replaces_and_removes_values_by_index(api: Api) -> None:
    await put(api.admin, ONE, value(1, "a"), value(2, "b"), value(3, "c"))
    patched = await api.admin("PATCH", ONE, {"values": [value(2, "B"), value(4, "d")], "remove": [3]})
    assert patched.json["version"] == 2
    values = (await api.admin("GET", ONE)).json["values"]
    assert [(found["index"], found["data"]["value"]) for found in values] == [(1, "a"), (2, "B"), (4, "d")]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"remove": [7, 1]}, 422, "remove[0]"),
        ({}, 422, "values"),
        ({"values": [value(0)]}, 422, "values[0].index"),
        ({"values": [{"index": 1, "type": "x"}]}, 422, "values[0]"),
        ({"remove": ["1"]}, 422, "remove[0]"),
        ({"add": []}, 422, "add"),
        ({"values": [value(5, "x" * 200_000), value(6, "x" * 200_000)]}, 422, "values"),
    ],
)
async def test_a_bad_patch_names_its_field_and_changes_nothing(api: Api, body: Any, status: int, field: str) -> None:
    await put(api.admin)
    refusal = await api.admin("PATCH", ONE, body)
    assert (refusal.status, refusal.json["errors"][0]["field"]) == (status, field), refusal.json
    assert (await api.admin("GET", ONE)).json["version"] == 1


async def test_a_withdrawn_identifier_is_gone_and_never_given_again(api: Api) -> None:
    await put(api.admin)
    withdrawn = await api.admin("DELETE", f"{ONE}?successor=88.118.8/SN2")
    assert withdrawn.json["version"] == 2
    gone = await api.admin("GET", ONE)
    assert (gone.status, gone.json["code"], gone.json["remedy"]) == (410, "identifier_withdrawn", "use 88.118.8/SN2")
    assert (await api.admin("PATCH", ONE, {"remove": [1]})).status == 410
    assert (await api.admin("DELETE", ONE)).status == 410
    again = await put(api.admin)
    assert (again.status, again.json["code"]) == (409, "identifier_withdrawn")
    assert "another identifier" in again.json["remedy"]
    assert (await api.admin("DELETE", f"{PATH}88.118.8/SN9")).status == 404
    after = await api.context.pool.fetchval("SELECT after::json FROM journal ORDER BY xid DESC, seq DESC LIMIT 1")
    assert '"state":"withdrawn","version":2' in after
    assert '"values":[]' in after
    assert '"successor":"88.118.8/SN2"' in after


async def test_the_record_of_a_prefix_itself_may_be_written_again(api: Api) -> None:
    path = "/api/v1/identifiers/0.NA/88.118.8"
    assert (await api.admin("PUT", path, {"values": VALUES})).json["version"] == 1
    assert (await api.admin("DELETE", path)).json["version"] == 2
    assert (await api.admin("GET", path)).status == 410
    assert (await api.admin("PUT", path, {"values": VALUES})).json["version"] == 3


async def test_a_successor_that_is_no_name_is_refused(api: Api) -> None:
    await put(api.admin)
    assert (await api.admin("DELETE", f"{ONE}?successor=..%2F")).status == 400
    for text in ("%ff", "88.118.8/%ff", "javascript:alert(1)", "%3Cscript%3E"):
        assert (await api.admin("DELETE", f"{ONE}?successor={text}")).status == 400
    assert (await api.admin("GET", ONE)).status == 200


async def test_preconditions_guard_against_lost_updates(api: Api) -> None:
    assert (await put(api.admin, If_Match='"1"')).json["code"] == "identifier_absent"
    assert (await put(api.admin, If_Match="*")).status == 412
    assert (await put(api.admin, If_None_Match="*")).status == 202
    exists = await put(api.admin, If_None_Match="*")
    assert (exists.status, exists.json["code"]) == (412, "identifier_exists")
    assert (await put(api.admin, ONE, value(1, "2"), If_Match='"1"')).json["version"] == 2
    stale = await put(api.admin, ONE, value(1, "3"), If_Match='"1"')
    assert (stale.status, stale.json["code"]) == (412, "version_mismatch")
    assert (await put(api.admin, ONE, value(1, "3"), If_Match='"7", "2"')).json["version"] == 3
    assert (await put(api.admin, ONE, value(1, "4"), If_Match='W/"3"')).status == 412
    for bad in ({"If-Match": "3"}, {"If-None-Match": '"3"'}):
        assert (await api.admin("PUT", ONE, {"values": VALUES}, headers=bad)).status == 400
    assert (await api.admin("PATCH", ONE, {"remove": [1]}, headers={"If-Match": '"1"'})).status == 412
    assert (await api.admin("DELETE", ONE, headers={"If-Match": '"1"'})).status == 412
    assert (await api.admin("DELETE", ONE, headers={"If-Match": '"3"'})).json["version"] == 4


async def test_of_many_writers_with_the_same_etag_one_wins(api: Api) -> None:
    await put(api.admin)
    replies = await asyncio.gather(*(put(api.admin, ONE, value(1, str(n)), If_Match='"1"') for n in range(20)))
    statuses = sorted(reply.status for reply in replies)
    assert statuses == [202] + [412] * 19


async def test_every_concurrent_replacement_counts_as_a_version(api: Api) -> None:
    replies = await asyncio.gather(*(put(api.admin, ONE, value(1, str(n))) for n in range(12)))
    made = [reply for reply in replies if reply.status == 202]
    assert {reply.status for reply in replies} <= {202, 409}
    assert sorted(reply.json["version"] for reply in made) == list(range(1, len(made) + 1))


async def test_a_record_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    await put(api.admin)
    for tags in ('"1"', 'W/"1"', '"0", "1"', "*"):
        unchanged = await api.admin("GET", ONE, headers={"If-None-Match": tags})
        assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", '"1"')
    assert (await api.admin("GET", ONE, headers={"If-None-Match": '"2"'})).status == 200
    head = await api.admin("HEAD", ONE)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", '"1"')


async def test_others_see_the_public_values_and_owners_all_that_leave_the_server(api: Api) -> None:
    await put(
        api.admin,
        ONE,
        value(1, "public"),
        value(2, "restricted", permissions="1100"),
        value(3, "never", permissions="0100"),
    )
    owner = (await api.admin("GET", "/api/v1/prefixes/88.118.8")).json["enterprise"]
    stranger = await api.prefix("88.118.9", "Valves")
    expected = {
        "administrator": [1, 2],
        "own enterprise": [1, 2],
        "own reader": [1, 2],
        "other enterprise": [1],
        "other reader": [1],
        "public reader": [1],
    }
    clients = {
        "administrator": api.admin,
        "own enterprise": await api.holder("enterprise_administrator", owner),
        "own reader": await api.holder("reader", owner),
        "other enterprise": await api.holder("enterprise_administrator", stranger),
        "other reader": await api.holder("reader", stranger),
        "public reader": await api.holder("reader"),
    }
    seen = {
        name: [found["index"] for found in (await client("GET", ONE)).json["values"]]
        for name, client in clients.items()
    }
    assert seen == expected
    listed = (await clients["own reader"]("GET", "/api/v1/identifiers?prefix=88.118.8")).json["items"]
    assert [found["index"] for found in listed[0]["values"]] == [1, 2]


async def test_letters_count_with_their_case_below_an_exact_prefix(api: Api) -> None:
    await api.prefix("88.118.9", exact_case=True)
    for name in ("sn1", "SN1"):
        assert (await put(api.admin, f"{PATH}88.118.9/{name}", value(1, name))).json["version"] == 1
    for name in ("sn1", "SN1"):
        read = (await api.admin("GET", f"{PATH}88.118.9/{name}")).json
        assert (read["identifier"], read["values"][0]["data"]["value"]) == (f"88.118.9/{name}", name)
    assert (await api.admin("GET", f"{PATH}88.118.9/Sn1")).status == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "suspended"}, "prefix_suspended"),
        ({"state": "withdrawn"}, "prefix_withdrawn"),
        (
            {
                "hosting": "routed",
                "sites": [{"version": 1, "servers": [{"serverId": 1, "address": "192.0.2.1", "interfaces": []}]}],
            },
            "prefix_routed",
        ),
    ],
)
async def test_a_prefix_that_takes_no_registrations_says_why_and_still_reads(api: Api, change: Any, code: str) -> None:
    await put(api.admin)
    assert (await api.admin("PATCH", "/api/v1/prefixes/88.118.8", change)).status == 200
    for method, body in (("PUT", {"values": VALUES}), ("PATCH", {"remove": [1]}), ("DELETE", None)):
        refusal = await api.admin(method, ONE, body)
        assert (refusal.status, refusal.json["code"]) == (409, code)
    assert (await api.admin("GET", ONE)).status == 200


async def test_a_list_is_paged_in_the_order_of_keys_and_each_record_comes_once(api: Api) -> None:
    names = [f"88.118.8/{letter}{number}" for letter in "bAc" for number in range(5)]
    for name in names:
        await put(api.admin, PATH + name)
    await api.admin("DELETE", PATH + names[0])
    seen, path = [], "/api/v1/identifiers?prefix=88.118.8&limit=4"
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.admin("GET", f"{path}&cursor={cursor}" if cursor else path)).json
        assert len(page["items"]) <= 4
        seen += [item["identifier"] for item in page["items"]]
        cursor = page["next"]
    assert seen == sorted(names[1:], key=str.upper)
    every = (await api.admin("GET", "/api/v1/identifiers?prefix=88.118.8&state=all&limit=1000")).json
    assert len(every["items"]) == len(names)
    assert every["next"] is None
    withdrawn = (await api.admin("GET", "/api/v1/identifiers?prefix=88.118.8&state=withdrawn")).json["items"]
    assert [(item["identifier"], item["state"], item["values"]) for item in withdrawn] == [(names[0], "withdrawn", [])]


async def test_a_page_of_long_records_ends_early_and_says_that_there_is_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.tables.identifiers.PAGE_OCTETS_MAX", 25_000)
    for number in range(5):
        await put(api.admin, f"{PATH}88.118.8/SN{number}", value(1, "x" * 10_000))
    first = (await api.admin("GET", "/api/v1/identifiers?prefix=88.118.8")).json
    assert len(first["items"]) == 3
    rest = (await api.admin("GET", f"/api/v1/identifiers?prefix=88.118.8&cursor={first['next']}")).json
    assert [item["identifier"] for item in rest["items"]] == ["88.118.8/SN3", "88.118.8/SN4"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "prefix_missing"),
        ("?prefix=88.118.8&limit=0", "bad_limit"),
        ("?prefix=88.118.8&limit=1001", "bad_limit"),
        ("?prefix=88.118.8&limit=ten", "bad_limit"),
        ("?prefix=88.118.8&limit=%D9%A1", "bad_limit"),
        ("?prefix=88.118.8&state=gone", "bad_state"),
        ("?prefix=88.118.8&cursor=AAAAAAAAAAAAAAAA", "bad_cursor"),
        ("?prefix=88.118.8&page=2", "unknown_parameter"),
    ],
)
async def test_a_bad_list_request_says_what_is_wrong(api: Api, query: str, code: str) -> None:
    refusal = await api.admin("GET", f"/api/v1/identifiers{query}")
    assert (refusal.status, refusal.json["code"]) == (400, code)


async def test_a_cursor_of_one_list_is_refused_by_another(api: Api) -> None:
    await api.prefix("88.118.9")
    for number in range(2):
        await put(api.admin, f"{PATH}88.118.8/SN{number}")
    cursor = (await api.admin("GET", "/api/v1/identifiers?prefix=88.118.8&limit=1")).json["next"]
    for query in (f"prefix=88.118.9&cursor={cursor}", f"prefix=88.118.8&state=all&cursor={cursor}"):
        assert (await api.admin("GET", f"/api/v1/identifiers?{query}")).json["code"] == "bad_cursor"
