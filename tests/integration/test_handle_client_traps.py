"""What trips the client of the industrial internet, and what else it sends (handle wire 20), over real connections.

It answers its user by what comes next on its connection, looks at no request id, and waits for ever once logged in.

answers that trip it
  a closed connection               `test_the_connection_stays_open_after_every_answer`
  a code it does not know           `test_no_answer_holds_a_code_or_operation_it_cannot_read`
  success under op 200              the same
  TRUNCATED over TCP                the same
  more than 262,144 octets          `test_the_longest_record_is_within_what_it_reads_and_a_longer_one_is_refused`
  octets after the site record      `test_it_logs_in_as_it_always_does`
  RETURN_DIGEST without digest      `test_no_answer_holds_a_code_or_operation_it_cannot_read` (`check_answer`)
  an error without a text           the same
  a challenge where it is no login  `test_it_is_never_challenged_but_to_log_in`
  PUBLIC_ONLY on everything         `test_it_sees_the_private_values_it_may_though_it_always_asks_for_public_ones`
  a login answered too late         `test_a_login_that_took_nine_seconds_ends_the_connection_unanswered`
  a prefix without a site           `test_a_prefix_looked_up_has_a_site_or_is_an_error`

what else it sends
  a token after the types           `test_a_token_after_the_types_means_nothing`
  prefix look-ups                   `test_a_prefix_looked_up_has_a_site_or_is_an_error`
  home and unhome of bare prefixes  `test_a_bare_prefix_is_homed_and_unhomed`
  a heartbeat                       `test_a_heartbeat_is_answered`
  encryption from the first message `test_everything_may_be_encrypted_from_before_the_login`
  its usual values                  `test_its_usual_values_come_back_as_they_were`
  overwriting                       `test_overwriting_replaces_a_record_values_and_what_is_not_there`
  a delete for an update            `test_a_delete_where_an_update_was_meant_takes_the_right_to_delete`
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identifiers import sm2
from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Challenge, Done, Resolved, SessionOffer, SiteInfo, decode_answer
from identifiers.handle_wire.codes import (
    ENCRYPT,
    OVERWRITE,
    PUBLIC_ONLY,
    RECURSION_AUTHENTICATION,
    REQUEST_FLAGS,
    RETURN_DIGEST,
)
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, parse_envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.keys import UserPrivateKey, public_octets
from identifiers.handle_wire.message import Cipher, decode_message, encode_message, make_message
from identifiers.handle_wire.requests import (
    AddValue,
    ChallengeResponse,
    CreateHandle,
    DeleteHandle,
    GetSiteInfo,
    HomePrefix,
    ListHandles,
    ListPrefixes,
    Login,
    ModifyValue,
    RemoveValue,
    Request,
    Resolution,
    SessionSetup,
    UnhomePrefix,
    encode_request,
)
from identifiers.handle_wire.sessions import AESCipher, SM4Cipher, decrypt_session_key
from identifiers.handle_wire.versions import OURS, Version
from identifiers.hs_admin import Admin, encode_admin
from identifiers.hs_site import parse_site
from identifiers.values import Reference, Value
from identifiers.wire import encode_value
from tests.handle_answers import check_answer
from tests.handle_sockets import SITE, Listening, listening
from tests.handle_stack import ADMIN, PREFIX, SERVICE, Reply, Stack, admin_value, proof_of, running_stack, secret_value
from tests.integration.handle_worker import Stream

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN_FLAGS = 0x10800000
ITS_VERSION = Version(2, 10)
RSA_USER = Reference(f"{PREFIX}/RSA-USER", 300)
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PRIVATE = 0b1100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("handle")
    async with running_stack(shared_registry_database, directory, administrators=(SERVICE, RSA_USER)) as made:
        price, grant = Value(2, "PRICE", b"12", permissions=PRIVATE), admin_value(100, ADMIN)
        await made.record(f"{PREFIX}/SEEN", Value(1, "URL", b"x:y"), price, grant)
        await made.record(RSA_USER.handle, Value(300, "HS_PUBKEY", PEM))
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(stack: Stack) -> AsyncIterator[Listening]:
    async with listening(stack) as made:
        yield made


class Industrial:
    """One connection of a client's pool: a session id of its own making, and one request at a time."""

    def __init__(self, stream: Stream, session_id: int = 10_001) -> None:
        self.stream = stream
        self.session_id = session_id
        self.request_ids = iter((2, 3, 4, 1, *range(5, 10_000)))
        self.cipher: Cipher | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stream.__aexit__()

    def octets(self, asked: Request, flags: int = REQUEST_FLAGS) -> bytes:
        """Return a request as it writes it: its own version, no MAC, and no credential field with a login."""
        flags |= ENCRYPT if self.cipher is not None else 0
        envelope = Envelope(ITS_VERSION, 0, OURS, self.session_id, next(self.request_ids), 0, 0)
        header = Header(asked.op, 0, flags, 0xFFFF, 0, 1_000)
        octets = encode_message(make_message(envelope, header, encode_request(asked)), cipher=self.cipher)
        if isinstance(asked, Login) and self.cipher is None:
            octets = octets[:16] + (len(octets) - 24).to_bytes(4, "big") + octets[20:-4]
        return octets

    async def ask(self, asked: Request, flags: int = REQUEST_FLAGS) -> Reply:
        """Send a request, and take what comes next for its answer."""
        octets = self.octets(asked, flags)
        answer = await self.stream.ask(octets)
        if self.cipher is None:
            check_answer(answer, parse_envelope(octets), octets[ENVELOPE_OCTETS:])
        message = decode_message(answer, self.cipher)
        assert message.envelope.is_encrypted == (self.cipher is not None)
        assert message.envelope.session_id == self.session_id
        return Reply(message, decode_answer(message.header, message.body).body)

    async def log_in(self, user: Reference = ADMIN, **how: Any) -> Reply:
        """Ask for the site, log in and answer the challenge; the last answer."""
        site = await self.ask(GetSiteInfo(), LOGIN_FLAGS & ~RETURN_DIGEST)
        assert isinstance(site.body, SiteInfo)
        parse_site(site.body.site)
        challenged = await self.ask(Login(user.handle, user.index), LOGIN_FLAGS)
        assert (challenged.op, challenged.rc) == (2001, 402)
        assert isinstance(challenged.body, Challenge)
        return await self.ask(proof_of(challenged.body, user, **how), LOGIN_FLAGS)


