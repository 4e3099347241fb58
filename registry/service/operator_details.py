"""What the operator states of the node: the fields of table T1 of the national docking contract, and their checks."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from registry.errors import FieldError, InvalidFields
from registry.service.enterprise_details import (
    ENTRUSTED,
    INDUSTRY,
    LICENCE,
    ORG_ID_TYPES,
    ORG_NATURES,
    PERSON_ID_TYPES,
    PUBLIC_SITE,
    REGISTRATION_SITE,
    RUN_MODES,
    SITE,
    Date,
    DomainLicence,
    IdNumber,
    Industry,
    Phone,
    PublicSite,
    Region,
    Site,
    Text128,
    Text255,
    Text1024,
    check_together,
    industry_code,
    optional,
    region_code,
    required,
)
from registry.service.field_checks import (
    Faults,
    calendar_date,
    email,
    list_of,
    members,
    one_of,
    phone,
    text,
    whole,
)

PDF: Final = "application/pdf"
IMAGES: Final = frozenset({"image/jpeg", "image/png"})

FileId = Annotated[str, Meta(max_length=64, description="id of an uploaded file, or of one of the operator's own")]
Contracts = Annotated[list[FileId], Meta(max_length=8)]
Images = Annotated[list[FileId], Meta(min_length=1, max_length=3)]
_PersonIdType = Annotated[int, Meta(ge=1, le=3, description="1 resident identity card, 2 passport, 3 other")]


class EntrustedRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who does a task: 1 own staff, 2 the body `org_name` under sealed `contracts`."""

    mode: Annotated[int, Meta(ge=1, le=2)]
    org_name: Text255 | None = None
    contracts: Contracts = []


class Escrow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A body inside China that is entrusted under sealed contracts."""

    org_name: Text255
    contracts: Contracts


class IdentityCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who verifies identities, and PDF files that describe the sources used for natural and legal persons."""

    mode: Annotated[int, Meta(ge=1, le=2)]
    data_sources: Annotated[list[FileId], Meta(min_length=1, max_length=5)]
    org_name: Text255 | None = None
    contracts: Contracts = []


