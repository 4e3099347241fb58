"""Sessions: the recorded key agreement, encryption that tells nothing, counters that count once."""

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers import sm2
from identifiers.handle_wire import sessions
from identifiers.handle_wire.answers import SessionOffer, decode_answer
from identifiers.handle_wire.codes import AES, SM4, ResponseCode
from identifiers.handle_wire.groups import GENERATOR, OAKLEY_2, PRIMES_BY_BITS
from identifiers.handle_wire.keys import load_private_key, load_public_key
from identifiers.handle_wire.message import encode_message, parse_message
from identifiers.handle_wire.requests import Resolution, SessionSetup, decode_request
from identifiers.octets import WireError, string
from tests.handle_vectors import framed, message, single, steps, vectors

KEY = bytes(range(32))


@pytest.mark.parametrize("name", ["session_dh_full", "session_dh_anonymous_identity"])
def test_the_recorded_key_agreement_gives_the_recorded_key(name: str) -> None:
    (exchange,) = [found for found in vectors()["exchanges"] if found["name"] == name]
    private = int(exchange["secrets"]["client_dh_private_hex"], 16)
    step = next(step for step in steps() if step.name == name + "[0]")
    (request,) = [message(event, None) for event in framed(step.requests, "tcp", answers=False)]
    (answer,) = [message(event, None) for event in framed(step.answers, "tcp", answers=True)]
    assert request is not None
    assert answer is not None
    setup = decode_request(request.header.op, request.body)
    offer = decode_answer(answer.header, answer.body).body
    assert isinstance(setup, SessionSetup)
    assert isinstance(offer, SessionOffer)
    algorithm, peer = sessions.parse_dh_offer(offer.data)
    assert algorithm == AES
    assert sessions.session_key(private, peer).hex() == exchange["secrets"]["session_key_hex"]
    mine = sessions.public_key(private, OAKLEY_2)
    assert sessions.parse_dh_key(setup.public_key) == mine
    assert sessions.encode_dh_key(mine) == setup.public_key
    assert sessions.encode_dh_offer(peer) == offer.data


@pytest.mark.parametrize("prime", PRIMES_BY_BITS.values(), ids=map(str, PRIMES_BY_BITS))
def test_both_sides_agree_in_every_group(prime: int) -> None:
    one, other = sessions.private_number(secrets.token_bytes), sessions.private_number(secrets.token_bytes)
    key = sessions.session_key(one, sessions.public_key(other, prime))
    assert key == sessions.session_key(other, sessions.public_key(one, prime))
    assert len(key) == sessions.SESSION_KEY_OCTETS


@pytest.mark.parametrize("bits", PRIMES_BY_BITS)
def test_the_groups_are_those_of_the_standards(bits: int) -> None:
    prime = PRIMES_BY_BITS[bits]
    assert prime.bit_length() == bits
    # Safe primes: Fermat's test for the prime and, as it is slow, for the half of the smaller ones.
    half = prime >> 1
    for candidate in (prime, half) if bits <= 2_048 else (prime,):
        assert pow(3, candidate - 1, candidate) == 1


def test_leading_zeros_of_the_shared_number_are_stripped_down_to_a_whole_key() -> None:
    # With the private number 1, the shared number is the peer's public one.
    short = sessions.DHKey(0x42 << 8 * 29, OAKLEY_2)
    assert sessions.session_key(1, short) == bytes((0, 0, 0x42)[:2]) + b"\x42" + bytes(29)
    longer = sessions.DHKey((0x42 << 8 * 32) + 7, OAKLEY_2)
    assert sessions.session_key(1, longer) == b"\x42" + bytes(31)


def dh_octets(y: int, p: int = OAKLEY_2, g: int = GENERATOR, kind: bytes = b"DH_PUB_KEY") -> bytes:
    return string(kind) + b"\0\0" + b"".join([string(number.to_bytes(520, "big")) for number in (y, p, g)])


@pytest.mark.parametrize("y", [0, 1, OAKLEY_2 - 1, OAKLEY_2, OAKLEY_2 + 5])
def test_weak_public_numbers_are_refused(y: int) -> None:
    with pytest.raises(WireError) as refused:
        sessions.parse_dh_key(dh_octets(y))
    assert refused.value.rc == ResponseCode.SESSION_FAILED


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        dh_octets(5)[:-1],
        dh_octets(5, p=OAKLEY_2 + 2),
        dh_octets(5, p=23),
        dh_octets(5, g=3),
        dh_octets(5, kind=b"RSA_PUB_KEY"),
    ],
)
def test_unknown_groups_are_refused(octets: bytes) -> None:
    assert sessions.parse_dh_key(dh_octets(5)) == sessions.DHKey(5, OAKLEY_2)
    with pytest.raises(WireError) as refused:
        sessions.parse_dh_key(octets)
    assert refused.value.rc == ResponseCode.SESSION_FAILED


