"""Which member of this API is which field of T6 (docking contract, table T6), and which document."""

import re
from typing import Final, NamedTuple

from registry.service.enterprise_details import ORG_ID_TYPES, ORG_NATURES, PERSON_ID_TYPES

SYSTEMS: Final = {
    1: "site_registration_system",
    2: "site_registration_data",
    3: "site_registration_backup",
    4: "site_resolution_server",
    5: "site_service_backup",
}
"""Kinds of deployment entries, and where T6 keeps them; one each of 1 to 4 is required."""
OPTIONAL_SYSTEM: Final = 5


class Text(NamedTuple):
    """A member that is a text: the field of T6 it becomes, and its largest length in code points."""

    member: str
    detail: str
    limit: int
    required: bool = False


TEXTS: Final = (
    Text("orgName", "org_name", 255, required=True),
    Text("orgAddr", "org_address", 255, required=True),
    Text("orgAddrProvince", "org_address_province", 8, required=True),
    Text("orgAddrCity", "org_address_city", 8, required=True),
    Text("orgAddrCounty", "org_address_county", 8),
    Text("orgCrtCode", "org_id_number", 32, required=True),
    Text("orgDesc", "org_profile", 1_024),
    Text("industryCategory", "industry_category", 8, required=True),
    Text("industrySpecific", "industry_specific", 8, required=True),
    Text("website", "website", 255),
    Text("regAuthority", "registration_authority", 255),
    Text("contactName", "contact_name", 128, required=True),
    Text("contactCrtNo", "contact_id_number", 32, required=True),
    Text("contactEmail", "contact_email", 128, required=True),
    Text("contactPhone", "contact_mobile", 16, required=True),
    Text("legalName", "legal_rep_name", 128, required=True),
    Text("legalCrtNo", "legal_rep_id_number", 32, required=True),
    Text("legalEmail", "legal_rep_email", 128),
    Text("legalFax", "legal_rep_fax", 255),
    Text("legalPhone", "legal_rep_mobile", 16),
)
CODES: Final = (
    ("orgNature", "org_nature", ORG_NATURES),
    ("orgCrtType", "org_id_type", ORG_ID_TYPES),
    ("contactCrtType", "contact_id_type", PERSON_ID_TYPES),
    ("legalCrtType", "legal_rep_id_type", PERSON_ID_TYPES),
)
AS_TEXT: Final = frozenset({"orgNature", "orgCrtType", "legalCrtType"})
"""Enumerations that answers write as strings."""
DATES: Final = (("establishDate", "established_on"), ("periodValidity", "valid_until"))
IMAGES: Final = (
    ("orgCrtImgRid", "org_id_images", 0, True),
    ("legalCrtFrontImgRid", "legal_rep_id_images", 0, True),
    ("legalCrtBackImgRid", "legal_rep_id_images", 1, True),
    ("contactCrtFrontImgRid", "contact_id_images", 0, False),
    ("contactCrtBackImgRid", "contact_id_images", 1, False),
)
CONTRACTS: Final = {
    "servSysBuildContractFileRid": "service_build_contracts",
    "servSysOperContractFileRid": "service_operation_contracts",
    "dataHostingContractFileRid": "data_escrow_contracts",
    "servHostingContractFileRid": "service_escrow_contracts",
}
INDUSTRY: Final = (
    ("industryCategory", "category"),
    ("industrySpecific", "specific"),
    ("industryTrade", "trade"),
    ("industrySubclass", "subclass"),
)
DEPLOY_TEXTS: Final = (
    ("deployAddrProvince", "province", 8),
    ("deployAddrCity", "city", 8),
    ("deployAddrCounty", "county", 8),
    ("deployAddr", "address", 255),
)


def _paths() -> dict[str, str]:
    """Say which member each field of T6, and each document, is read from."""
    basic = {text.detail: text.member for text in TEXTS} | {detail: member for member, detail, _ in CODES}
    basic |= {detail: member for member, detail in DATES} | {"registered_capital": "regCapital"}
    basic |= {f"{document}[{at}]": member for member, document, at, _ in IMAGES}
    basic |= {document: member for member, document, at, _ in IMAGES if at == 0}
    paths = {field: f"entBasicInfo.{member}" for field, member in basic.items()}
    paths |= {"prefix": "entBasicInfo.entPrefix"}
    paths |= {"username": "sysUser.userName", "email": "sysUser.email", "mobile": "sysUser.mobile"}
    sites = {name: member for member, name, _ in DEPLOY_TEXTS}
    sites |= {"endpoints": "ipPort", "provider": "name", "deploy_mode": "deployMode"}
    for site in SYSTEMS.values():
        paths[site] = "entRegisterManageInfo.entInfoSyses"
        paths |= {f"{site}.{name}": f"{paths[site]}[].{member}" for name, member in sites.items()}
    for run, task in (("service_build", "servSysBuild"), ("service_operation", "servSysOper")):
        paths |= {run: f"entRegisterManageInfo.{task}Name", f"{run}.mode": f"entRegisterManageInfo.{task}Type"}
    services = {"data_escrow_org": "dataHostingOrg", "service_escrow_org": "servHostingOrg"}
    services |= {"public_site": "extDomain", "public_site.name": "extWebName", "public_site.ips": "extIpAddr"}
    services |= {"served_industries": "entInfoSerIndustries", "domain_licences": "entInfoLicenses"}
    services |= {f"served_industries.{name}": f"entInfoSerIndustries[].{member}" for member, name in INDUSTRY}
    services |= {"domain_licences.type": "entInfoLicenses[].licenceType"}
    services |= {"domain_licences.number": "entInfoLicenses[].licenceNo"}
    paths |= {field: f"entHostingAndIdentifyServeInfo.{member}" for field, member in services.items()}
    for member, document in CONTRACTS.items():
        of_service = member.startswith("servSys")
        paths[document] = f"{'entRegisterManageInfo' if of_service else 'entHostingAndIdentifyServeInfo'}.{member}"
    return paths


_PATHS: Final = _paths()
_POSITION = re.compile(r"\[[0-9]+\]")


def member_of(field: str) -> str:
    """Return the path of the member a field of the service layer was read from; the field where it is none of them."""
    name = field.removeprefix("details.").removeprefix("documents.")
    if name in _PATHS:
        return _PATHS[name]
    parts = _POSITION.sub("", name).split(".")
    for length in range(len(parts), 0, -1):
        if (path := _PATHS.get(".".join(parts[:length]))) is not None:
            return path
    return field
