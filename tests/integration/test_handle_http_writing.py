"""Writing over the Handle JSON API, through to the journal and every other face (Handle over HTTP, 3.2 to 3.4)."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from identifiers.hs_site_json import site_to_json
from tests.handle_stack import ADMIN, PREFIX, SERVICE
from tests.integration.handle_http_face import SITE, Face, admin, running_face, url

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    async with running_face(shared_registry_database, tmp_path_factory.mktemp("http")) as made:
        yield made


async def test_a_created_record_is_201_and_found_by_the_same_worker_and_every_other_face(face: Face) -> None:
    name = f"{PREFIX}/Made-Here"
    made = await face.put(name, url(), {"index": 7, "type": "PRICE", "data": "12", "permissions": "1100"}, admin())
    assert (made.status, made.body) == (201, b'{"responseCode":1,"handle":"88.118.8/Made-Here"}')
    assert made.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert made.headers["Cache-Control"] == "private, no-store"
    assert [value["index"] for value in (await face.get(name)).json["values"]] == [1, 100]
    assert [value["index"] for value in (await face.get(name, user=ADMIN)).json["values"]] == [1, 7, 100]
    stored = await face.stack.api.admin("GET", f"/api/v1/identifiers/{name}")
    assert [value["index"] for value in stored.json["values"]] == [1, 7, 100]
    assert (await face("GET", f"/{name}")).headers["Location"] == "https://example.com/1"


async def test_replacing_is_200_unless_overwriting_is_refused(face: Face) -> None:
    name = f"{PREFIX}/REPLACED"
    assert (await face.put(name, url(), admin())).status == 201
    assert (await face.put(name, url(1, "https://example.com/2"), admin())).status == 200
    for query in ("?overwrite=false", "?overwrite=", "?overwrite=yes", "?overwrite"):
        refused = await face.put(name, url(1, "https://example.com/3"), admin(), query=query)
        assert (refused.status, refused.code, refused.json["handle"]) == (409, 101, name)
        assert refused.json["message"]
    assert (await face.put(name, url(1, "https://example.com/4"), admin(), query="?overwrite=TRUE")).status == 200
    assert (await face.get(name)).json["values"][0]["data"]["value"] == "https://example.com/4"


async def test_a_body_may_have_any_of_three_forms(face: Face) -> None:
    for number, body in enumerate(
        ([url()], {"values": [url()], "more": 1}, {"handle": f"{PREFIX.lower()}/form2", "values": [url()]}, url())
    ):
        made = await face("PUT", f"/api/handles/{PREFIX}/FORM{number}", body, user=ADMIN)
        assert (made.status, made.code) == (201, 1), made.body


@pytest.mark.parametrize(
    ("query", "body", "content_type", "code", "message"),
    [
        ("", b"[]", "text/plain", 4, "Unsupported media type text/plain"),
        ("", b"[]", None, 4, "Unsupported media type"),
        ("", b"{}", "application/json", 4, "Invalid JSON in PUT request"),
        ("", b"7", "application/json", 4, "Invalid JSON in PUT request"),
        ("", b"[", "application/json", 4, None),
        ("", b"[] []", "application/json; charset=UTF-8", 4, None),
        ("", b'{"values":[],"values":[]}', "application/json", 4, None),
        ("", b"[" * 33 + b"]" * 33, "application/json", 4, None),
        ("", b'{"handle":"88.118.8/OTHER","values":[]}', "application/json", 4, "Mismatched handle in PUT request"),
        ("?index=2", b'[{"index":1,"type":"URL","data":"a:b"}]', "application/json", 4, "Mismatched indexes in PUT"),
        ("?index=two", b"[]", "application/json", 4, None),
        ("?index=0", b"[]", "application/json", 202, None),
        ("", b'[{"index":1,"type":"URL"}]', "application/json", 4, None),
        ("", b'[{"index":0,"type":"URL","data":"a"}]', "application/json", 202, None),
        ("", b'[{"index":1,"type":"","data":"a"}]', "application/json", 202, None),
        (
            "",
            b'[{"index":1,"type":"HS_PUBKEY","data":{"format":"key","value":{"kty":"RSA","n":"AA","e":"AQAB","d":"AA"}}}]',
            "application/json",
            202,
            None,
        ),
    ],
)
async def test_a_malformed_request_is_400_before_anyone_is_asked_who_they_are(
    face: Face, query: str, body: bytes, content_type: str | None, code: int, message: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    refused = await face("PUT", f"/api/handles/{PREFIX}/BAD{query}", body, headers=headers)
    assert (refused.status, refused.code) == (400, code), refused.body
    assert refused.json["handle"] == f"{PREFIX}/BAD"
    assert message is None or refused.json["message"].startswith(message)


async def test_an_index_twice_in_one_request_is_201_and_a_conflict(face: Face) -> None:
    refused = await face.put(f"{PREFIX}/TWICE", url(), url())
    assert (refused.status, refused.code) == (409, 201)


async def test_a_body_over_the_limit_is_413_in_the_json_form(face: Face) -> None:
    body = io.BytesIO(b"[" + b" " * (1 << 20) + b"]")
    headers = {"Content-Type": "application/json"}
    refused = await face("PUT", f"/api/handles/{PREFIX}/LONG", body, headers=headers)
    assert (refused.status, refused.code) == (413, 4)


async def test_a_prefix_that_is_not_served_comes_before_its_values(face: Face) -> None:
    refused = await face.put("20.500/x", {"index": 0, "type": "URL", "data": "a"})
    assert (refused.status, refused.code) == (400, 301)
    assert (await face.put("", url())).code == 102


async def test_single_values_are_put_by_index(face: Face) -> None:
    name = f"{PREFIX}/VALUES"
    await face.put(name, url(), admin())
    assert (await face.put(name, url(2, "https://example.com/2"), query="?index=2")).status == 201
    assert (await face.put(name, url(2, "https://example.com/3"), query="?index=2&overwrite=true")).status == 200
    refused = await face.put(name, url(2, "https://example.com/4"), query="?index=2&overwrite=false")
    assert (refused.status, refused.code) == (409, 201)
    assert (await face.put(name, url(3), url(4), query="?index=4&index=3")).status == 201
    assert (await face.put(name, url(2, "https://example.com/5"), url(9), query="?index=various")).status == 200
    values = (await face.get(name)).json["values"]
    assert {value["index"]: value["data"]["value"] for value in values if value["type"] == "URL"} == {
        1: "https://example.com/1",
        2: "https://example.com/5",
        3: "https://example.com/1",
        4: "https://example.com/1",
        9: "https://example.com/1",
    }
    missing = await face.put(f"{PREFIX}/NOWHERE", url(2), query="?index=2")
    assert (missing.status, missing.code) == (404, 100)


async def test_values_and_records_are_deleted(face: Face) -> None:
    name = f"{PREFIX}/DELETED"
    await face.put(name, url(), url(2), admin())
    gone = await face.delete(name, "?index=2")
    assert (gone.status, gone.body) == (200, b'{"responseCode":1,"handle":"88.118.8/DELETED"}')
    missing = await face.delete(name, "?index=2")
    assert (missing.status, missing.code) == (400, 200)
    assert (await face.delete(name, "?index=various")).status == 400
    assert (await face.delete(name, "?index=x")).code == 4
    gone = await face.delete(name)
    assert (gone.status, gone.body) == (200, b'{"responseCode":1,"handle":"88.118.8/DELETED"}')
    assert (await face.get(name)).status == 404
    missing = await face.delete(f"{PREFIX}/NEVER")
    assert (missing.status, missing.code) == (404, 100)


async def test_a_minted_name_begins_as_asked_and_is_told(face: Face) -> None:
    made = await face.put(f"{PREFIX}/MINT-", url(), query="?mintNewSuffix=true")
    name = made.json["handle"]
    assert (made.status, name.startswith(f"{PREFIX}/MINT-"), len(name)) == (201, True, len(f"{PREFIX}/MINT-") + 36)
    assert (await face.get(name)).status == 200
    plain = await face.put(f"{PREFIX}/PLAIN-", url(), query="?mintNewSuffix=")
    assert plain.json["handle"] == f"{PREFIX}/PLAIN-"


async def test_a_condition_on_the_entity_tag_is_kept(face: Face) -> None:
    name = f"{PREFIX}/TAGGED"
    none_yet = {"If-None-Match": "*"}
    assert (await face.put(name, url(), admin(), headers=none_yet)).status == 201
    assert (await face.put(name, url(), admin(), headers=none_yet)).code == 101
    tag = (await face.get(name)).headers["ETag"]
    changed = url(1, "https://example.com/2")
    stale = await face.put(name, changed, admin(), headers={"If-Match": '"0123456789abcdef"'})
    assert (stale.status, stale.code, stale.json["message"]) == (412, 201, "Record changed")
    assert (await face.put(name, changed, admin(), headers={"If-Match": tag})).status == 200
    assert (await face.delete(name, headers={"If-Match": tag})).status == 412
    assert (await face.delete(name, headers={"If-Match": f"W/{tag}"})).status == 412
    assert (await face.delete(name, headers={"If-Match": "*"})).status == 200
    assert (await face.put(name, url(), admin(), headers={"If-Match": "*"})).status == 412


async def test_every_tag_that_a_look_up_gave_is_a_condition(face: Face) -> None:
    name = f"{PREFIX}/SEEN"
    price = {"index": 7, "type": "PRICE", "data": "12", "permissions": "1100"}
    await face.put(name, url(), price, admin())
    for query, reader in (("", ADMIN), ("", None), ("?index=1", None), ("?index=7", ADMIN), ("?pretty=true", ADMIN)):
        tag = (await face.get(name, query, user=reader)).headers["ETag"]
        index = query if query.startswith("?index") else "?index=1"
        at = int(index[-1])
        value = {**(price if at == 7 else url()), "data": f"https://example.com/{query}{reader}"}
        seen = {"If-Match": f'"0123456789abcdef", {tag}'}
        assert (await face.put(name, value, query=index, headers=seen)).status == 200, (query, reader)
        stale = await face.put(name, value, query=index, headers={"If-Match": tag})
        assert (stale.status, stale.code) == (412, 201)


async def test_a_tag_of_values_that_are_not_public_guards_them(face: Face) -> None:
    name = f"{PREFIX}/GUARDED"
    price = {"index": 7, "type": "PRICE", "data": "12", "permissions": "1100"}
    await face.put(name, url(), price, admin())
    tag = (await face.get(name, user=ADMIN)).headers["ETag"]
    await face.put(name, {**price, "data": "13"}, query="?index=7")
    assert (await face.put(name, url(2), query="?index=2", headers={"If-Match": tag})).status == 412


async def test_a_condition_is_no_concern_of_who_may_not_change_the_record(face: Face) -> None:
    name = f"{PREFIX}/CONDITION"
    await face.put(name, url(), admin())
    tag = (await face.get(name)).headers["ETag"]
    for condition in (tag, '"0123456789abcdef"', "x"):
        refused = await face.delete(name, user=None, headers={"If-Match": condition})
        assert (refused.status, refused.code) == (401, 402)
    assert (await face.delete(name, headers={"If-Match": "x"})).status == 412


async def test_what_needs_a_right_is_403_and_what_needs_somebody_is_401_with_a_challenge(face: Face) -> None:
    name = f"{PREFIX}/RIGHTS"
    await face.put(name, url(), admin(100, ADMIN), admin(101, SERVICE, "000000010000"))
    stranger = await face.put(f"{PREFIX}/RIGHTS", url(5), query="?index=5", user=f"301%3A{SERVICE.handle}")
    assert stranger.status == 201  # a service administrator may everything
    nobody = await face.put(name, url(6), query="?index=6", user=None)
    assert (nobody.status, nobody.code) == (401, 402)
    assert list(nobody.challenge)[:3] == ["Basic realm", "Handle sessionId", "nonce"]
    plain = await face("DELETE", f"/api/handles/{name}", user=ADMIN, plain=True)
    assert (plain.status, plain.code) == (403, 402)
    assert "WWW-Authenticate" not in plain.headers


async def test_a_user_without_the_right_is_403_and_nothing_is_changed(face: Face) -> None:
    await face.put(f"{PREFIX}/WEAK", {"index": 300, "type": "HS_SECKEY", "data": "weak", "permissions": "1100"})
    weak = f"300%3A{PREFIX}/WEAK"
    await face.put(f"{PREFIX}/KEPT", url(), admin())
    for refused in (
        await face("DELETE", f"/api/handles/{PREFIX}/KEPT", user=weak, secret=b"weak"),
        await face.put(f"{PREFIX}/KEPT", url(2), query="?index=2", user=weak, secret=b"weak"),
        await face.put(f"{PREFIX}/FRESH", url(), user=weak, secret=b"weak"),
    ):
        assert (refused.status, refused.code) == (403, 400)
        assert "WWW-Authenticate" not in refused.headers
    assert (await face.get(f"{PREFIX}/KEPT")).status == 200


async def test_an_immutable_value_is_403(face: Face) -> None:
    name = f"{PREFIX}/FIXED"
    await face.put(name, url(permissions="1010"), admin())
    for refused in (await face.delete(name, "?index=1"), await face.delete(name)):
        assert (refused.status, refused.code) == (403, 401)


@pytest.mark.parametrize("raw", ["a%2Fb", "a//b", "a;b", "a+b", "..", "%E8%BD%B4", "x" * 200])
async def test_names_are_decoded_once_on_every_method(face: Face, raw: str) -> None:
    path = f"{PREFIX}/odd-{raw}"
    assert (await face.put(path, url(), admin())).status == 201
    assert (await face.get(path)).status == 200
    assert (await face.delete(path)).status == 200


async def test_what_was_read_is_written_back_unchanged(face: Face) -> None:
    name = f"{PREFIX}/ROUND"
    jwk = {"kty": "RSA", "n": "AQAB" * 43, "e": "AQAB"}
    dsa = {"kty": "DSA", "y": "Aw", "p": "Dw", "q": "Cw", "g": "BQ"}
    grant = {"handle": "1/2", "index": 3, "permissions": "1000000000011", "legacyByteLength": True}
    values: list[dict[str, Any]] = [
        url(ttl=600),
        {"index": 2, "type": "BINARY", "data": {"format": "base64", "value": "AAECAw=="}},
        {"index": 3, "type": "HEX", "data": {"format": "HEX", "value": "00ff"}},
        {"index": 4, "type": "HS_VLIST", "data": {"format": "vlist", "value": [{"handle": "1/2", "index": "3"}]}},
        {"index": 5, "type": "HS_PUBKEY", "data": {"format": "key", "value": jwk}},
        {"index": 6, "type": "NOTE", "data": "轴承", "ttl": "2040-01-01T00:00:00Z", "permissions": "*"},
        {"index": 7, "type": "REF", "data": "x", "references": [{"handle": "1/2", "index": 3}]},
        {"index": 8, "type": "HS_SITE", "data": {"format": "site", "value": site_to_json(SITE)}},
        {"index": 9, "type": "HS_PUBKEY", "data": {"format": "key", "value": dsa}},
        {"index": 10, "type": "HS_ADMIN", "data": {"format": "admin", "value": grant}},
        {"index": 11, "type": "SECRET", "data": {"format": "base64", "value": "AP-_"}, "permissions": "1100"},
        admin(),
    ]
    assert (await face.put(name, *values)).status == 201
    before = (await face.get(name, user=ADMIN)).json
    formats = [value["data"]["format"] for value in before["values"]]
    expected = ["string", "base64", "base64", "vlist", "key", "string", "string", "site", "key", "admin", "base64"]
    assert formats == [*expected, "admin"]
    assert (await face("PUT", f"/api/handles/{name}", before, user=ADMIN)).status == 200
    assert (await face.get(name, user=ADMIN)).json == before