def test_the_recorded_sm4_request_is_decrypted_and_written_again() -> None:
    (entry,) = [found for found in vectors()["messages"] if found["name"] == "idis_encrypted_resolve_request_sm4"]
    cipher = sessions.SM4Cipher(bytes.fromhex(entry["session_key_hex"]))
    (event,) = framed((bytes.fromhex(entry["hex"]),), "tcp", answers=False)
    plain = cipher.decrypt(event.part)
    assert plain.hex() == entry["plaintext_hex"]
    clear = parse_message(event.envelope, plain)
    assert decode_request(clear.header.op, clear.body) == Resolution("88.111.1/test", token="")
    assert encode_message(clear, cipher=cipher).hex() == entry["hex"]


def test_the_recorded_session_key_is_decrypted() -> None:
    answer = single("idis_session_setup_response_rsa_aes_key")
    offer = decode_answer(answer.header, answer.body).body
    assert isinstance(offer, SessionOffer)
    private = load_private_key(vectors()["keys"]["idis_rsa_private_pem"].encode())
    algorithm, key = sessions.decrypt_session_key(offer.data, private)
    assert (algorithm, len(key)) == (AES, 16)


def test_session_keys_reach_clients_of_both_kinds() -> None:
    rsa = load_private_key(vectors()["keys"]["idis_rsa_private_pem"].encode())
    rsa_public = load_public_key(vectors()["keys"]["idis_rsa_public_pem"].encode())
    pair = sm2.generate()
    for private, public in ((rsa, rsa_public), (pair, pair.public)):
        data = sessions.encrypt_session_key(KEY[:16], SM4, public)
        assert sessions.decrypt_session_key(data, private) == (SM4, KEY[:16])
    with pytest.raises(WireError) as refused:
        sessions.decrypt_session_key(b"x" * 117, pair)
    assert refused.value.rc == ResponseCode.SESSION_FAILED


CIPHERS = [sessions.AESCipher(KEY, secrets.token_bytes), sessions.SM4Cipher(KEY)]


@settings(max_examples=50)
@given(st.binary(max_size=100))
def test_what_is_encrypted_is_decrypted(plain: bytes) -> None:
    for cipher in CIPHERS:
        assert cipher.decrypt(cipher.encrypt(plain)) == plain


def test_aes_does_not_repeat_itself() -> None:
    assert CIPHERS[0].encrypt(b"text") != CIPHERS[0].encrypt(b"text")


@settings(max_examples=100)
@given(st.binary(max_size=100))
def test_everything_that_cannot_be_decrypted_is_refused_alike(noise: bytes) -> None:
    texts = set()
    for cipher in CIPHERS:
        try:
            cipher.decrypt(noise)
        except WireError as refused:
            texts.add((str(refused), refused.rc))
    assert texts <= {(str(sessions.undecipherable()), ResponseCode.INVALID_SESSION_KEY)}


@pytest.mark.parametrize("octets", [0, 1, 15, 16, 17, 31, 33])
def test_aes_needs_a_block_behind_its_iv(octets: int) -> None:
    with pytest.raises(WireError):
        CIPHERS[0].decrypt(bytes(octets))


class Window:
    """What a session keeps of its peer's counters."""

    def __init__(self) -> None:
        self.known = -1, 0

    def accept(self, counter: int) -> bool:
        taken = sessions.take_counter(*self.known, counter)
        self.known = taken or self.known
        assert self.known[1].bit_length() <= sessions.COUNTER_WINDOW + 1
        return taken is not None


def test_a_counter_counts_once() -> None:
    window = Window()
    assert [window.accept(counter) for counter in (0, 0, 5, 3, 3, 5, 4, 2**32 - 1)] == [
        True, False, True, True, False, False, True, True,
    ]  # fmt: skip


def test_counters_lie_at_most_200_below_the_highest() -> None:
    window = Window()
    assert window.accept(1_000)
    assert window.accept(800)
    assert not window.accept(799)
    assert window.accept(1_200)
    assert not window.accept(800)
    assert not window.accept(1_000)
    assert window.accept(1_001)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 600), max_size=60))
def test_the_window_agrees_with_its_definition(counters: list[int]) -> None:
    window = Window()
    seen: set[int] = set()
    for counter in counters:
        fresh = counter not in seen and (not seen or counter >= max(seen) - 200)
        assert window.accept(counter) is fresh
        if fresh:
            seen.add(counter)