async def connected(node: Listening, session_id: int = 10_001) -> Industrial:
    return Industrial(await Stream.open(node.port), session_id)


async def ready(node: Listening, user: Reference = ADMIN, **how: Any) -> Industrial:
    """Return a connection that has logged in."""
    made = await connected(node)
    assert (await made.log_in(user, **how)).rc == 1
    return made


def usual(name: str) -> Value:
    return Value(1, "URL", f"https://example.com/{name}".encode())


async def test_it_logs_in_as_it_always_does(node: Listening) -> None:
    async with await connected(node) as client:
        site = await client.ask(GetSiteInfo(), LOGIN_FLAGS & ~RETURN_DIGEST)
        assert site.body == SiteInfo(SITE)
        assert site.message.body == SITE
        assert site.message.header.op == 2
    ways: list[dict[str, Any]] = [{}, {"algorithm": 0x22}, {"key": RSA_KEY}]
    for how in ways:
        user = RSA_USER if "key" in how else ADMIN
        async with await connected(node) as client:
            proved = await client.log_in(user, **how)
            assert (proved.op, proved.rc, proved.body, proved.message.body) == (2001, 1, Done(), b"")
        async with await connected(node) as client:
            wrong = {"key": rsa.generate_private_key(65_537, 2_048)} if "key" in how else {"secret": b"wrong"}
            refused = await client.log_in(user, **wrong)
            assert (refused.op, refused.rc) == (2001, 403)
            assert refused.text


