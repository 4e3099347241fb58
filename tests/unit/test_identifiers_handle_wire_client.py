"""The client's state machine, against recorded servers and against a small one made of our own answers."""

import secrets
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from identifiers import sm2
from identifiers.handle_wire import replies, sessions
from identifiers.handle_wire.answers import Challenge, Done, Failure, Names, Resolved, SessionOffer
from identifiers.handle_wire.client import (
    ClientSession,
    Exchange,
    Received,
    Respond,
    SessionOpening,
    UntrustedAnswer,
    User,
)
from identifiers.handle_wire.codes import CERTIFY, ENCRYPT, REQUEST_FLAGS, RETURN_DIGEST, Op
from identifiers.handle_wire.groups import OAKLEY_2
from identifiers.handle_wire.keys import UsablePrivateKey, load_private_key, load_public_key, public_octets
from identifiers.handle_wire.message import Message, decode_message, encode_message
from identifiers.handle_wire.proofs import is_right_key, is_right_secret, parse_key_proof, parse_secret_proof
from identifiers.handle_wire.quick import quick_resolution
from identifiers.handle_wire.quick_asking import Asker, read_outcome
from identifiers.handle_wire.replies import Replying, Site, reply, replying_through, replying_to
from identifiers.handle_wire.requests import (
    ChallengeResponse,
    CreateHandle,
    DeleteHandle,
    ListHandles,
    Login,
    Request,
    Resolution,
    SessionSetup,
    SessionTerminate,
    decode_request,
    encode_request,
)
from identifiers.handle_wire.responsible import position, server_for
from identifiers.handle_wire.signing import authenticated, is_authenticated, signed
from identifiers.handle_wire.tcp import Framed
from identifiers.handle_wire.versions import Version
from identifiers.hs_site import Server
from identifiers.hs_site import Site as SiteRecord
from identifiers.octets import WireError
from identifiers.values import Value
from tests.handle_vectors import framed, vectors

NOW_S = 1_800_000_000
SITE = Site()
RSA = load_private_key(vectors()["keys"]["idis_rsa_private_pem"].encode())
OTHER = sm2.generate()
SECRET = User("20.500/admin", 301, b"secret")


def numbers() -> Callable[[], int]:
    counter: Iterator[int] = count(100)
    return lambda: next(counter)


def exchange(
    request: Request,
    *,
    flags: int = REQUEST_FLAGS,
    user: User | None = None,
    session: ClientSession | None = None,
    session_id: int = 0,
    server_key: UsablePrivateKey | None = None,
    version: Version = Version(2, 11),  # noqa: B008 - an immutable value
) -> Exchange:
    return Exchange(
        request,
        new_request_id=numbers(),
        random=secrets.token_bytes,
        now_s=NOW_S,
        flags=flags,
        user=user,
        session=session,
        session_id=session_id,
        server_key=None if server_key is None else load_public_key(public_octets(server_key)),
        version=version,
    )


def arrived(message: Message, **sealing: object) -> Framed:
    (event,) = framed((encode_message(message, **sealing),), "tcp", answers=True)  # type: ignore[arg-type] # passed on
    return event


def answered(asked: Exchange, make: Callable[[Replying], Message]) -> Framed:
    return arrived(make(replying_to(decode_message(asked.message()))))


def test_a_plain_resolution_is_asked_as_existing_clients_ask_it() -> None:
    asked = exchange(Resolution("20.500/x"))
    octets = asked.message()
    assert octets[:4] == bytes((2, 11, 2, 11))
    message = decode_message(octets)
    assert (message.header.op, message.header.flags, message.header.expiration) == (1, 0x19000000, NOW_S + 43_200)
    assert asked.message() == octets
    body = Resolved("20.500/x", (Value(1, "URL", b"x"),))
    received = asked.receive(answered(asked, lambda to: reply(to, body, now_s=NOW_S, site=SITE)))
    assert isinstance(received, Received)
    assert (received.answer, received.is_success, received.is_last) == (body, True, True)


