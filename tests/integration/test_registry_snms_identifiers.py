"""The SNMS-compatible calls about templates and identifiers, in the shapes existing clients send."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.registry_api import Api, Client, Reply, running_api

PREFIX = "88.999.15907"
TEMPLATE: dict[str, Any] = {
    "prefix": PREFIX,
    "version": "A10",
    "industryCategory": "C",
    "industrySpecific": "34",
    "industryTrade": "344",
    "industrySubclass": "3441",
    "type": 2,
    "description": "轴向柱塞泵",
    "items": [
        {
            "name": "产品名称",
            "idType": "product_name",
            "idIndex": 2000,
            "required": True,
            "metadata": {"type": "string", "minLength": 1, "maxLength": 64},
        },
        {
            "name": "出厂日期",
            "idType": "produced_on",
            "idIndex": "2001",
            "required": False,
            "metadata": {"type": "string", "minLength": 0, "maxLength": 10},
        },
    ],
}
V5 = "/snms/api/v5/template"
V3 = "/snms/api/v3/template"
DATA = "/identityv2/data"


def value(index: Any, kind: str, text: str, spelling: str = "value") -> dict[str, Any]:
    return {"index": index, "type": kind, "data": {"format": "string", spelling: text}}


def registration(serial: str, *values: dict[str, Any], version: str = "A10") -> dict[str, Any]:
    given = list(values) or [value(2000, "product_name", "轴向柱塞泵 A10")]
    return {"handle": f"{PREFIX}/{serial}", "templateVersion": version, "value": given}


def ok(reply: Reply) -> Any:
    assert reply.status == 200
    assert (reply.json["message"], reply.json["status"]) == ("success", 1), reply.body
    return reply.json["data"]


def refusal(reply: Reply, status: int = -2) -> str:
    assert reply.status == 200
    assert (reply.json["status"], reply.json["data"]) == (status, None), reply.body
    return str(reply.json["message"])


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


@pytest.fixture
async def enterprise(api: Api) -> str:
    return await api.prefix(PREFIX, "示例机械有限公司")


@pytest.fixture
async def client(api: Api, enterprise: str) -> Client:
    holder = await api.holder("enterprise_user", enterprise)
    ok(await api.admin("POST", V5, TEMPLATE))
    return holder


async def test_a_template_reads_as_it_was_created(client: Client) -> None:
    shown = ok(await client("GET", f"{V5}?prefix={PREFIX}&version=A10"))
    assert shown["handle"].startswith(f"{PREFIX}/TPL-")
    assert len(shown["handle"].rpartition("-")[2]) == 26
    assert {name: shown[name] for name in ("prefix", "version", "type", "description", "name")} == {
        "prefix": PREFIX,
        "version": "A10",
        "type": 2,
        "description": "轴向柱塞泵",
        "name": "",
    }
    assert [item.pop("metadataId") for item in shown["items"]] != [0, 0]
    assert shown["items"] == [
        {**TEMPLATE["items"][0], "idIndex": 2000, "state": 1},
        {**TEMPLATE["items"][1], "idIndex": 2001, "state": 1},
    ]
    assert ok(await client("GET", f"{V3}?prefix={PREFIX}&version=A10"))["items"] is not None


async def test_version_3_gives_the_indexes_itself(api: Api, enterprise: str) -> None:
    items = [{**item, "idIndex": None} for item in TEMPLATE["items"]]
    ok(await api.admin("POST", V3, TEMPLATE | {"items": items, "version": "B1"}))
    shown = ok(await api.admin("GET", f"{V3}?prefix={PREFIX}&version=B1"))
    assert [item["idIndex"] for item in shown["items"]] == [2000, 2001]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": None}, "缺少必要的请求参数: version"),
        ({"industryCategory": ""}, "缺少必要的请求参数: industryCategory"),
        ({"items": []}, "缺少必要的请求参数: items"),
        ({"type": 3}, "参数type取值不合法"),
        ({"version": "v" * 129}, "参数version长度超过128"),
        ({"items": [{**TEMPLATE["items"][0], "idIndex": 1001}]}, "索引1001为预留索引"),
        ({"items": [{**TEMPLATE["items"][0], "idIndex": 1500}]}, "参数idIndex取值不合法"),
        (
            {"items": [{**TEMPLATE["items"][0], "metadata": {"type": "number", "minLength": 0, "maxLength": 1}}]},
            "参数type取值不合法",
        ),
        (
            {"items": [{**TEMPLATE["items"][0], "metadata": {"minLength": 9, "maxLength": 3}}]},
            "参数minLength取值不合法",
        ),
        ({"items": [TEMPLATE["items"][0]] * 2}, "参数name重复"),
        ({"prefix": "88.999.4"}, "前缀不存在"),
    ],
)
async def test_a_template_that_is_not_acceptable_is_refused(
    api: Api, enterprise: str, change: dict[str, Any], message: str
) -> None:
    assert refusal(await api.admin("POST", V5, TEMPLATE | change)) == message


async def test_a_template_exists_once_and_goes_only_while_no_identifier_follows_it(api: Api, client: Client) -> None:
    assert refusal(await api.admin("POST", V5, TEMPLATE)) == "模板已存在"
    ok(await client("POST", DATA, registration("P1")))
    named = {"prefix": PREFIX, "version": "A10"}
    assert refusal(await api.admin("DELETE", V5, named)) == "模板已被标识引用，不能删除"
    ok(await client("DELETE", DATA, {"handle": f"{PREFIX}/P1"}))
    ok(await api.admin("DELETE", V3, named))
    assert refusal(await api.admin("GET", f"{V5}?prefix={PREFIX}&version=A10")) == "模板不存在"


async def test_items_are_added_changed_and_disabled_but_never_moved(api: Api, client: Client) -> None:
    second = {**TEMPLATE["items"][1], "idIndex": 2001, "state": 0}
    third = {"name": "型号", "idType": "model", "metadata": {"minLength": 0, "maxLength": 32}}
    ok(await api.admin("PUT", V5, TEMPLATE | {"items": [second, third]}))
    shown = ok(await client("GET", f"{V5}?prefix={PREFIX}&version=A10"))
    assert [(item["idIndex"], item["idType"], item["state"]) for item in shown["items"]] == [
        (2000, "product_name", 1),
        (2001, "produced_on", 0),
        (2002, "model", 1),
    ]
    for wrong in ({**third, "idIndex": 2000}, {**second, "idIndex": 2009}, {**second, "idIndex": None}):
        refusal(await api.admin("PUT", V5, TEMPLATE | {"items": [wrong]}))


async def test_a_registration_reads_as_its_template_shows_it(client: Client) -> None:
    sent = registration(
        "PUMP-0007", value(2000, "product_name", "轴向柱塞泵 A10"), value("2001", "produced_on", "", "vlaue")
    )
    assert ok(await client("POST", DATA, sent)) is True
    shown = ok(await client("GET", f"{DATA}/detail?handle={PREFIX}/PUMP-0007"))
    assert shown == {
        "code": "200",
        "prefix": PREFIX,
        "handle": f"{PREFIX}/PUMP-0007",
        "templateVersion": "A10",
        "value": [
            {"data": {"format": "string", "value": "A10"}, "auth": "1", "index": 1001, "type": "TEMPLATE"},
            {
                "data": {"format": "string", "value": "轴向柱塞泵 A10"},
                "auth": "1",
                "index": 2000,
                "type": "product_name",
            },
            {"data": {"format": "string", "value": ""}, "auth": "1", "index": 2001, "type": "produced_on"},
        ],
    }


async def test_the_same_registration_again_is_success_and_another_one_is_refused(client: Client) -> None:
    ok(await client("POST", DATA, registration("P1")))
    ok(await client("POST", DATA, registration("P1")))
    other = registration("P1", value(2000, "product_name", "其他"))
    assert refusal(await client("POST", DATA, other)) == "标识已存在"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"templateVersion": "A10", "value": []}, "缺少必要的请求参数: handle"),
        ({"handle": f"{PREFIX}/P1", "templateVersion": "A10"}, "缺少必要的请求参数: value"),
        (registration("P1", value(3000, "x", "y")), "非法操作，索引3000在模板中不存在"),
        (registration("P1", value(1001, "TEMPLATE", "A10")), "索引1001为预留索引"),
        (registration("P1", value(2000, "model", "y")), "属性类型model与模板不一致"),
        (registration("P1", value(2001, "produced_on", "2026-03-14")), "缺少必填属性product_name"),
        (registration("P1", value(2000, "product_name", "")), "缺少必填属性product_name"),
        (registration("P1", value(2000, "product_name", "x" * 65)), "属性product_name长度应在1到64之间"),
        (registration("P1", value(2000, "product_name", "x" * 256)), "参数value长度超过255"),
        (registration("P1", value(2000, "product_name", "a"), value(2000, "product_name", "b")), "同一索引出现多次"),
        (registration("P1", version="B2"), "模板不存在"),
        ({**registration("P1"), "handle": "88.999.4/P1"}, "前缀不存在"),
        (
            registration("P1", {**value(2001, "produced_on", ""), "data": {"format": "string"}}),
            "缺少必要的请求参数: value",
        ),
        ({**registration("P1"), "handle": "nothing"}, "标识不合法: "),
        ({**registration("P1"), "handle": f"{PREFIX}/ P1"}, "标识不合法: "),
        ({**registration("P1"), "handle": f"{PREFIX}/TPL-1"}, "标识不合法: "),
    ],
)
async def test_a_registration_that_is_not_acceptable_is_refused(
    client: Client, sent: dict[str, Any], message: str
) -> None:
    alone = await client("POST", DATA, sent)
    (result,) = ok(await client("POST", f"{DATA}/batchCreate", [sent]))
    for said in (refusal(alone), result["msg"]):
        assert said.startswith(message) if message.endswith(" ") else said == message
    assert alone.json["field"] == "handle" or not message.startswith("标识")
    assert refusal(await client("GET", f"{DATA}/detail?handle={PREFIX}/P1")) == "没有找到标识"


async def test_an_update_replaces_the_values_of_the_template_and_keeps_others(api: Api, client: Client) -> None:
    assert refusal(await client("PUT", DATA, registration("P1"))) == "没有找到标识"
    ok(await client("POST", DATA, registration("P1")))
    url = {"index": 1, "type": "URL", "data": "https://example.com/p1"}
    await api.admin("PATCH", f"/api/v1/identifiers/{PREFIX}/P1", {"values": [url]})
    ok(await client("PUT", DATA, registration("P1", value(2000, "product_name", "新"))))
    stored = (await api.admin("GET", f"/api/v1/identifiers/{PREFIX}/P1")).json["values"]
    assert [(one["index"], one["data"]["value"]) for one in stored] == [
        (1, "https://example.com/p1"),
        (1001, "A10"),
        (2000, "新"),
    ]


async def test_a_deleted_identifier_is_gone_and_may_be_registered_again(api: Api, client: Client) -> None:
    ok(await client("POST", DATA, registration("P1")))
    ok(await client("DELETE", DATA, {"handle": f"{PREFIX}/P1"}))
    assert refusal(await client("DELETE", DATA, {"handle": f"{PREFIX}/P1"})) == "没有找到标识"
    assert (await api.admin("GET", f"/api/v1/identifiers/{PREFIX}/P1")).status == 410
    ok(await client("POST", DATA, registration("P1", value(2000, "product_name", "再"))))
    assert (await api.admin("GET", f"/api/v1/identifiers/{PREFIX}/P1")).status == 200


@pytest.mark.parametrize("successor", [f"?successor={PREFIX}/P2", ""])
async def test_an_identifier_withdrawn_for_good_is_not_registered_again(
    api: Api, client: Client, successor: str
) -> None:
    ok(await client("POST", DATA, registration("P1")))
    withdrawn = await api.admin("DELETE", f"/api/v1/identifiers/{PREFIX}/P1{successor}")
    assert withdrawn.json["version"] == 2
    assert refusal(await client("POST", DATA, registration("P1"))) == "标识已存在"
    (result,) = ok(await client("POST", f"{DATA}/batchCreate", [registration("P1")]))
    assert (result["code"], result["msg"]) == (-2, "标识已存在")


async def test_batches_answer_each_entry_in_order(client: Client) -> None:
    ok(await client("POST", DATA, registration("OLD")))
    entries = [
        registration("NEW"),
        registration("OLD", value(2000, "product_name", "其他")),
        registration("NEW", value(2000, "product_name", "再")),
        registration("BAD", value(3000, "x", "y")),
        {"handle": f"{PREFIX}/NONE"},
    ]
    results = ok(await client("POST", f"{DATA}/batchCreate", entries))
    assert [(one["handle"].partition("/")[2], one["code"], one["msg"]) for one in results] == [
        ("NEW", 1, "success"),
        ("OLD", -2, "标识已存在"),
        ("NEW", -2, "标识已存在"),
        ("BAD", -2, "非法操作，索引3000在模板中不存在"),
        ("NONE", -2, "缺少必要的请求参数: templateVersion"),
    ]
    updates = [registration("NEW", value(2000, "product_name", "甲")), registration("ABSENT")]
    assert [one["msg"] for one in ok(await client("PUT", f"{DATA}/batchUpdate", updates))] == ["success", "标识不存在"]
    names = [f"{PREFIX}/NEW", f"{PREFIX}/NEW", f"{PREFIX}/ABSENT"]
    deleted = ok(await client("DELETE", f"{DATA}/batchDelete", {"handles": names}))
    assert [(one["code"], one["msg"]) for one in deleted] == [(1, "success"), (-2, "标识不存在"), (-2, "标识不存在")]
    assert ok(await client("DELETE", f"{DATA}/batchDelete", [f"{PREFIX}/OLD"]))[0]["code"] == 1


@pytest.mark.parametrize("call", ["batchCreate", "batchUpdate"])
async def test_a_name_that_is_none_says_nothing_of_those_behind_it(client: Client, call: str) -> None:
    if call == "batchUpdate":
        assert ok(await client("POST", DATA, registration("SN1", value(2000, "product_name", "before"))))
    entries = [
        registration("\t"),
        registration("x" * 250),
        {**registration("SN2"), "handle": PREFIX},
        registration("SN1"),
    ]
    method = "POST" if call == "batchCreate" else "PUT"
    results = ok(await client(method, f"{DATA}/{call}", entries))
    assert [one["code"] for one in results] == [-2, -2, -2, 1], results
    assert [len(one["handle"]) <= 255 for one in results] == [True] * 4


async def test_a_batch_is_stored_in_parts_unless_another_one_is_under_way(api: Api, client: Client) -> None:
    async def transactions(name: str) -> int:
        entries = [registration(f"{name}{number}") for number in range(800)]
        assert {one["code"] for one in ok(await client("POST", f"{DATA}/batchCreate", entries))} == {1}
        connection = await asyncpg.connect(api.dsn)
        try:
            count: int = await connection.fetchval(
                "SELECT count(DISTINCT xid) FROM journal WHERE key LIKE $1", f"hdl:{PREFIX}/{name}%"
            )
        finally:
            await connection.close()
        return count

    assert await transactions("ALONE") > 1
    assert not api.context.lists_under_way
    api.context.lists_under_way.add("another")
    assert await transactions("BESIDE") == 1
    assert api.context.lists_under_way == {"another"}


async def test_of_batches_at_once_with_the_same_names_each_name_is_registered_by_one(client: Client) -> None:
    def batch(maker: str, serials: Iterable[int]) -> list[dict[str, Any]]:
        return [registration(f"SN{serial}", value(2000, "product_name", maker)) for serial in serials]

    sent = [batch("甲", range(400)), batch("乙", reversed(range(400))), batch("丙", range(200, 600))]
    answers = await asyncio.gather(*(client("POST", f"{DATA}/batchCreate", entries) for entries in sent))
    results = [ok(answer) for answer in answers]
    made = [one["handle"] for of_batch in results for one in of_batch if one["code"] == 1]
    assert sorted(made) == sorted(f"{PREFIX}/SN{serial}" for serial in range(600))
    assert {one["msg"] for of_batch in results for one in of_batch if one["code"] != 1} == {"标识已存在"}


async def test_a_batch_has_1_to_2000_entries_or_nothing_is_done(client: Client) -> None:
    many = [registration(f"N{number}") for number in range(2_001)]
    assert refusal(await client("POST", f"{DATA}/batchCreate", many)) == "批量操作最多支持2000条"
    refusal(await client("POST", f"{DATA}/batchCreate", []))
    assert refusal(await client("GET", f"{DATA}/detail?handle={PREFIX}/N0")) == "没有找到标识"
    results = ok(await client("POST", f"{DATA}/batchCreate", many[:2_000]))
    assert {one["code"] for one in results} == {1}


async def test_another_enterprise_and_nobody_are_turned_away(api: Api, client: Client) -> None:
    ok(await client("POST", DATA, registration("P1")))
    other = await api.holder("enterprise_user", await api.prefix("88.999.4", "Valves"))
    assert refusal(await other("POST", DATA, registration("P2")), -3) == "没有权限"
    assert refusal(await other("DELETE", DATA, {"handle": f"{PREFIX}/P1"}), -3) == "没有权限"
    assert ok(await other("POST", f"{DATA}/batchCreate", [registration("P2")]))[0]["code"] == -2
    nobody = api.client(None)
    assert refusal(await nobody("POST", DATA, registration("P2")), -1) == "请先登录"
    assert refusal(await nobody("GET", f"{DATA}/detail?handle={PREFIX}/P1"), -1) == "请先登录"
    assert refusal(await api.client("idn_wrong")("GET", f"{DATA}/detail?handle={PREFIX}/P1"), -1) == "请先登录"


async def test_what_is_no_call_is_answered_in_the_envelope(api: Api, client: Client) -> None:
    unknown = await client("GET", "/snms/api/template/v1")
    assert (unknown.status, unknown.json["status"]) == (404, -2)
    wrong = await client("PATCH", DATA)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "DELETE, POST, PUT")
    form = await client("POST", DATA, data=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (form.status, form.json["status"]) == (415, -2)
    broken = await client("POST", DATA, data=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status, broken.json["error"]) == (200, "malformed_json")
    large = await client(
        "POST", DATA, data=io.BytesIO(b" " * (16 * 2**20 + 1)), headers={"Content-Type": "application/json"}
    )
    assert (large.status, large.json["status"]) == (413, -2)


async def test_an_idempotency_key_gets_its_first_answer_and_takes_no_other_request(client: Client) -> None:
    key = {"Idempotency-Key": "4f1c"}
    ok(await client("POST", DATA, registration("P1"), headers=key))
    ok(await client("POST", DATA, registration("P1"), headers=key))
    refusal(await client("POST", DATA, registration("P2"), headers=key))


async def test_an_idempotency_key_gets_its_first_answer_of_a_batch_too(client: Client) -> None:
    ok(await client("POST", f"{DATA}/batchCreate", [registration("P1"), registration("P2")]))
    names, key = [f"{PREFIX}/P1", f"{PREFIX}/NONE"], {"Idempotency-Key": "batch-1"}
    first = ok(await client("DELETE", f"{DATA}/batchDelete", names, headers=key))
    assert [one["msg"] for one in first] == ["success", "标识不存在"]
    assert ok(await client("DELETE", f"{DATA}/batchDelete", names, headers=key)) == first
    reused = await client("DELETE", f"{DATA}/batchDelete", [f"{PREFIX}/P2"], headers=key)
    assert (refusal(reused), reused.json["error"]) == ("Idempotency-Key已用于其他请求", "idempotency_key_reused")
    create = await client("POST", f"{DATA}/batchCreate", [registration("P3")], headers={"Idempotency-Key": "x" * 129})
    assert create.json["error"] == "bad_idempotency_key"
    ok(await client("GET", f"{DATA}/detail?handle={PREFIX}/P2"))


async def test_a_record_of_another_face_names_the_version_of_its_template(api: Api, client: Client) -> None:
    code = (await api.admin("GET", "/api/v1/templates")).json["items"][0]["code"]
    put = {"values": [{"index": 2000, "type": "product_name", "data": "泵"}], "template": code}
    written = await api.admin("PUT", f"/api/v1/identifiers/{PREFIX}/P1", put)
    assert written.json["version"] == 1, written.body
    detail = ok(await client("GET", f"{DATA}/detail?handle={PREFIX}/P1"))
    assert (detail["templateVersion"], [one["index"] for one in detail["value"]]) == ("A10", [2000])


async def test_a_rule_of_another_face_is_told_with_the_member_it_is_about(api: Api, client: Client) -> None:
    items = [{"index": 2000, "name": "数量", "type": "count", "format": "integer"}]
    made = {"code": "counted", "name": "n", "prefix": PREFIX, "version": "N1", "items": items, "publish": True}
    assert (await api.admin("POST", "/api/v1/templates", made)).status == 201
    refused = await client("POST", DATA, registration("P1", value(2000, "count", "many"), version="N1"))
    assert refusal(refused) == "参数value取值不合法: 数量 is not a whole number like 42"
    assert refused.json["field"] == "value[].data.value"


async def test_an_enterprise_without_room_is_told_so(api: Api, enterprise: str, client: Client) -> None:
    ok(await client("POST", DATA, registration("P1")))
    limited = await api.admin("PUT", f"/api/v1/quotas/{enterprise}", {"identifiers_max": 1})
    assert limited.status == 200, limited.body
    ok(await client("POST", DATA, registration("P1")))
    assert refusal(await client("POST", DATA, registration("P2"))) == "已达到标识数量上限"
    results = ok(await client("POST", f"{DATA}/batchCreate", [registration("P1"), registration("P2")]))
    assert [one["msg"] for one in results][-1] == "已达到标识数量上限"


async def test_of_equal_batches_under_one_key_at_once_one_is_carried_out(api: Api, client: Client) -> None:
    ok(await client("POST", f"{DATA}/batchCreate", [registration("P1"), registration("P2")]))
    key, names = {"Idempotency-Key": "batch-2"}, [f"{PREFIX}/P1"]
    replies = await asyncio.gather(*(client("DELETE", f"{DATA}/batchDelete", names, headers=key) for _ in range(5)))
    assert {reply.json.get("error") or reply.json["data"][0]["msg"] for reply in replies} <= {
        "success",
        "request_in_progress",
    }
    assert ok(await client("DELETE", f"{DATA}/batchDelete", names, headers=key))[0]["msg"] == "success"

    cut_off = {"Idempotency-Key": "batch-3"}
    ok(await client("DELETE", f"{DATA}/batchDelete", [f"{PREFIX}/P2"], headers=cut_off))
    await api.context.pool.execute("UPDATE idempotency_keys SET answer = '' WHERE key = 'batch-3'")
    waits = await client("DELETE", f"{DATA}/batchDelete", [f"{PREFIX}/P2"], headers=cut_off)
    assert waits.json["error"] == "request_in_progress"
    await api.context.pool.execute("UPDATE idempotency_keys SET created_at = created_at - interval '2 minutes'")
    again = ok(await client("DELETE", f"{DATA}/batchDelete", [f"{PREFIX}/P2"], headers=cut_off))
    assert again[0]["msg"] == "标识不存在"
    too_many = await client("DELETE", f"{DATA}/batchDelete", names * 2_001, headers={"Idempotency-Key": "batch-4"})
    assert too_many.json["error"] == "too_many_entries"
