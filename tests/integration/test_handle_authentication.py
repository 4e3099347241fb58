"""Challenges, proofs, sessions and logins of the Handle protocol (handle wire 13 to 15, 20), guard by guard."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from identifiers import sm2
from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Challenge, Done, Resolved, SessionOffer, Verified
from identifiers.handle_wire.codes import Op
from identifiers.handle_wire.digests import Digest, request_digest
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, parse_envelope
from identifiers.handle_wire.groups import PRIMES
from identifiers.handle_wire.keys import UsablePrivateKey, public_octets
from identifiers.handle_wire.message import decode_message, encode_message
from identifiers.handle_wire.proofs import PBKDF2, parse_key_proof, prove_secret
from identifiers.handle_wire.replies import Site, reply, replying_to
from identifiers.handle_wire.requests import (
    ChallengeResponse,
    CreateHandle,
    DeleteHandle,
    GetSiteInfo,
    ListHandles,
    Login,
    Resolution,
    SessionExchangeKey,
    SessionSetup,
    SessionTerminate,
    VerifyChallenge,
    decode_request,
)
from identifiers.handle_wire.sessions import DHKey, SM4Cipher, decrypt_session_key, encode_dh_key
from identifiers.handle_wire.signing import authenticated
from identifiers.handle_wire.versions import Version
from identifiers.octets import WireError, string
from identifiers.values import Reference, Value
from resolver.handle.auth.asking import Place
from resolver.handle.auth.limits import LOGINS_PER_CONNECTION
from resolver.handle.auth.proofs import Proofs
from resolver.handle.auth.upstream import Upstream
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE, Client, Stack, proof_of, running_stack, secret_value

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEEDED, PUBLIC_ONLY = codes.ResponseCode.AUTHENTICATION_NEEDED, codes.PUBLIC_ONLY
OWN_ID = 10_001
RSA_USER = Reference(f"{PREFIX}/RSA", 300)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("handle")
    administrators = (SERVICE, ADMIN, RSA_USER)
    async with running_stack(shared_registry_database, directory, administrators=administrators) as made:
        await made.record(f"{PREFIX}/SEEN", Value(1, "NOTE", b"for all"), Value(2, "PRICE", b"12", permissions=0b1100))
        await made.record(RSA_USER.handle, Value(300, "HS_PUBKEY", public_octets(RSA_KEY)))
        yield made


RSA_KEY = rsa.generate_private_key(65_537, 2_048)


def creating(name: str) -> CreateHandle:
    return CreateHandle(f"{PREFIX}/{name}", ())


async def challenged(client: Client, request: Any = None, **how: Any) -> Any:
    reply = await client.send(request or creating("CHALLENGED"), **how)
    assert reply.rc == NEEDED
    return reply


async def test_a_challenge_is_sixteen_random_octets_and_the_digest_of_the_request(stack: Stack) -> None:
    client = stack.client()
    first, second = await challenged(client), await challenged(client)
    assert isinstance(first.body, Challenge)
    assert len(first.body.nonce) == 16
    assert first.body.nonce != second.body.nonce
    assert first.session_id not in (0, second.session_id, second.session_id - 1)
    request = client.message(creating("CHALLENGED"), request_id=1)
    assert first.body.digest == request_digest(request.content, request.envelope.answer_version)


async def test_a_peer_below_2_1_is_challenged_with_md5_and_proves_with_md5_alone(stack: Stack) -> None:
    client = stack.client(version=Version(2, 0))
    reply = await client.send(Resolution(f"{PREFIX}/SEEN"))
    assert reply.rc == NEEDED
    assert not reply.message.header.flags & codes.RETURN_DIGEST
    assert isinstance(reply.body, Challenge)
    assert reply.body.digest.algorithm == 1
    response = proof_of(reply.body, ADMIN, algorithm=1)
    bare = msgspec.structs.replace(response, proof=response.proof[1:])
    (answer,) = await client.all(bare, session_id=reply.session_id)
    assert answer.rc == 1


@pytest.mark.parametrize("algorithm", [0x01, 0x02, 0x03, 0x12, 0x13, 0x22])
async def test_every_form_of_secret_proof_counts(stack: Stack, algorithm: int) -> None:
    assert (await stack.client().done(creating(f"SECRET-{algorithm}"), algorithm=algorithm)).rc == 1


async def test_keys_of_every_kind_prove_a_user(stack: Stack) -> None:
    keys: dict[str, tuple[UsablePrivateKey, str]] = {
        "DSA": (dsa.generate_private_key(1_024), "SHA-1"),  # noqa: S505 - old keys are this short
        "SM2": (sm2.generate(), "SM3"),
    }
    client = stack.client()
    assert (await client.done(creating("BY-RSA"), RSA_USER, key=RSA_KEY)).rc == 1
    any_index = Reference(RSA_USER.handle, 0)
    assert (await client.done(creating("BY-ANY"), any_index, key=RSA_KEY)).rc == 1
    for name, (key, _) in keys.items():
        user = Reference(f"{PREFIX}/{name}", 300)
        await stack.record(user.handle, Value(300, "HS_PUBKEY", public_octets(key)))
        login = await client.send(Login(user.handle, 300), session_id=OWN_ID)
        assert [reply.rc for reply in await client.prove(login, user, key=key)] == [1], name
        other = await client.send(Login(user.handle, 300), session_id=OWN_ID)
        assert [reply.rc for reply in await client.prove(other, user, key=RSA_KEY)] == [403], name


async def test_the_checks_of_a_proof_come_in_their_order(stack: Stack) -> None:
    client = stack.client(address="192.0.2.1")
    unknown, without_right = Reference(f"{PREFIX}/NOBODY", 300), Reference(f"{PREFIX}/SEEN", 1)
    for user, how, code in [
        (ADMIN, {"type_": "HS_OTHER"}, 404),
        (unknown, {}, 400),
        (without_right, {}, 400),
        (Reference(ADMIN.handle, 301), {}, 400),
        (Reference(ADMIN.handle, 0), {}, 400),
        (RSA_USER, {}, 403),
        (ADMIN, {"key": RSA_KEY}, 403),
        (ADMIN, {"secret": b"wrong"}, 403),
    ]:
        reply = await challenged(client)
        (answer,) = await client.prove(reply, user, **how)
        assert (answer.rc, answer.op) == (code, 100), (user, how)
    for proof in [b"", b"\x11" + bytes(16), b"\x77", _pbkdf2(iterations=100_001), _pbkdf2(bits=4096), b"\x22\0"]:
        reply = await challenged(client)
        response = ChallengeResponse("HS_SECKEY", ADMIN.handle, 300, proof)
        assert (await client.send(response, session_id=reply.session_id)).rc == 406, proof


def _pbkdf2(iterations: int = 1, bits: int = 160) -> bytes:
    numbers = iterations.to_bytes(4, "big") + bits.to_bytes(4, "big")
    return bytes((PBKDF2,)) + string(bytes(16)) + numbers + string(bytes(20))


async def test_no_proof_is_computed_for_whoever_lacks_the_right(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[object] = []

    def computing(*given: object) -> bool:
        computed.append(given)
        return True

    monkeypatch.setattr("resolver.handle.auth.proofs.is_right_secret", computing)
    monkeypatch.setattr("resolver.handle.auth.proofs.is_right_key", computing)
    client = stack.client()
    stranger = Reference(f"{PREFIX}/SEEN", 1)
    for request in [
        creating("X"),
        DeleteHandle(f"{PREFIX}/SEEN"),
        DeleteHandle(f"{PREFIX}/NO"),
        Resolution(f"{PREFIX}/SEEN"),
    ]:
        for how in ({"algorithm": 0x22}, {"key": RSA_KEY}):
            reply = await challenged(client, request)
            assert [answer.rc for answer in await client.prove(reply, stranger, **how)] == [400]
    assert not computed


async def test_a_challenge_is_answered_once_and_the_same_message_gets_the_same_answer(stack: Stack) -> None:
    client = stack.client()
    reply = await challenged(client, creating("ONCE"))
    response = proof_of(reply.body, ADMIN)
    first = await client.send(response, session_id=reply.session_id, request_id=77)
    assert (first.rc, first.op, first.message.envelope.request_id) == (1, 100, 77)
    again = await stack.client().send(response, session_id=reply.session_id, request_id=77)
    assert (again.rc, again.op, again.body) == (1, 100, first.body)
    other = await client.send(response, session_id=reply.session_id, request_id=78)
    assert (other.rc, other.op) == (405, 200)


async def test_the_same_message_sent_while_the_first_is_carried_out_waits_for_its_answer(stack: Stack) -> None:
    client = stack.client()
    reply = await challenged(client, creating("TWICE"))
    response = proof_of(reply.body, ADMIN, algorithm=0x22)
    sends = (client.send(response, session_id=reply.session_id, request_id=5) for _ in range(3))
    assert [answer.rc for answer in await asyncio.gather(*sends)] == [1, 1, 1]


async def test_challenges_that_are_unknown_or_expired_are_told_apart(stack: Stack) -> None:
    client = stack.client()
    reply = await challenged(client)
    response = proof_of(reply.body, ADMIN)
    assert (await client.send(response, session_id=0)).rc == 405
    unknown = await client.send(response, session_id=reply.session_id ^ 1)
    assert (unknown.rc, unknown.op) == (500, 200)
    stack.clock.now += 61
    expired = await client.send(response, session_id=reply.session_id)
    assert (expired.rc, expired.op) == (405, 200)


async def test_another_worker_of_the_host_takes_the_proof(stack: Stack) -> None:
    other = stack.make_worker()
    reply = await challenged(stack.client(), creating("ACROSS"))
    answer = await stack.client(other).prove(reply, ADMIN)
    assert [one.rc for one in answer] == [1]
    session = stack.client()
    await session.set_up_session()
    session.worker = other
    assert (await session.done(creating("ACROSS2"))).rc == 1


async def test_wrong_proofs_are_counted_by_user_and_address(stack: Stack) -> None:
    attacker = stack.client(address="198.51.100.1")
    codes_seen = []
    for _ in range(32):
        reply = await challenged(attacker)
        codes_seen += [answer.rc for answer in await attacker.prove(reply, ADMIN, secret=b"guess")]
    assert codes_seen == [403] * 30 + [3] * 2
    reply = await challenged(attacker)
    assert [answer.rc for answer in await attacker.prove(reply, ADMIN)] == [3]
    elsewhere = stack.client(address="198.51.100.2")
    assert (await elsewhere.done(creating("ELSEWHERE"))).rc == 1
    stack.clock.now += 61
    assert (await attacker.done(creating("LATER"))).rc == 1


async def test_costly_proofs_are_bounded_by_address(stack: Stack) -> None:
    client = stack.client(address="198.51.100.3")
    seen = [(await client.done(creating(f"COSTLY-{at}"), algorithm=0x22)).rc for at in range(21)]
    assert seen == [1] * 20 + [3]


async def test_private_values_are_for_those_who_prove_a_right_to_them(stack: Stack) -> None:
    name = f"{PREFIX}/SEEN"
    client = stack.client()
    reply = await client.done(Resolution(name))
    assert isinstance(reply.body, Resolved)
    assert [value.index for value in reply.body.values] == [1, 2]
    assert (await client.done(Resolution(name), Reference(name, 1))).rc == 400
    public = await client.send(Resolution(name), PUBLIC_ONLY)
    assert isinstance(public.body, Resolved)
    assert [value.index for value in public.body.values] == [1]
    secret = await client.send(Resolution(ADMIN.handle, indexes=(300,)), PUBLIC_ONLY)
    assert secret.rc == 200


async def test_another_server_asks_whether_a_proof_is_right(stack: Stack) -> None:
    client = stack.client()
    digest, nonce = Digest(3, bytes(32)), bytes(16)
    challenge = Challenge(digest, nonce)
    for secret, user, right in [
        (SECRET, ADMIN, True),
        (SECRET, Reference(ADMIN.handle, 0), True),
        (b"wrong", ADMIN, False),
        (SECRET, RSA_USER, False),
        (SECRET, Reference(f"{PREFIX}/NOBODY", 300), False),
    ]:
        asked = VerifyChallenge(user.handle, user.index, nonce, digest, prove_secret(secret, challenge))
        reply = await client.send(asked)
        assert (reply.rc, reply.body) == (1, Verified(right)), user
    away = VerifyChallenge("20.500.1/U", 300, nonce, digest, prove_secret(SECRET, challenge))
    assert (await client.send(away)).rc == 301


async def test_a_session_spares_further_challenges_to_whom_it_was_set_up_for(stack: Stack) -> None:
    client = stack.client()
    offer = await client.set_up_session()
    assert isinstance(offer.body, SessionOffer)
    first = await client.send(creating("IN-1"))
    assert (first.rc, first.session_id) == (NEEDED, client.session_id)
    assert [reply.rc for reply in await client.prove(first, ADMIN)] == [1]
    second = await client.send(creating("IN-2"), codes.CERTIFY)
    assert (second.rc, second.session_id) == (1, client.session_id)
    assert client.is_from_session(second)
    other = stack.client()
    other.key, other.session_id, other.counters = client.key, client.session_id, iter(range(500, 600))
    assert (await other.send(creating("IN-3"))).rc == 1


async def test_a_session_of_somebody_else_or_of_nobody_stays_unauthenticated(stack: Stack) -> None:
    for identity in (None, SERVICE):
        client = stack.client()
        await client.set_up_session(identity)
        for at in range(2):
            assert (await client.done(creating(f"NOBODY-{identity}-{at}".replace("/", "-")), ADMIN)).rc == 1
            assert (await client.send(creating("MORE"))).rc == NEEDED


async def test_a_counter_counts_once_and_within_the_window(stack: Stack) -> None:
    client = stack.client()
    await client.set_up_session()
    asked = Resolution(f"{PREFIX}/SEEN", indexes=(1,))
    for counter, code in [(0, 1), (0, 505), (5, 1), (3, 1), (3, 505), (300, 1), (100, 1), (99, 505), (100, 505)]:
        assert (await client.send(asked, PUBLIC_ONLY, counter=counter)).rc == code, counter


async def test_the_mac_is_checked_wherever_it_is_and_missed_where_it_is_needed(stack: Stack) -> None:
    client = stack.client()
    await client.set_up_session()
    number, key = client.session_id, client.key
    asked = Resolution(f"{PREFIX}/SEEN")
    assert (await client.send(asked, PUBLIC_ONLY, session_id=number)).rc == 1
    assert (await client.send(asked, session_id=number)).rc == 404
    assert (await client.send(creating("NO-MAC"), session_id=number)).rc == 404
    assert (await client.send(SessionTerminate(), session_id=number)).rc == 502
    client.key = bytes(32)
    assert (await client.send(asked, PUBLIC_ONLY)).rc == 502
    client.key = key
    assert (await client.send(SessionTerminate())).rc == 1
    assert (await client.send(asked, PUBLIC_ONLY)).rc == 500
    assert (await stack.client().send(SessionTerminate())).rc == 500
    assert (await stack.client().send(SessionExchangeKey(b""))).rc == 501


async def test_sessions_end_by_age_and_by_rest(stack: Stack) -> None:
    asked = Resolution(f"{PREFIX}/SEEN", indexes=(1,))
    short, resting, used = stack.client(), stack.client(), stack.client()
    await short.set_up_session(timeout_s=100)
    await resting.set_up_session(timeout_s=0)
    await used.set_up_session()
    stack.clock.now += 101
    assert (await short.send(asked, PUBLIC_ONLY)).rc == 500
    stack.clock.now += 3_000
    assert (await used.send(asked, PUBLIC_ONLY)).rc == 1
    stack.clock.now += 600
    assert (await used.send(asked, PUBLIC_ONLY)).rc == 1
    assert (await resting.send(asked, PUBLIC_ONLY)).rc == 500


async def test_encryption_hides_private_values_and_its_errors_look_alike(stack: Stack) -> None:
    client = stack.client()
    await client.set_up_session()
    await client.done(creating("ENCRYPTS"))
    clear = await client.send(Resolution(f"{PREFIX}/SEEN", indexes=(1,)), encrypted=True)
    assert not clear.message.envelope.is_encrypted
    secret = await client.send(Resolution(f"{PREFIX}/SEEN"))
    assert isinstance(secret.body, Resolved)
    octets = _encrypted(client, stack)
    flipped = [octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :] for at in range(20, len(octets), 5)]
    seen = set()
    for broken in (octets[:-16], octets[:-1], octets[:36], *flipped):
        (answer,) = await stack.worker.answers(client.peer, _with_length(broken))
        seen.add((int.from_bytes(answer[24:28], "big"), answer[20:24], answer[44:]))
    assert len(seen) == 1
    assert {rc for rc, *_ in seen} == {502}
    unknown = octets[:4] + bytes((0, 0, 0, 9)) + octets[8:]
    (answer,) = await stack.worker.answers(client.peer, unknown)
    assert int.from_bytes(answer[24:28], "big") == 500


def _encrypted(client: Client, stack: Stack) -> bytes:
    cipher = stack.worker.authentication.sessions.cipher(client.session_id)
    message = client.message(Resolution(f"{PREFIX}/SEEN"))
    return encode_message(message, authenticated(message, client.key or b"", next(client.counters)), cipher)


def _with_length(octets: bytes) -> bytes:
    return octets[:16] + (len(octets) - 20).to_bytes(4, "big") + octets[20:]


@pytest.mark.parametrize(
    "setup",
    [
        SessionSetup(1, public_key=b"x"),
        SessionSetup(2),
        SessionSetup(5),
        SessionSetup(4, public_key=b"x"),
        SessionSetup(4, public_key=encode_dh_key(DHKey(2, 23))),
        SessionSetup(3, key_handle=f"{PREFIX}/NOBODY", key_index=300),
    ],
)
async def test_set_ups_that_are_not_offered_are_refused(stack: Stack, setup: SessionSetup) -> None:
    assert (await stack.client().send(setup, session_id=OWN_ID)).rc == 501


async def test_weak_diffie_hellman_numbers_are_refused(stack: Stack) -> None:
    prime = min(PRIMES)
    for y in (0, 1, prime - 1, prime):
        setup = SessionSetup(4, public_key=encode_dh_key(DHKey(y, prime)))
        assert (await stack.client().send(setup)).rc == 501, y


@pytest.mark.parametrize("kind", ["rsa", "sm2"])
async def test_a_key_is_sent_for_the_key_in_a_handle_and_belongs_to_the_connection(stack: Stack, kind: str) -> None:
    key: UsablePrivateKey = sm2.generate() if kind == "sm2" else RSA_KEY
    user = Reference(f"{PREFIX}/MODE3-{kind}", 300)
    await stack.record(user.handle, Value(300, "HS_PUBKEY", public_octets(key)))
    client = stack.client()
    reply = await client.send(SessionSetup(3, key_handle=user.handle, key_index=300), session_id=OWN_ID)
    assert isinstance(reply.body, SessionOffer)
    algorithm, session_key = decrypt_session_key(reply.body.data, key)
    assert algorithm == (4 if kind == "sm2" else 3)
    cipher = await stack.worker.authentication.cipher(client.peer, OWN_ID)
    assert cipher is not None
    if kind == "sm2":
        assert cipher.decrypt(SM4Cipher(session_key).encrypt(b"text")) == b"text"
    assert await stack.worker.authentication.cipher(stack.client().peer, OWN_ID) is None


async def test_the_login_of_the_industrial_internet_client(stack: Stack) -> None:
    client = stack.client(version=Version(2, 10))
    site = await client.send(GetSiteInfo(), session_id=OWN_ID)
    assert (site.rc, site.session_id) == (1, OWN_ID)
    asked = await client.send(Login(ADMIN.handle, 300), 0x10800000, session_id=OWN_ID)
    assert (asked.rc, asked.op, asked.session_id) == (NEEDED, 2001, OWN_ID)
    (proved,) = await client.prove(asked, ADMIN)
    assert (proved.rc, proved.op, proved.session_id, proved.body) == (1, 2001, OWN_ID, Done())
    created = await client.send(creating("LOGGED-IN"), session_id=OWN_ID)
    assert (created.rc, created.session_id) == (1, OWN_ID)
    private = await client.send(Resolution(f"{PREFIX}/SEEN"), PUBLIC_ONLY, session_id=OWN_ID)
    assert isinstance(private.body, Resolved)
    assert [value.index for value in private.body.values] == [1, 2]


async def test_a_login_belongs_to_its_connection_and_its_id(stack: Stack) -> None:
    client, other = stack.client(), stack.client()
    asked = await client.send(Login(ADMIN.handle, 300), session_id=OWN_ID)
    await client.prove(asked, ADMIN)
    for peer, number in [(other, OWN_ID), (client, OWN_ID + 1)]:
        assert (await peer.send(creating("STOLEN"), session_id=number)).rc == 500
        seen = await peer.send(Resolution(f"{PREFIX}/SEEN"), PUBLIC_ONLY, session_id=number)
        assert isinstance(seen.body, Resolved)
        assert [value.index for value in seen.body.values] == [1]
    stack.worker.authentication.left(client.peer)
    assert (await client.send(creating("GONE"), session_id=OWN_ID)).rc == 500


async def test_a_login_is_never_challenged_again_and_a_second_one_replaces_the_user(stack: Stack) -> None:
    client = stack.client()
    weak = Reference(f"{PREFIX}/WEAK", 300)
    await stack.record(weak.handle, secret_value(300))
    assert (await client.send(creating("BEFORE"), session_id=OWN_ID)).rc == 500
    for user, code in [(ADMIN, 1), (weak, 400)]:
        asked = await client.send(Login(user.handle, 300), session_id=OWN_ID)
        await client.prove(asked, user)
        assert (await client.send(creating(f"LOGIN-{code}"), session_id=OWN_ID)).rc == code


async def test_a_login_proves_the_user_it_named(stack: Stack) -> None:
    client = stack.client()
    asked = await client.send(Login(SERVICE.handle, 301), session_id=OWN_ID)
    (answer,) = await client.prove(asked, ADMIN)
    assert (answer.rc, answer.op) == (403, 2001)
    assert (await client.send(creating("OTHER"), session_id=OWN_ID)).rc == 500
    asked = await client.send(Login(ADMIN.handle, 300), session_id=OWN_ID)
    stack.clock.now += 61
    (late,) = await client.prove(asked, ADMIN)
    assert (late.rc, late.op) == (405, 200)
    assert (await stack.client().send(Login(ADMIN.handle, 300))).rc == 406


async def test_a_made_up_session_id_is_echoed(stack: Stack) -> None:
    for number in (OWN_ID, 0x80000001, 0xFFFFFFFF):
        reply = await stack.client().send(Resolution(f"{PREFIX}/SEEN"), PUBLIC_ONLY, session_id=number)
        assert (reply.rc, reply.session_id) == (1, number)


async def test_every_operation_has_a_handler(stack: Stack) -> None:
    known = {op for op in Op if op not in (Op.RESOLUTION, Op.GET_SITE_INFO)}
    assert set(stack.worker.authentication.handlers) == known


async def test_challenges_of_one_address_push_out_its_own_alone(stack: Stack) -> None:
    crowd, quiet = stack.client(address="203.0.113.1"), stack.client(address="203.0.113.2")
    waiting = await challenged(quiet)
    first = await challenged(crowd)
    for _ in range(100):
        stack.clock.now += 0.01
        await challenged(crowd)
    assert [reply.rc for reply in await crowd.prove(first, ADMIN)] == [405]
    assert [reply.rc for reply in await quiet.prove(waiting, ADMIN)] == [1]


async def test_many_sessions_of_strangers_push_out_no_session_that_was_proved(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = stack.worker.authentication.sessions
    proved, begun = stack.client(), stack.client(address="192.0.2.99")
    await proved.set_up_session()
    assert (await proved.done(creating("PROVED"))).rc == 1
    await begun.set_up_session()
    for at in range(120):
        stack.clock.now += 0.01
        sessions.begin(bytes(32), identity=None, timeout_s=0, address="192.0.2.99")
        if at == 50:
            assert sessions.get(begun.session_id) is not None
    assert sessions.get(begun.session_id) is None
    monkeypatch.setattr(sessions._begun._limits, "entries", 10)
    for at in range(20):
        sessions.begin(bytes(32), identity=None, timeout_s=0, address=f"192.0.2.{at}")
    assert len(sessions._begun) == 10
    assert (await proved.send(creating("STILL"))).rc == 1


async def test_a_full_table_of_challenges_says_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    challenges = stack.worker.authentication.challenges
    monkeypatch.setattr(challenges._pending._limits, "entries", len(challenges._pending))
    assert (await stack.client(address="192.0.2.200").send(creating("FULL"))).rc == 3


async def test_a_connection_binds_so_many_ids_and_no_more(stack: Stack) -> None:
    client = stack.client()
    for number in range(1, LOGINS_PER_CONNECTION + 10):
        await client.send(Login(ADMIN.handle, 300), session_id=number)
    assert len(client.peer.bound) == LOGINS_PER_CONNECTION


async def test_no_secret_proof_or_key_is_logged_or_shown(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = stack.client()
    await client.set_up_session()
    reply = await challenged(client, creating("SECRETS"))
    response = proof_of(reply.body, ADMIN)
    answers = await client.all(response)
    wrong = await client.done(creating("WRONG"), secret=b"another secret")
    session = stack.worker.authentication.sessions.get(client.session_id)
    shown = caplog.text + repr(response) + repr(session) + "".join(answer.text for answer in [*answers, wrong])
    for hidden in (SECRET, b"another secret", response.proof[1:], client.key or b""):
        assert repr(hidden)[2:-1] not in shown
        assert hidden.hex() not in shown


async def test_lists_weak_hashes_and_challenges_can_be_switched_off(stack: Stack) -> None:
    authentication = stack.worker.authentication
    settings = authentication.settings
    try:
        authentication.settings = replace(settings, lists=False, anonymous_admin="refuse")
        client = stack.client()
        assert (await client.send(ListHandles(PREFIX))).rc == 5
        assert (await client.send(creating("REFUSED"))).rc == 400
        assert (await client.send(Resolution(f"{PREFIX}/SEEN"))).rc == 400
        await client.set_up_session()
        assert (await client.done(creating("ALLOWED"))).rc == 1
    finally:
        authentication.settings = settings
    assert parse_key_proof(string(b"SHA-1") + string(b"x")).hash_name == "SHA-1"
    strict = Proofs(authentication.keys, stack.clock, weak_hashes=False)
    asked = Challenge(Digest(3, bytes(32)), bytes(16))
    with pytest.raises(WireError) as refused:
        await strict.check(RSA_USER, "HS_PUBKEY", string(b"SHA-1") + string(b"x"), asked, address="192.0.2.1")
    assert refused.value.rc == 406
    strict.close()


async def test_keys_elsewhere_come_from_the_configured_server_once(stack: Stack) -> None:
    user = Reference("88.200.1/ELSEWHERE", 300)
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(ENVELOPE_OCTETS)
        request = decode_message(head + await reader.readexactly(parse_envelope(head).length))
        resolution = decode_request(1, request.body)
        assert isinstance(resolution, Resolution)
        asked.append(resolution.name)
        key = Value(300, "HS_PUBKEY", public_octets(RSA_KEY), ttl=50)
        answer = reply(replying_to(request), Resolved(user.handle, (key,)), now_s=0, site=Site())
        writer.write(encode_message(answer))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    keys = stack.worker.authentication.keys
    keys._elsewhere = Upstream(Place("127.0.0.1", port), stack.clock)
    try:
        client = stack.client()
        for _ in range(2):
            login = await client.send(Login(user.handle, 300), session_id=OWN_ID)
            assert [one.rc for one in await client.prove(login, user, key=RSA_KEY)] == [1]
        assert asked == [user.handle]
        another = stack.client()
        stranger = await challenged(another, creating("X"))
        assert [one.rc for one in await another.prove(stranger, user, key=RSA_KEY)] == [400]
        stack.clock.now += 51
        server.close()
        await server.wait_closed()
        login = await client.send(Login(user.handle, 300), session_id=OWN_ID)
        assert [one.rc for one in await client.prove(login, user, key=RSA_KEY)] == [403]
    finally:
        keys._elsewhere = None
