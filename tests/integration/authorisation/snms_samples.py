"""A request for every SNMS-compatible call, about a thing of the first enterprise."""

import hashlib
from typing import Any
from urllib.parse import urlencode

from registry.reference.uscc import check_character
from registry.service.sign_in import accepted_dates
from tests.documents import document
from tests.integration.authorisation.world import (
    NAMED,
    PASSWORD,
    PREFIX,
    Caller,
    Make,
    Sample,
    World,
    form,
    personal,
)

DATA = "/identityv2/data"
OWNER = Caller("enterprise_administrator", "own")
INDUSTRY = {"industryCategory": "C", "industrySpecific": "34"}
CLASS = {**INDUSTRY, "industryTrade": "344", "industrySubclass": "3441"}


def sha256_hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Accounts.


@personal
async def sign_in(world: World, _: Caller) -> Sample:
    person = next(iter(world.people.values()))
    return Sample("/identity/token", {"username": person.username, "password": PASSWORD})


async def sign_in_hashed(world: World, _: Caller) -> Sample:
    keys = await world.do(
        "POST", "/api/v1/accounts", {"role": "reader", "enterprise": world.mine, "kind": "application", "label": "x"}
    )
    day = min(accepted_dates(world.api.context.clock()))
    password = sha256_hex(sha256_hex(keys["secret_key"]) + day)
    return Sample("/identity/token/v1", {"username": keys["access_key"], "password": password})


async def create_user(world: World, _: Caller) -> Sample:
    return Sample("/identity/registry", _user(world))


def _user(world: World) -> dict[str, str]:
    number = world.number
    return {
        "userName": f"snms-{number}",
        "password": sha256_hex(PASSWORD),
        "email": f"snms{number}@example.com",
        "mobile": f"1390000{number:04d}",
    }


# Enterprises, prefixes and files.


async def apply(world: World, _: Caller) -> Sample:
    administrator = world.people[Caller("administrator")].client
    rids = [await world.snms_upload(administrator) for _ in range(3)]
    return Sample("/snms/api/v3/ent/apply", {"sysUser": _user(world), **_application(world, rids)})


@personal
async def apply_for_account(world: World, caller: Caller) -> Sample:
    """Ask for other details of the first enterprise, in the name of the account that administers it."""
    owner = world.people[OWNER]
    uploads = caller if caller in (Caller("administrator"), OWNER) else OWNER
    rids = [await world.snms_upload(world.people[uploads].client) for _ in range(3)]
    body = {"username": owner.username, **_application(world, rids)}
    return Sample("/snms/api/v3/ent/upgrade-apply", body)


def _application(world: World, rids: list[int]) -> dict[str, Any]:
    number = world.number
    code = f"91990000MA0DE{number:04d}"
    cloud = {"deployMode": 2, "name": "示例云"}
    return {
        "entBasicInfo": {
            "orgName": f"示例机械 {number} 有限公司",
            "orgNature": "2",
            "orgAddr": "示例路 1 号",
            "orgAddrProvince": "320000",
            "orgAddrCity": "320100",
            "orgCrtType": "1",
            "orgCrtCode": code + check_character(code),
            "orgCrtImgRid": rids[0],
            **INDUSTRY,
            "contactName": "联系人",
            "contactCrtType": 3,
            "contactCrtNo": "X1",
            "contactEmail": "contact@example.com",
            "contactPhone": "13900000002",
            "legalName": "法人",
            "legalCrtType": "3",
            "legalCrtNo": "Y1",
            "legalCrtBackImgRid": rids[1],
            "legalCrtFrontImgRid": rids[2],
            "entPrefix": f"88.118.{number}",
        },
        "entRegisterManageInfo": {
            "entInfoSyses": [{"sysType": kind, **cloud} for kind in (1, 2, 3, 4)],
            "servSysBuildType": 1,
            "servSysOperType": 1,
        },
    }


async def list_enterprises(world: World, _: Caller) -> Sample:
    number = (await world.do("GET", f"/api/v1/enterprises/{world.mine}"))["number"]
    return Sample("/snms/api/v3/ent/page?pageSize=500", shows=f'"id":{number},')


async def enterprise_detail(world: World, _: Caller) -> Sample:
    number = (await world.do("GET", f"/api/v1/enterprises/{world.mine}"))["number"]
    return Sample(f"/snms/api/v3/ent/detail?id={number}")


async def configure(world: World, _: Caller) -> Sample:
    route = {"entPrefix": await world.prefix(), "hdlType": "HS_SITE", "ipType": 4, "ip": "192.0.2.17", "tcpPort": 2641}
    return Sample("/snms/api/ent/config", {"entPrefixConfig": route})


@personal
async def upload_file(world: World, _: Caller) -> Sample:
    data, media_type = form(document(world.number))
    return Sample("/snms/api/file/upload", data=data, media_type=media_type)


async def read_file(world: World, _: Caller) -> Sample:
    documents = (await world.do("GET", f"/api/v1/enterprises/{world.mine}"))["documents"]
    number = (await world.do("GET", f"/api/v1/files/{documents['org_id_images'][0]}"))["number"]
    return Sample(f"/snms/api/file/{number}")