def test_answers_to_other_requests_are_passed_over() -> None:
    asked = exchange(Resolution("20.500/x"))
    stray = answered(asked, lambda to: reply(to, Failure(), 100, now_s=NOW_S, site=SITE))
    stray = stray._replace(envelope=stray.envelope._replace(request_id=99))
    assert asked.receive(stray) is None
    assert asked.request_id == 100


def test_an_answer_to_another_operation_is_not_believed() -> None:
    asked = exchange(Resolution("20.500/x"))
    other = exchange(DeleteHandle("20.500/x"))
    with pytest.raises(UntrustedAnswer, match="operation 101"):
        asked.receive(answered(other, lambda to: reply(to, Done(), now_s=NOW_S, site=SITE)))


def test_an_answer_with_the_digest_of_another_request_is_not_believed() -> None:
    asked = exchange(Resolution("20.500/x"), flags=REQUEST_FLAGS | RETURN_DIGEST)
    other = exchange(Resolution("20.500/y"), flags=REQUEST_FLAGS | RETURN_DIGEST)
    with pytest.raises(UntrustedAnswer, match="another request"):
        asked.receive(answered(other, lambda to: reply(to, Failure(), 100, now_s=NOW_S, site=SITE)))


def challenged(
    asked: Exchange, nonce: bytes = bytes(16), server: tuple[int, int] = (2, 11)
) -> tuple[Message, Message, Challenge]:
    """Challenge a request as a server of a version does; return it, the response, and the challenge."""
    original = decode_message(asked.message())
    old = original.envelope._replace(version=Version(*server), suggested=Version(0, 0))
    to = Replying(old, original.header, original.content, 0)
    event = arrived(replies.challenge(to, nonce, 4_711, now_s=NOW_S, site=SITE))
    respond = asked.receive(event)
    assert isinstance(respond, Respond)
    response = decode_message(respond.octets)
    assert response.envelope.session_id == 4_711
    assert response.envelope.request_id == asked.request_id != original.envelope.request_id
    return original, response, replies.challenge_to(to, nonce)


@pytest.mark.parametrize(("version", "algorithm"), [((2, 11), 0x22), ((2, 7), 0x22), ((2, 5), 0x02)])
def test_a_challenge_is_answered_with_a_secret(version: tuple[int, int], algorithm: int) -> None:
    asked = exchange(DeleteHandle("20.500/x"), user=SECRET)
    original, response, challenge = challenged(asked, bytes(range(16)), version)
    body = decode_request(response.header.op, response.body)
    assert isinstance(body, ChallengeResponse)
    assert (body.type, body.user, body.index) == ("HS_SECKEY", "20.500/admin", 301)
    proof = parse_secret_proof(body.proof)
    assert proof.algorithm == algorithm
    assert is_right_secret(proof, b"secret", challenge)
    done = reply(replying_through(response, original), Done(), now_s=NOW_S, site=SITE)
    received = asked.receive(arrived(done))
    assert isinstance(received, Received)
    assert (received.is_success, received.header.op, received.envelope.session_id) == (True, Op.DELETE_HANDLE, 0)


@pytest.mark.parametrize("key", [RSA, OTHER], ids=["RSA", "SM2"])
def test_a_challenge_is_answered_with_a_private_key(key: UsablePrivateKey) -> None:
    asked = exchange(Login("20.500/u", 300), user=User("20.500/u", 300, key), session_id=10_001)
    assert decode_message(asked.message()).envelope.session_id == 10_001
    _, response, challenge = challenged(asked)
    body = decode_request(response.header.op, response.body)
    assert isinstance(body, ChallengeResponse)
    assert body.type == "HS_PUBKEY"
    proof = parse_key_proof(body.proof)
    assert is_right_key(proof, load_public_key(public_octets(key)), challenge, "20.500/u")


def test_a_challenge_without_a_user_is_the_answer() -> None:
    asked = exchange(DeleteHandle("20.500/x"))
    received = asked.receive(answered(asked, lambda to: replies.challenge(to, bytes(16), 5, now_s=NOW_S, site=SITE)))
    assert isinstance(received, Received)
    assert received.header.rc == 402


