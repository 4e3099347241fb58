"""The SNMS-compatible calls about accounts, files, enterprises and prefixes, in the shapes existing clients send."""

import hashlib
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import aiohttp
import pytest

from registry.snms import beijing_time
from tests.documents import JPEG, PDF, PNG, document
from tests.registry_api import Api, Client, running_api

PASSWORD = "demo-password-1"
APPLY = "/snms/api/v3/ent/apply"
CONFIG = "/snms/api/ent/config"
PREFIX = "88.999.15907"
_NUMBERS = itertools.count()


def ok(reply: Any) -> Any:
    assert (reply.json["message"], reply.json["status"]) == ("success", 1), reply.body
    return reply.json["data"]


def refusal(reply: Any, status: int = -2) -> str:
    assert (reply.json["status"], reply.json["data"]) == (status, None), reply.body
    return str(reply.json["message"])


def sha256_hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        allocation = await running.admin("PUT", "/api/v1/prefix-allocation", {"node_prefix": "88.999"})
        assert allocation.status == 200, allocation.body
        yield running


async def upload(client: Client, content: bytes, name: str = "a.png") -> Any:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(content), filename=name, content_type="application/octet-stream")
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.post("http://registry/snms/api/file/upload", data=form, headers=headers) as answer:
        return await answer.json()


async def application(client: Client, **basic: Any) -> dict[str, Any]:
    """Return the request of the documents' example, with files uploaded for it."""
    rids = [(await upload(client, document(next(_NUMBERS))))["data"]["id"] for _ in range(3)]
    address = {
        "deployAddrProvince": "320000",
        "deployAddrCity": "320100",
        "deployAddrCounty": "320102",
        "deployAddr": "示例路 1 号",
    }
    cloud = {"deployMode": 2, "name": "示例云"}
    return {
        "sysUser": {
            "userName": "demo-pump",
            "password": sha256_hex(PASSWORD),
            "email": "pump@example.com",
            "mobile": "13900000001",
        },
        "entBasicInfo": {
            "orgName": "示例机械有限公司",
            "orgNature": "2",
            "orgAddr": "示例路 1 号",
            "orgAddrProvince": "320000",
            "orgAddrCity": "320100",
            "orgAddrCounty": "320102",
            "orgCrtType": "1",
            "orgCrtCode": "91990000MA0DEMAT2P",
            "orgCrtImgRid": rids[0],
            "industryCategory": "C",
            "industrySpecific": "34",
            "establishDate": "2001-02-03",
            "contactName": "联系人",
            "contactCrtType": 3,
            "contactCrtNo": "X1",
            "contactEmail": "contact@example.com",
            "contactPhone": "13900000002",
            "legalName": "法人",
            "legalCrtType": "3",
            "legalCrtNo": "Y1",
            "legalCrtBackImgRid": str(rids[1]),
            "legalCrtFrontImgRid": rids[2],
            "entPrefix": PREFIX,
            **basic,
        },
        "entRegisterManageInfo": {
            "entInfoSyses": [
                {"sysType": 1, "deployMode": 1, **address, "ipPort": "[192.0.2.17]:8000;[2001:db8::17]:8000"},
                *({"sysType": kind, **cloud} for kind in (2, 3, 4)),
            ],
            "servSysBuildType": 1,
            "servSysOperType": 1,
        },
        "entHostingAndIdentifyServeInfo": {
            "entInfoSerIndustries": [
                {"industryCategory": "C", "industrySpecific": "34", "industryTrade": "344", "industrySubclass": "3441"}
            ]
        },
    }


