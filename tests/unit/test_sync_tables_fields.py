"""The fields of every report table: rows in order, and one row for each way to be wrong (docking contract 3 to 5)."""

from typing import Any

import msgspec
import pytest

from sync.tables.fields import TABLES, check_row
from tests.report_rows import CLOUD, FILE, INDUSTRY, MINIMAL, PREMISES, full, minimal

LONG = "长" * 256


def faults(table: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.code, problem.field) for problem in check_row(table, data)]


@pytest.mark.parametrize("table", TABLES)
def test_full_and_minimal_rows_are_in_order_and_come_back_from_json_as_they_went(table: str) -> None:
    for data in (full(table), minimal(table)):
        assert check_row(table, data) == []
        assert msgspec.json.decode(msgspec.json.encode(data)) == data


@pytest.mark.parametrize("table", TABLES)
def test_every_field_of_a_minimal_row_is_required_and_null_is_absent(table: str) -> None:
    for name in minimal(table):
        short = minimal(table)
        del short[name]
        assert ("required", name) in faults(table, short) or ("enum", name) in faults(table, short), name
        assert ("required", name) in faults(table, {**minimal(table), name: None}), name


@pytest.mark.parametrize("table", TABLES)
def test_unknown_members_are_refused_unless_they_are_extensions(table: str) -> None:
    assert faults(table, {**minimal(table), "colour": 1}) == [("schema", "colour")]
    assert faults(table, {**minimal(table), "x_colour": 1}) == []


@pytest.mark.parametrize("table", TABLES)
def test_a_member_of_another_type_is_refused(table: str) -> None:
    for name, value in full(table).items():
        wrong: Any = 1 if isinstance(value, str | list | dict) else "1"
        if isinstance(value, bool):
            wrong = 1
        assert ("schema", name) in faults(table, {**full(table), name: wrong}), name


