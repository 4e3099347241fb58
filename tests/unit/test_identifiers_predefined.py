"""Predefined data: administrators, lists, keys and sites, as octets and as JSON."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.hs_admin import ALL_PERMISSIONS, Admin, admin_from_json, admin_to_json, encode_admin, parse_admin
from identifiers.hs_key import RSAKey, SM2Key, encode_key, key_from_json, key_to_json, parse_key
from identifiers.hs_site import Interface, Server, Site, encode_site, parse_site
from identifiers.hs_site_json import site_from_json, site_to_json
from identifiers.hs_vlist import parse_vlist, vlist_from_json, vlist_to_json
from identifiers.octets import WireError, string
from identifiers.predefined import format_of
from identifiers.value_json import value_to_json
from identifiers.values import Reference, Value, ValuesError
from tests.unit.identifier_values import admin_data, key_data, sites, vlist_data

ADMIN = bytes.fromhex("0fff0000001032302e3530302e3939392f41444d494e0000012c")
SITE = bytes.fromhex(
    "0001020b00018002000000000000000100000004646573630000000473697465000000010000000100000000000000000000"
    "00007f0000010000000000000002030100000a51020000000a51"
)
SM2_PEM = (
    "-----BEGIN PUBLIC KEY-----\r\n"
    "MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEvsWs5IUYzyN9smt7DeEID78wIYzZjVSpoSn5NaNQ\r\n"
    "c8Fc/4sUR8NFi1dWKi1TJo3tINfS1WyD9/au4GiD9J3mkw==\r\n"
    "-----END PUBLIC KEY-----\r\n"
)
SM2_DER = base64.b64decode("".join(SM2_PEM.split("\r\n")[1:3]))
RSA_PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu9o+ziuFSceFmDInjkatrRTR9ZY6TS2KfoAXrtQ0DZyO1NdmOVHCL2TcAlJnegePtxdJ"
    "7uRQ1GCWazbKEwk2T7I0nFzIfrzw6N8ooubXdzWLYXUv1zNZiJdFDxy7d8Sfa/eXePBIpFKxeUzfuJAualtVFN23M8K5jzZdqFTjGHzQ3RPDYLSB"
    "Z5xub7x4EiT0C6Ax/Sfv3YBuF8yW3J4C65X5v4nli9/3c04XiGHUdy0MB5A3m7svg96DJEvuYjbJNvJGnf39VUL0Icp6ApblhKZyydMcubEfRkFK"
    "tYsuQx1vah1RDOPWzhrplWr46ICF6UfiydinMkzmjxtUn6XthQIDAQAB\n"
    "-----END PUBLIC KEY-----"
)


def refused(reading: Any, raw: Any) -> tuple[str, int]:
    with pytest.raises(ValuesError) as found:
        reading(raw, "data")
    return found.value.field, found.value.code


def test_a_recorded_administrator_is_read() -> None:
    assert parse_admin(ADMIN) == Admin("20.500.999/ADMIN", 300, ALL_PERMISSIONS)
    assert parse_admin(ADMIN + b"\0\0").legacy


@pytest.mark.parametrize(
    "octets", [b"", ADMIN[:-1], ADMIN + b"\0", ADMIN + b"\0\0\0", ADMIN.replace(b"20", b"\xff\xff")]
)
def test_other_octets_are_no_administrator(octets: bytes) -> None:
    with pytest.raises(WireError):
        parse_admin(octets)


@given(admin_data)
def test_administrators_survive_the_way_through_json(octets: bytes) -> None:
    assert encode_admin(parse_admin(octets)) == octets
    assert admin_from_json(admin_to_json(octets), "data") == octets


def test_the_thirteenth_permission_is_shown_only_when_set() -> None:
    shown = [admin_to_json(encode_admin(Admin("a", 1, bits)))["permissions"] for bits in (1, 0x1001)]
    assert shown == ["000000000001", "1000000000001"]


def test_octets_old_writers_append_are_shown() -> None:
    assert admin_to_json(ADMIN + b"\0\0")["legacyByteLength"] is True
    assert "legacyByteLength" not in admin_to_json(ADMIN)


@pytest.mark.parametrize(
    ("raw", "bits"),
    [
        ("*", 0x0FFF),
        ("true", 0x0FFF),
        (True, 0x0FFF),
        ("false", 0),
        (False, 0),
        (None, 0),
        ("11", 3),
        ("1" * 13, 0x1FFF),
        (0x0FFF, 0x0FFF),
        (0, 0),
        ([], 0),
        ([1, 0, "x"], 5),
        ([False] * 12 + [True], 0x1000),
    ],
)
def test_administrator_permissions_have_many_forms(raw: object, bits: int) -> None:
    octets = admin_from_json({"handle": "a/b", "index": "200", "permissions": raw}, "data")
    assert parse_admin(octets) == Admin("a/b", 200, bits)


@pytest.mark.parametrize("raw", ["", "2", "1" * 14, 0x2000, -1, 1.5, [1] * 14, {}, "１"])
def test_other_administrator_permissions_are_refused(raw: object) -> None:
    assert refused(admin_from_json, {"handle": "a/b", "index": 1, "permissions": raw}) == ("data.permissions", 4)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ([], "data"),
        ({}, "data"),
        ({"handle": "a"}, "data"),
        ({"handle": 1, "index": 1}, "data.handle"),
        ({"handle": "a", "index": 2**32}, "data.index"),
        ({"handle": "a", "index": "x"}, "data.index"),
    ],
)
def test_an_administrator_has_handle_and_index(raw: object, field: str) -> None:
    assert refused(admin_from_json, raw) == (field, 4)


@given(vlist_data)
def test_lists_survive_the_way_through_json(octets: bytes) -> None:
    assert vlist_from_json(vlist_to_json(octets), "data") == octets


def test_a_list_is_a_counted_list_of_references() -> None:
    octets = bytes.fromhex("000000010000000d38382e3131312e312f757365720000012c")
    assert parse_vlist(octets) == (Reference("88.111.1/user", 300),)
    with pytest.raises(WireError):
        parse_vlist(octets[:-1])
    with pytest.raises(WireError):
        parse_vlist(b"\xff\xff\xff\xff" + octets[4:])


@given(key_data)
def test_keys_survive_the_way_through_json(octets: bytes) -> None:
    assert encode_key(parse_key(octets)) == octets
    assert key_from_json(key_to_json(octets), "data") == octets


def test_a_key_shows_its_members_in_the_order_of_the_field() -> None:
    octets = encode_key(RSAKey(n=0xFF, e=65537))
    assert octets == string(b"RSA_PUB_KEY") + b"\0\0" + string(b"\x01\0\x01") + string(b"\0\xff") + bytes(4)
    assert list(key_to_json(octets).items()) == [("kty", "RSA"), ("n", "_w"), ("e", "AQAB")]


def test_leading_and_trailing_zeros_of_keys_do_not_matter() -> None:
    octets = string(b"RSA_PUB_KEY") + b"\0\0" + string(b"\x01\0\x01") + string(b"\xff")
    assert parse_key(octets) == RSAKey(n=0xFF, e=65537)


@pytest.mark.parametrize("pem", [SM2_PEM, SM2_PEM.replace("\r\n", "\n"), SM2_PEM.strip(), SM2_PEM + "\n"])
def test_sm2_keys_are_read_from_text_in_any_layout(pem: str) -> None:
    assert parse_key(pem.encode()) == SM2Key(SM2_DER)
    assert parse_key(string(b"SM2_PUB_KEY") + b"\0\0" + string(pem.encode())) == SM2Key(SM2_DER)


def test_sm2_keys_are_read_from_octets_and_shown() -> None:
    octets = string(b"SM2_PUB_KEY") + b"\0\0" + string(SM2_DER)
    assert parse_key(octets) == SM2Key(SM2_DER)
    shown = key_to_json(octets)
    assert shown["kty"] == "SM2"
    assert key_from_json(shown, "data") == octets


def test_rsa_keys_are_read_from_text() -> None:
    key = parse_key(RSA_PEM.encode())
    assert isinstance(key, RSAKey)
    assert (key.e, key.n.bit_length()) == (65537, 2048)
    assert parse_key(encode_key(key)) == key


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"x",
        string(b"SM9_PUB_KEY") + b"\0\0" + string(b"Alice"),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        b"-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        SM2_PEM.replace("MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0", "MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi1").encode(),
        string(b"RSA_PUB_KEY") + b"\0\0" + string(b"\x03"),
        string(b"SM2_PUB_KEY") + b"\0\0" + string(SM2_DER[:-1]),
        string(b"SM2_PUB_KEY") + b"\0\0" + string(SM2_DER + b"\0"),
    ],
)
def test_other_octets_are_no_key(octets: bytes) -> None:
    with pytest.raises(WireError):
        parse_key(octets)


@given(st.binary(max_size=60), st.integers(0, len(SM2_DER) - 1))
def test_damaged_keys_never_raise_anything_else(octets: bytes, cut: int) -> None:
    for candidate in (octets, SM2_DER[:cut] + octets, string(b"DSA_PUB_KEY") + octets):
        for wrapped in (candidate, string(b"SM2_PUB_KEY") + b"\0\0" + string(candidate)):
            try:
                parse_key(wrapped)
            except WireError as error:
                assert error.message  # noqa: PT017 - success is allowed too


@pytest.mark.parametrize(
    ("jwk", "code"),
    [
        ({"kty": "RSA", "n": "_w", "e": "AQAB", "d": "AQ"}, 202),
        ({"kty": "RSA", "n": "_w", "e": "AQAB", "dp": "AQ"}, 202),
        ({"kty": "DSA", "y": "AQ", "p": "AQ", "q": "AQ", "g": "AQ", "x": "AQ"}, 202),
        ({"kty": "EC", "x": "AQ"}, 202),
        ({"kty": "SM2", "d": "AQ"}, 202),
        ({"kty": "RSA", "n": "_w"}, 4),
        ({"kty": "RSA", "n": "_w", "e": 3}, 4),
        ({"n": "_w"}, 4),
        ([], 4),
    ],
)
def test_private_and_broken_keys_are_refused(jwk: object, code: int) -> None:
    assert refused(key_from_json, jwk)[1] == code


def test_a_key_in_text_form_is_stored_as_it_is_and_shown_as_key_on_request() -> None:
    value = Value(300, "HS_PUBKEY", SM2_PEM.encode())
    assert b'"format":"string"' in value_to_json(value)
    assert b'"format":"key","value":{"kty":"SM2"' in value_to_json(value, exact=False)


def test_a_recorded_site_is_read_and_shown() -> None:
    ports = (Interface(3, 1, 2641), Interface(2, 0, 2641))
    address = bytes(12) + b"\x7f\0\0\x01"
    assert parse_site(SITE) == Site(1, 0x80, (Server(1, address, b"", ports),), (("desc", "site"),))
    assert site_to_json(SITE) == {
        "version": 1,
        "protocolVersion": "2.11",
        "serialNumber": 1,
        "primarySite": True,
        "multiPrimary": False,
        "attributes": [{"name": "desc", "value": "site"}],
        "servers": [
            {
                "serverId": 1,
                "address": "127.0.0.1",
                "publicKey": {"format": "base64", "value": ""},
                "interfaces": [
                    {"query": True, "admin": True, "protocol": "TCP", "port": 2641},
                    {"query": True, "admin": False, "protocol": "UDP", "port": 2641},
                ],
            }
        ],
    }


@given(sites)
def test_sites_survive_as_octets(site: Site) -> None:
    assert parse_site(encode_site(site)) == site


@given(sites)
def test_sites_survive_the_way_through_json_unless_an_address_has_two_texts(site: Site) -> None:
    octets = encode_site(site)
    mapped = any(server.address[:12] == bytes(10) + b"\xff\xff" for server in site.servers)
    assert mapped or site_from_json(site_to_json(octets), "data") == octets


def test_a_site_shown_inexactly_is_stored_as_base64() -> None:
    mapped = encode_site(Site(1, 0x80, (Server(1, bytes(10) + b"\xff\xff\x7f\0\0\x01", b"", ()),)))
    assert b'"format":"base64"' in value_to_json(Value(1, "HS_SITE", mapped))
    assert b'"address":"127.0.0.1"' in value_to_json(Value(1, "HS_SITE", mapped), exact=False)


def test_addresses_are_shown_in_their_usual_text() -> None:
    addresses = [bytes(16), bytes(15) + b"\x01", bytes.fromhex("20010db8") + bytes(11) + b"\x01"]
    shown = site_to_json(encode_site(Site(1, 0, tuple(Server(1, address, b"", ()) for address in addresses))))
    assert [server["address"] for server in shown["servers"]] == ["0.0.0.0", "::1", "2001:db8::1"]


def test_old_site_files_are_read() -> None:
    key = encode_key(RSAKey(n=0xFF, e=3))
    old = {
        "Version": 1,
        "ProtocolVersion": "2.1",
        "SerialNumber": 7,
        "PrimarySite": True,
        "MultiPrimary": True,
        "HashOption": 0,
        "Attributes": {"desc": "a", "alt": ["b", "c"]},
        "ServerList": [
            {
                "ServerId": 3,
                "Address": "192.0.2.1",
                "PublicKey": key.hex(),
                "InterfaceList": [{"Query": True, "Admin": False, "Protocol": "https", "Port": 8000}],
            }
        ],
    }
    assert parse_site(site_from_json(old, "data")) == Site(
        7,
        0xC0,
        (Server(3, bytes(12) + b"\xc0\0\x02\x01", key, (Interface(2, 3, 8000),)),),
        (("desc", "a"), ("alt", "b"), ("alt", "c")),
        (2, 1),
        0,
    )


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ([], "data"),
        ({"protocolVersion": "2"}, "data.protocolVersion"),
        ({"protocolVersion": "2.256"}, "data.protocolVersion"),
        ({"serialNumber": 65536}, "data.serialNumber"),
        ({"attributes": 1}, "data.attributes"),
        ({"attributes": [{"name": "a"}]}, "data.attributes[0]"),
        ({"servers": {}}, "data.servers"),
        ({"servers": [{}]}, "data.servers[0]"),
        ({"servers": [{"serverId": 1, "address": "x"}]}, "data.servers[0].address"),
        (
            {"servers": [{"serverId": 1, "address": "::1", "publicKey": {"format": "x"}}]},
            "data.servers[0].publicKey.format",
        ),
        ({"servers": [{"serverId": 1, "address": "::1", "publicKey": "0"}]}, "data.servers[0].publicKey"),
        (
            {"servers": [{"serverId": 1, "address": "::1", "interfaces": [{"protocol": "SCTP", "port": 1}]}]},
            "data.servers[0].interfaces[0].protocol",
        ),
    ],
)
def test_a_broken_site_is_refused_with_its_place(raw: object, field: str) -> None:
    assert refused(site_from_json, raw) == (field, 4)


@given(st.binary(max_size=80))
def test_any_octets_are_a_site_or_refused(octets: bytes) -> None:
    for candidate in (octets, SITE[:40] + octets):
        try:
            site_to_json(candidate)
        except WireError as error:
            assert error.message  # noqa: PT017 - success is allowed too


def test_types_have_no_case_and_subtypes_no_structure_of_their_own() -> None:
    assert format_of("hs_admin") is format_of("HS_ADMIN")
    assert format_of("HS_ADMIN.X") is None
    assert format_of("HS_SITE.6") is None


def test_a_site_shows_a_key_in_text_form_as_base64_so_that_it_can_be_written_back() -> None:
    octets = encode_site(Site(1, 0x80, (Server(1, bytes(16), SM2_PEM.encode(), ()),)))
    shown = site_to_json(octets)
    assert shown["servers"][0]["publicKey"]["format"] == "base64"
    assert site_from_json(shown, "data") == octets


def test_other_curves_and_broken_bit_strings_are_refused() -> None:
    for damaged in (
        SM2_DER.replace(bytes.fromhex("5501822d"), bytes.fromhex("5501822e")),
        SM2_DER.replace(b"\x03\x42\0", b"\x03\x42\1"),
    ):
        assert damaged != SM2_DER
        with pytest.raises(WireError):
            parse_key(string(b"SM2_PUB_KEY") + b"\0\0" + string(damaged))


def test_lengths_that_are_not_der_and_rests_inside_a_key_are_refused() -> None:
    body = SM2_DER[2:]
    for damaged in (b"\x30\x80" + body, b"\x30\x84\0\0\0\x59" + body, b"\x30\x5b" + body + b"\x05\0"):
        with pytest.raises(WireError):
            parse_key(string(b"SM2_PUB_KEY") + b"\0\0" + string(damaged))
    long_form = string(b"SM2_PUB_KEY") + b"\0\0" + string(b"\x30\x81\x59" + body)
    assert parse_key(long_form) == SM2Key(b"\x30\x81\x59" + body)