async def test_an_enterprise_applies_is_approved_configured_and_signs_in(api: Api) -> None:
    sent = await application(api.admin)
    assert ok(await api.admin("POST", APPLY, sent)) is True
    state = ok(await api.admin("GET", f"/snms/api/prefix/query?prefix={PREFIX}"))
    assert (state["status"], state["entNameCn"], state["entWebSite"], state["entSite"]) == (
        4,
        "示例机械有限公司",
        None,
        None,
    )
    route = {"entPrefix": PREFIX, "hdlType": "HS_SITE", "ipType": "4", "ip": "192.0.2.17", "tcpPort": "2641"}
    assert refusal(await api.admin("POST", CONFIG, {"entPrefixConfig": route})) == "企业尚未通过国家顶级节点审核"

    enterprise = (await api.admin("GET", "/api/v1/enterprises")).json["items"][0]["id"]
    approved = await api.admin("POST", f"/api/v1/enterprises/{enterprise}:approve", {})
    assert approved.status == 200, approved.body
    assert ok(await api.admin("GET", f"/snms/api/prefix/query?prefix={PREFIX}"))["status"] == 1

    token = ok(await api.client(None)("POST", "/identity/token", {"username": "demo-pump", "password": PASSWORD}))
    own = api.client(token["token"])
    ok(await own("POST", CONFIG, {"entPrefixConfig": route | {"udpPort": "", "httpPort": "8081"}}))
    ok(await own("POST", CONFIG, {"entPrefixConfig": route | {"ipType": 6, "ip": "2001:db8::17"}}))
    listed = ok(await own("GET", "/snms/api/prefix/page?entPrefix=88.999&pageSize=&currentPage=1"))
    assert [(one["entPrefix"], one["entprefix"], one["state"], one["proxyState"]) for one in listed["content"]] == [
        (PREFIX, PREFIX, 1, 1)
    ]
    sites = (await api.admin("GET", f"/api/v1/prefixes/{PREFIX}")).json["sites"]
    assert sorted(site["servers"][0]["address"] for site in sites) == ["192.0.2.17", "2001:db8::17"]
    detail = ok(await own("GET", "/snms/api/v3/ent/detail"))
    basic = sent["entBasicInfo"] | {"legalCrtBackImgRid": int(sent["entBasicInfo"]["legalCrtBackImgRid"])}
    shown = {name: detail["entBasicInfo"][name] for name in basic}
    assert shown == basic
    assert detail["entRegisterManageInfo"]["entInfoSyses"][0]["ipPort"] == "[192.0.2.17]:8000;[2001:db8::17]:8000"
    assert detail["entHostingAndIdentifyServeInfo"]["entInfoLicenses"] == []

    ok(await own("POST", CONFIG, {"proxyServerId": 1, "entPrefixConfig": {"entPrefix": PREFIX}}))
    assert ok(await own("GET", "/snms/api/prefix/page"))["content"][0]["proxyState"] == 2
    ok(await api.admin("POST", CONFIG, {"entPrefixConfig": route}))
    ok(await api.admin("POST", CONFIG, {"proxyServerId": 1, "entPrefixConfig": {"entPrefix": PREFIX}}))
    assert ok(await own("GET", "/snms/api/prefix/page"))["content"][0]["proxyState"] == 4


@pytest.mark.parametrize(
    ("basic", "message"),
    [
        ({"entPrefix": "88.998.1"}, "参数entPrefix取值不合法: "),
        ({"orgName": None}, "缺少必要的请求参数: orgName"),
        ({"orgName": "x" * 256}, "参数orgName长度超过255"),
        ({"orgNature": "6"}, "参数orgNature取值不合法"),
        ({"orgCrtCode": "91990000MA0DEMAT2X"}, "参数orgCrtCode取值不合法"),
        ({"orgAddrCity": "330100"}, "参数orgAddrCity取值不合法"),
        ({"industrySpecific": "99"}, "参数industrySpecific取值不合法"),
        ({"orgCrtImgRid": 4711}, "文件不存在或已被关联"),
        ({"establishDate": "2001-02-30"}, "参数establishDate取值不合法"),
    ],
)
async def test_an_application_that_is_not_acceptable_leaves_nothing_behind(
    api: Api, basic: dict[str, Any], message: str
) -> None:
    sent = await application(api.admin, **basic)
    refused = await api.admin("POST", APPLY, sent)
    assert refusal(refused).startswith(message)
    assert refused.json["field"] == f"entBasicInfo.{next(iter(basic))}"
    wrong = await api.client(None)("POST", "/identity/token", {"username": "demo-pump", "password": PASSWORD})
    assert refusal(wrong) == "用户名/密码错误！"
    assert ok(await api.admin("GET", "/snms/api/v3/ent/page"))["totalElements"] == 0


