"""The fields of every report table, exactly as in the docking contract 3 to 5, and the one check of a row against them.

Used on both sides: by whoever makes rows, before they are queued, and by a collector, before they are stored.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from sync.tables import field_rules as rules
from sync.tables.composites import (
    ADDRESS,
    ELEMENT,
    ENTRUSTED,
    FILE,
    IDENTITY_CHECK,
    INDUSTRY,
    LICENCE,
    NAME_COMPLIANCE,
    PREFIX_IN_STATE,
    PUBLIC_SITE,
    REGION,
    REGISTRATION_SITE,
    RUN,
    RUN_WITH_CONTRACTS,
    SITE,
    SOURCE_COUNT,
    VERIFICATION,
)
from sync.tables.field_kinds import Code, Field, Kind, Many, Moment, Record, Text, Whole, boolean, ip, number
from sync.tables.table import Operation, Problem

PREFIX: Final = Text(128, re.compile(r"[!-~]+"), "a prefix")
DATE: Final = Moment(date=True)
INSTANT: Final = Moment(instant=True)
DATE_OR_INSTANT: Final = Moment(date=True, instant=True)
MONTH: Final = Text(7, re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])"), "a month such as 2031-04")
EMAIL: Final = Text(128, re.compile(r"[^\s@<>]+@[^\s@<>]+"), "a mail address")
CATEGORY: Final = Text(1, re.compile(r"[A-T]"), "an industry section from A to T")
SPECIFIC: Final = Text(2, re.compile(r"[0-9]{2}"), "an industry division of two digits")
EVENT_NO: Final = Text(64, re.compile(r"[!-~]+"), "an event number")

ORG_NATURE: Final = Code(frozenset({1, 2, 3, 4, 5}))
ORG_ID_TYPE: Final = Code(frozenset({1, 2}))
PERSON_ID_TYPE: Final = Code(frozenset({1, 2, 3}))
CODE_TYPE: Final = Code(frozenset({"Handle", "OID", "DID:BID", "VAA", "Ecode", "GS1"}))
IP_TYPE: Final = Code(frozenset({"IPv4", "IPv6"}))
OBJECT_TYPE: Final = Code(frozenset({1, 2}))
APP_TYPE: Final = Code(frozenset({1, 2, 3, 4, 5}))
OPERATION_TYPE: Final = Code(frozenset({1, 2, 3}))
EVENT_TYPE: Final = Code(frozenset({"abnormal", "recovered"}))
ABNORMAL_TYPE: Final = Code(frozenset({1, 2, 3, 4}))

ELEMENTS_MAX: Final = 2_000
SOURCES_MAX: Final = 5_000
PREFIXES_MAX: Final = 100
IMAGES_MAX: Final = 3


def _required(*pairs: tuple[str, Kind]) -> tuple[Field, ...]:
    return tuple(Field(name, kind, required=True) for name, kind in pairs)


def _optional(*pairs: tuple[str, Kind]) -> tuple[Field, ...]:
    return tuple(Field(name, kind) for name, kind in pairs)


def _organisation() -> tuple[Field, ...]:
    """Return the fields in which an operator (T1) and an enterprise (T6) agree."""
    return (
        *_required(
            ("org_name", Text(255)),
            ("org_nature", ORG_NATURE),
            ("org_address", Text(255)),
            ("org_id_type", ORG_ID_TYPE),
            ("org_id_number", Text(32)),
            ("legal_rep_name", Text(128)),
            ("legal_rep_id_type", PERSON_ID_TYPE),
            ("legal_rep_id_number", Text(32)),
            ("industry_category", CATEGORY),
            ("industry_specific", SPECIFIC),
            ("contact_name", Text(128)),
            ("contact_mobile", Text(16)),
            ("contact_id_type", PERSON_ID_TYPE),
            ("contact_id_number", Text(32)),
            ("contact_email", EMAIL),
            ("org_address_province", REGION),
            ("org_address_city", REGION),
            ("site_registration_system", REGISTRATION_SITE),
            ("site_registration_data", SITE),
            ("site_registration_backup", SITE),
            ("site_resolution_server", SITE),
        ),
        *_optional(
            ("website", Text(255)),
            ("registration_authority", Text(255)),
            ("registered_capital", Whole()),
            ("established_on", DATE),
            ("valid_until", DATE),
            ("org_address_county", REGION),
            ("legal_rep_email", EMAIL),
            ("legal_rep_mobile", Text(16)),
            ("legal_rep_fax", Text(255)),
            ("domain_licences", Many(LICENCE, most=16)),
            ("site_service_backup", SITE),
        ),
    )


_ORGANISATION_RULES: Final = (rules.id_numbers, rules.regions("org_address_"), rules.divisions)

_T1: Final = Record(
    (
        *_required(
            ("node_prefix", PREFIX),
            ("org_profile", Text(1024)),
            ("org_id_images", Many(FILE, 1, IMAGES_MAX, (rules.images_or_pdf,))),
            ("legal_rep_id_images", Many(FILE, 1, IMAGES_MAX, (rules.images_or_pdf,))),
            ("contact_id_images", Many(FILE, 1, IMAGES_MAX, (rules.images_or_pdf,))),
            ("service_build", RUN_WITH_CONTRACTS),
            ("service_operation", RUN_WITH_CONTRACTS),
            ("data_escrow", ENTRUSTED),
            ("service_escrow", ENTRUSTED),
            ("identity_check", IDENTITY_CHECK),
            ("name_compliance", Text(255)),
            ("served_industries", Many(INDUSTRY, 1, 64)),
            ("public_site", PUBLIC_SITE),
        ),
        *_organisation(),
    ),
    (*_ORGANISATION_RULES, rules.both_sides),
)

_ROUTE: Final = (
    *_required(
        ("code_type", CODE_TYPE),
        ("prefix_or_range", Text(128)),
        ("ip_type", IP_TYPE),
        ("ip_address", ip),
        ("endpoints", Many(ADDRESS, 1, 3, (rules.each_protocol_once,))),
    ),
    *_optional(("x_tls", boolean)),
)

_ROUTE_RULES: Final = (rules.ip_type_fits, rules.prefix_or_range)

_STATISTICS: Final = (
    *_required(
        ("stat_date", DATE),
        ("prefix", PREFIX),
        ("registrations_day", Whole()),
        ("registrations_total", Whole()),
        ("resolution_requests", Whole()),
        ("resolution_successes", Whole()),
        ("sources", Many(SOURCE_COUNT, 0, SOURCES_MAX, (rules.each_source_once,))),
    ),
    Field("part", Whole(1), lambda known: known.get("parts") is not None),
    Field("parts", Whole(1), lambda known: known.get("part") is not None),
)

_TEMPLATE: Final = (
    *_required(
        ("metadata_id", Text(255)),
        ("industry", INDUSTRY),
        ("version", Text(128)),
        ("object_type", OBJECT_TYPE),
        ("elements", Many(ELEMENT, 1, ELEMENTS_MAX, (rules.each_element_once,))),
    ),
    *_optional(("x_state", Code(frozenset({0, 1})))),
)

_APPLICATION: Final = _required(
    ("app_id", Text(255)),
    ("month", MONTH),
    ("app_name", Text(255)),
    ("app_type", APP_TYPE),
    ("app_intro", Text(1024)),
    ("app_users", Whole()),
    ("recursive_service", Text(255)),
    ("app_developer", Text(255)),
)

_T6: Final = Record(
    (
        *_required(
            ("enterprise_id", Text(64)),
            ("enterprise_prefixes", Many(PREFIX_IN_STATE, 1, PREFIXES_MAX)),
            ("service_build", RUN),
            ("service_operation", RUN),
            ("x_verification", VERIFICATION),
        ),
        *_optional(
            ("org_profile", Text(1024)),
            ("data_escrow_org", Text(255)),
            ("service_escrow_org", Text(255)),
            ("identity_check", RUN),
            ("name_compliance", NAME_COMPLIANCE),
            ("served_industries", Many(INDUSTRY, 0, 64)),
            ("public_site", PUBLIC_SITE),
        ),
        *_organisation(),
    ),
    _ORGANISATION_RULES,
)

_T9: Final = Record(
    (
        *_required(
            ("enterprise_prefix", PREFIX),
            ("identifier", Text(255)),
            ("created_on", DATE),
            ("metadata_id", Text(255)),
            ("operation_type", OPERATION_TYPE),
        ),
        *_optional(
            ("product_type", Text(255)),
            ("product_brand", Text(255)),
            ("product_name", Text(255)),
            ("manufacturer_name", Text(255)),
            ("produced_at", DATE_OR_INSTANT),
            ("expires_at", DATE_OR_INSTANT),
            # 11 to 14 are required where the template's object_type is 1, which the row itself does not say.
            ("terminal_type", Text(255)),
            ("owner", Text(255)),
            ("purpose", Text(255)),
            ("serial_or_imei", Text(64)),
            ("access_licence_no", Text(64)),
            ("access_mark_code", Text(64)),
            ("access_mark_serial", Text(64)),
        ),
    )
)

_T9_DELETE: Final = Record(
    _required(("enterprise_prefix", PREFIX), ("identifier", Text(255)), ("operation_type", OPERATION_TYPE))
    + tuple(Field(one.name, one.kind) for one in _T9.fields if one.name in ("created_on", "metadata_id"))
)

_MEASURED: Final = (
    *_required(("prefix", PREFIX), ("stat_date", DATE)),
    *_optional(
        ("resolution_latency_avg_ms", number),
        ("resolution_latency_max_at", INSTANT),
        ("resolution_latency_max_ms", number),
        ("resolution_latency_min_at", INSTANT),
        ("resolution_latency_min_ms", number),
        ("resolution_qps_max", Whole()),
        ("resolution_qps_max_at", INSTANT),
        ("registration_latency_avg_ms", number),
        ("registration_latency_max_at", INSTANT),
        ("registration_latency_max_ms", number),
        ("registration_latency_min_at", INSTANT),
        ("registration_latency_min_ms", number),
        ("x_measured_seconds", Whole(0, 86_400)),
        ("x_registration_items", Whole()),
    ),
    *_required(("x_resolution_count", Whole()), ("x_registration_count", Whole())),
)

_EVENT: Final = (
    *_required(("prefix", PREFIX), ("event_type", EVENT_TYPE), ("event_no", EVENT_NO), ("occurred_at", INSTANT)),
    Field("related_event_no", EVENT_NO, lambda known: known.get("event_type") == "recovered"),
    Field("cause", Text(1024)),
    Field("abnormal_type", ABNORMAL_TYPE, lambda known: known.get("event_type") == "abnormal"),
)

_OF_ENTERPRISE: Final = _required(("enterprise_prefix", PREFIX))

TABLES: Final[Mapping[str, Record]] = {
    "T1": _T1,
    "T2": Record(_ROUTE, _ROUTE_RULES),
    "T3": Record(_STATISTICS, (rules.statistics_add_up,)),
    "T4": Record(_TEMPLATE),
    "T5": Record(_APPLICATION),
    "T6": _T6,
    "T7": Record((*_OF_ENTERPRISE, *_ROUTE, *_required(("x_hosted", boolean))), _ROUTE_RULES),
    "T8": Record(
        (*_STATISTICS, *_required(("x_measured_by", Code(frozenset({"node", "enterprise"}))))),
        (rules.statistics_add_up,),
    ),
    "T9": _T9,
    "T10": Record((*_OF_ENTERPRISE, *_APPLICATION)),
    "T11": Record((*_OF_ENTERPRISE, *_TEMPLATE)),
    "M1": Record(_MEASURED, (rules.measured_together,)),
    "M2": Record(_MEASURED, (rules.measured_together,)),
    "E1": Record(_EVENT),
    "E2": Record(_EVENT),
}
"""Every table's row, by the table's name in the contract."""


def check_row(table: str, data: Mapping[str, Any]) -> list[Problem]:
    """Return everything that is wrong with the `data` of a row of this table; an empty list for a row in order.

    Codes are `required`, `enum`, `length`, `format` and `schema` (docking contract 9.5); a problem's `field` names the
    member, such as `service_build.contracts[0].sha256`. A deletion of T9 needs its fields 1 and 4 and the prefix only.
    Raises KeyError for a table that the contract does not have.
    """
    record = TABLES[table]
    if table == "T9" and data.get("operation_type") == Operation.DELETE:
        record = _T9_DELETE
    found: list[Problem] = []
    record.check(data, "", found)
    return found
