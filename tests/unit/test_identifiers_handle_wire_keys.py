"""Keys: every encoding in the field, and the sizes that would make checking a signature costly."""

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from identifiers import sm2
from identifiers.handle_wire.codes import CERTIFY
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.keys import (
    KeyUnusable,
    UsablePrivateKey,
    UserPrivateKey,
    load_private_key,
    load_public_key,
    load_user_key,
    public_octets,
    sign,
    verify,
)
from identifiers.handle_wire.message import Message, decode_message, encode_message, make_message
from identifiers.handle_wire.signing import authenticated, is_authenticated, is_signed_by, signed
from identifiers.handle_wire.versions import OURS, Version
from identifiers.hs_key import DSAKey, RSAKey, encode_key
from identifiers.octets import string
from tests.handle_vectors import vectors

RSA_PEM = vectors()["keys"]["idis_rsa_private_pem"].encode()
RSA_KEY = load_private_key(RSA_PEM)
DSA_KEY = dsa.generate_private_key(1_024)  # noqa: S505 - the size old administrators have
SM2_KEY = sm2.generate()
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("key", [RSA_KEY, DSA_KEY, SM2_KEY, EC_KEY], ids=["RSA", "DSA", "SM2", "EC"])
def test_a_public_key_travels_as_a_value(key: UserPrivateKey) -> None:
    public = load_public_key(public_octets(key))
    name = "SM3" if key is SM2_KEY else "SHA-256"
    signature = sign(b"text", key, name)
    assert verify(b"text", signature, public, name)
    assert not verify(b"texT", signature, public, name)
    assert not verify(b"text", signature[:-1], public, name)
    assert not verify(b"text", b"", public, name)
    assert not verify(b"text", signature, public, "SHA-512")


def test_recorded_keys_are_loaded() -> None:
    keys = vectors()["keys"]
    assert isinstance(load_public_key(bytes.fromhex(keys["server_public_key_hex"])), rsa.RSAPublicKey)
    pem = keys["idis_rsa_public_pem"].encode()
    for text in (pem, pem.replace(b"\n", b"\r\n"), pem.strip()):
        assert load_public_key(text) == load_public_key(public_octets(RSA_KEY))
    assert isinstance(load_public_key(keys["idis_sm2_public_pem"].encode()), sm2.PublicKey)


OFF_THE_CURVE = (der := SM2_KEY.public.to_der())[:-1] + bytes((der[-1] ^ 1,))


def rsa_octets(bits: int, exponent: int = 65_537) -> bytes:
    return encode_key(RSAKey((1 << bits) - 1, exponent))


@pytest.mark.parametrize(
    "octets",
    [
        rsa_octets(1_016),
        rsa_octets(4_104),
        rsa_octets(2_048, 2**33 + 1),
        rsa_octets(2_048, 4),
        rsa_octets(2_048, 1),
        encode_key(RSAKey(1 << 2_047, 65_537)),
        string(b"DSA_PUB_KEY") + b"\0\0" + string(b"\3") * 4,
        string(b"SM9_PUB_KEY") + b"\0\0" + string(b"Alice"),
        string(b"SM2_PUB_KEY") + b"\0\0" + string(OFF_THE_CURVE),
        string(b"RSA_PUB_KEY") + b"\0\0",
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ],
)
def test_keys_that_are_not_used_are_refused(octets: bytes) -> None:
    with pytest.raises(KeyUnusable):
        load_public_key(octets)


def test_keys_of_the_limits_are_used() -> None:
    for octets in (rsa_octets(1_024), rsa_octets(4_096, 2**33 - 1), rsa_octets(2_048, 3)):
        assert isinstance(load_public_key(octets), rsa.RSAPublicKey)


