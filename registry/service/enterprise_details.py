"""What an enterprise states of itself: the fields of table T6 of the national docking contract, and their checks."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from registry.errors import FieldError, InvalidFields
from registry.reference.industries import LEVELS, industry_fault
from registry.reference.regions import Level, region_fault
from registry.reference.resident_id import resident_id_fault
from registry.reference.uscc import uscc_fault
from registry.service.field_checks import (
    Faults,
    Member,
    calendar_date,
    domain_name,
    email,
    ip_address,
    list_of,
    members,
    number_of_kind,
    one_of,
    phone,
    port,
    refused_twice,
    text,
    whole,
)

ORG_NATURES: Final = {
    1: "state-controlled",
    2: "private",
    3: "foreign-controlled",
    4: "public institution",
    5: "private non-profit",
}
USCC: Final = 1
ORG_ID_TYPES: Final = {USCC: "unified social credit code", 2: "other"}
RESIDENT_ID: Final = 1
PERSON_ID_TYPES: Final = {RESIDENT_ID: "resident identity card", 2: "passport", 3: "other"}
LICENCE_TYPES: Final = {
    1: "root server operation",
    2: "domain registry",
    3: "domain registrar",
    4: "value-added telecommunications",
}
ENTRUSTED: Final = 2
RUN_MODES: Final = {1: "own staff", ENTRUSTED: "entrusted"}
ON_PREMISES: Final = 1
DEPLOY_MODES: Final = {ON_PREMISES: "on premises", 2: "cloud"}
SITES: Final = (
    "site_registration_system",
    "site_registration_data",
    "site_registration_backup",
    "site_resolution_server",
)
"""Required of an enterprise that runs its own node; those of a hosted one are the operator's."""
PERSONAL: Final = frozenset(
    {
        "legal_rep_id_type",
        "legal_rep_id_number",
        "legal_rep_name",
        "legal_rep_email",
        "legal_rep_mobile",
        "legal_rep_fax",
        "contact_name",
        "contact_mobile",
        "contact_id_type",
        "contact_id_number",
        "contact_email",
    }
)
"""Fields about persons: shown to those who need them only."""
IDENTIFYING: Final = (
    "org_name",
    "org_id_type",
    "org_id_number",
    "legal_rep_name",
    "legal_rep_id_type",
    "legal_rep_id_number",
)
"""Fields whose change makes an earlier verification of the identity void."""

Text128 = Annotated[str, Meta(max_length=128)]
Text255 = Annotated[str, Meta(max_length=255)]
Text1024 = Annotated[str, Meta(max_length=1024)]
IdNumber = Annotated[str, Meta(max_length=32)]
Phone = Annotated[str, Meta(max_length=16)]
Region = Annotated[str, Meta(pattern="^[1-9][0-9]{5}$", examples=["320102"])]
Date = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", examples=["2025-11-22"])]
_PersonIdType = Annotated[int, Meta(ge=1, le=3, description="1 resident identity card, 2 passport, 3 other")]


class Industry(msgspec.Struct, frozen=True):
    """An industry by GB/T 4754-2017: section, division, group, class."""

    category: Annotated[str, Meta(pattern="^[A-T]$")]
    specific: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    trade: Annotated[str, Meta(pattern="^[0-9]{3}$")]
    subclass: Annotated[str, Meta(pattern="^[0-9]{4}$")]


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who does a task: 1 own staff, 2 the body `org_name`."""

    mode: Annotated[int, Meta(ge=1, le=2)]
    org_name: Text255 | None = None


class NameCompliance(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who sees to the compliance of registered names, and by which standard."""

    run: Run | None = None
    standard: Text255 | None = None


class SiteEndpoint(msgspec.Struct, frozen=True):
    """An address of the registration system."""

    ip: str
    port: Annotated[int, Meta(ge=1, le=65535)]


