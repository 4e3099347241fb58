"""An enterprise as clients of this API state it: three objects in, three objects out, the fields of T6 in between."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from registry.service.enterprise_details import (
    DEPLOY_MODES,
    ENTRUSTED,
    LICENCE_TYPES,
    ON_PREMISES,
    RUN_MODES,
    EnterpriseDetails,
    EnterpriseDocuments,
    Run,
    Site,
)
from registry.snms.enterprise_members import (
    AS_TEXT,
    CODES,
    CONTRACTS,
    DATES,
    DEPLOY_TEXTS,
    IMAGES,
    INDUSTRY,
    OPTIONAL_SYSTEM,
    SYSTEMS,
    TEXTS,
)
from registry.snms.members import Members

_ENTRIES_MAX: Final = 64
_ADDRESS: Final = re.compile(r"\[([0-9A-Fa-f.:]+)\]:([0-9]{1,5})")


class Form(NamedTuple):
    """What was sent: details as T6 names them, the numbers of files by document, and the prefix wanted."""

    details: dict[str, Any]
    files: dict[str, list[int]]
    prefix: str


def read_form(body: Members) -> Form:
    """Read the three objects. Raises the refusal of the first member that is missing, too long or no known code."""
    basic, system = body.members("entBasicInfo"), body.members("entRegisterManageInfo")
    service = body.optional_members("entHostingAndIdentifyServeInfo")
    files: dict[str, list[int]] = {}
    details = _basic(basic, files)
    prefix = basic.text("entPrefix", limit=64)
    details |= _systems(system, files)
    if service is not None:
        details |= _services(service, files)
    return Form({name: value for name, value in details.items() if value is not None}, files, prefix)


def _basic(basic: Members, files: dict[str, list[int]]) -> dict[str, Any]:
    details: dict[str, Any] = {
        text.detail: (basic.text if text.required else basic.optional_text)(text.member, limit=text.limit)
        for text in TEXTS
    }
    details |= {detail: basic.choice(member, tuple(known)) for member, detail, known in CODES}
    details["registered_capital"] = basic.optional_integer("regCapital")
    for member, detail in DATES:
        date = basic.optional_date(member)
        details[detail] = date.isoformat() if date is not None else None
    for member, document, _, required in IMAGES:
        rid = basic.integer(member, low=1) if required else basic.optional_integer(member, low=1)
        if rid is not None:
            files.setdefault(document, []).append(rid)
    return details


def _systems(system: Members, files: dict[str, list[int]]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    for entry in system.list_of_members("entInfoSyses", limit=_ENTRIES_MAX):
        kind = entry.choice("sysType", tuple(SYSTEMS))
        if SYSTEMS[kind] in details:
            raise entry.refuse("sysType")
        details[SYSTEMS[kind]] = _site(entry, kind)
    for detail, mode, name, contract in (
        ("service_build", "servSysBuildType", "servSysBuildName", "servSysBuildContractFileRid"),
        ("service_operation", "servSysOperType", "servSysOperName", "servSysOperContractFileRid"),
    ):
        details[detail] = _run(system, mode, name)
        _contract(system, contract, files)
    if any(SYSTEMS[kind] not in details for kind in SYSTEMS if kind != OPTIONAL_SYSTEM):
        raise system.lacks("entInfoSyses")
    return details


def _site(entry: Members, kind: int) -> dict[str, Any]:
    mode = entry.choice("deployMode", tuple(DEPLOY_MODES))
    site: dict[str, Any] = {"deploy_mode": mode}
    if mode == ON_PREMISES:
        site |= {name: entry.text(member, limit=limit) for member, name, limit in DEPLOY_TEXTS}
    else:
        site["provider"] = entry.text("name", limit=255)
    endpoints = entry.optional_text("ipPort", limit=255)
    if endpoints is not None and kind == 1:
        site["endpoints"] = [_endpoint(entry, one) for one in endpoints.split(";") if one]
    return site


def _endpoint(entry: Members, text: str) -> dict[str, Any]:
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise entry.refuse("ipPort")
    return {"ip": match[1], "port": int(match[2])}


def _run(system: Members, mode: str, name: str) -> dict[str, Any]:
    chosen = system.choice(mode, tuple(RUN_MODES))
    if chosen != ENTRUSTED:
        return {"mode": chosen}
    return {"mode": chosen, "org_name": system.text(name, limit=255)}


def _contract(given: Members, member: str, files: dict[str, list[int]]) -> None:
    rid = given.optional_integer(member, low=1)
    if rid is not None:
        files.setdefault(CONTRACTS[member], []).append(rid)


def _services(service: Members, files: dict[str, list[int]]) -> dict[str, Any]:
    addresses = service.optional_text("extIpAddr", limit=255)
    site = {
        "name": service.optional_text("extWebName", limit=255),
        "domain": service.optional_text("extDomain", limit=255),
        "ips": [one.strip() for one in addresses.split(";") if one.strip()] if addresses else None,
    }
    for member in ("dataHostingContractFileRid", "servHostingContractFileRid"):
        _contract(service, member, files)
    return {
        "public_site": {name: value for name, value in site.items() if value} or None,
        "data_escrow_org": service.optional_text("dataHostingOrg", limit=255),
        "service_escrow_org": service.optional_text("servHostingOrg", limit=255),
        "served_industries": [
            {name: one.text(member, limit=8) for member, name in INDUSTRY}
            for one in service.list_of_members("entInfoSerIndustries", limit=_ENTRIES_MAX)
        ]
        or None,
        "domain_licences": [
            {"type": one.choice("licenceType", tuple(LICENCE_TYPES)), "number": one.text("licenceNo", limit=255)}
            for one in service.list_of_members("entInfoLicenses", limit=_ENTRIES_MAX)
        ]
        or None,
    }


def show_form(
    details: EnterpriseDetails | None,
    documents: EnterpriseDocuments | None,
    rids: Mapping[str, int],
    prefix: str | None,
) -> dict[str, Any]:
    """Write the three objects; missing values are null, missing lists empty. `rids`: numbers of files by their ids.

    `details` are None of an enterprise that was made together with a prefix and has stated nothing.
    """
    return {
        "entBasicInfo": _shown_basic(details, documents, rids) | {"entPrefix": prefix},
        "entRegisterManageInfo": _shown_systems(details, documents, rids),
        "entHostingAndIdentifyServeInfo": _shown_services(details, documents, rids),
    }


def _shown_basic(
    details: EnterpriseDetails | None, documents: EnterpriseDocuments | None, rids: Mapping[str, int]
) -> dict[str, Any]:
    shown: dict[str, Any] = {text.member: getattr(details, text.detail, None) for text in TEXTS}
    for member, detail, _ in CODES:
        code = getattr(details, detail, None)
        shown[member] = str(code) if member in AS_TEXT and code is not None else code
    shown |= {member: getattr(details, detail, None) for member, detail in DATES}
    shown["regCapital"] = getattr(details, "registered_capital", None)
    for member, document, at, _ in IMAGES:
        shown[member] = _rid(documents, document, at, rids)
    return shown


def _rid(documents: EnterpriseDocuments | None, document: str, at: int, rids: Mapping[str, int]) -> int | None:
    ids: Sequence[str] = getattr(documents, document) if documents is not None else ()
    return rids.get(ids[at]) if at < len(ids) else None


def _shown_systems(
    details: EnterpriseDetails | None, documents: EnterpriseDocuments | None, rids: Mapping[str, int]
) -> dict[str, Any]:
    sites = {kind: getattr(details, name, None) for kind, name in SYSTEMS.items()}
    return {
        "entInfoSyses": [_shown_site(kind, site) for kind, site in sites.items() if site is not None],
        **_shown_run(
            "Build", getattr(details, "service_build", None), _rid(documents, "service_build_contracts", 0, rids)
        ),
        **_shown_run(
            "Oper", getattr(details, "service_operation", None), _rid(documents, "service_operation_contracts", 0, rids)
        ),
    }


def _shown_site(kind: int, site: Site) -> dict[str, Any]:
    written = (f"[{endpoint.ip}]:{endpoint.port}" for endpoint in site.endpoints)
    return {
        "sysType": kind,
        "deployMode": site.deploy_mode,
        "deployAddr": site.address,
        "deployAddrProvince": site.province,
        "deployAddrCity": site.city,
        "deployAddrCounty": site.county,
        "name": site.provider,
        "ipPort": ";".join(written) or None,
    }


def _shown_run(task: str, run: Run | None, contract: int | None) -> dict[str, Any]:
    return {
        f"servSys{task}Type": run.mode if run is not None else None,
        f"servSys{task}Name": run.org_name if run is not None else None,
        f"servSys{task}ContractFileRid": contract,
    }


def _shown_services(
    details: EnterpriseDetails | None, documents: EnterpriseDocuments | None, rids: Mapping[str, int]
) -> dict[str, Any]:
    site = getattr(details, "public_site", None)
    return {
        "extWebName": site.name if site is not None else None,
        "extDomain": site.domain if site is not None else None,
        "extIpAddr": ";".join(site.ips) or None if site is not None else None,
        "dataHostingOrg": getattr(details, "data_escrow_org", None),
        "dataHostingContractFileRid": _rid(documents, "data_escrow_contracts", 0, rids),
        "servHostingOrg": getattr(details, "service_escrow_org", None),
        "servHostingContractFileRid": _rid(documents, "service_escrow_contracts", 0, rids),
        "entInfoSerIndustries": [
            {member: getattr(industry, name) for member, name in INDUSTRY}
            for industry in (details.served_industries if details is not None else ())
        ],
        "entInfoLicenses": [
            {"licenceType": licence.type, "licenceNo": licence.number}
            for licence in (details.domain_licences if details is not None else ())
        ],
    }
