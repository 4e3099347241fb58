"""The composite values of the report tables (docking contract 3.3), declared from the simple types."""

import re
from typing import Final

from sync.tables import field_rules as rules
from sync.tables.field_kinds import FILE_OCTETS_MAX, Code, Field, Many, Moment, Record, Text, Whole, boolean, ip

ENTRUSTED_MODE: Final = 2
ON_PREMISES: Final = 1
CLOUD: Final = 2

REGION: Final = Text(6, re.compile(r"[1-9][0-9]{5}"), "an administrative division code of six digits")
PORT: Final = Whole(1, 65_535)
FILES_MAX: Final = 8
DATA_SOURCES_MAX: Final = 5

FILE: Final = Record(
    (
        Field("sha256", Text(64, re.compile(r"[0-9a-f]{64}"), "64 lower-case hexadecimal digits"), required=True),
        Field("media_type", Text(64), required=True),
        Field("bytes", Whole(1, FILE_OCTETS_MAX), required=True),
        Field("name", Text(255), required=True),
    )
)

INDUSTRY: Final = Record(
    (
        Field("category", Text(1, re.compile(r"[A-T]"), "an industry section from A to T"), required=True),
        Field("specific", Text(2, re.compile(r"[0-9]{2}"), "an industry division of two digits"), required=True),
        Field("trade", Text(3, re.compile(r"[0-9]{3}"), "an industry group of three digits"), required=True),
        Field("subclass", Text(4, re.compile(r"[0-9]{4}"), "an industry class of four digits"), required=True),
    ),
    (rules.industry_levels,),
)

_RUN_MODE: Final = Field("mode", Code(frozenset({1, ENTRUSTED_MODE})), required=True)
_RUN_ORG: Final = Field("org_name", Text(255), lambda known: known.get("mode") == ENTRUSTED_MODE)
_RUN_CONTRACTS: Final = Field(
    "contracts", Many(FILE, 0, FILES_MAX, (rules.images_or_pdf,)), lambda known: known.get("mode") == ENTRUSTED_MODE
)

RUN: Final = Record((_RUN_MODE, _RUN_ORG))
RUN_WITH_CONTRACTS: Final = Record((_RUN_MODE, _RUN_ORG, _RUN_CONTRACTS), (rules.entrusted_needs_contract,))
IDENTITY_CHECK: Final = Record(
    (
        _RUN_MODE,
        _RUN_ORG,
        _RUN_CONTRACTS,
        Field("data_sources", Many(FILE, 1, DATA_SOURCES_MAX, (rules.pdf_only,)), required=True),
    ),
    (rules.entrusted_needs_contract,),
)
NAME_COMPLIANCE: Final = Record((Field("run", RUN), Field("standard", Text(255))))
ENTRUSTED: Final = Record(
    (
        Field("org_name", Text(255), required=True),
        Field("contracts", Many(FILE, 1, FILES_MAX, (rules.images_or_pdf,)), required=True),
    )
)

_IP_AND_PORT: Final = Record((Field("ip", ip, required=True), Field("port", PORT, required=True)))
_SITE: Final = (
    Field("deploy_mode", Code(frozenset({ON_PREMISES, CLOUD})), required=True),
    Field("province", REGION, lambda known: known.get("deploy_mode") == ON_PREMISES),
    Field("city", REGION, lambda known: known.get("deploy_mode") == ON_PREMISES),
    Field("county", REGION, lambda known: known.get("deploy_mode") == ON_PREMISES),
    Field("address", Text(255), lambda known: known.get("deploy_mode") == ON_PREMISES),
    Field("provider", Text(255), lambda known: known.get("deploy_mode") == CLOUD),
)
SITE: Final = Record(_SITE, (rules.regions(""),))
REGISTRATION_SITE: Final = Record((*_SITE, Field("endpoints", Many(_IP_AND_PORT, 0, 64))), (rules.regions(""),))

PUBLIC_SITE: Final = Record(
    (
        Field("name", Text(255)),
        Field(
            "domain",
            Text(255, re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}"), "an A-label domain"),
        ),
        Field("ips", Many(ip, 0, 64)),
    )
)

LICENCE: Final = Record(
    (Field("type", Code(frozenset({1, 2, 3, 4})), required=True), Field("number", Text(255), required=True))
)

ADDRESS: Final = Record(
    (Field("protocol", Code(frozenset({"TCP", "UDP", "HTTP"})), required=True), Field("port", PORT, required=True))
)
SOURCE_COUNT: Final = Record((Field("ip", ip, required=True), Field("count", Whole(1), required=True)))

ELEMENT: Final = Record(
    (
        Field("name", Text(128), required=True),
        Field("alias", Text(128), required=True),
        Field(
            "data_type",
            Code(frozenset({"string", "number", "date", "file", "reference", "audio", "video", "image"})),
            required=True,
        ),
        Field("length", Whole(), required=True),
        Field("x_min_length", Whole()),
        Field("x_required", boolean),
        Field("x_index", Whole()),
        Field("x_state", Code(frozenset({0, 1}))),
    )
)

PREFIX_IN_STATE: Final = Record(
    (
        Field("prefix", Text(128, re.compile(r"[!-~]+"), "a prefix"), required=True),
        Field("state", Whole(0, 5), required=True),
    )
)

VERIFICATION: Final = Record(
    (
        Field("status", Code(frozenset({"pending", "verified", "failed", "expired"})), required=True),
        Field("method", Text(64), lambda known: known.get("status") == "verified"),
        Field("verified_at", Moment(instant=True)),
        Field("expires_on", Moment(date=True)),
        Field("verifier", Code(frozenset({"node", "entrusted"})), required=True),
        Field("reason", Text(255)),
    )
)