async def test_the_connection_stays_open_after_every_answer(node: Listening) -> None:
    async with await ready(node) as client:
        for asked in everything(f"{PREFIX}/OPEN"):
            await client.ask(asked)
        assert (await client.ask(Resolution(f"{PREFIX}/SEEN"))).rc == 1


def everything(name: str) -> list[Request]:
    """Return requests of every operation it has, some that must be refused among them."""
    return [
        GetSiteInfo(),
        Resolution(f"{PREFIX}/SEEN"),
        Resolution(f"{PREFIX}/NOT-THERE"),
        Resolution("20.500.1/X"),
        Resolution("bad\1name"),
        CreateHandle(name, (usual("1"),)),
        CreateHandle(name, (usual("1"),)),
        CreateHandle("20.500.1/X", ()),
        AddValue(name, (Value(0, "URL", b"x:y"),)),
        ModifyValue(name, (usual("2"),)),
        RemoveValue(name, (99,)),
        DeleteHandle(name),
        HomePrefix("88.118.40"),
        ListHandles(PREFIX),
        ListPrefixes(PREFIX),
        ChallengeResponse("HS_SECKEY", ADMIN.handle, 300, b"\3" + bytes(32)),
        Login("x", 0),
        SessionSetup(2),
    ]


@pytest.mark.parametrize("flags", [REQUEST_FLAGS, REQUEST_FLAGS | RETURN_DIGEST | OVERWRITE])
async def test_no_answer_holds_a_code_or_operation_it_cannot_read(node: Listening, flags: int) -> None:
    async with await connected(node) as anonymous, await ready(node) as client:
        for which in (anonymous, client):
            for asked in everything(f"{PREFIX}/CODES"):
                reply = await which.ask(asked, flags)  # which checks all that holds for every answer
                assert reply.rc < 606
                assert (reply.op, reply.rc) != (200, 1)
                assert reply.message.envelope.flags == 0


async def test_the_longest_record_is_within_what_it_reads_and_a_longer_one_is_refused(node: Listening) -> None:
    name = f"{PREFIX}/LONGEST"
    longest = Value(1, "NOTE", b"x" * (262_000 - len(encode_value(Value(1, "NOTE", b"")))))
    longer = Value(1, "NOTE", longest.data + b"x")
    async with await ready(node, RSA_USER, key=RSA_KEY) as client:
        assert (await client.ask(CreateHandle(name, (longer,)))).rc == 202
        assert (await client.ask(CreateHandle(name, (longest,)))).rc == 1
        assert (await client.ask(AddValue(name, (Value(2, "NOTE", b"x"),)))).rc == 202
        for flags in (REQUEST_FLAGS, REQUEST_FLAGS | RETURN_DIGEST):
            reply = await client.ask(Resolution(name), flags)
            assert isinstance(reply.body, Resolved)
            assert reply.body.values[0].data == longest.data


async def test_it_is_never_challenged_but_to_log_in(node: Listening) -> None:
    changes: list[Request] = [CreateHandle(f"{PREFIX}/NEVER", ()), DeleteHandle(f"{PREFIX}/SEEN"), ListHandles(PREFIX)]
    async with await connected(node) as client:
        for asked in (*changes, HomePrefix("88.118.41")):
            assert (await client.ask(asked)).rc == 500
        assert (await client.ask(Resolution(f"{PREFIX}/SEEN"), REQUEST_FLAGS & ~PUBLIC_ONLY)).rc == 500
    async with await ready(node) as client:
        assert (await client.ask(HomePrefix("88.118.41"))).rc == 400
        client.session_id = 0
        for asked in (*changes, HomePrefix("88.118.41")):
            assert (await client.ask(asked)).rc == 500  # somebody has logged in on this connection


