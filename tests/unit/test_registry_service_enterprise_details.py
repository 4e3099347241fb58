"""What an enterprise states of itself: every fault is named at once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidFields
from registry.service.enterprise_details import (
    PERSONAL,
    SITES,
    EnterpriseDetails,
    Statement,
    read_statement,
    without_persons,
)
from tests.enterprise_statements import CLOUD, PREMISES, details, full_details

DOCUMENTS = {"org_id_images": ["fil_1"], "legal_rep_id_images": ["fil_2", "fil_3"]}


def faults(stated: Any, documents: Any = None, *, hosted: bool = True) -> dict[str, str]:
    with pytest.raises(InvalidFields) as refused:
        read_statement(stated, DOCUMENTS if documents is None else documents, hosted=hosted)
    assert refused.value.code == "bad_details"
    return dict(refused.value.errors)


@pytest.mark.parametrize("stated", [details(), full_details()])
def test_what_is_stated_is_kept_as_it_was_stated(stated: dict[str, Any]) -> None:
    read = read_statement(stated, DOCUMENTS, hosted=True)
    assert msgspec.to_builtins(read.details) == stated
    assert msgspec.to_builtins(read.documents) == DOCUMENTS
    assert msgspec.json.decode(msgspec.json.encode(read), type=Statement) == read


def test_all_that_is_required_is_asked_for_at_once() -> None:
    found = faults({}, {})
    assert set(found) == {f"details.{name}" for name in details()} | {
        "documents.org_id_images",
        "documents.legal_rep_id_images",
    }
    assert set(found.values()) == {"this is required"}


def test_an_enterprise_with_a_node_of_its_own_names_its_sites() -> None:
    assert set(faults(details(), hosted=False)) == {f"details.{site}" for site in SITES}
    assert read_statement(full_details(), DOCUMENTS, hosted=False).details.site_registration_data is not None


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"org_name": "x" * 256}, "org_name", "1 to 255 characters, not 256"),
        ({"org_name": "a\nb"}, "org_name", "control characters"),
        ({"org_name": 7}, "org_name", "must be a text"),
        ({"org_name": ""}, "org_name", "required"),
        ({"org_nature": 6}, "org_nature", "one of 1 (state-controlled)"),
        ({"org_nature": "2"}, "org_nature", "one of 1"),
        ({"org_nature": True}, "org_nature", "one of 1"),
        ({"org_id_number": "91990000MA0DEMAT2Q"}, "org_id_number", "check character"),
        ({"org_id_number": "short"}, "org_id_number", "18 characters"),
        ({"legal_rep_id_number": "110105194912310021"}, "legal_rep_id_number", "check character"),
        ({"contact_id_type": 1}, "contact_id_number", "17 digits"),
        ({"contact_email": "nobody"}, "contact_email", "mail address"),
        ({"contact_mobile": "call me"}, "contact_mobile", "telephone number"),
        ({"org_address_province": "320100"}, "org_address_province", "a province has a code"),
        ({"org_address_city": "330100"}, "org_address_city", "does not lie in 320000"),
        ({"org_address_county": "320205"}, "org_address_county", "does not lie in 320100"),
        ({"org_address_county": "320199"}, "org_address_county", "no 320199"),
        ({"industry_category": "Z"}, "industry_category", "a letter from A to T"),
        ({"industry_specific": "44"}, "industry_specific", "does not belong to C"),
        ({"established_on": "2001-02-30"}, "established_on", "a date"),
        ({"established_on": "20010203"}, "established_on", "a date"),
        ({"established_on": "2051-01-01", "valid_until": "2050-01-01"}, "valid_until", "before established_on"),
        ({"registered_capital": -1}, "registered_capital", "whole number"),
        ({"registered_capital": 1.5}, "registered_capital", "whole number"),
        ({"registered_capital": 2**63}, "registered_capital", "whole number"),
        ({"service_build": {"mode": 2}}, "service_build.org_name", "name the body entrusted"),
        ({"service_build": {"mode": 3}}, "service_build.mode", "one of 1 (own staff)"),
        ({"service_build": "own"}, "service_build", "must be an object"),
        ({"service_build": {"mode": 1, "who": "x"}}, "service_build.who", "no such field"),
        ({"identity_check": {"mode": 2}}, "identity_check.org_name", "required"),
        ({"name_compliance": {"run": {"mode": 2}}}, "name_compliance.run.org_name", "required"),
        ({"site_registration_data": {"deploy_mode": 2}}, "site_registration_data.provider", "with deploy_mode 2"),
        ({"site_registration_data": {**PREMISES, "city": "330100"}}, "site_registration_data.city", "does not lie"),
        (
            {"site_registration_data": {**CLOUD, "endpoints": []}},
            "site_registration_data.endpoints",
            "no such field",
        ),
        (
            {"site_registration_system": {**CLOUD, "endpoints": [{"ip": "192.0.2.1", "port": 0}]}},
            "site_registration_system.endpoints[0].port",
            "from 1 to 65535",
        ),
        (
            {"site_registration_system": {**CLOUD, "endpoints": [{"ip": "[::1]", "port": 1}]}},
            "site_registration_system.endpoints[0].ip",
            "without brackets",
        ),
        ({"domain_licences": [{"type": 4}]}, "domain_licences[0].number", "required"),
        ({"domain_licences": [{"type": 4, "number": "1"}] * 2}, "domain_licences[1]", "twice"),
        ({"domain_licences": [{"type": 4, "number": "1"}] * 17}, "domain_licences", "0 to 16 entries"),
        (
            {"served_industries": [{"category": "C", "specific": "34", "trade": "344", "subclass": "3451"}]},
            "served_industries[0].subclass",
            "does not belong to 344",
        ),
        ({"served_industries": [{"category": "C"}]}, "served_industries[0].specific", "required"),
        ({"public_site": {"domain": "not a domain"}}, "public_site.domain", "domain name"),
        ({"public_site": {"ips": ["fe80::1%eth0"]}}, "public_site.ips[0]", "address"),
        ({"colour": "red"}, "colour", "no such field"),
    ],
)
def test_a_bad_field_is_named_with_what_is_wrong(changed: dict[str, Any], field: str, said: str) -> None:
    found = faults(details(**changed))
    assert said in found[f"details.{field}"], found


def test_a_site_on_premises_has_its_whole_address() -> None:
    found = faults(details(site_service_backup={"deploy_mode": 1}))
    assert set(found) == {f"details.site_service_backup.{name}" for name in ("province", "city", "county", "address")}


def test_faults_of_many_fields_are_named_together() -> None:
    found = faults(details(org_nature=9, contact_email="x", org_id_number="1"), {"org_id_images": []})
    assert set(found) == {
        "details.org_nature",
        "details.contact_email",
        "details.org_id_number",
        "documents.org_id_images",
        "documents.legal_rep_id_images",
    }


def test_texts_and_addresses_are_kept_in_their_normal_form() -> None:
    stated = details(
        org_name="  Cafe\u0301 ",
        public_site={"domain": "ID.示例.Example.", "ips": ["2001:0DB8:0:0::1"]},
    )
    read = read_statement(stated, DOCUMENTS, hosted=True).details
    assert read.org_name == "Caf\u00e9"
    assert read.public_site is not None
    assert read.public_site.domain == "id.xn--fsq092h.example"
    assert read.public_site.ips == ["2001:db8::1"]


def test_nothing_about_persons_is_left_where_persons_are_left_out() -> None:
    shown = msgspec.to_builtins(without_persons(read_statement(full_details(), DOCUMENTS, hosted=True).details))
    assert set(full_details()) - set(shown) == PERSONAL
    assert {
        name for name in EnterpriseDetails.__struct_fields__ if name.startswith(("legal_rep", "contact"))
    } == PERSONAL


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(full_details())), _JSON)
def test_whatever_is_sent_is_kept_or_refused_with_the_field(name: str, sent: Any) -> None:
    try:
        read = read_statement({**full_details(), name: sent}, DOCUMENTS, hosted=True)
    except InvalidFields as refused:
        named = [field for field, _ in refused.errors]
        assert named
    else:
        assert msgspec.json.decode(msgspec.json.encode(read), type=Statement) == read


@given(_JSON, _JSON)
def test_a_body_of_any_shape_is_refused_with_its_fields(stated: Any, documents: Any) -> None:
    assert faults(stated, documents or {"x": 1})