def classic_file(key: rsa.RSAPrivateKey, encryption: int = 1) -> bytes:
    numbers = key.private_numbers()
    public = numbers.public_numbers
    parts = (public.n, public.e, numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    octets = [string(number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in parts]
    return encryption.to_bytes(4, "big") + string(b"RSA_PRIVCRT_KEY") + b"\0\0" + b"".join(octets)


def test_private_keys_are_read_from_every_kind_of_file() -> None:
    assert isinstance(RSA_KEY, rsa.RSAPrivateKey)
    pkcs8 = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    files = [
        RSA_PEM,
        RSA_KEY.private_bytes(*pkcs8),
        RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        classic_file(RSA_KEY),
    ]
    for octets in files:
        assert public_octets(load_private_key(octets)) == public_octets(RSA_KEY)
    locked = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    assert public_octets(load_private_key(locked, b"pw")) == public_octets(RSA_KEY)
    assert load_private_key(SM2_KEY.to_der()) == SM2_KEY
    assert public_octets(load_private_key(DSA_KEY.private_bytes(*pkcs8))) == public_octets(DSA_KEY)
    for unusable in (b"", b"-----BEGIN", classic_file(RSA_KEY)[:-9], classic_file(RSA_KEY, 4), b"\0\0\0\1"):
        with pytest.raises(KeyUnusable):
            load_private_key(unusable)
    with pytest.raises(KeyUnusable):
        load_private_key(locked, b"wrong")


def test_keys_on_other_curves_and_servers_on_any_are_refused() -> None:
    pkcs8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert public_octets(load_user_key(EC_KEY.private_bytes(*pkcs8))) == public_octets(EC_KEY)
    other = ec.generate_private_key(ec.SECP256K1())
    with pytest.raises(KeyUnusable):
        load_private_key(EC_KEY.private_bytes(*pkcs8))
    with pytest.raises(KeyUnusable):
        load_user_key(other.private_bytes(*pkcs8))
    with pytest.raises(KeyUnusable):
        load_public_key(public_octets(other))


@pytest.mark.parametrize(("p", "q"), [(1 << 1_023, 1 << 159), ((1 << 1_024) - 1, (1 << 160) - 1)])
def test_dsa_parameters_that_make_no_group_prove_nothing(p: int, q: int) -> None:
    octets = encode_key(DSAKey(5, p, q, 3))
    signature = sign(b"text", DSA_KEY, "SHA-256")
    try:
        public = load_public_key(octets)
    except KeyUnusable:
        return
    assert not verify(b"text", signature, public, "SHA-256")


def answer(version: tuple[int, int], suggested: Version = OURS) -> Message:
    return make_message(Envelope(Version(*version), 0, suggested, 3, 7, 0, 0), Header(1, 1, CERTIFY), b"body")


@pytest.mark.parametrize(
    ("key", "version", "algorithm"),
    [
        (RSA_KEY, (2, 11), "SHA-256"),
        (RSA_KEY, (2, 7), "SHA-256"),
        (RSA_KEY, (2, 6), "SHA-1"),
        (DSA_KEY, (2, 11), "SHA-256"),
        (DSA_KEY, (2, 10), "SHA-1"),
        (SM2_KEY, (2, 11), "SM3"),
    ],
    ids=["RSA 2.11", "RSA 2.7", "RSA 2.6", "DSA 2.11", "DSA 2.10", "SM2 2.11"],
)
def test_signatures_use_the_hash_of_the_version(
    key: UsablePrivateKey, version: tuple[int, int], algorithm: str
) -> None:
    made = answer(version)
    credential = signed(made, key)
    assert (credential.type, credential.algorithm, credential.counter) == ("HS_SIGNED", algorithm, 0)
    read = decode_message(encode_message(made, credential))
    assert is_signed_by(read, load_public_key(public_octets(key)))
    assert not is_signed_by(read, load_public_key(public_octets(load_private_key(classic_file(other_rsa())))))
    assert not is_signed_by(made, load_public_key(public_octets(key)))


def other_rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - made quickly, used once


@pytest.mark.parametrize(
    ("version", "changed", "covered"),
    [
        ((2, 11), {"suggested": Version(2, 10)}, True),
        ((2, 7), {"suggested": Version(2, 10)}, False),
        ((2, 7), {"session_id": 4}, True),
        ((2, 6), {"session_id": 4}, False),
        ((2, 11), {"request_id": 8}, True),
        ((2, 11), {"sequence": 5}, False),
    ],
)
def test_what_a_signature_covers_depends_on_the_version(
    version: tuple[int, int],
    changed: dict[str, int],
    covered: bool,  # noqa: FBT001 - a column of the table
) -> None:
    made = answer(version)
    credential = authenticated(made, b"k" * 32, 9)
    moved = Message(made.envelope._replace(**changed), made.header, made.content, credential)
    assert is_authenticated(Message(made.envelope, made.header, made.content, credential), b"k" * 32)
    assert is_authenticated(moved, b"k" * 32) is not covered


def test_a_mac_covers_counter_header_and_body() -> None:
    made = answer((2, 11))
    credential = authenticated(made, b"k" * 32, 9)
    whole = Message(made.envelope, made.header, made.content, credential)
    assert is_authenticated(whole, b"k" * 32)
    assert not is_authenticated(whole, b"K" * 32)
    assert not is_authenticated(made, b"k" * 32)
    body = Message(made.envelope, made.header, made.content[:-1] + b"x", credential)
    counter = Message(made.envelope, made.header, made.content, authenticated(made, b"k" * 32, 8))
    assert not is_authenticated(body, b"k" * 32)
    assert counter.credential is not None
    assert counter.credential.signature != credential.signature
