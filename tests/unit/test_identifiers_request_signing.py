"""Signatures of requests and receipts: the contract's example, every algorithm, and what a collector refuses."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from identifiers import request_signing, signing_keys
from identifiers.request_signing import Message, Nonces, SignatureRefused
from identifiers.signing_keys import ALGORITHMS, Algorithm, KeyUnusable, PrivateKey, PublicKey

KEY_ID = "88.999#2031a"
NOW = datetime.fromtimestamp(1_935_850_203, UTC)
NONCE = b"0123456789abcdef"
TARGET = "https://collector.example.com/idn/v1/batches/0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10"
CONTENT = b"some content"
IDENTITY = {"idn-reporter": "88.999", "idn-profile": "idn-report/1"}
BASE = (
    '"@method": PUT\n'
    f'"@target-uri": {TARGET}\n'
    '"content-type": application/x-ndjson\n'
    '"content-digest": sha-256=:rTpQBa4mIESUVlERAB7e/xPM2d4g5upjDllMkv0Ccjo=:\n'
    '"idn-reporter": 88.999\n'
    '"idn-profile": idn-report/1\n'
    '"@signature-params": ("@method" "@target-uri" "content-type" "content-digest" "idn-reporter" "idn-profile")'
    ';created=1935850203;expires=1935850503;nonce="MDEyMzQ1Njc4OWFiY2RlZg==";keyid="88.999#2031a"'
    ';alg="ed25519";tag="idn-report"'
)


class Recorder(PrivateKey):
    """A key that shows what it was asked to sign."""

    seen: list[bytes] = []  # noqa: RUF012 - one test, one list

    def sign(self, content: bytes) -> bytes:
        self.seen.append(content)
        return b"\0" * 64


@pytest.fixture(params=ALGORITHMS)
def key(request: pytest.FixtureRequest) -> PrivateKey:
    algorithm: Algorithm = request.param
    return signing_keys.generate(KEY_ID, algorithm)


@pytest.fixture
def ed25519() -> PrivateKey:
    return signing_keys.generate(KEY_ID)


def given_message(content: bytes = CONTENT, **changed: str) -> Message:
    headers = {
        "content-type": "application/x-ndjson",
        "content-digest": request_signing.content_digest(content),
        **IDENTITY,
    }
    return Message("PUT", TARGET, headers | {name.replace("_", "-"): value for name, value in changed.items()})


def signed(key: PrivateKey, message: Message, now: datetime = NOW, nonce: bytes = NONCE) -> dict[str, str]:
    made = request_signing.sign_request(key, message, now=now, nonce=nonce)
    return {name.lower(): value for name, value in made.items()}


def check(
    headers: Mapping[str, str],
    key: PublicKey | None,
    message: Message,
    content: bytes = CONTENT,
    *,
    now: datetime = NOW,
    nonces: Nonces | None = None,
) -> None:
    request_signing.check_request(
        request_signing.read_signature(headers), key, message, content, now=now, nonces=nonces or Nonces()
    )


def refusal(
    headers: Mapping[str, str],
    key: PublicKey | None,
    message: Message,
    content: bytes = CONTENT,
    *,
    now: datetime = NOW,
    nonces: Nonces | None = None,
) -> str:
    with pytest.raises(SignatureRefused) as refused:
        check(headers, key, message, content, now=now, nonces=nonces)
    return refused.value.code


def test_the_signature_base_is_that_of_the_contracts_example() -> None:
    message = Message(
        "PUT",
        TARGET,
        {
            "content-type": "application/x-ndjson",
            "content-digest": "sha-256=:rTpQBa4mIESUVlERAB7e/xPM2d4g5upjDllMkv0Ccjo=:",
            **IDENTITY,
        },
    )
    recorder = Recorder(KEY_ID, "ed25519", None)
    headers = request_signing.sign_request(recorder, message, now=NOW, nonce=NONCE)
    assert recorder.seen == [BASE.encode()]
    assert headers["Signature-Input"] == "sig1=" + BASE.rpartition('"@signature-params": ')[2]
    assert headers["Signature"] == f"sig1=:{'A' * 86}==:"


def test_the_digest_of_the_contracts_example() -> None:
    content = (
        '{"profile":"idn-report/1","batch_id":"0b9f6c1e-3f0a-4a53-9d0e-5f2f3c7b1a10","reporter":"88.999","table":"T9",'
        '"schema":1,"scope":"88.999.15907","sequence":42,"mode":"delta","period":{"kind":"day",'
        '"start":"2031-05-05T16:00:00Z","end":"2031-05-06T16:00:00Z"},"requires":[{"table":"T11",'
        '"scope":"88.999.15907","sequence":7}],"row_count":2,'
        '"rows_sha256":"c7a612b59b74b2d33baf5693caa039a128ac618e0c39b8ab1965b0a7bd88bd2a",'
        '"created_at":"2031-05-06T16:10:02Z","producer":"idnode/1.0"}\n'
        '{"n":1,"key":"88.999.15907/PUMP-0007","op":"upsert","ver":1,"at":"2031-05-06T01:02:03Z",'
        '"data":{"enterprise_prefix":"88.999.15907","identifier":"88.999.15907/PUMP-0007",'
        '"created_on":"2031-05-06","metadata_id":"88.999.15907/TPL-1","operation_type":1,"product_type":"液压泵",'
        '"product_name":"轴向柱塞泵 A10","manufacturer_name":"示例机械有限公司","produced_at":"2031-05-05"}}\n'
        '{"n":2,"key":"88.999.15907/PUMP-0008","op":"upsert","ver":2,"at":"2031-05-06T01:05:40Z",'
        '"data":{"enterprise_prefix":"88.999.15907","identifier":"88.999.15907/PUMP-0008",'
        '"created_on":"2031-05-06","metadata_id":"88.999.15907/TPL-9","operation_type":1,'
        '"product_name":"轴向柱塞泵 A11"}}\n'
    )
    assert request_signing.content_digest(content.encode()) == "sha-256=:rTpQBa4mIESUVlERAB7e/xPM2d4g5upjDllMkv0Ccjo=:"


def test_every_algorithm_signs_and_is_verified(key: PrivateKey) -> None:
    message = given_message(content_encoding="gzip")
    headers = signed(key, message)
    assert f'alg="{key.algorithm}"' in headers["signature-input"]
    check(headers, key.public(), message)
    other = replace(signing_keys.generate(KEY_ID, key.algorithm).public(), key_id=KEY_ID)
    assert refusal(headers, other, message) == "signature_invalid"


def test_a_key_survives_being_written_and_read(key: PrivateKey) -> None:
    read = signing_keys.read_private(KEY_ID, key.pem())
    public = signing_keys.read_public(KEY_ID, key.public().pem())
    message = given_message()
    check(signed(read, message), public, message)
    assert read.algorithm == public.algorithm == key.algorithm


def test_a_request_without_content_covers_only_what_it_has(ed25519: PrivateKey) -> None:
    message = Message("GET", TARGET, IDENTITY)
    headers = signed(ed25519, message)
    assert headers["signature-input"].startswith('sig1=("@method" "@target-uri" "idn-reporter" "idn-profile");')
    check(headers, ed25519.public(), message, b"")


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"target_uri": TARGET + "?x=1"},
        {"headers": {**given_message().headers, "content-type": "application/json"}},
    ],
)
def test_what_was_changed_on_the_way_is_refused(ed25519: PrivateKey, changed: dict[str, str]) -> None:
    headers = signed(ed25519, given_message())
    assert refusal(headers, ed25519.public(), replace(given_message(), **changed)) == "signature_invalid"


def test_other_content_is_refused(ed25519: PrivateKey) -> None:
    headers = signed(ed25519, given_message())
    assert refusal(headers, ed25519.public(), given_message(), b"other content") == "signature_invalid"


def test_content_without_a_digest_is_refused(ed25519: PrivateKey) -> None:
    message = Message("PUT", TARGET, {"content-type": "application/x-ndjson", **IDENTITY})
    assert refusal(signed(ed25519, message), ed25519.public(), message) == "signature_invalid"


def test_a_header_that_the_signature_does_not_cover_is_refused(ed25519: PrivateKey) -> None:
    headers = signed(ed25519, given_message())
    later = given_message(content_encoding="gzip")
    assert refusal(headers, ed25519.public(), later) == "signature_invalid"


def test_components_in_another_order_are_refused(ed25519: PrivateKey) -> None:
    message = given_message()
    headers = signed(ed25519, message)
    turned = headers["signature-input"].replace('"@method" "@target-uri"', '"@target-uri" "@method"')
    parameters = turned.removeprefix("sig1=")
    components = request_signing.read_signature({**headers, "signature-input": turned}).components
    octets = ed25519.sign(request_signing.signature_base(message, components, parameters))
    forged = {"signature-input": turned, "signature": f"sig1=:{request_signing._base64(octets)}:"}
    assert refusal(forged, ed25519.public(), message) == "signature_invalid"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_clock_more_than_five_minutes_off_is_refused(ed25519: PrivateKey, seconds: int) -> None:
    message = given_message()
    headers = signed(ed25519, message, NOW + timedelta(seconds=seconds))
    assert refusal(headers, ed25519.public(), message) == "clock_skew"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_five_minutes_off_is_borne(ed25519: PrivateKey, seconds: int) -> None:
    message = given_message()
    check(signed(ed25519, message, NOW + timedelta(seconds=seconds)), ed25519.public(), message)


def test_a_repeated_nonce_is_refused_while_it_is_remembered(ed25519: PrivateKey) -> None:
    message, nonces = given_message(), Nonces()
    headers = signed(ed25519, message)
    check(headers, ed25519.public(), message, nonces=nonces)
    assert refusal(headers, ed25519.public(), message, nonces=nonces) == "signature_invalid"
    later = NOW + timedelta(seconds=request_signing.NONCE_KEPT_S)
    check(signed(ed25519, message, later), ed25519.public(), message, now=later, nonces=nonces)


def test_a_forged_signature_leaves_no_nonce_behind(ed25519: PrivateKey) -> None:
    message, nonces = given_message(), Nonces()
    headers = signed(ed25519, message)
    assert refusal(headers, signing_keys.generate(KEY_ID).public(), message, nonces=nonces) == "signature_invalid"
    check(headers, ed25519.public(), message, nonces=nonces)


def test_the_memory_of_nonces_is_bounded() -> None:
    nonces = Nonces(size=2)
    assert all(nonces.is_new(KEY_ID, nonce, NOW) for nonce in "abc")
    assert not nonces.is_new(KEY_ID, "c", NOW)
    assert nonces.is_new(KEY_ID, "a", NOW)


def test_a_key_counts_only_between_its_dates(ed25519: PrivateKey) -> None:
    message = given_message()
    headers = signed(ed25519, message)
    early = replace(ed25519.public(), not_before=NOW + timedelta(seconds=1))
    late = replace(ed25519.public(), not_after=NOW)
    assert [refusal(headers, one, message) for one in (early, late, None)] == ["key_unknown"] * 3


def test_a_key_of_another_prefix_is_refused(ed25519: PrivateKey) -> None:
    message = given_message(idn_reporter="88.998")
    assert refusal(signed(ed25519, message), ed25519.public(), message) == "key_unknown"


def test_the_algorithm_is_the_keys_not_the_requests(ed25519: PrivateKey) -> None:
    message = given_message()
    headers = signed(ed25519, message)
    claimed = headers["signature-input"].replace('alg="ed25519"', 'alg="sm2-sm3"')
    assert refusal({**headers, "signature-input": claimed}, ed25519.public(), message) == "signature_invalid"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "signature_missing"),
        ({"signature-input": "sig1=()"}, "signature_missing"),
        ({"signature-input": "sig1=()", "signature": "sig1=:AAAA:"}, "signature_invalid"),
        ({"signature-input": "x" * 2_000, "signature": "sig1=:AAAA:"}, "signature_invalid"),
        ({"signature-input": "sig1=" + BASE.rpartition(": ")[2], "signature": "sig1=:A:"}, "signature_invalid"),
        ({"signature-input": "sig2=" + BASE.rpartition(": ")[2], "signature": "sig2=:AAAA:"}, "signature_invalid"),
    ],
)
def test_headers_that_are_not_a_signature_are_refused(headers: dict[str, str], code: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        request_signing.read_signature(headers)
    assert refused.value.code == code


def test_an_answer_is_signed_with_its_request(key: PrivateKey) -> None:
    content = b'{"receipt_id": "r-1"}'
    answer = Message(
        "PUT", TARGET, {"content-type": "application/json", "content-digest": request_signing.content_digest(content)}
    )
    made = request_signing.sign_response(key, answer, 200, now=NOW, nonce=NONCE)
    presented = request_signing.read_signature({name.lower(): value for name, value in made.items()})
    request_signing.check_response(presented, key.public(), answer, 200, content, now=NOW)
    for other, status, body in (
        (replace(answer, method="POST"), 200, content),
        (answer, 202, content),
        (answer, 200, b"{}"),
    ):
        with pytest.raises(SignatureRefused):
            request_signing.check_response(presented, key.public(), other, status, body, now=NOW)


@pytest.mark.parametrize("key_id", ["", "88.999", "88.999#", "88.999#a b", "x#a", '88.999#a"', "88.999#" + "a" * 65])
def test_a_key_id_is_a_prefix_and_a_label(key_id: str) -> None:
    with pytest.raises(KeyUnusable, match="<prefix>#<label>"):
        signing_keys.check_key_id(key_id)


def test_a_damaged_key_is_refused_without_its_content(ed25519: PrivateKey) -> None:
    pem = ed25519.pem()
    for text in ("", pem[:60], pem.replace("M", "!", 1), pem.replace("PRIVATE", "PUBLIC")):
        with pytest.raises(KeyUnusable) as refused:
            signing_keys.read_private(KEY_ID, text)
        assert pem.splitlines()[1] not in str(refused.value)
    assert pem.splitlines()[1][10:] not in repr(ed25519)