async def query_prefix(_: World, __: Caller) -> Sample:
    return Sample(f"/snms/api/prefix/query?prefix={PREFIX}")


async def list_prefixes(_: World, __: Caller) -> Sample:
    return Sample("/snms/api/prefix/page?pageSize=500", shows=f'"{PREFIX}"')


# Templates.


def _template(version: str) -> dict[str, Any]:
    length = {"type": "string", "minLength": 0, "maxLength": 64}
    return {
        "prefix": PREFIX,
        "version": version,
        **CLASS,
        "type": 2,
        "items": [
            {"name": name, "idType": kind, "idIndex": index, "required": False, "metadata": length}
            for index, name, kind in ((2000, "名称", "label"), (2001, "单价", "price"))
        ],
    }


async def _made_template(world: World) -> str:
    version = f"V{world.number}"
    made = await world.do("POST", "/snms/api/v5/template", _template(version))
    assert made["status"] == 1, made
    return version


def create_template(path: str) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(path, _template(f"V{world.number}"))

    return make


def read_template(path: str) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(f"{path}?{urlencode({'prefix': PREFIX, 'version': await _made_template(world)})}")

    return make


def delete_template(path: str) -> Make:
    async def make(world: World, _: Caller) -> Sample:
        return Sample(path, {"prefix": PREFIX, "version": await _made_template(world)})

    return make


async def change_template(world: World, _: Caller) -> Sample:
    return Sample("/snms/api/v5/template", _template(await _made_template(world)))


# Identifiers.


def _registration(name: str, version: str) -> dict[str, Any]:
    value = {"index": 2000, "type": "label", "data": {"format": "string", "value": "x"}}
    return {"handle": name, "templateVersion": version, "value": [value]}


async def _registered(world: World) -> tuple[str, str]:
    name, version = f"{PREFIX}/V{world.number}", await _made_template(world)
    made = await world.do("POST", DATA, _registration(name, version))
    assert made["status"] == 1, made
    return name, version


async def detail(world: World, _: Caller) -> Sample:
    return Sample(f"{DATA}/detail?handle={await world.record()}", shows=NAMED)


async def create(world: World, _: Caller) -> Sample:
    return Sample(DATA, _registration(f"{PREFIX}/V{world.number}", await _made_template(world)))


async def update(world: World, _: Caller) -> Sample:
    return Sample(DATA, _registration(*await _registered(world)))


async def delete(world: World, _: Caller) -> Sample:
    return Sample(DATA, {"handle": (await _registered(world))[0]})


async def create_many(world: World, _: Caller) -> Sample:
    entry = _registration(f"{PREFIX}/V{world.number}", await _made_template(world))
    return Sample(f"{DATA}/batchCreate", [entry], shows='"code":1,')


async def update_many(world: World, _: Caller) -> Sample:
    return Sample(f"{DATA}/batchUpdate", [_registration(*await _registered(world))], shows='"code":1,')


async def delete_many(world: World, _: Caller) -> Sample:
    return Sample(f"{DATA}/batchDelete", {"handles": [(await _registered(world))[0]]}, shows='"code":1,')


SAMPLES: dict[tuple[str, str], Make] = {
    ("POST", "/identity/token"): sign_in,
    ("POST", "/identity/token/v1"): sign_in_hashed,
    ("POST", "/identity/registry"): create_user,
    ("POST", "/snms/api/v3/ent/apply"): apply,
    ("POST", "/snms/api/v3/ent/upgrade-apply"): apply_for_account,
    ("GET", "/snms/api/v3/ent/page"): list_enterprises,
    ("GET", "/snms/api/v3/ent/detail"): enterprise_detail,
    ("POST", "/snms/api/ent/config"): configure,
    ("POST", "/snms/api/file/upload"): upload_file,
    ("GET", "/snms/api/file/{id}"): read_file,
    ("GET", "/snms/api/prefix/query"): query_prefix,
    ("GET", "/snms/api/prefix/page"): list_prefixes,
    ("GET", "/snms/api/v3/template"): read_template("/snms/api/v3/template"),
    ("POST", "/snms/api/v3/template"): create_template("/snms/api/v3/template"),
    ("DELETE", "/snms/api/v3/template"): delete_template("/snms/api/v3/template"),
    ("GET", "/snms/api/v5/template"): read_template("/snms/api/v5/template"),
    ("POST", "/snms/api/v5/template"): create_template("/snms/api/v5/template"),
    ("PUT", "/snms/api/v5/template"): change_template,
    ("DELETE", "/snms/api/v5/template"): delete_template("/snms/api/v5/template"),
    ("GET", "/identityv2/data/detail"): detail,
    ("POST", "/identityv2/data"): create,
    ("PUT", "/identityv2/data"): update,
    ("DELETE", "/identityv2/data"): delete,
    ("POST", "/identityv2/data/batchCreate"): create_many,
    ("PUT", "/identityv2/data/batchUpdate"): update_many,
    ("DELETE", "/identityv2/data/batchDelete"): delete_many,
}
