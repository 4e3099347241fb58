"""What Authorization headers of Handle clients say (Handle over HTTP, 7.1, 7.2 and 7.4)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.values import Reference
from resolver.faces.handle_api.authorization import (
    BadAuthorization,
    basic_credentials,
    folded_algorithm,
    handle_credential,
    handle_fields,
    identity,
    scheme_of,
)
from resolver.faces.handle_api.wire_proof import UnknownAlgorithm, wire_proof

PROOF = {"sessionid": "s", "id": "300:1/2", "type": "hs_seckey", "cnonce": "MTIzNDU2Nzg=", "alg": "sha-256"}


def meant(text: bytes) -> list[tuple[Reference, bytes]]:
    return [(one.user, one.secret) for one in basic_credentials(base64.b64encode(text).decode())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"300%3A20.500/ADMIN:pw", [(Reference("20.500/ADMIN", 300), b"pw")]),
        (b"300%3A20.500%2FADMIN:p:w", [(Reference("20.500/ADMIN", 300), b"p:w")]),
        (b"300%3A20.500/a%3Ab:pw", [(Reference("20.500/a:b", 300), b"pw")]),
        (b"20.500/ADMIN:pw", [(Reference("20.500/ADMIN", 0), b"pw")]),
        (b"20.500/a+b:\xff\x00", [(Reference("20.500/a+b", 0), b"\xff\x00")]),
        (
            b"300:20.500/ADMIN:pw",
            [(Reference("300", 0), b"20.500/ADMIN:pw"), (Reference("20.500/ADMIN", 300), b"pw")],
        ),
        (b"300:secret", [(Reference("300", 0), b"secret")]),
        (b"300%3A%E8%BD%B4/x:", [(Reference("轴/x", 300), b"")]),
    ],
)
def test_a_basic_credential_names_a_user_and_a_secret(text: bytes, expected: list[tuple[Reference, bytes]]) -> None:
    assert meant(text) == expected


@pytest.mark.parametrize(
    "text", ["", "!", "YQ", base64.b64encode(b"no colon").decode(), base64.b64encode(b"%FF:x").decode()]
)
def test_what_is_no_basic_credential_is_refused(text: str) -> None:
    with pytest.raises(BadAuthorization):
        basic_credentials(text)


def test_pairs_are_read_as_clients_write_them() -> None:
    assert handle_fields('version="0", sessionID="a\\"b\\\\", id="300%3A1%2F2",cnonce=ab+/==, alg = SHA256 ,,x=') == {
        "version": "0",
        "sessionid": 'a"b\\',
        "id": "300:1/2",
        "cnonce": "ab+/==",
        "alg": "SHA256",
        "x": "",
    }
    assert handle_fields('a="1", A="2"') == {"a": "1"}
    assert handle_fields("clientCert=true") == {"clientcert": "true"}
    assert handle_fields("") == {}


@pytest.mark.parametrize("text", ["a", '"a"', 'a="b', "a=b c=d", "=a", 'a="b"c="d"', 'id="%FF"'])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadAuthorization):
        handle_fields(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        handle_credential(handle_fields(text))
    except BadAuthorization:
        return


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("300:1/2", Reference("1/2", 300)),
        ("1/2", Reference("1/2", 0)),
        ("1/a:b", Reference("1/a:b", 0)),
        ("x:1/2", Reference("x:1/2", 0)),
        ("4294967295:1/2", Reference("1/2", 4294967295)),
    ],
)
def test_an_identity_has_an_index_before_its_first_colon_or_none(text: str, expected: Reference) -> None:
    assert identity(text) == expected


@pytest.mark.parametrize("text", ["", "4294967296:1/2", "300:"])
def test_what_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(BadAuthorization):
        identity(text)


def test_a_proof_is_whole_or_none() -> None:
    whole = handle_credential({**PROOF, "signature": "AAAA"})
    assert whole.proof is not None
    assert (whole.session_id, whole.proof.type, whole.proof.cnonce) == ("s", "HS_SECKEY", b"12345678")
    assert handle_credential({"sessionid": "s"}).proof is None
    assert handle_credential({"cnonce": PROOF["cnonce"]}).cnonce == b"12345678"
    for name in ("id", "type", "cnonce", "alg", "signature"):
        missing = {key: value for key, value in {**PROOF, "signature": "AAAA"}.items() if key != name}
        with pytest.raises(BadAuthorization, match="Missing fields"):
            handle_credential(missing)
    with pytest.raises(BadAuthorization, match="Unknown version"):
        handle_credential({"version": "1"})


@pytest.mark.parametrize(
    ("type_", "alg", "begins"),
    [
        ("HS_SECKEY", "MD5", b"\x01"),
        ("HS_SECKEY", "SHA", b"\x02"),
        ("HS_SECKEY", "sha1", b"\x02"),
        ("HS_SECKEY", "SHA-1", b"\x02"),
        ("HS_SECKEY", "SHA2", b"\x03"),
        ("HS_SECKEY", "SHA-256", b"\x03"),
        ("HS_SECKEY", "HMAC-SHA1", b"\x12"),
        ("HS_SECKEY", "hmac_sha256", b"\x13"),
        ("HS_SECKEY", "PBKDF2WithHmacSHA1", b"\x22\0\0\0\x01s\0\0\0\x0a\0\0\0\xa0\0\0\0\x01"),
        ("HS_PUBKEY", "SHA256", b"\0\0\0\x07SHA-256\0\0\0\x01"),
        ("HS_PUBKEY", "sha-1", b"\0\0\0\x04SHA1\0\0\0\x01"),
        ("HS_PUBKEY", "md5", b"\0\0\0\x03MD5\0\0\0\x01"),
        ("HS_PUBKEY", "sm3", b"\0\0\0\x03SM3\0\0\0\x01"),
        ("HS_PUBKEY", "HMAC-SHA1", None),
        ("HS_SECKEY", "SM3", None),
        ("HS_OTHER", "SHA1", None),
    ],
)
def test_algorithms_are_known_without_case_and_punctuation(type_: str, alg: str, begins: bytes | None) -> None:
    fields = {**PROOF, "type": type_, "alg": alg, "signature": "eA==", "salt": "cw==", "iterations": "10"}
    proof = handle_credential({**fields, "length": "160"}).proof
    assert proof is not None
    assert proof.alg == folded_algorithm(alg)
    if begins is None:
        with pytest.raises(UnknownAlgorithm):
            wire_proof(proof)
    else:
        assert wire_proof(proof) == begins + b"x"


def test_the_scheme_has_no_case() -> None:
    assert scheme_of('  hAnDlE  a="b"') == ("handle", 'a="b"')
    assert scheme_of("") == ("", "")