def test_the_tables_are_those_of_the_contract() -> None:
    assert list(TABLES) == [*(f"T{n}" for n in range(1, 12)), "M1", "M2", "E1", "E2"]
    assert list(TABLES) == list(MINIMAL)
    count = {name: len([one for one in record.names() if not one.startswith("x_")]) for name, record in TABLES.items()}
    # As numbered in the contract, licences counted once, with the columns added for keys.
    assert count == {
        "T1": 45, "T2": 5, "T3": 9, "T4": 5, "T5": 8, "T6": 43, "T7": 6, "T8": 9, "T9": 18, "T10": 9, "T11": 6,
        "M1": 14, "M2": 14, "E1": 7, "E2": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "changed", "fault"),
    [
        ("T1", {"org_name": LONG}, ("length", "org_name")),
        ("T1", {"org_name": " x"}, ("format", "org_name")),
        ("T1", {"org_name": "a\tb"}, ("format", "org_name")),
        ("T1", {"org_name": "e\u0301"}, ("format", "org_name")),
        ("T1", {"org_name": ""}, ("format", "org_name")),
        ("T1", {"org_nature": 6}, ("enum", "org_nature")),
        ("T1", {"org_id_number": "91990000MA0DEMAT2Q"}, ("format", "org_id_number")),
        ("T1", {"legal_rep_id_number": "110105194912310021"}, ("format", "legal_rep_id_number")),
        ("T1", {"contact_email": "nobody"}, ("format", "contact_email")),
        ("T1", {"established_on": "2031-02-29"}, ("format", "established_on")),
        ("T1", {"registered_capital": -1}, ("format", "registered_capital")),
        ("T1", {"registered_capital": 2**63}, ("format", "registered_capital")),
        ("T1", {"industry_specific": "01"}, ("format", "industry_specific")),
        ("T1", {"org_address_city": "330100"}, ("format", "org_address_city")),
        ("T1", {"org_id_images": []}, ("required", "org_id_images")),
        ("T1", {"org_id_images": [FILE] * 4}, ("length", "org_id_images")),
        ("T1", {"org_id_images": [{**FILE, "media_type": "text/plain"}]}, ("format", "org_id_images[0].media_type")),
        ("T1", {"org_id_images": [{**FILE, "sha256": "A" * 64}]}, ("format", "org_id_images[0].sha256")),
        ("T1", {"org_id_images": [{**FILE, "bytes": 2**25}]}, ("format", "org_id_images[0].bytes")),
        ("T1", {"legal_rep_id_images": [FILE]}, ("required", "legal_rep_id_images")),
        ("T1", {"service_build": {"mode": 2, "contracts": [FILE]}}, ("required", "service_build.org_name")),
        ("T1", {"service_build": {"mode": 2, "org_name": "x"}}, ("required", "service_build.contracts")),
        ("T1", {"service_build": {"mode": 3}}, ("enum", "service_build.mode")),
        ("T1", {"data_escrow": {"org_name": "x", "contracts": []}}, ("required", "data_escrow.contracts")),
        ("T1", {"identity_check": {"mode": 1, "data_sources": []}}, ("required", "identity_check.data_sources")),
        (
            "T1",
            {"identity_check": {"mode": 1, "data_sources": [{**FILE, "media_type": "image/png"}]}},
            ("format", "identity_check.data_sources[0].media_type"),
        ),
        ("T1", {"site_registration_data": {"deploy_mode": 2}}, ("required", "site_registration_data.provider")),
        (
            "T1",
            {"site_registration_data": {**PREMISES, "county": None}},
            ("required", "site_registration_data.county"),
        ),
        (
            "T1",
            {"site_registration_data": {**CLOUD, "endpoints": []}},
            ("schema", "site_registration_data.endpoints"),
        ),
        ("T1", {"served_industries": [{**INDUSTRY, "trade": "351"}]}, ("format", "served_industries[0].trade")),
        ("T1", {"public_site": {"domain": "Example.com"}}, ("format", "public_site.domain")),
        ("T1", {"domain_licences": [{"type": 5, "number": "1"}]}, ("enum", "domain_licences[0].type")),
        ("T1", {"domain_licences": [{"type": 4}]}, ("required", "domain_licences[0].number")),
        ("T2", {"code_type": "handle"}, ("enum", "code_type")),
        ("T2", {"prefix_or_range": "88.x"}, ("format", "prefix_or_range")),
        ("T2", {"ip_type": "IPv6"}, ("format", "ip_type")),
        ("T2", {"ip_address": "192.0.2.017"}, ("format", "ip_address")),
        ("T2", {"ip_address": "2001:DB8::1"}, ("format", "ip_address")),
        ("T2", {"endpoints": []}, ("required", "endpoints")),
        ("T2", {"endpoints": [{"protocol": "TCP", "port": 0}]}, ("format", "endpoints[0].port")),
        ("T2", {"endpoints": [{"protocol": "TCP", "port": 1}] * 2}, ("format", "endpoints")),
        ("T3", {"resolution_successes": 4}, ("format", "resolution_successes")),
        ("T3", {"sources": [{"ip": "192.0.2.1", "count": 2}]}, ("format", "sources")),
        ("T3", {"sources": [{"ip": "192.0.2.1", "count": 0}]}, ("format", "sources[0].count")),
        ("T3", {"part": 3, "parts": 2}, ("format", "part")),
        ("T3", {"part": 1}, ("required", "parts")),
        ("T4", {"elements": []}, ("required", "elements")),
        ("T4", {"object_type": 3}, ("enum", "object_type")),
        ("T4", {"industry": {**INDUSTRY, "subclass": None}}, ("required", "industry.subclass")),
        ("T5", {"month": "2031-13"}, ("format", "month")),
        ("T5", {"app_intro": LONG * 5}, ("length", "app_intro")),
        ("T6", {"enterprise_prefixes": []}, ("required", "enterprise_prefixes")),
        ("T6", {"service_build": {"mode": 1, "contracts": []}}, ("schema", "service_build.contracts")),
        ("T6", {"x_verification": {"status": "ok", "verifier": "node"}}, ("enum", "x_verification.status")),
        ("T7", {"x_hosted": "yes"}, ("schema", "x_hosted")),
        ("T8", {"x_measured_by": "nobody"}, ("enum", "x_measured_by")),
        ("T9", {"operation_type": 4}, ("enum", "operation_type")),
        ("T9", {"produced_at": "2031-05-06T01:02:03.5Z"}, ("format", "produced_at")),
        ("T9", {"serial_or_imei": "1" * 65}, ("length", "serial_or_imei")),
        ("M1", {"x_resolution_count": 1}, ("required", "resolution_latency_avg_ms")),
        ("M1", {"resolution_latency_avg_ms": 1.5}, ("format", "resolution_latency_avg_ms")),
        ("M1", {"resolution_latency_avg_ms": 0.0001}, ("format", "resolution_latency_avg_ms")),
        ("E1", {"event_type": "strange"}, ("enum", "event_type")),
        ("E1", {"abnormal_type": None}, ("required", "abnormal_type")),
        ("E2", {"related_event_no": None}, ("required", "related_event_no")),
        ("E2", {"occurred_at": "2031-05-06"}, ("format", "occurred_at")),
    ],
)
def test_each_constraint_has_its_code(table: str, changed: dict[str, Any], fault: tuple[str, str]) -> None:
    assert fault in faults(table, {**minimal(table), **changed})