def test_a_second_challenge_is_the_answer() -> None:
    asked = exchange(DeleteHandle("20.500/x"), user=SECRET)
    original, response, _ = challenged(asked)
    again = replies.challenge(replying_through(response, original), bytes(16), 5, now_s=NOW_S, site=SITE)
    received = asked.receive(arrived(again))
    assert isinstance(received, Received)
    assert received.header.rc == 402


def test_a_challenge_to_another_request_is_not_answered() -> None:
    asked = exchange(DeleteHandle("20.500/x"), user=SECRET)
    other = exchange(DeleteHandle("20.500/y"))
    event = answered(other, lambda to: replies.challenge(to, bytes(16), 5, now_s=NOW_S, site=SITE))
    with pytest.raises(UntrustedAnswer, match="another request"):
        asked.receive(event)


def test_a_list_goes_on_until_its_last_part() -> None:
    asked = exchange(ListHandles("20.500"))
    for name, more in (("a", True), ("b", False)):

        def make(to: Replying, name: str = name, *, more: bool = more) -> Message:
            return reply(to, Names((name,)), now_s=NOW_S, site=SITE, more=more)

        received = asked.receive(answered(asked, make))
        assert isinstance(received, Received)
        assert (received.answer, received.is_last) == (Names((name,)), not more)


def test_a_wanted_signature_must_be_right() -> None:
    asked = exchange(Resolution("20.500/x"), flags=REQUEST_FLAGS | CERTIFY, server_key=RSA)
    unsigned = reply(replying_to(decode_message(asked.message())), Failure(), 100, now_s=NOW_S, site=SITE)
    received = asked.receive(arrived(unsigned, credential=signed(unsigned, RSA)))
    assert isinstance(received, Received)
    for sealing in ({}, {"credential": signed(unsigned, OTHER)}, {"credential": authenticated(unsigned, b"k", 1)}):
        with pytest.raises(UntrustedAnswer, match="signature"):
            asked.receive(arrived(unsigned, **sealing))


def open_session(identity: User | None = None) -> tuple[ClientSession, bytes]:
    """Set a session up with a small server; return the client's side and the server's key."""
    opening = SessionOpening(secrets.token_bytes, identity)
    asked = exchange(opening.request, flags=REQUEST_FLAGS | CERTIFY, server_key=RSA)
    message = decode_message(asked.message())
    setup = decode_request(message.header.op, message.body)
    assert isinstance(setup, SessionSetup)
    assert (setup.identity, setup.identity_index) == ("", 2**32 - 1) if identity is None else (identity.handle, 301)
    peer = sessions.parse_dh_key(setup.public_key)
    private = sessions.private_number(secrets.token_bytes)
    offer = SessionOffer(4, sessions.encode_dh_offer(sessions.public_key(private, peer.p)))
    made = reply(replying_to(message), offer, now_s=NOW_S, site=SITE, session_id=77)
    received = asked.receive(arrived(made, credential=signed(made, RSA)))
    assert isinstance(received, Received)
    return opening.open(received), sessions.session_key(private, peer)


def test_a_session_is_agreed_and_its_messages_carry_macs() -> None:
    session, server_key = open_session(SECRET)
    assert (session.id, session.key) == (77, server_key)
    asked = exchange(DeleteHandle("20.500/x"), session=session)
    first, second = decode_message(asked.message()), decode_message(asked.message())
    assert first.credential is not None
    assert second.credential is not None
    assert (first.credential.counter, second.credential.counter) == (1, 2)
    assert is_authenticated(first, server_key)
    assert first.envelope.session_id == 77


def test_an_encrypted_answer_needs_its_session() -> None:
    session, server_key = open_session()
    asked = exchange(Resolution("20.500/x"), session=session, flags=ENCRYPT | CERTIFY)
    made = reply(replying_to(decode_message(asked.message())), Failure("no"), 100, now_s=NOW_S, site=SITE)
    cipher = sessions.AESCipher(server_key, secrets.token_bytes)
    event = arrived(made, credential=authenticated(made, server_key, 1), cipher=cipher)
    received = asked.receive(event)
    assert isinstance(received, Received)
    assert received.answer == Failure("no")
    with pytest.raises(UntrustedAnswer, match="signature"):
        asked.receive(arrived(made, credential=authenticated(made, bytes(32), 1), cipher=cipher))
    with pytest.raises(WireError, match="no session"):
        exchange(Resolution("20.500/x")).receive(event)