class OperatorDetails(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the operator states of the node. Regions are GB/T 2260 codes, registered capital is in 10,000 CNY."""

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
    org_id_images: Images
    org_profile: Text1024
    industry_category: Annotated[str, Meta(pattern="^[A-T]$")]
    industry_specific: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    legal_rep_name: Text128
    legal_rep_id_type: _PersonIdType
    legal_rep_id_number: IdNumber
    legal_rep_id_images: Images
    legal_rep_email: Text128 | None = None
    legal_rep_mobile: Phone | None = None
    legal_rep_fax: Text255 | None = None
    contact_name: Text128
    contact_mobile: Phone
    contact_id_type: _PersonIdType
    contact_id_number: IdNumber
    contact_id_images: Images
    contact_email: Text128
    website: Text255 | None = None
    registration_authority: Text255 | None = None
    registered_capital: Annotated[int, Meta(ge=0)] | None = None
    established_on: Date | None = None
    valid_until: Annotated[Date | None, Meta(description="without it: no end")] = None
    domain_licences: list[DomainLicence] = []
    service_build: EntrustedRun
    service_operation: EntrustedRun
    site_registration_system: Site
    site_registration_data: Site
    site_registration_backup: Site
    site_resolution_server: Site
    site_service_backup: Site | None = None
    data_escrow: Escrow
    service_escrow: Escrow
    identity_check: IdentityCheck
    name_compliance: Annotated[Text255, Meta(description="the standard followed, such as the number of a GB/T")]
    served_industries: Annotated[list[Industry], Meta(min_length=1, max_length=64)]
    public_site: PublicSite


def read_operator_details(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Check decoded JSON and return the fields to store. Raises `InvalidFields` with every fault of all fields."""
    faults: Faults = []
    read: dict[str, Any] = _DETAILS(raw, "details", faults)
    # The name of a standard here, an object in what enterprises state.
    check_together({name: value for name, value in read.items() if name != "name_compliance"}, "details", faults)
    for name in ("service_build", "service_operation", "identity_check"):
        run = read.get(name) or {}
        if run.get("mode") == ENTRUSTED and not run.get("contracts"):
            faults.append(FieldError(f"details.{name}.contracts", "this is required: the sealed contract (mode 2)"))
    if faults:
        message = "what the operator states of the node is not acceptable"
        raise InvalidFields("bad_details", message, remedy="correct the fields named", errors=tuple(faults))
    return read


def files_of(details: Mapping[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield every file the details name: where, its id, and the media types it may have."""
    for name in ("org_id_images", "legal_rep_id_images", "contact_id_images"):
        yield from _files(details.get(name), f"details.{name}", IMAGES | {PDF})
    for name in ("service_build", "service_operation", "data_escrow", "service_escrow", "identity_check"):
        yield from _files((details.get(name) or {}).get("contracts"), f"details.{name}.contracts", IMAGES | {PDF})
    sources = (details.get("identity_check") or {}).get("data_sources")
    yield from _files(sources, "details.identity_check.data_sources", frozenset({PDF}))


def _files(ids: list[str] | None, path: str, types: frozenset[str]) -> Iterator[tuple[str, str, frozenset[str]]]:
    for at, file_id in enumerate(ids or ()):
        yield f"{path}[{at}]", file_id, types


_FILES = list_of(text(64), 8)
_IMAGES = list_of(text(64), 3, 1)
_RUN_MEMBERS = (
    *required(("mode", one_of(RUN_MODES))),
    *optional(("org_name", text(255)), ("contracts", _FILES)),
)
_RUN = members(*_RUN_MEMBERS)
_ESCROW = members(*required(("org_name", text(255)), ("contracts", list_of(text(64), 8, 1))))
_IDENTITY_CHECK = members(*_RUN_MEMBERS, *required(("data_sources", list_of(text(64), 5, 1))))

_DETAILS = members(
    *required(
        ("org_name", text(255)),
        ("org_nature", one_of(ORG_NATURES)),
        ("org_address", text(255)),
        ("org_address_province", region_code("province")),
        ("org_address_city", region_code("city")),
        ("org_id_type", one_of(ORG_ID_TYPES)),
        ("org_id_number", text(32)),
        ("org_id_images", _IMAGES),
        ("org_profile", text(1024)),
        ("industry_category", industry_code("category")),
        ("industry_specific", industry_code("specific")),
        ("legal_rep_name", text(128)),
        ("legal_rep_id_type", one_of(PERSON_ID_TYPES)),
        ("legal_rep_id_number", text(32)),
        ("legal_rep_id_images", _IMAGES),
        ("contact_name", text(128)),
        ("contact_mobile", phone()),
        ("contact_id_type", one_of(PERSON_ID_TYPES)),
        ("contact_id_number", text(32)),
        ("contact_id_images", _IMAGES),
        ("contact_email", email()),
        ("service_build", _RUN),
        ("service_operation", _RUN),
        ("site_registration_system", REGISTRATION_SITE),
        ("site_registration_data", SITE),
        ("site_registration_backup", SITE),
        ("site_resolution_server", SITE),
        ("data_escrow", _ESCROW),
        ("service_escrow", _ESCROW),
        ("identity_check", _IDENTITY_CHECK),
        ("name_compliance", text(255)),
        ("served_industries", list_of(INDUSTRY, 64, 1)),
        ("public_site", PUBLIC_SITE),
    ),
    *optional(
        ("org_address_county", region_code("county")),
        ("legal_rep_email", email()),
        ("legal_rep_mobile", phone()),
        ("legal_rep_fax", text(255)),
        ("website", text(255)),
        ("registration_authority", text(255)),
        ("registered_capital", whole()),
        ("established_on", calendar_date),
        ("valid_until", calendar_date),
        ("domain_licences", list_of(LICENCE, 16)),
        ("site_service_backup", SITE),
    ),
)