CHARACTERS = {
    255: "org_name org_address website registration_authority legal_rep_fax product_type product_brand product_name "
    "manufacturer_name terminal_type owner purpose app_name recursive_service app_developer data_escrow_org "
    "service_escrow_org metadata_id identifier",
    128: "legal_rep_name contact_name version",
    64: "enterprise_id serial_or_imei access_licence_no access_mark_code access_mark_serial",
    32: "contact_id_number",
    16: "contact_mobile legal_rep_mobile",
    1024: "org_profile app_intro cause",
}
"""The contract's limits of text, in code points; fields of other forms have cases of their own above."""
LENGTHS = [
    (table, name, most)
    for most, names in CHARACTERS.items()
    for name in names.split()
    for table in TABLES
    if name in full(table)
]


@pytest.mark.parametrize(("table", "name", "most"), LENGTHS)
def test_text_may_have_as_many_characters_as_the_contract_says_and_not_one_more(
    table: str, name: str, most: int
) -> None:
    assert check_row(table, {**full(table), name: "长" * most}) == []
    assert faults(table, {**full(table), name: "长" * (most + 1)}) == [("length", name)]


CODES = {
    "org_nature": range(1, 6),
    "legal_rep_id_type": (1, 2, 3),
    "code_type": ("Handle", "OID", "DID:BID", "VAA", "Ecode", "GS1"),
    "ip_type": ("IPv4", "IPv6"),
    "object_type": (1, 2),
    "app_type": range(1, 6),
    "operation_type": (1, 2, 3),
    "event_type": ("abnormal", "recovered"),
    "abnormal_type": (1, 2, 3, 4),
}


@pytest.mark.parametrize("name", CODES)
def test_every_code_of_an_enumeration_is_taken_and_no_other(name: str) -> None:
    tables = [table for table in TABLES if name in full(table)]
    assert tables
    for table in tables:
        for code in CODES[name]:
            assert ("enum", name) not in faults(table, {**full(table), name: code}), (table, code)
        for code in (0, 7) if isinstance(CODES[name][0], int) else ("", "ipv4", "Handle ", "TCP"):
            assert ("enum", name) in faults(table, {**full(table), name: code}), (table, code)


def test_a_deletion_of_an_identifier_needs_no_more_than_its_name() -> None:
    gone = {"enterprise_prefix": "88.999.1", "identifier": "88.999.1/A", "operation_type": 2}
    assert check_row("T9", gone) == []
    assert faults("T9", {**gone, "identifier": None}) == [("required", "identifier")]
