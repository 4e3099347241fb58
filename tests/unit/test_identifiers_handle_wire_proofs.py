"""Proofs: the numeric examples, the recorded ones, and the limits on what a peer may ask us to compute."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers import sm2
from identifiers.handle_wire.answers import Challenge, decode_answer
from identifiers.handle_wire.codes import SECRET_KEY, Op, ResponseCode
from identifiers.handle_wire.digests import Digest, digest_of
from identifiers.handle_wire.keys import load_private_key, load_public_key
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.proofs import (
    HASH_MD5,
    ITERATIONS_MAX,
    PBKDF2,
    SecretProof,
    is_right_key,
    is_right_secret,
    parse_key_proof,
    parse_secret_proof,
    prove_key,
    prove_secret,
)
from identifiers.handle_wire.requests import ChallengeResponse, Resolution, VerifyChallenge, decode_request
from identifiers.octets import WireError, string
from tests.handle_vectors import framed, message, single, steps, vectors

NONCE = bytes(range(16))
SALT = bytes(range(0x20, 0x30))
CHALLENGE = Challenge(digest_of(b"request", 3), NONCE)
SECRET = b"secret"
EXAMPLES = {
    0x01: "014c47285e654306d1a03ddbc0a53125c3",
    0x02: "02880ab91a9b8306d30aa29e309983b6a0f46e1636",
    0x03: "03a93bbbec1ddca1c0036b9d74e877ce246b07890d8c432c87ad91a956d90ba268",
    0x12: "124899f242df3b0b4f9657c79fca1dd4e3b5b409ab",
    0x13: "13f312ab3d898481f3493b0bc0ac2de738397aa179cc15bc38dd30d8103eed0746",
    0x22: "2200000010202122232425262728292a2b2c2d2e2f00002710000000a000000014da52fd772e4fab022164e44cecf613403555bf16",
}


@pytest.mark.parametrize("algorithm", EXAMPLES)
def test_the_numeric_examples_are_met(algorithm: int) -> None:
    assert CHALLENGE.digest.octets.hex() == "1f58b9145b24d108d7ac38887338b3ea3229833b9c1e418250343f907bfd1047"
    assert prove_secret(SECRET, CHALLENGE, algorithm, SALT).hex() == EXAMPLES[algorithm]
    proof = parse_secret_proof(bytes.fromhex(EXAMPLES[algorithm]))
    assert is_right_secret(proof, SECRET, CHALLENGE)
    assert not is_right_secret(proof, b"Secret", CHALLENGE)
    assert not is_right_secret(proof, SECRET, Challenge(CHALLENGE.digest, bytes(16)))
    assert proof.is_costly is (algorithm == PBKDF2)


def challenged_and_answered() -> Iterator[tuple[str, Message, Message]]:
    """Yield each recorded challenge and the response to it."""
    challenge: Message | None = None
    for step in steps():
        if step.name.endswith("[0]"):
            challenge = None
        clear = [message(event, step.key) for event in framed(step.requests, step.transport, answers=False)]
        if challenge is not None and clear[0] is not None and clear[0].header.op == Op.CHALLENGE_RESPONSE:
            yield step.name, challenge, clear[0]
        found = [message(event, step.key) for event in framed(step.answers, step.transport, answers=True)]
        last = found[-1] if found else None
        challenge = last if last is not None and last.header.rc == ResponseCode.AUTHENTICATION_NEEDED else None


RECORDED = {name: (challenge, response) for name, challenge, response in challenged_and_answered()}
WRONG = {"create_badsecret[2]"}


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_proof_is_right_for_its_challenge(name: str) -> None:
    answer, request = RECORDED[name]
    challenge = decode_answer(answer.header, answer.body).body
    response = decode_request(request.header.op, request.body)
    assert isinstance(challenge, Challenge)
    assert isinstance(response, ChallengeResponse)
    if response.type == "HS_FOO":
        return
    if response.type == SECRET_KEY:
        number = response.user.rpartition("/U")[2]
        secret = b"pw" + number.encode() if number.isdecimal() else b"secret"
        right = is_right_secret(parse_secret_proof(response.proof), secret, challenge)
    else:
        key = load_public_key(bytes.fromhex(vectors()["keys"]["admin_public_key_hex"]))
        right = is_right_key(parse_key_proof(response.proof), key, challenge, response.user)
    assert right is (name not in WRONG)


def test_recorded_proofs_were_found() -> None:
    assert len(RECORDED) > 15


@pytest.mark.parametrize("name", ["verify_challenge_valid", "verify_challenge_with_digest"])
def test_recorded_verifications_are_right(name: str) -> None:
    (step,) = [step for step in steps() if step.name == name + "[0]"]
    (event,) = framed(step.requests, step.transport, answers=False)
    clear = message(event, None)
    assert clear is not None
    asked = decode_request(clear.header.op, clear.body)
    assert isinstance(asked, VerifyChallenge)
    assert is_right_secret(parse_secret_proof(asked.proof), b"secret", Challenge(asked.digest, asked.nonce))


@pytest.mark.parametrize(("name", "key"), [("rsa", "idis_rsa_public_pem"), ("sm2", "idis_sm2_public_pem")])
def test_the_proofs_of_the_industrial_internet_client_are_right(name: str, key: str) -> None:
    challenge_message = single("idis_login_3_challenge_response")
    challenge = decode_answer(challenge_message.header, challenge_message.body).body
    request = single(f"idis_login_4_challenge_answer_{name}_request")
    response = decode_request(request.header.op, request.body)
    assert isinstance(challenge, Challenge)
    assert isinstance(response, ChallengeResponse)
    public = load_public_key(vectors()["keys"][key].encode())
    proof = parse_key_proof(response.proof)
    assert is_right_key(proof, public, challenge, response.user)
    assert not is_right_key(proof, public, Challenge(challenge.digest, bytes(16)), response.user)
    # The user's name goes into SM2 signatures.
    assert is_right_key(proof, public, challenge, response.user + "x") is (name == "rsa")


def test_a_login_challenge_covers_the_login_request() -> None:
    login = single("idis_login_2_login_id_system_request")
    challenge_message = single("idis_login_3_challenge_response")
    challenge = decode_answer(challenge_message.header, challenge_message.body).body
    assert isinstance(challenge, Challenge)
    assert digest_of(login.content, 3) == challenge.digest


def test_a_proof_of_ours_is_accepted() -> None:
    rsa = load_private_key(vectors()["keys"]["idis_rsa_private_pem"].encode())
    rsa_public = load_public_key(vectors()["keys"]["idis_rsa_public_pem"].encode())
    pair = sm2.generate()
    for private, public in ((rsa, rsa_public), (pair, pair.public)):
        proof = parse_key_proof(prove_key(private, CHALLENGE, "88.111.1/user"))
        assert is_right_key(proof, public, CHALLENGE, "88.111.1/user")
        assert not is_right_key(proof, public, Challenge(Digest(3, bytes(32)), NONCE), "88.111.1/user")


@pytest.mark.parametrize("name", ["SHA-256", "sha256", "SHA-1", "sha1", "SHA", "md5"])
def test_the_names_of_hashes_have_no_case(name: str) -> None:
    key = load_private_key(vectors()["keys"]["idis_rsa_private_pem"].encode())
    public = load_public_key(vectors()["keys"]["idis_rsa_public_pem"].encode())
    proof = prove_key(key, CHALLENGE, "a/b", name)
    assert is_right_key(parse_key_proof(proof), public, CHALLENGE, "a/b")
    if "256" not in name:
        with pytest.raises(WireError, match="too weak") as refused:
            parse_key_proof(proof, allow_weak_hashes=False)
        assert refused.value.rc == ResponseCode.AUTHENTICATION_ERROR


def pbkdf2(salt: bytes = SALT, iterations: int = 1, bits: int = 160) -> bytes:
    return b"\x22" + string(salt) + iterations.to_bytes(4, "big") + bits.to_bytes(4, "big") + string(bytes(20))


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        b"\x00" + bytes(16),
        b"\x04" + bytes(20),
        b"\x11" + bytes(16),
        b"\x21" + bytes(20),
        b"\x22",
        pbkdf2(iterations=0),
        pbkdf2(iterations=ITERATIONS_MAX + 1),
        pbkdf2(iterations=2**32 - 1),
        pbkdf2(bits=56),
        pbkdf2(bits=0),
        pbkdf2(bits=161),
        pbkdf2(bits=520),
        pbkdf2(bits=2**31),
        pbkdf2(salt=bytes(65)),
        pbkdf2()[:-1],
        b"\x22\x7f\xff\xff\xff" + bytes(40),
    ],
)
def test_a_secret_proof_out_of_bounds_is_refused_before_anything_is_computed(proof: bytes) -> None:
    with pytest.raises(WireError) as refused:
        parse_secret_proof(proof)
    assert refused.value.rc == ResponseCode.AUTHENTICATION_ERROR


@pytest.mark.parametrize("edge", [pbkdf2(iterations=ITERATIONS_MAX), pbkdf2(bits=64), pbkdf2(bits=512), pbkdf2(b"")])
def test_parameters_at_their_limits_are_accepted(edge: bytes) -> None:
    assert parse_secret_proof(edge).algorithm == PBKDF2


@pytest.mark.parametrize("proof", [b"", b"\0", string(b"SHA-512") + string(b""), string(b"SHA-256"), bytes(4) * 2])
def test_a_key_proof_of_an_unknown_kind_is_refused(proof: bytes) -> None:
    with pytest.raises(WireError) as refused:
        parse_key_proof(proof)
    assert refused.value.rc == ResponseCode.AUTHENTICATION_ERROR


def test_old_peers_send_a_bare_md5() -> None:
    challenge = Challenge(digest_of(b"request", 1), NONCE)
    bare = prove_secret(SECRET, challenge, HASH_MD5)[1:]
    proof = parse_secret_proof(bare, has_algorithm=False)
    assert proof == SecretProof(HASH_MD5, bare)
    assert is_right_secret(proof, SECRET, challenge)


def test_a_hash_that_does_not_belong_to_the_key_proves_nothing() -> None:
    pair = sm2.generate()
    octets = prove_key(pair, CHALLENGE, "a/b")
    proof = parse_key_proof(octets.replace(string(b"SM3"), string(b"SHA-256"), 1))
    assert not is_right_key(proof, pair.public, CHALLENGE, "a/b")
    rsa_public = load_public_key(vectors()["keys"]["idis_rsa_public_pem"].encode())
    assert not is_right_key(parse_key_proof(octets), rsa_public, CHALLENGE, "a/b")


def test_a_response_does_not_show_its_proof() -> None:
    assert "proof" not in repr(ChallengeResponse(SECRET_KEY, "a/b", 300, b"proof"))
    assert "proof" not in repr(VerifyChallenge("a/b", 300, b"", CHALLENGE.digest, b"proof"))
    assert "a/b" in repr(Resolution("a/b"))


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_proof_is_parsed_or_refused_with_one_code(proof: bytes) -> None:
    for parse in (parse_secret_proof, parse_key_proof):
        try:
            parse(proof)
        except WireError as refused:
            assert refused.rc == ResponseCode.AUTHENTICATION_ERROR  # noqa: PT017 - a proof is allowed too