def test_only_a_diffie_hellman_offer_opens_a_session() -> None:
    opening = SessionOpening(secrets.token_bytes)
    asked = exchange(opening.request)
    received = asked.receive(answered(asked, lambda to: reply(to, Failure("no"), 501, now_s=NOW_S, site=SITE)))
    assert isinstance(received, Received)
    with pytest.raises(UntrustedAnswer, match="no session"):
        opening.open(received)
    offer = SessionOffer(4, b"\0\0\0\1" + sessions.encode_dh_key(sessions.DHKey(5, OAKLEY_2)))
    received = asked.receive(answered(asked, lambda to: reply(to, offer, now_s=NOW_S, site=SITE)))
    assert isinstance(received, Received)
    with pytest.raises(UntrustedAnswer, match="encryption"):
        opening.open(received)


def test_a_request_no_server_would_read_is_not_made() -> None:
    exchange(CreateHandle("20.500/x", (Value(1, "T", bytes(261_000)),)))
    with pytest.raises(WireError, match="fewer values"):
        exchange(CreateHandle("20.500/x", (Value(1, "T", bytes(262_100)),)))


def test_a_user_does_not_show_the_key() -> None:
    assert "secret" not in repr(SECRET)
    assert encode_request(SessionTerminate("/")) == b"\0\0\0\1/"


@pytest.mark.parametrize(
    ("name", "place"), [("20.500.999/T1", 2), ("20.500.999/t1", 2), ("88.111.1/test", 1), ("88.111.1/TEST", 1)]
)
def test_the_responsible_server_is_the_one_of_the_examples(name: str, place: int) -> None:
    assert position(2, 3, name) == place
    servers = tuple(Server(number, bytes(16), b"", ()) for number in range(3))
    found = server_for(SiteRecord(1, 0x80, servers), name)
    assert found is not None
    assert found.id == place
    assert server_for(SiteRecord(1, 0x80, ()), name) is None


def test_names_are_hashed_by_the_part_the_site_says() -> None:
    names = [f"20.500.{prefix}/{suffix}" for prefix in range(8) for suffix in range(8)]
    by_prefix = {name: position(0, 5, name) for name in names}
    by_suffix = {name: position(1, 5, name) for name in names}
    assert all(by_prefix[name] == by_prefix[name.partition("/")[0] + "/0"] for name in names)
    assert all(by_suffix[name] == by_suffix["20.500.0/" + name.partition("/")[2]] for name in names)
    assert len(set(by_prefix.values())) > 1 < len(set(by_suffix.values()))


@pytest.mark.parametrize("types", [(), ("URL",)])
@pytest.mark.parametrize("keeps", [True, False])
def test_the_fast_asker_writes_what_the_typed_one_writes(types: tuple[str, ...], keeps: bool) -> None:  # noqa: FBT001 - a parameter
    octets = Asker(now_s=NOW_S, types=types, keeps=keeps).ask(100, b"20.500/x")
    flags = REQUEST_FLAGS | (0x02000000 if keeps else 0)
    assert octets == exchange(Resolution("20.500/x", (), types), flags=flags).message()
    assert quick_resolution(octets) is not None


def test_outcomes_are_read_as_they_come() -> None:
    asked = exchange(Resolution("20.500/x"))
    made = reply(replying_to(decode_message(asked.message())), Failure("no"), 100, now_s=NOW_S, site=SITE)
    octets = encode_message(made)
    assert read_outcome(b"xx" + octets, 2) == (100, 100, 0, 2 + len(octets))
    assert read_outcome(octets[:-1]) == (100, 100, 0, len(octets))
    assert read_outcome(octets[:27]) is None