async def test_names_contacts_certificates_files_and_prefixes_are_used_once(api: Api) -> None:
    first = await application(api.admin)
    ok(await api.admin("POST", APPLY, first))
    second = await application(api.admin, orgName="另一家", orgCrtCode="91990000MA0DEMBU1R", entPrefix="88.999.4")
    user = {"userName": "other", "email": "o@example.com", "mobile": "13900000009"}
    for taken, message in (
        ({"userName": "demo-pump"}, "用户名已存在"),
        ({"email": "pump@example.com"}, "邮箱已存在"),
        ({"mobile": "13900000001"}, "手机号已存在"),
    ):
        again = second | {"sysUser": second["sysUser"] | user | taken}
        again["entBasicInfo"] = again["entBasicInfo"] | {"orgCrtType": 2}
        assert refusal(await api.admin("POST", APPLY, again)) == message
    fresh = second | {"sysUser": second["sysUser"] | user}
    same = {"orgCrtType": "1", "orgCrtCode": "91990000MA0DEMAT2P"}
    duplicate = await api.admin("POST", APPLY, fresh | {"entBasicInfo": second["entBasicInfo"] | same})
    assert (refusal(duplicate), duplicate.json["field"]) == ("单位证件已存在", "entBasicInfo.orgCrtCode")
    basic = second["entBasicInfo"] | {"orgCrtType": 2}
    used = {"orgCrtImgRid": first["entBasicInfo"]["orgCrtImgRid"]}
    assert refusal(await api.admin("POST", APPLY, fresh | {"entBasicInfo": basic | used})) == "文件不存在或已被关联"
    assert refusal(await api.admin("POST", APPLY, fresh | {"entBasicInfo": basic | {"entPrefix": PREFIX}})) == (
        "前缀已存在"
    )
    ok(await api.admin("POST", APPLY, fresh | {"entBasicInfo": basic}))


async def test_a_registered_user_applies_with_its_own_account(api: Api) -> None:
    user = {
        "username": "demo",
        "password": sha256_hex(PASSWORD),
        "email": "d@example.com",
        "mobile": "13900000003",
        "openId": "o-1",
    }
    assert ok(await api.admin("POST", "/identity/registry", user)) is True
    assert refusal(await api.admin("POST", "/identity/registry", user | {"password": "secret"})).startswith(
        "参数password"
    )
    token = ok(await api.client(None)("POST", "/identity/token", {"username": "demo", "password": PASSWORD}))["token"]
    own = api.client(token)
    assert refusal(await own("POST", "/identity/registry", user), -3) == "没有权限"
    sent = await application(own)
    del sent["sysUser"]
    assert refusal(await own("POST", "/snms/api/v3/ent/upgrade-apply", sent)) == "缺少必要的请求参数: username"
    ok(await own("POST", "/snms/api/v3/ent/upgrade-apply", sent | {"username": "demo"}))
    listed = ok(await own("GET", f"/snms/api/v3/ent/page?orgName={quote('示例')}"))
    assert [(one["orgName"], one["openIds"]) for one in listed["content"]] == [("示例机械有限公司", ["o-1"])]
    assert len(listed["content"][0]["entGeneralId"]) == 16
    corrected = sent["entBasicInfo"] | {"orgDesc": "泵"}
    ok(await own("POST", "/snms/api/v3/ent/upgrade-apply", sent | {"username": "demo", "entBasicInfo": corrected}))
    assert ok(await own("GET", "/snms/api/v3/ent/detail"))["entBasicInfo"]["orgDesc"] == "泵"
    assert ok(await own("GET", f"/snms/api/prefix/query?prefix={PREFIX}"))["status"] == 4

    enterprise = (await api.admin("GET", "/api/v1/enterprises")).json["items"][0]["id"]
    assert (await api.admin("POST", f"/api/v1/enterprises/{enterprise}:approve", {})).status == 200
    another = sent | {"username": "demo", "entBasicInfo": corrected | {"entPrefix": "88.999.15908"}}
    ok(await own("POST", "/snms/api/v3/ent/upgrade-apply", another))
    ok(await own("POST", "/snms/api/v3/ent/upgrade-apply", another))
    states = {
        one: ok(await own("GET", f"/snms/api/prefix/query?prefix=88.999.{one}"))["status"] for one in (15907, 15908)
    }
    assert states == {15907: 1, 15908: 4}


async def test_signing_in_tells_nothing_about_what_was_wrong(api: Api) -> None:
    nobody = api.client(None)
    for credentials in ({"username": "nobody", "password": "x"}, {"username": "nobody", "password": "y"}):
        reply = await nobody("POST", "/identity/token", credentials)
        assert (reply.status, refusal(reply)) == (200, "用户名/密码错误！")
    hashed = await nobody("POST", "/identity/token/v1", {"username": "nobody", "password": "0" * 64})
    assert refusal(hashed) == "用户名/密码错误！"
    for _ in range(8):
        reply = await nobody("POST", "/identity/token", {"username": "nobody", "password": "x"})
    assert reply.status == 429
    assert int(reply.headers["Retry-After"]) > 0


