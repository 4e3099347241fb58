"""Finding records over the API: their history, by value and template, and by what refers to what."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.registry_api import VALUES, Api, Client, running_api

ITEMS = [
    {"index": 2000, "name": "name", "type": "name", "required": True},
    {"index": 2001, "name": "batch", "type": "batch", "searchable": True},
    {"index": 2002, "name": "part", "type": "part", "data_type": "reference"},
    {"index": 2003, "name": "maker", "type": "maker", "data_type": "reference", "grade": 2},
    {"index": 2004, "name": "secret", "type": "secret", "searchable": True, "grade": 3},
    {"index": 2005, "name": "site", "type": "site", "searchable": True, "grade": 2},
]
IDENTIFIERS = "/api/v1/identifiers"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def owner(api: Api) -> Client:
    owner = await api.holder("enterprise_administrator", await api.prefix())
    made = await owner("POST", "/api/v1/templates", {"code": "pump", "name": "Pumps", "items": ITEMS, "publish": True})
    assert made.status == 201, made.body
    return owner


@pytest.fixture
async def other(api: Api) -> Client:
    return await api.holder("enterprise_user", await api.prefix("88.118.9", "Others"))


async def register(client: Client, name: str, template: str | None = "pump", **items: str) -> None:
    """Register an identifier; items by the names of their types."""
    indexes = {item["type"]: item["index"] for item in ITEMS}
    values = [{"index": indexes[type_], "type": type_, "data": data} for type_, data in {"name": "x", **items}.items()]
    reply = await client("PUT", f"{IDENTIFIERS}/{name}", {"values": values, "template": template})
    assert reply.status == 202, reply.body


async def names(client: Client, query: str) -> list[str]:
    """Return the identifiers of all pages of a search, two on each."""
    found: list[str] = []
    cursor = ""
    while True:
        reply = await client("GET", f"{IDENTIFIERS}:search?prefix=88.118.8&limit=2&{query}{cursor}")
        assert reply.status == 200, reply.body
        found += [item["identifier"] for item in reply.json["items"]]
        if reply.json["next"] is None:
            return found
        cursor = f"&cursor={reply.json['next']}"


# history


async def test_the_history_has_every_version_newest_first_with_who_and_when(api: Api, owner: Client) -> None:
    path = f"{IDENTIFIERS}/88.118.8/sn1"
    await owner("PUT", path, {"values": VALUES})
    await api.admin("PATCH", path, {"values": [{"index": 2, "type": "note", "data": "second"}]})
    await owner("DELETE", f"{path}?successor=88.118.8/SN2")
    first = await owner("GET", f"{IDENTIFIERS}:history?identifier=88.118.8/SN1&limit=2")
    assert first.json["identifier"] == "88.118.8/sn1"
    rest = await owner("GET", f"{IDENTIFIERS}:history?identifier=88.118.8/SN1&cursor={first.json['next']}")
    assert rest.json["next"] is None
    versions = first.json["items"] + rest.json["items"]
    assert [(one["version"], one["op"], one["state"]) for one in versions] == [
        (3, "withdraw", "withdrawn"),
        (2, "update", "active"),
        (1, "create", "active"),
    ]
    assert versions[0]["successor"] == "88.118.8/SN2"
    assert [len(one["values"]) for one in versions] == [0, 2, 1]
    whoami = [(await client("GET", "/api/v1/whoami")).json["account"] for client in (owner, api.admin, owner)]
    assert [one["actor"] for one in versions] == whoami
    assert versions[0]["at"] >= versions[2]["at"]


async def test_the_history_shows_only_values_the_reader_may_see_now(api: Api, owner: Client) -> None:
    await register(owner, "88.118.8/SN1", secret="never", maker="88.118.8/SN1")
    for client, withheld in ((owner, [2004]), (api.admin, [2004])):
        (version,) = (await client("GET", f"{IDENTIFIERS}:history?identifier=88.118.8/SN1")).json["items"]
        assert version["withheld"] == withheld
        assert [value["index"] for value in version["values"]] == [2000, 2003]


async def test_a_value_that_was_public_once_is_not_shown_from_the_history_after_its_item_was_regraded(
    owner: Client,
) -> None:
    await register(owner, "88.118.8/SN1", batch="B1")
    regraded = await owner("POST", "/api/v1/templates/pump/items/2001:regrade", {"grade": 3})
    assert regraded.status in (200, 202), regraded.body
    (version,) = (await owner("GET", f"{IDENTIFIERS}:history?identifier=88.118.8/SN1")).json["items"]
    assert version["withheld"] == [2001]


async def test_the_history_is_for_the_enterprise_and_the_node(api: Api, owner: Client, other: Client) -> None:
    await register(owner, "88.118.8/SN1")
    path = f"{IDENTIFIERS}:history?identifier=88.118.8/SN1"
    assert (await other("GET", path)).status == 403
    assert (await (await api.holder("auditor"))("GET", path)).status == 200
    assert (await owner("GET", f"{IDENTIFIERS}:history?identifier=88.118.8/NONE")).status == 404
    assert (await owner("GET", f"{IDENTIFIERS}:history")).json["code"] == "identifier_missing"


# search


async def test_records_are_found_by_a_value_in_full_or_by_its_beginning(owner: Client) -> None:
    for number in range(5):
        await register(owner, f"88.118.8/SN{number}", batch=f"B{number // 2}")
    assert await names(owner, "index=2001&value=B1") == ["88.118.8/SN2", "88.118.8/SN3"]
    assert await names(owner, "index=2001&begins=B") == [f"88.118.8/SN{number}" for number in range(5)]
    assert await names(owner, "index=2001&value=B") == []
    assert await names(owner, "index=2000&value=x") == []


async def test_records_are_found_by_their_template(owner: Client) -> None:
    await owner("PUT", f"{IDENTIFIERS}/88.118.8/FREE", {"values": VALUES})
    for number in range(3):
        await register(owner, f"88.118.8/SN{number}", batch="B")
    await owner("DELETE", f"{IDENTIFIERS}/88.118.8/SN1")
    assert await names(owner, "template=pump") == ["88.118.8/SN0", "88.118.8/SN2"]
    assert await names(owner, "template=pump&index=2001&value=B") == ["88.118.8/SN0", "88.118.8/SN2"]


async def test_a_search_follows_changes_however_they_are_made(owner: Client) -> None:
    await register(owner, "88.118.8/SN1", batch="old")
    path = f"{IDENTIFIERS}/88.118.8/SN1"
    await owner("PATCH", path, {"values": [{"index": 2001, "type": "batch", "data": "new"}]})
    assert (await names(owner, "index=2001&value=old"), await names(owner, "index=2001&value=new")) == (
        [],
        ["88.118.8/SN1"],
    )
    row = {
        "identifier": "88.118.8/SN1",
        "values": [
            {"index": 2000, "type": "name", "data": "x"},
            {"index": 2001, "type": "batch", "data": "newest"},
        ],
    }
    await owner.batch([row, {**row, "identifier": "88.118.8/SN2"}], "?on_conflict=replace&template=pump")
    assert await names(owner, "index=2001&value=new") == []
    assert await names(owner, "index=2001&value=newest") == ["88.118.8/SN1", "88.118.8/SN2"]
    await owner("DELETE", path)
    assert await names(owner, "index=2001&value=newest") == ["88.118.8/SN2"]


@pytest.mark.parametrize("text", ["长" * 200, "a" * 128, "z" * 129, "50%_\\"])
async def test_long_and_unusual_values_are_found_exactly(owner: Client, text: str) -> None:
    await register(owner, "88.118.8/SN1", batch=text)
    await register(owner, "88.118.8/SN2", batch=text + "!")
    assert await names(owner, f"index=2001&value={quote(text, safe='')}") == ["88.118.8/SN1"]
    assert await names(owner, f"index=2001&begins={quote(text, safe='')}") == ["88.118.8/SN1", "88.118.8/SN2"]


async def test_a_search_never_tells_of_a_value_that_the_record_withholds(api: Api, owner: Client) -> None:
    await register(owner, "88.118.8/SN1", site="hall 7")
    assert await names(owner, "index=2005&value=hall%207") == ["88.118.8/SN1"]
    auditor = await api.holder("auditor")
    refused = await auditor("GET", f"{IDENTIFIERS}:search?prefix=88.118.8&index=2005&value=hall%207")
    assert (refused.status, refused.json["code"]) == (403, "role_not_allowed")
    assert await names(auditor, "template=pump") == ["88.118.8/SN1"]


async def test_what_only_a_grant_opens_is_not_searched_for_at_all(api: Api, owner: Client) -> None:
    await register(owner, "88.118.8/SN1", secret="never")
    me = (await owner("GET", "/api/v1/whoami")).json["account"]
    grant = {
        "subject": {"kind": "account", "id": me},
        "object": {"kind": "identifier", "name": "88.118.8/SN1"},
        "right": "read",
    }
    assert (await owner("POST", "/api/v1/grants", grant)).status == 201
    for client in (owner, api.admin):
        assert await names(client, "index=2004&value=never") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad_search"),
        ("&value=x", "bad_search"),
        ("&index=2001", "bad_search"),
        ("&index=2001&value=x&begins=x", "bad_search"),
        ("&index=2001&value=", "bad_search"),
        ("&index=x&value=x", "bad_number"),
        ("&index=99999999999&value=x", "bad_number"),
        ("&index=2001&value=x&cursor=AAAA", "bad_cursor"),
    ],
)
async def test_a_search_for_nothing_in_particular_is_refused(owner: Client, query: str, code: str) -> None:
    refused = await owner("GET", f"{IDENTIFIERS}:search?prefix=88.118.8{query}")
    assert (refused.status, refused.json["code"]) == (400, code)


async def test_only_ones_own_prefix_is_searched(owner: Client, other: Client) -> None:
    await register(owner, "88.118.8/SN1", batch="B1")
    refused = await other("GET", f"{IDENTIFIERS}:search?prefix=88.118.8&index=2001&value=B1")
    assert (refused.status, refused.json["code"]) == (403, "not_yours")
    assert (await owner("GET", f"{IDENTIFIERS}:search?prefix=88.118.77&template=pump")).status == 404
    assert (await owner("GET", f"{IDENTIFIERS}:search?prefix=88.118.8&template=none")).status == 404


# references


async def edges(client: Client, way: str, name: str) -> list[tuple[str, int, str]]:
    """Return the references of all pages, two on each."""
    found: list[tuple[str, int, str]] = []
    cursor = ""
    while True:
        reply = await client("GET", f"{IDENTIFIERS}:{way}?identifier={name}&limit=2{cursor}")
        assert reply.status == 200, reply.body
        found += [(one["source"], one["index"], one["target"]) for one in reply.json["items"]]
        if reply.json["next"] is None:
            return found
        cursor = f"&cursor={reply.json['next']}"


async def test_references_are_read_both_ways_and_follow_changes(owner: Client) -> None:
    await register(owner, "88.118.8/part7")
    for number in range(3):
        await register(owner, f"88.118.8/SN{number}", part="88.118.8/PART7")
    expected = [(f"88.118.8/SN{number}", 2002, "88.118.8/part7") for number in range(3)]
    assert await edges(owner, "referrers", "88.118.8/PART7") == expected
    assert await edges(owner, "references", "88.118.8/SN0") == expected[:1]
    await owner("PATCH", f"{IDENTIFIERS}/88.118.8/SN0", {"remove": [2002]})
    await owner("DELETE", f"{IDENTIFIERS}/88.118.8/SN1")
    assert await edges(owner, "referrers", "88.118.8/PART7") == expected[2:]


async def test_a_reference_to_what_is_not_registered_here_is_refused_everywhere(owner: Client) -> None:
    body: dict[str, Any] = {
        "template": "pump",
        "values": [
            {"index": 2000, "type": "name", "data": "x"},
            {"index": 2002, "type": "part", "data": "88.118.8/NONE"},
        ],
    }
    refused = await owner("PUT", f"{IDENTIFIERS}/88.118.8/SN1", body)
    assert (refused.status, refused.json["code"]) == (422, "bad_reference")
    assert refused.json["errors"][0]["field"] == "values[1].data"
    lines = await owner.batch(
        [{"identifier": f"88.118.8/{name}", "values": body["values"]} for name in ("SN1", "SN2")]
        + [{"identifier": "88.118.8/SN3", "values": body["values"][:1]}],
        "?template=pump",
    )
    assert [line.get("code", line.get("status")) for line in lines[:3]] == [
        "bad_reference",
        "bad_reference",
        "created",
    ]
    elsewhere = [body["values"][0], {**body["values"][1], "data": "86.1000.5/PART"}]
    assert (await owner("PUT", f"{IDENTIFIERS}/88.118.8/SN1", {**body, "values": elsewhere})).status == 202


async def test_records_of_one_chunk_may_refer_to_each_other(owner: Client) -> None:
    def row(name: str, target: str) -> dict[str, Any]:
        return {
            "identifier": f"88.118.8/{name}",
            "values": [
                {"index": 2000, "type": "name", "data": "x"},
                {"index": 2002, "type": "part", "data": f"88.118.8/{target}"},
            ],
        }

    lines = await owner.batch([row("A", "B"), row("B", "A"), row("C", "NONE"), row("D", "C")], "?template=pump")
    assert [line.get("code", line.get("status")) for line in lines[:4]] == [
        "created",
        "created",
        "bad_reference",
        "bad_reference",
    ]
    assert await edges(owner, "referrers", "88.118.8/A") == [("88.118.8/B", 2002, "88.118.8/A")]
    chain = [row(f"L{number}", f"L{number + 1}") for number in range(30)]
    *lines, _ = await owner.batch(chain, "?template=pump")
    assert {line.get("code") for line in lines} == {"bad_reference"}


async def test_others_see_public_references_only(api: Api, owner: Client, other: Client) -> None:
    await register(owner, "88.118.8/P")
    await register(owner, "88.118.8/SN1", part="88.118.8/P", maker="88.118.8/P")
    public = [("88.118.8/SN1", 2002, "88.118.8/P")]
    assert await edges(other, "referrers", "88.118.8/P") == public
    assert await edges(other, "references", "88.118.8/SN1") == public
    assert len(await edges(owner, "referrers", "88.118.8/P")) == 2
    graph = await other("GET", f"{IDENTIFIERS}:graph?identifier=88.118.8/P")
    assert len(graph.json["references"]) == 1


async def test_a_graph_is_walked_to_its_depth_and_within_its_limits(owner: Client) -> None:
    await register(owner, "88.118.8/G0")
    for number in range(1, 7):
        await register(owner, f"88.118.8/G{number}", part=f"88.118.8/G{number - 1}")
    path = f"{IDENTIFIERS}:graph?identifier=88.118.8/G3"

    async def depths(query: str) -> tuple[dict[str, int], bool]:
        reply = await owner("GET", f"{path}{query}")
        assert reply.status == 200, reply.body
        return {node["identifier"][-2:]: node["depth"] for node in reply.json["nodes"]}, reply.json["complete"]

    assert await depths("&depth=1") == ({"G3": 0, "G2": 1, "G4": 1}, True)
    assert await depths("&depth=5&direction=out") == ({"G3": 0, "G2": 1, "G1": 2, "G0": 3}, True)
    assert await depths("&depth=2&direction=in") == ({"G3": 0, "G4": 1, "G5": 2}, True)
    nodes, complete = await depths("&depth=5&nodes=2")
    assert (len(nodes), complete) == (2, False)
    for query in ("&depth=6", "&depth=0", "&nodes=1001", "&direction=up"):
        refused = await owner("GET", path + query)
        assert (refused.status, refused.json["code"]) == (400, "bad_graph"), query


async def test_a_circle_ends_and_what_is_unknown_here_is_said_to_be(owner: Client) -> None:
    await register(owner, "88.118.8/A", part="86.1000.5/AWAY")
    await register(owner, "88.118.8/B", part="88.118.8/A")
    await owner(
        "PATCH",
        f"{IDENTIFIERS}/88.118.8/A",
        {"values": [{"index": 2003, "type": "maker", "data": "88.118.8/B"}]},
    )
    reply = await owner("GET", f"{IDENTIFIERS}:graph?identifier=88.118.8/A&depth=5")
    states = {node["identifier"]: node["state"] for node in reply.json["nodes"]}
    assert states == {"88.118.8/A": "active", "88.118.8/B": "active", "86.1000.5/AWAY": "unknown"}
    assert len(reply.json["references"]) == 3
    assert reply.json["complete"] is True