class Site(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a system stands: 1 on premises at an address, 2 in the cloud of `provider`."""

    deploy_mode: Annotated[int, Meta(ge=1, le=2)]
    province: Region | None = None
    city: Region | None = None
    county: Region | None = None
    address: Text255 | None = None
    provider: Text255 | None = None
    endpoints: list[SiteEndpoint] = []


class DomainLicence(msgspec.Struct, frozen=True):
    """A licence to operate 1 root servers, 2 a domain registry, 3 a registrar, 4 value-added telecommunications."""

    type: Annotated[int, Meta(ge=1, le=4)]
    number: Text255


class PublicSite(msgspec.Struct, frozen=True, omit_defaults=True):
    """The web site on which the enterprise offers identifier services."""

    name: Text255 | None = None
    domain: Text255 | None = None
    ips: list[str] = []


class EnterpriseDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an enterprise states of itself. Regions are GB/T 2260 codes, registered capital is in 10,000 CNY."""

    org_name: Text255
    org_nature: Annotated[
        int,
        Meta(
            ge=1,
            le=5,
            description="1 state-controlled, 2 private, 3 foreign-controlled, 4 public institution, 5 non-profit",
        ),
    ]
    org_address: Text255
    org_address_province: Region
    org_address_city: Region
    org_address_county: Region | None = None
    org_id_type: Annotated[int, Meta(ge=1, le=2, description="1 unified social credit code, 2 other")]
    org_id_number: IdNumber
    org_profile: Text1024 | None = None
    industry_category: Annotated[str, Meta(pattern="^[A-T]$")]
    industry_specific: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    website: Text255 | None = None
    registration_authority: Text255 | None = None
    registered_capital: Annotated[int, Meta(ge=0)] | None = None
    established_on: Date | None = None
    valid_until: Annotated[Date | None, Meta(description="without it: no end")] = None
    legal_rep_name: Text128 | None = None
    legal_rep_id_type: _PersonIdType | None = None
    legal_rep_id_number: IdNumber | None = None
    legal_rep_email: Text128 | None = None
    legal_rep_mobile: Phone | None = None
    legal_rep_fax: Text255 | None = None
    contact_name: Text128 | None = None
    contact_mobile: Phone | None = None
    contact_id_type: _PersonIdType | None = None
    contact_id_number: IdNumber | None = None
    contact_email: Text128 | None = None
    domain_licences: list[DomainLicence] = []
    service_build: Run
    service_operation: Run
    site_registration_system: Site | None = None
    site_registration_data: Site | None = None
    site_registration_backup: Site | None = None
    site_resolution_server: Site | None = None
    site_service_backup: Site | None = None
    data_escrow_org: Text255 | None = None
    service_escrow_org: Text255 | None = None
    identity_check: Run | None = None
    name_compliance: NameCompliance | None = None
    served_industries: list[Industry] = []
    public_site: PublicSite | None = None


class EnterpriseDocuments(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The ids of the files that prove the details: images or PDF, uploaded before."""

    org_id_images: Annotated[list[str], Meta(min_length=1, max_length=3, description="the business licence")]
    legal_rep_id_images: Annotated[list[str], Meta(min_length=1, max_length=2, description="front, back")]
    contact_id_images: Annotated[list[str], Meta(max_length=2, description="front, back")] = []
    service_build_contracts: Annotated[list[str], Meta(max_length=8)] = []
    service_operation_contracts: Annotated[list[str], Meta(max_length=8)] = []
    data_escrow_contracts: Annotated[list[str], Meta(max_length=8)] = []
    service_escrow_contracts: Annotated[list[str], Meta(max_length=8)] = []


class Statement(msgspec.Struct, frozen=True):
    """What an enterprise states, with the documents that prove it. `hosted`: its identifiers are kept by this node."""

    details: EnterpriseDetails
    documents: EnterpriseDocuments
    hosted: bool = True


def read_statement(details: Any, documents: Any, *, hosted: bool) -> Statement:
    """Check the decoded JSON of an application. Raises `InvalidFields` with every fault of all its fields.

    `hosted`: the enterprise's identifiers are kept by this node, so it needs no sites of its own.
    """
    faults: Faults = []
    read = _DETAILS(details, "details", faults)
    if read is not None:
        check_together(read, "details", faults)
        if not hosted:
            faults += [FieldError(f"details.{site}", "this is required") for site in SITES if not details.get(site)]
    files = _DOCUMENTS(documents, "documents", faults)
    if faults:
        message = "what the enterprise states of itself is not acceptable"
        raise InvalidFields("bad_details", message, remedy="correct the fields named", errors=tuple(faults))
    return Statement(msgspec.convert(read, EnterpriseDetails), msgspec.convert(files, EnterpriseDocuments), hosted)


def without_persons(details: EnterpriseDetails) -> EnterpriseDetails:
    """Leave out what the details say about persons."""
    return msgspec.structs.replace(details, **dict.fromkeys(PERSONAL))


def region_code(level: Level) -> Any:
    """Check the code of a region of this level."""
    return number_of_kind(6, lambda code: region_fault(code, level))


def industry_code(level: Any) -> Any:
    """Check the code of an industry of this level."""
    return number_of_kind(4, lambda code: industry_fault(code, level))


def required(*known: tuple[str, Any]) -> tuple[Member, ...]:
    """Return members that must be there, given as name and check."""
    return tuple(Member(name, check, required=True) for name, check in known)


def optional(*known: tuple[str, Any]) -> tuple[Member, ...]:
    """Return members that may be left out, given as name and check."""
    return tuple(Member(name, check) for name, check in known)


_RUN = members(*required(("mode", one_of(RUN_MODES))), *optional(("org_name", text(255))))
_SITE_MEMBERS = (
    *required(("deploy_mode", one_of(DEPLOY_MODES))),
    *optional(
        ("province", region_code("province")),
        ("city", region_code("city")),
        ("county", region_code("county")),
        ("address", text(255)),
        ("provider", text(255)),
    ),
)
SITE = members(*_SITE_MEMBERS)
_ENDPOINT = members(*required(("ip", ip_address), ("port", port)))
REGISTRATION_SITE = members(*_SITE_MEMBERS, *optional(("endpoints", list_of(_ENDPOINT, 16))))
INDUSTRY = members(*required(*((level, industry_code(level)) for level in LEVELS)))
LICENCE = members(*required(("type", one_of(LICENCE_TYPES)), ("number", text(255))))
PUBLIC_SITE = members(*optional(("name", text(255)), ("domain", domain_name), ("ips", list_of(ip_address, 16))))
_COMPLIANCE = members(*optional(("run", _RUN), ("standard", text(255))))

_DETAILS = members(
    *required(
        ("org_name", text(255)),
        ("org_nature", one_of(ORG_NATURES)),
        ("org_address", text(255)),
        ("org_address_province", region_code("province")),
        ("org_address_city", region_code("city")),
        ("org_id_type", one_of(ORG_ID_TYPES)),
        ("org_id_number", text(32)),
        ("industry_category", industry_code("category")),
        ("industry_specific", industry_code("specific")),
        ("legal_rep_name", text(128)),
        ("legal_rep_id_type", one_of(PERSON_ID_TYPES)),
        ("legal_rep_id_number", text(32)),
        ("contact_name", text(128)),
        ("contact_mobile", phone()),
        ("contact_id_type", one_of(PERSON_ID_TYPES)),
        ("contact_id_number", text(32)),
        ("contact_email", email()),
        ("service_build", _RUN),
        ("service_operation", _RUN),
    ),
    *optional(
        ("org_address_county", region_code("county")),
        ("org_profile", text(1024)),
        ("website", text(255)),
        ("registration_authority", text(255)),
        ("registered_capital", whole()),
        ("established_on", calendar_date),
        ("valid_until", calendar_date),
        ("legal_rep_email", email()),
        ("legal_rep_mobile", phone()),
        ("legal_rep_fax", text(255)),
        ("domain_licences", list_of(LICENCE, 16)),
        ("site_registration_system", REGISTRATION_SITE),
        ("site_registration_data", SITE),
        ("site_registration_backup", SITE),
        ("site_resolution_server", SITE),
        ("site_service_backup", SITE),
        ("data_escrow_org", text(255)),
        ("service_escrow_org", text(255)),
        ("identity_check", _RUN),
        ("name_compliance", _COMPLIANCE),
        ("served_industries", list_of(INDUSTRY, 64)),
        ("public_site", PUBLIC_SITE),
    ),
)

_DOCUMENTS = members(
    *required(
        ("org_id_images", list_of(text(64), 3, 1)),
        ("legal_rep_id_images", list_of(text(64), 2, 1)),
    ),
    *optional(
        ("contact_id_images", list_of(text(64), 2)),
        ("service_build_contracts", list_of(text(64), 8)),
        ("service_operation_contracts", list_of(text(64), 8)),
        ("data_escrow_contracts", list_of(text(64), 8)),
        ("service_escrow_contracts", list_of(text(64), 8)),
    ),
)


def check_together(read: dict[str, Any], path: str, faults: Faults) -> None:
    """Add the faults that show only when fields are compared; a field that is bad in itself is not compared."""
    if read.get("org_id_type") == USCC:
        _number(read, "org_id_number", uscc_fault, path, faults)
    for person in ("legal_rep", "contact"):
        if read.get(f"{person}_id_type") == RESIDENT_ID:
            _number(read, f"{person}_id_number", resident_id_fault, path, faults)
    names = ("org_address_province", "org_address_city", "org_address_county")
    _regions(*(read.get(name) for name in names), paths=tuple(f"{path}.{name}" for name in names), faults=faults)
    levels = {"category": read.get("industry_category"), "specific": read.get("industry_specific")}
    _industries(levels, f"{path}.industry_", faults)
    for at, industry in enumerate(read.get("served_industries") or ()):
        _industries(industry or {}, f"{path}.served_industries[{at}].", faults)
    for name in ("domain_licences", "served_industries"):
        refused_twice(read.get(name) or (), f"{path}.{name}", faults)
    for name in ("service_build", "service_operation", "identity_check"):
        _run(read.get(name), f"{path}.{name}", faults)
    _run((read.get("name_compliance") or {}).get("run"), f"{path}.name_compliance.run", faults)
    for name in (*SITES, "site_service_backup"):
        _site(read.get(name), f"{path}.{name}", faults)
    if (read.get("established_on") or "") > (read.get("valid_until") or "9"):
        faults.append(FieldError(f"{path}.valid_until", "this is before established_on"))


def _number(
    read: Mapping[str, Any], name: str, fault_of: Callable[[str], str | None], path: str, faults: Faults
) -> None:
    number = read.get(name)
    if number is not None and (fault := fault_of(number)) is not None:
        faults.append(FieldError(f"{path}.{name}", fault))


def _regions(
    province: str | None, city: str | None, county: str | None, *, paths: tuple[str, ...], faults: Faults
) -> None:
    if province and city and (fault := region_fault(city, "city", province)):
        faults.append(FieldError(paths[1], fault))
    if city and county and (fault := region_fault(county, "county", city)):
        faults.append(FieldError(paths[2], fault))


def _industries(levels: Mapping[str, str | None], path: str, faults: Faults) -> None:
    above: str | None = None
    for level in LEVELS:
        code = levels.get(level)
        if code and above and (fault := industry_fault(code, level, above)):
            faults.append(FieldError(f"{path}{level}", fault))
        above = code


def _run(run: Mapping[str, Any] | None, path: str, faults: Faults) -> None:
    if run and run.get("mode") == ENTRUSTED and not run.get("org_name"):
        faults.append(FieldError(f"{path}.org_name", "this is required: name the body entrusted (mode 2)"))


def _site(site: Mapping[str, Any] | None, path: str, faults: Faults) -> None:
    if not site or "deploy_mode" not in site:
        return
    on_premises = site["deploy_mode"] == ON_PREMISES
    needed = ("province", "city", "county", "address") if on_premises else ("provider",)
    faults += [
        FieldError(f"{path}.{name}", f"this is required with deploy_mode {site['deploy_mode']}")
        for name in needed
        if name not in site and not any(fault.field == f"{path}.{name}" for fault in faults)
    ]
    names = ("province", "city", "county")
    _regions(*(site.get(name) for name in names), paths=tuple(f"{path}.{name}" for name in names), faults=faults)