async def test_files_are_told_by_their_content_and_read_by_their_owner(api: Api) -> None:
    for content in (PNG, JPEG, PDF):
        stored = (await upload(api.admin, content))["data"]
        path, _, ending = stored["path"].rpartition(".")
        assert (UUID(path).version, ending in ("png", "jpg", "jpeg", "pdf")) == (4, True)
        back = await api.admin("GET", f"/snms/api/file/{stored['id']}")
        assert back.body == content
    assert (await upload(api.admin, b"text"))["status"] == -2
    for large in (PNG + bytes(2**20), PDF + bytes(5 * 2**20)):
        refused = await upload(api.admin, large)
        assert (refused["message"], refused["field"]) == ("文件过大: 图片不超过1MB, PDF不超过5MB", "file")
    owner = await api.holder("enterprise_user", await api.prefix("88.118.8"))
    assert refusal(await owner("GET", f"/snms/api/file/{stored['id']}"), -3) == "没有权限"
    assert refusal(await api.admin("GET", "/snms/api/file/99999"))


async def test_an_enterprise_that_has_stated_nothing_is_shown_with_its_name(api: Api) -> None:
    await api.prefix("88.999.4", "Pumps")
    (listed,) = ok(await api.admin("GET", "/snms/api/v3/ent/page"))["content"]
    detail = ok(await api.admin("GET", f"/snms/api/v3/ent/detail?id={listed['id']}"))
    basic = detail["entBasicInfo"]
    assert (basic.pop("orgName"), basic.pop("entPrefix")) == ("Pumps", "88.999.4")
    assert set(basic.values()) == {None}
    assert detail["entRegisterManageInfo"].pop("entInfoSyses") == []
    assert set(detail["entRegisterManageInfo"].values()) == {None}
    assert detail["entHostingAndIdentifyServeInfo"]["entInfoLicenses"] == []


async def test_lists_show_nothing_of_others_and_number_their_pages(api: Api) -> None:
    await api.prefix("88.118.8", "Pumps")
    mine = await api.prefix("88.118.9", "Valves")
    own = await api.holder("enterprise_user", mine)
    assert [one["entPrefix"] for one in ok(await own("GET", "/snms/api/prefix/page"))["content"]] == ["88.118.9"]
    assert refusal(await own("GET", "/snms/api/prefix/query?prefix=88.118.8"), -3) == "没有权限"
    every = ok(await api.admin("GET", "/snms/api/prefix/page?pageSize=1&currentPage=2"))
    assert (every["totalElements"], every["totalPages"], every["number"], every["first"], every["last"]) == (
        2,
        2,
        2,
        False,
        True,
    )
    beyond = ok(await api.admin("GET", "/snms/api/prefix/page?currentPage=9"))
    assert (beyond["content"], beyond["last"]) == ([], True)
    assert refusal(await api.admin("GET", "/snms/api/prefix/page?pageSize=501")) == "参数pageSize取值不合法"
    assert refusal(await api.admin("GET", "/snms/api/v3/ent/page?startDate=today")) == "参数startDate取值不合法"


async def test_a_strict_node_answers_with_the_status_of_http(registry_database: str, tmp_path: Path) -> None:
    from registry.context import SnmsSettings  # noqa: PLC0415 - the only test that changes them

    async with running_api(registry_database, tmp_path, snms=SnmsSettings(http_status="strict")) as api:
        missing = await api.admin("GET", "/snms/api/prefix/query?prefix=88.1")
        assert (missing.status, missing.json["status"]) == (404, -2)
        nobody = await api.client(None)("GET", "/snms/api/prefix/page")
        assert (nobody.status, nobody.json["status"]) == (401, -1)


async def test_public_values_are_read_without_a_token_where_the_node_says_so(
    registry_database: str, tmp_path: Path
) -> None:
    from registry.context import SnmsSettings  # noqa: PLC0415 - as above

    async with running_api(registry_database, tmp_path, snms=SnmsSettings(public_detail="public-values")) as api:
        await api.prefix()
        values = [
            {"index": 2000, "type": "name", "data": "Pump"},
            {"index": 2001, "type": "price", "data": "7", "permissions": "1100"},
        ]
        await api.admin("PUT", "/api/v1/identifiers/88.118.8/SN1", {"values": values})
        shown = ok(await api.client(None)("GET", "/identityv2/data/detail?handle=88.118.8/SN1"))
        assert [one["index"] for one in shown["value"]] == [2000]


def test_times_are_those_of_beijing() -> None:
    instant = beijing_time.read_datetime("2031-05-06 01:02:03")
    assert instant is not None
    assert instant.isoformat() == "2031-05-05T17:02:03+00:00"
    assert beijing_time.written(instant) == "2031-05-06 01:02:03"
    assert beijing_time.read_datetime("2031-05-06") is None
