"""SM2 signatures and encryption, against the examples of the standard and against damage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers import sm2
from identifiers.sm2 import PrivateKey, PublicKey, SM2Error

# GB/T 32918.5, annexes A and C: the key, a signature of "message digest", and a ciphertext of "encryption standard".
SECRET = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
POINT = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)
CIPHERTEXT = bytes.fromhex(
    "0404EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73"
    "E858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0"
    "59983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766"
    "21886CA989CA9C7D58087307CA93092D651EFA"
)
KEY = PrivateKey(SECRET, PublicKey(POINT))
BASE_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


def test_the_signature_of_the_standard_is_right_for_its_message_only() -> None:
    assert sm2.verify(b"message digest", SIGNATURE, KEY.public)
    assert not sm2.verify(b"message digesT", SIGNATURE, KEY.public)
    assert not sm2.verify(b"message digest", SIGNATURE, KEY.public, b"another user")


def test_the_ciphertext_of_the_standard_is_read() -> None:
    assert sm2.decrypt(CIPHERTEXT, KEY) == b"encryption standard"


def test_the_hash_of_the_standard_is_met() -> None:
    assert sm2.sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_what_one_key_signs_its_public_half_verifies() -> None:
    key = sm2.generate()
    signature = sm2.sign(b"text", key, b"300:88.118.8/admin")
    assert len(signature) == sm2.SIGNATURE_OCTETS
    assert sm2.verify(b"text", signature, key.public, b"300:88.118.8/admin")
    assert not sm2.verify(b"text", signature, sm2.generate().public, b"300:88.118.8/admin")


def test_two_signatures_of_one_message_differ() -> None:
    assert sm2.sign(b"text", KEY) != sm2.sign(b"text", KEY)


def test_keys_survive_their_encodings() -> None:
    key = sm2.generate()
    assert sm2.load_private(key.to_der()) == key
    assert sm2.load_public(key.public.to_der()) == key.public
    assert sm2.load_private(KEY.to_der()).public.point == POINT


def test_a_private_key_does_not_show_itself() -> None:
    assert str(SECRET) not in repr(KEY)
    assert format(SECRET, "x") not in repr(KEY)


@pytest.mark.parametrize("octets", [1, 31, 32, 33, 65_536, 65_537, 200_001])
def test_messages_of_any_length_come_back(octets: int) -> None:
    message = bytes(at % 251 for at in range(octets))
    ciphertext = sm2.encrypt(message, KEY.public)
    assert len(ciphertext) == octets + sm2.CIPHERTEXT_OVERHEAD_OCTETS
    assert sm2.decrypt(ciphertext, KEY) == message


@pytest.mark.parametrize("at", [0, 1, 40, 70, 100, -1])
def test_a_damaged_ciphertext_is_refused_with_one_text(at: int) -> None:
    damaged = bytearray(CIPHERTEXT)
    damaged[at] ^= 1
    with pytest.raises(SM2Error, match=r"^this ciphertext was not made for this key$"):
        sm2.decrypt(bytes(damaged), KEY)


@pytest.mark.parametrize("length", [0, 1, 65, 96, 97])
def test_a_ciphertext_cut_short_is_refused(length: int) -> None:
    with pytest.raises(SM2Error, match=r"^this ciphertext was not made for this key$"):
        sm2.decrypt(CIPHERTEXT[:length], KEY)


def test_nothing_is_no_message() -> None:
    with pytest.raises(SM2Error, match="1 to"):
        sm2.encrypt(b"", KEY.public)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:-1],
        SIGNATURE + b"\0",
        bytes(64),
        bytes(32) + SIGNATURE[32:],
        SIGNATURE[:32] + bytes(32),
        BASE_ORDER.to_bytes(32, "big") + SIGNATURE[32:],
        (1).to_bytes(32, "big") + (BASE_ORDER - 1).to_bytes(32, "big"),
        b"\xff" * 64,
    ],
)
def test_numbers_outside_the_group_are_no_signature(signature: bytes) -> None:
    assert not sm2.verify(b"message digest", signature, KEY.public)


def test_points_that_cancel_out_are_no_signature() -> None:
    # With the public key G, s·G + (r + s)·G is the point at infinity for r = −2s.
    generator = PublicKey(sm2._G)
    r, s = BASE_ORDER - 2, 1
    assert not sm2.verify(b"text", r.to_bytes(32, "big") + s.to_bytes(32, "big"), generator)


def test_a_point_beside_the_curve_is_no_key() -> None:
    der = bytearray(KEY.public.to_der())
    der[-1] ^= 1
    with pytest.raises(SM2Error, match="point"):
        sm2.load_public(bytes(der))


def test_a_key_on_another_curve_is_refused() -> None:
    p256 = bytes.fromhex("06082a8648ce3d030107")
    for load, encoded in ((sm2.load_public, KEY.public.to_der()), (sm2.load_private, KEY.to_der())):
        with pytest.raises(SM2Error, match="SM2 curve"):
            load(encoded.replace(bytes.fromhex("06082a811ccf5501822d"), p256))


def test_a_user_id_has_a_limit() -> None:
    with pytest.raises(ValueError, match="8191"):
        sm2.sign(b"", KEY, bytes(8_192))


@settings(max_examples=60)
@given(st.binary(max_size=150), st.integers(0, 150))
def test_any_octets_are_a_key_or_refused(noise: bytes, keep: int) -> None:
    for load, encoded in ((sm2.load_public, KEY.public.to_der()), (sm2.load_private, KEY.to_der())):
        try:
            load(encoded[:keep] + noise)
        except SM2Error as refused:
            assert str(refused)  # noqa: PT017 - a key is allowed too