async def test_without_right_it_is_told_so_and_not_challenged(stack: Stack, node: Listening) -> None:
    weak = Reference(f"{PREFIX}/WEAK", 300)
    await stack.record(weak.handle, secret_value(300))
    async with await ready(node, weak) as client:
        assert (await client.ask(CreateHandle(f"{PREFIX}/NEVER", ()))).rc == 400
        assert (await client.ask(DeleteHandle(f"{PREFIX}/SEEN"))).rc == 400
        assert (await client.ask(Resolution(f"{PREFIX}/SEEN"), REQUEST_FLAGS & ~PUBLIC_ONLY)).rc == 400


async def test_a_change_that_is_no_longer_anyones_is_not_taken_for_done(
    stack: Stack, node: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica still says that anyone may write where the registry knows better."""
    await stack.record(f"{PREFIX}/CLOSED", Value(1, "NOTE", b"x"))
    monkeypatch.setattr(type(node.authentication.rights), "is_anonymous", lambda *_: True)
    asked = ModifyValue(f"{PREFIX}/CLOSED", (Value(1, "NOTE", b"y"),))
    async with await connected(node) as client:
        assert (await client.ask(asked)).rc == 500
        client.session_id = 0
        octets = client.octets(asked)
        check_answer(await client.stream.ask(octets), parse_envelope(octets), octets[ENVELOPE_OCTETS:])


async def test_it_sees_the_private_values_it_may_though_it_always_asks_for_public_ones(node: Listening) -> None:
    asked = Resolution(f"{PREFIX}/SEEN")
    async with await connected(node) as client:
        before = await client.ask(asked)
        await client.log_in()
        after = await client.ask(asked)
    for reply, indexes in [(before, [1, 100]), (after, [1, 2, 100])]:
        assert isinstance(reply.body, Resolved)
        assert [value.index for value in reply.body.values] == indexes


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_login_that_took_nine_seconds_ends_the_connection_unanswered(
    stack: Stack, node: Listening, *, encrypted: bool
) -> None:
    async with await connected(node) as client:
        if encrypted:
            await encrypt(client, RSA_USER, RSA_KEY)
        challenged = await client.ask(Login(ADMIN.handle, ADMIN.index), LOGIN_FLAGS)
        assert isinstance(challenged.body, Challenge)
        check = type(node.authentication.proofs).check

        async def late(*given: Any, **how: Any) -> Reference:
            stack.clock.now += 9.5
            return await check(*given, **how)

        with_time = pytest.MonkeyPatch()
        with_time.setattr(type(node.authentication.proofs), "check", late)
        earlier = client.octets(Resolution(f"{PREFIX}/SEEN"))
        client.stream.send(
            earlier,
            client.octets(proof_of(challenged.body, ADMIN), LOGIN_FLAGS),
            client.octets(CreateHandle(f"{PREFIX}/TOO-LATE", ())),
        )
        octets = await client.stream.rest()
        with_time.undo()
        assert len(octets) == ENVELOPE_OCTETS + parse_envelope(octets).length
        assert parse_envelope(octets).request_id == parse_envelope(earlier).request_id
    async with await ready(node) as client:
        assert (await client.ask(Resolution(f"{PREFIX}/TOO-LATE"))).rc == 100


async def test_a_prefix_looked_up_has_a_site_or_is_an_error(stack: Stack, node: Listening) -> None:
    await stack.api.prefix("88.118.30", "Plain")
    async with await connected(node) as client:
        found = await client.ask(Resolution("88.118.30", types=("HS_SITE",), token=""))
        assert isinstance(found.body, Resolved)
        assert found.body.name == "88.118.30"
        (value,) = found.body.values
        (server,) = parse_site(value.data).servers
        assert [interface.port for interface in server.interfaces if interface.protocol == 1] == [2641]
        stored = await client.ask(Resolution(PREFIX, types=("HS_SITE",)))  # a record with administrators alone
        assert isinstance(stored.body, Resolved)
        assert [value.type for value in stored.body.values] == ["HS_SITE"]
        assert (await client.ask(Resolution("88.118.31", types=("HS_SITE",)))).rc == 301


@pytest.mark.parametrize("token", ["", "eyJhbGciOiJSUzI1NiJ9.eyJ1c2VyX2luZGV4IjozMDB9.c2ln", "x" * 10_000])
async def test_a_token_after_the_types_means_nothing(node: Listening, token: str) -> None:
    async with await connected(node) as client:
        for types, indexes in [((), [1, 100]), (("URL",), [1])]:
            asked = Resolution(f"{PREFIX}/SEEN", types=types, token=token)
            reply = await client.ask(asked, REQUEST_FLAGS | RECURSION_AUTHENTICATION)
            assert isinstance(reply.body, Resolved)
            assert [value.index for value in reply.body.values] == indexes
            assert not reply.message.header.flags & RECURSION_AUTHENTICATION


async def test_a_bare_prefix_is_homed_and_unhomed(node: Listening) -> None:
    async with await ready(node, RSA_USER, key=RSA_KEY) as client:
        for _ in range(2):
            assert (await client.ask(HomePrefix("88.118.42"))).rc == 1
        assert (await client.ask(CreateHandle("88.118.42/A", (usual("A"),)))).rc == 1
        for _ in range(2):
            assert (await client.ask(UnhomePrefix("88.118.42"))).rc == 1
        assert (await client.ask(CreateHandle("88.118.42/B", ()))).rc == 301
        assert (await client.ask(HomePrefix("88.118.42/A"))).rc == 102


async def test_a_heartbeat_is_answered(node: Listening) -> None:
    async with await connected(node) as client:
        assert (await client.ask(Resolution("0"))).rc == 301
        assert (await client.ask(Resolution("0"))).rc == 301


async def encrypt(client: Industrial, user: Reference, key: UserPrivateKey) -> None:
    """Have a key sent for the key in a handle, and encrypt everything from then on."""
    setup = SessionSetup(3, identity=user.handle, identity_index=300, key_handle=user.handle, key_index=300)
    offer = await client.ask(setup, LOGIN_FLAGS | ENCRYPT)
    assert isinstance(offer.body, SessionOffer)
    algorithm, session_key = decrypt_session_key(offer.body.data, key)
    client.cipher = SM4Cipher(session_key) if algorithm == codes.SM4 else AESCipher(session_key, bytes)


@pytest.mark.parametrize("kind", ["rsa", "sm2"])
async def test_everything_may_be_encrypted_from_before_the_login(stack: Stack, node: Listening, kind: str) -> None:
    key: UserPrivateKey = sm2.generate() if kind == "sm2" else RSA_KEY
    user = Reference(f"{PREFIX}/SECRETIVE-{kind}", 300)
    await stack.record(user.handle, Value(300, "HS_PUBKEY", public_octets(key)))
    async with await connected(node) as client:
        await encrypt(client, user, key)
        assert (await client.log_in()).rc == 1
        name = f"{PREFIX}/ENCRYPTED-{kind}"
        assert (await client.ask(CreateHandle(name, (usual("E"),)))).rc == 1
        found = await client.ask(Resolution(f"{PREFIX}/SEEN"))
        assert isinstance(found.body, Resolved)
        assert len(found.body.values) == 3
        assert (await client.ask(DeleteHandle(f"{PREFIX}/NOT-THERE"))).rc in (100, 400)
        async with await connected(node) as other:  # with the same made-up id
            other.cipher = client.cipher
            answer = await other.stream.ask(other.octets(Resolution(name)))
            assert int.from_bytes(answer[24:28], "big") == 500


async def test_its_usual_values_come_back_as_they_were(node: Listening) -> None:
    name = f"{PREFIX}/USUAL"
    sent = (
        usual("1"),
        Value(100, "HS_ADMIN", encode_admin(Admin(ADMIN.handle, 300, 0x0FFF)), permissions=0x0E, ttl=86_400),
        Value(300, "HS_PUBKEY", PEM.replace(b"\n", b"\r\n"), permissions=0x0E, ttl=86_400),
    )
    async with await ready(node) as client:
        assert (await client.ask(CreateHandle(name, sent))).rc == 1
        found = await client.ask(Resolution(name))
        assert isinstance(found.body, Resolved)
        assert [(value.index, value.type, value.data, value.permissions, value.ttl) for value in found.body.values] == [
            (value.index, value.type, value.data, value.permissions, value.ttl) for value in sent
        ]
    user = Reference(name, 300)
    async with await connected(node) as client:
        assert (await client.log_in(user, key=RSA_KEY)).rc == 1


async def test_overwriting_replaces_a_record_values_and_what_is_not_there(node: Listening) -> None:
    name, over = f"{PREFIX}/OVER", REQUEST_FLAGS | OVERWRITE
    admin = Value(100, "HS_ADMIN", encode_admin(Admin(ADMIN.handle, 300, 0x0FFF)))
    steps: list[tuple[Request, int, int, bool, set[int]]] = [
        (CreateHandle(name, (usual("1"), admin)), over, 1, False, {1, 100}),
        (CreateHandle(name, (usual("1"),)), REQUEST_FLAGS, 101, False, {1, 100}),
        (CreateHandle(name, (Value(2, "URL", b"x:2"), admin)), over, 1, True, {2, 100}),
        (AddValue(name, (Value(2, "URL", b"x:3"), usual("1"))), REQUEST_FLAGS, 201, False, {2, 100}),
        (AddValue(name, (Value(2, "URL", b"x:3"), usual("1"))), over, 1, True, {1, 2, 100}),
        (ModifyValue(name, (Value(9, "URL", b"x:9"),)), REQUEST_FLAGS, 200, False, {1, 2, 100}),
        (ModifyValue(name, (Value(9, "URL", b"x:9"),)), over, 1, False, {1, 2, 9, 100}),
    ]
    async with await ready(node) as client:
        for asked, flags, rc, overwrote, left in steps:
            reply = await client.ask(asked, flags)
            assert (reply.rc, bool(reply.message.header.flags & OVERWRITE)) == (rc, overwrote), asked
            found = await client.ask(Resolution(name))
            assert isinstance(found.body, Resolved)
            assert {value.index for value in found.body.values} == left


async def test_a_delete_where_an_update_was_meant_takes_the_right_to_delete(stack: Stack, node: Listening) -> None:
    name = f"{PREFIX}/UPDATED"
    modifies = Reference(f"{PREFIX}/MODIFIES", 300)
    await stack.record(modifies.handle, secret_value(300))
    grant = Value(100, "HS_ADMIN", encode_admin(Admin(modifies.handle, 300, 0x0FFF & ~0x0002)))
    await stack.record(name, usual("1"), grant)
    async with await ready(node, modifies) as client:
        assert (await client.ask(ModifyValue(name, (usual("2"),)))).rc == 1
        assert (await client.ask(DeleteHandle(name))).rc == 400
        assert (await client.ask(Resolution(name))).rc == 1


async def test_sixteen_connections_log_in_under_the_same_id_and_each_is_its_own(stack: Stack, node: Listening) -> None:
    users = [ADMIN, RSA_USER] * 8
    clients = [await ready(node, user, **({"key": RSA_KEY} if user == RSA_USER else {})) for user in users]

    async def work(at: int) -> list[int]:
        name = f"{PREFIX}/POOL-{at}"
        changes: list[Request] = [CreateHandle(name, (usual("P"),)), HomePrefix(PREFIX), Resolution(name)]
        return [(await clients[at].ask(asked)).rc for asked in changes]

    for user, found in zip(users, await asyncio.gather(*map(work, range(16))), strict=True):
        assert found == [1, 1 if user == RSA_USER else 400, 1]
    for client in clients:
        await client.stream.__aexit__()
