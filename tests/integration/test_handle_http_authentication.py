"""Who asks over the Handle JSON API: Basic, challenges and their answers, sessions, certificates (7 and 8)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from identifiers import sm2
from identifiers.handle_wire.keys import UsablePrivateKey, public_octets, sign
from identifiers.values import Reference, Value
from tests.certificates import new_key
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE, admin_value
from tests.integration.handle_http_face import SITE_KEY, Face, Reply, basic, running_face, url
from tests.integration.running_worker import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYED = Reference(f"{PREFIX}/KEYED", 300)
DATA = f"{PREFIX}/DATA"
RSA, SM2 = new_key(), sm2.generate()
DSA = dsa.generate_private_key(2_048)
KEYS: dict[str, tuple[int, UsablePrivateKey]] = {"RSA": (300, RSA), "SM2": (301, SM2), "DSA": (302, DSA)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    directory = tmp_path_factory.mktemp("http")
    async with running_face(shared_registry_database, directory) as made:
        keys = [Value(index, "HS_PUBKEY", public_octets(key)) for index, key in KEYS.values()]
        await made.stack.record(KEYED.handle, *keys)
        grants = [admin_value(100 + at, Reference(KEYED.handle, index)) for at, (index, _) in enumerate(KEYS.values())]
        private = Value(7, "PRICE", b"12", permissions=0b1100)
        await made.stack.record(
            DATA, Value(1, "URL", b"https://example.com/1"), private, *grants, admin_value(200, ADMIN)
        )
        yield made


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def header(**fields: str) -> dict[str, str]:
    return {"Authorization": "Handle " + ", ".join(f'{name}="{value}"' for name, value in fields.items())}


async def challenged(face: Face, **headers: str) -> Reply:
    reply = await face.put(DATA, url(1), query="?index=1", user=None, headers=headers)
    assert (reply.status, reply.code) == (401, 402)
    return reply


def answered(challenge: dict[str, str], key: UsablePrivateKey, user: str, alg: str, cnonce: bytes) -> dict[str, str]:
    """Return the fields of a proof with a key."""
    octets = base64.b64decode(challenge["nonce"]) + cnonce
    named = user.partition(":")[2] or user
    signature = sign(sm2.sm3(octets) if alg == "SM3" else octets, key, alg, named)
    return {
        "version": "0",
        "sessionId": challenge["Handle sessionId"],
        "id": quote(user, safe="/"),
        "type": "HS_PUBKEY",
        "cnonce": text(cnonce),
        "alg": alg,
        "signature": text(signature),
    }


async def test_basic_is_taken_as_clients_write_it(face: Face) -> None:
    for user in (f"300%3A{ADMIN.handle}", "300%3A" + quote(ADMIN.handle, safe=""), f"300:{ADMIN.handle}", ADMIN.handle):
        reply = await face.get(DATA, "?publicOnly=false", user=user)
        assert (reply.status, [value["index"] for value in reply.json["values"]][:2]) == (200, [1, 7]), user
        assert reply.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "credential",
    [
        basic(ADMIN, b"wrong"),
        basic(Reference(ADMIN.handle, 301), SECRET),
        basic(Reference(f"{PREFIX}/NOBODY", 300), SECRET),
        basic("300%3A%FF", SECRET),
        "Basic !!!",
        "Basic " + text(b"no colon"),
        "Basic " + text(b":x"),
    ],
)
async def test_a_wrong_secret_is_401_with_a_challenge_whatever_is_asked(face: Face, credential: str) -> None:
    reply = await face.get(DATA, headers={"Authorization": credential})
    assert (reply.status, reply.code) == (401, 403)
    assert list(reply.challenge) == ["Basic realm", "Handle sessionId", "nonce", "error"]


async def test_another_scheme_is_401_with_a_challenge_that_nobody_keeps(face: Face) -> None:
    for credential in ("Digest x", "Negotiate x", "x"):
        reply = await face.get(DATA, headers={"Authorization": credential})
        assert (reply.status, reply.code) == (401, 403)
        assert list(reply.challenge)[:3] == ["Basic realm", "Handle sessionId", "nonce"]
        assert reply.headers["Cache-Control"] == "private, no-store"
    assert (await challenged(face)).headers["Cache-Control"] == "private, no-store"
    assert (await face.get(f"{PREFIX}/NONE", user=ADMIN)).headers["Cache-Control"] == "private, no-store"
    assert (await face.delete(f"{PREFIX}/NONE")).headers["Cache-Control"] == "private, no-store"


async def test_guessing_is_slowed_down(face: Face) -> None:
    user = Reference(f"{PREFIX}/GUESSED", 300)
    for _ in range(30):
        assert (await face.get(DATA, user=user, secret=b"x")).status == 401
    slowed = await face.get(DATA, user=user, secret=b"x")
    assert (slowed.status, slowed.code, slowed.headers["Retry-After"]) == (503, 3, "1")


async def test_over_plain_http_every_credential_is_ignored(face: Face) -> None:
    for credential in (basic(ADMIN, SECRET), basic(ADMIN, b"wrong"), "Handle sessionId=x", 'Handle clientCert="true"'):
        reply = await face.get(DATA, plain=True, headers={"Authorization": credential})
        assert [value["index"] for value in reply.json["values"]][:1] == [1]
        assert b"PRICE" not in reply.body
        refused = await face.get(DATA, "?publicOnly=false", plain=True, headers={"Authorization": credential})
        assert (refused.status, refused.code) == (403, 402)
        assert "WWW-Authenticate" not in refused.headers


async def test_a_challenge_has_two_lines_that_clients_can_split(face: Face) -> None:
    reply = await challenged(face)
    first, second = reply.headers.getall("WWW-Authenticate")
    assert first == 'Basic realm="handle"'
    assert second.startswith('Handle sessionId="')
    assert len(base64.b64decode(reply.challenge["nonce"])) == 16
    for more in ({"X-Requested-With": "XMLHttpRequest"}, {"Authorization": 'Handle clientCert="true"'}):
        (line,) = (await challenged(face, **more)).headers.getall("WWW-Authenticate")
        assert line.startswith("Handle sessionId=")


@pytest.mark.parametrize(
    ("kind", "alg"),
    [("RSA", "SHA256"), ("RSA", "SHA-1"), ("RSA", "MD5"), ("DSA", "SHA-256"), ("SM2", "SM3")],
)
async def test_a_challenge_is_answered_with_a_key(face: Face, kind: str, alg: str) -> None:
    index, key = KEYS[kind]
    challenge = (await challenged(face)).challenge
    fields = answered(challenge, key, f"{index}:{KEYED.handle}", alg, secrets.token_bytes(16))
    done = await face.put(DATA, url(1), query="?index=1", user=None, headers=header(**fields))
    assert (done.status, done.code) == (200, 1), done.headers
    for named in ("sessionId", "sessionID"):
        later = {"Authorization": f'handle version="0", {named}="{challenge["Handle sessionId"]}"'}
        assert (await face.put(DATA, url(1), query="?index=1", user=None, headers=later)).status == 200


async def test_an_identity_without_an_index_is_whose_key_fits(face: Face) -> None:
    challenge = (await challenged(face)).challenge
    fields = answered(challenge, RSA, KEYED.handle, "SHA256", secrets.token_bytes(16))
    done = await face.put(DATA, url(1), query="?index=1", user=None, headers=header(**fields))
    assert done.status == 200
    shown = await face("GET", "/api/sessions/this", headers=header(sessionId=fields["sessionId"]))
    assert shown.json["id"] == f"300:{KEYED.handle}"


def mac(alg: str, octets: bytes) -> bytes:
    if alg.startswith("HMAC"):
        return hmac.digest(SECRET, octets, alg.rpartition("-")[2].lower())
    return hashlib.new(alg.replace("-", "").lower(), SECRET + octets + SECRET).digest()


@pytest.mark.parametrize("alg", ["MD5", "SHA-1", "SHA1", "SHA256", "SHA-256", "HMAC-SHA1", "HMAC-SHA256"])
async def test_a_challenge_is_answered_with_a_secret(face: Face, alg: str) -> None:
    challenge = (await challenged(face)).challenge
    cnonce = secrets.token_bytes(16)
    signature = mac(alg, base64.b64decode(challenge["nonce"]) + cnonce)
    fields = {"sessionId": challenge["Handle sessionId"], "id": f"300%3A{ADMIN.handle}", "type": "HS_SECKEY"}
    more = {"cnonce": text(cnonce), "alg": alg, "signature": text(signature)}
    assert (await face.get(DATA, "?publicOnly=false", headers=header(**fields, **more))).status == 200


@pytest.mark.parametrize(
    ("alg", "iterations", "status"),
    [("PBKDF2-HMAC-SHA1", 10, 200), ("PBKDF2WithHmacSHA1", 10, 200), ("PBKDF2-HMAC-SHA1", 100_001, 401)],
)
async def test_a_challenge_is_answered_with_a_derived_secret(
    face: Face, alg: str, iterations: int, status: int
) -> None:
    challenge = (await challenged(face)).challenge
    cnonce, salt = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = hashlib.pbkdf2_hmac("sha1", SECRET, salt, min(iterations, 10), 20)
    fields = {
        "sessionId": challenge["Handle sessionId"],
        "id": f"300%3A{ADMIN.handle}",
        "type": "HS_SECKEY",
        "cnonce": text(cnonce),
        "alg": alg,
        "salt": text(salt),
        "iterations": str(iterations),
        "length": "160",
        "signature": text(hmac.digest(derived, base64.b64decode(challenge["nonce"]) + cnonce, "sha1")),
    }
    assert (await face.get(DATA, "?publicOnly=false", headers=header(**fields))).status == status


async def test_wrong_answers_are_told_apart_only_as_far_as_a_client_needs(face: Face) -> None:
    challenge = (await challenged(face)).challenge
    right = answered(challenge, RSA, f"300:{KEYED.handle}", "SHA256", b"12345678")
    for changed, error in [
        ({"cnonce": text(b"87654321")}, "Identity not verified"),
        ({"id": quote(f"300:{PREFIX}/NOBODY")}, "Identity not verified"),
        ({"alg": "SHA-512"}, "The algorithm is not known for HS_PUBKEY"),
        ({"cnonce": text(b"short")}, "cnonce has 8 to 64 octets"),
        ({"signature": "!"}, "signature is not Base64"),
        ({"version": "1"}, "Unknown version in Authorization: Handle"),
        ({"sessionId": "unknown"}, "The session is unknown or has expired"),
    ]:
        reply = await face.get(DATA, headers=header(**{**right, **changed}))
        assert (reply.status, reply.challenge["error"]) == (401, error)
        kept = reply.challenge["Handle sessionId"] == challenge["Handle sessionId"]
        assert kept == (changed.get("sessionId") is None)
    missing = {name: value for name, value in right.items() if name != "alg"}
    assert (await face.get(DATA, headers=header(**missing))).challenge["error"].startswith("Missing fields")
    assert (await face.get(DATA, headers={"Authorization": "Handle a=b c=d"})).status == 401
    assert (await face.get(DATA, headers=header(**right))).status == 200


async def test_the_same_answer_again_in_its_session_is_taken_and_in_another_is_not(face: Face) -> None:
    challenge = (await challenged(face)).challenge
    fields = answered(challenge, RSA, f"300:{KEYED.handle}", "SHA256", secrets.token_bytes(16))
    for _ in range(2):
        assert (await face.get(DATA, "?publicOnly=false", headers=header(**fields))).status == 200
    other = (await challenged(face)).challenge["Handle sessionId"]
    assert (await face.get(DATA, headers=header(**{**fields, "sessionId": other}))).status == 401


async def test_unquoted_values_are_read_too(face: Face) -> None:
    challenge = (await challenged(face)).challenge
    fields = answered(challenge, RSA, f"300:{KEYED.handle}", "SHA256", secrets.token_bytes(16))
    unquoted = "HANDLE " + ",".join(f"{name.upper()}={value}" for name, value in fields.items())
    assert (await face.get(DATA, "?publicOnly=false", headers={"Authorization": unquoted})).status == 200


async def test_the_site_proves_itself_with_its_key(face: Face) -> None:
    cnonce = secrets.token_bytes(16)
    challenge = (await challenged(face, **header(cnonce=text(cnonce)))).challenge
    assert challenge["serverAlg"] == "SHA256"
    octets = base64.b64decode(challenge["nonce"]) + cnonce
    SITE_KEY.public_key().verify(base64.b64decode(challenge["serverSignature"]), octets, PKCS1v15(), SHA256())


async def test_a_session_from_its_making_to_its_end(face: Face) -> None:
    made = await face("POST", "/api/sessions")
    assert (made.status, made.headers["Location"], list(made.json)) == (
        201,
        "/api/sessions/this",
        ["sessionId", "nonce"],
    )
    assert made.headers["Cache-Control"] == "private, no-store"
    session = made.json["sessionId"]
    challenge = {"Handle sessionId": session, "nonce": made.json["nonce"]}
    fields = answered(challenge, RSA, f"300:{KEYED.handle}", "SHA256", secrets.token_bytes(16))
    wrong = await face("PUT", "/api/sessions/this", {**fields, "signature": "AAAA", "id": f"300:{KEYED.handle}"})
    assert (wrong.status, wrong.json["error"]) == (401, "Identity not verified")
    right = await face("PUT", "/api/sessions/this", {**fields, "id": f"300:{KEYED.handle}"})
    assert (right.status, list(right.json)) == (200, ["sessionId", "nonce", "authenticated", "id"])
    named = header(sessionId=session)
    again = await face("PUT", "/api/sessions/this", {**fields, "signature": "AAAA", "id": f"300:{KEYED.handle}"})
    assert (again.status, again.json["error"]) == (401, "Identity not verified")
    shown = await face("GET", "/api/sessions/this", headers=named)
    assert shown.json == {**challenge_of(made), "authenticated": True, "id": f"300:{KEYED.handle}"}
    assert (await face.get(DATA, "?publicOnly=false", headers=named)).status == 200
    gone = await face("DELETE", "/api/sessions/this", headers=named)
    assert (gone.status, gone.body) == (204, b"")
    assert (await face("GET", "/api/sessions/this", headers=named)).status == 403
    assert (await face.get(DATA, headers=named)).status == 401


def challenge_of(made: Reply) -> dict[str, Any]:
    return {"sessionId": made.json["sessionId"], "nonce": made.json["nonce"]}


@pytest.mark.parametrize("kind", KEYS)
async def test_a_new_session_is_authenticated_with_a_key_and_used(face: Face, kind: str) -> None:
    index, key = KEYS[kind]
    made = (await face("POST", "/api/sessions")).json
    challenge = {"Handle sessionId": made["sessionId"], "nonce": made["nonce"]}
    alg = "SM3" if kind == "SM2" else "SHA256"
    fields = answered(challenge, key, f"{index}:{KEYED.handle}", alg, secrets.token_bytes(16))
    proven = await face("PUT", "/api/sessions/this", headers=header(**fields))
    assert (proven.status, proven.json["id"]) == (200, f"{index}:{KEYED.handle}")
    used = header(version="0", sessionId=made["sessionId"])
    assert (await face.put(DATA, url(1), query="?index=1", user=None, headers=used)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "said", "error"),
    [
        ("POST", "/api/sessions", "Handle a=b c=d", "The Authorization header cannot be read"),
        ("POST", "/api/sessions", "Handle id=x, alg=SHA256", "Missing fields in authentication data"),
        ("PUT", "/api/sessions/this", "Handle {}, id=x", "Missing fields in authentication data"),
        ("PUT", "/api/sessions/this", "Handle {}, cnonce=AAAA", "cnonce has 8 to 64 octets"),
        ("GET", "/api/sessions/this", "Handle {}, version=1", "Unknown version in Authorization: Handle"),
    ],
)
async def test_an_authentication_that_cannot_be_read_is_401_in_its_session(
    face: Face, method: str, path: str, said: str, error: str
) -> None:
    session = (await face("POST", "/api/sessions")).json["sessionId"]
    reply = await face(method, path, headers={"Authorization": said.format(f"sessionId={session}")})
    assert (reply.status, reply.code) == (401, 403)
    assert "Basic realm" not in reply.challenge
    assert reply.challenge["error"] == error
    assert (reply.challenge["Handle sessionId"] == session) == ("{}" in said)


async def test_a_session_may_be_authenticated_with_basic(face: Face) -> None:
    at_once = await face("POST", "/api/sessions", user=ADMIN)
    assert (at_once.status, at_once.json["id"]) == (201, f"300:{ADMIN.handle}")
    assert (await face("POST", "/api/sessions", user=ADMIN, secret=b"wrong")).status == 401
    session = (await face("POST", "/api/sessions")).json["sessionId"]
    later = await face("POST", "/api/sessions/this", {"sessionId": session}, user=ADMIN)
    assert (later.status, later.json["authenticated"]) == (200, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/sessions", {"sessionId": "x"}, 400),
        ("POST", "/api/sessions", b"{", 400),
        ("GET", "/api/sessions", None, 405),
        ("PUT", "/api/sessions", None, 405),
        ("DELETE", "/api/sessions", None, 405),
        ("GET", "/api/sessions/other", None, 403),
        ("GET", "/api/sessions/", None, 403),
        ("PUT", "/api/sessions/this", None, 403),
        ("POST", "/api/sessions/this", {"sessionId": "unknown"}, 403),
        ("DELETE", "/api/sessions/this", None, 403),
    ],
)
async def test_what_sessions_refuse(face: Face, method: str, path: str, body: Any, status: int) -> None:
    reply = await face(method, path, body)
    assert reply.status == status
    assert reply.json["responseCode"]
    if status == 405:
        assert reply.headers["Allow"] == "POST, TRACE, OPTIONS"


async def test_no_session_at_all_is_a_state_too_and_sessions_need_tls(face: Face) -> None:
    assert (await face("GET", "/api/sessions/this")).body == b'{"authenticated":false}'
    for method, path in (("POST", "/api/sessions"), ("GET", "/api/sessions/this")):
        assert (await face(method, path, plain=True)).status == 403


async def test_a_session_works_on_every_worker_of_the_node(face: Face) -> None:
    session = (await face("POST", "/api/sessions", user=ADMIN)).json["sessionId"]
    made = face.worker.settings
    async with running(
        face.directory, tls=made.tls, http_sessions=made.http_sessions, handle_state=face.directory / "other"
    ) as other:
        second = Face(face.stack, other, face.directory, face.session, face.trusting)
        named = header(sessionId=session)
        assert (await second("GET", "/api/sessions/this", headers=named)).json["id"] == f"300:{ADMIN.handle}"
        await second("DELETE", "/api/sessions/this", headers=named)
    assert (await face("GET", "/api/sessions/this", headers=named)).status == 403


async def test_a_client_certificate_counts_by_its_key_alone(face: Face) -> None:
    for as_uid in (False, True):
        context = face.showing(RSA, f"300:{KEYED.handle}", as_uid=as_uid)
        asked = {"Authorization": "Handle clientCert=true"}
        done = await face.put(DATA, url(1), query="?index=1", user=None, context=context, headers=asked)
        assert done.status == 200
        assert (await face.get(DATA, "?publicOnly=false", context=context)).status == 200
    impostor = face.showing(new_key(), f"300:{KEYED.handle}")
    refused = await face.get(DATA, context=impostor)
    assert (refused.status, refused.code) == (401, 403)
    assert (await face.get(DATA, context=impostor, user=ADMIN)).status == 200  # another credential comes first
    unnamed = face.showing(RSA, "localhost")
    assert (await face.get(DATA, context=unnamed)).status == 401


async def test_restricted_values_are_for_those_with_the_right(face: Face) -> None:
    await face.put(f"{PREFIX}/PEER", {"index": 300, "type": "HS_SECKEY", "data": "peer", "permissions": "1100"})
    peer: dict[str, Any] = {"user": f"300%3A{PREFIX}/PEER", "secret": b"peer"}
    hidden = f"{PREFIX}/HIDDEN"
    await face.put(hidden, url(permissions="0101"), {"index": 2, "type": "X", "data": "x", "permissions": "0101"})
    for reply, status, code, indexes in [
        (await face.get(DATA, "?index=7"), 200, 200, []),
        (await face.get(DATA, "?index=7&publicOnly=false"), 401, 402, None),
        (await face.get(DATA, "?index=7", **peer), 200, 200, []),
        (await face.get(DATA, "?index=7&publicOnly=false", **peer), 403, 400, None),
        (await face.get(DATA, "?index=7", user=ADMIN), 200, 1, [7]),
        (await face.get(DATA, "?index=7&publicOnly=true", user=ADMIN), 200, 200, []),
        (await face.get(DATA, "?index=7", user=SERVICE), 200, 1, [7]),
        (await face.get(hidden, "?publicOnly=false", user=SERVICE), 403, 401, None),
    ]:
        assert (reply.status, reply.code) == (status, code), reply.body
        assert ([value["index"] for value in reply.json["values"]] if "values" in reply.json else None) == indexes
    secret = await face.get(ADMIN.handle, "?type=HS_SECKEY")
    assert SECRET not in secret.body


async def test_jsonp_is_never_given_to_somebody(face: Face) -> None:
    anyone = await face.get(DATA, "?callback=f")
    assert anyone.body.startswith(b"f({")
    assert (await face.get(DATA, "?callback=f", user=ADMIN)).body.startswith(b"{")


async def test_verification_of_a_secret(face: Face) -> None:
    nonce, cnonce = secrets.token_bytes(16), secrets.token_bytes(16)
    signature = mac("SHA256", nonce + cnonce)
    right = {"nonce": text(nonce), "cnonce": text(cnonce), "alg": "SHA256", "signature": text(signature)}

    async def verify(path: str, **changed: str | None) -> Reply:
        given = {name: value for name, value in {**right, **changed}.items() if value is not None}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
        return await face("GET", f"/api/verifications/{path}?{query}", plain=True)

    path = f"300:{ADMIN.handle}"
    assert (await verify(path)).body == f'{{"responseCode":1,"isValid":true,"handle":"{ADMIN.handle}"}}'.encode()
    assert (await verify(ADMIN.handle, index="300")).json["isValid"] is True
    assert (await verify(path, signature=text(b"x" * 32))).json["isValid"] is False
    plus = b"\xfb" * 16
    bare = f"nonce={text(plus)}&cnonce={text(plus)}&alg=SHA256&signature={text(mac('SHA256', plus + plus))}"
    assert "+" in bare
    assert (await face("GET", f"/api/verifications/{path}?{bare}", plain=True)).json["isValid"] is True
    assert (await verify(f"300:{PREFIX}/NOBODY")).json["isValid"] is False
    for refused, code in [
        (await verify(path, nonce=None), 4),
        (await verify(path, alg="ROT13"), 4),
        (await verify(ADMIN.handle), 4),
        (await verify(path, index="300"), 4),
        (await verify("300:20.500/x"), 301),
        (
            await verify(path, alg="PBKDF2-HMAC-SHA1", iterations="100001", length="160", salt="AAAA"),
            4,
        ),
    ]:
        assert (refused.status, refused.code) == (400, code)


async def test_a_client_in_the_network_of_the_proxies_is_secure_by_its_own_tls(face: Face) -> None:
    made = face.worker.settings
    async with running(
        face.directory,
        trusted_proxies=("127.0.0.0/8",),
        tls=made.tls,
        handle_state=face.directory / "proxies",
        handle_auth=made.handle_auth,
        http_sessions=made.http_sessions,
    ) as worker:
        second = Face(face.stack, worker, face.directory, face.session, face.trusting)
        for headers, plain, status in [
            ({}, False, 200),
            ({}, True, 403),
            ({"X-Forwarded-Proto": "https"}, True, 200),
            ({"X-Forwarded-Proto": "http"}, False, 403),
            ({"X-Forwarded-For": "192.0.2.1"}, False, 403),
            ({"Forwarded": "for=192.0.2.1;proto=http"}, False, 403),
        ]:
            reply = await second.get(DATA, "?publicOnly=false", user=ADMIN, plain=plain, headers=headers)
            assert reply.status == status, headers


async def test_basic_may_be_taken_from_the_loopback_for_tests(face: Face) -> None:
    made = face.worker.settings
    async with running(
        face.directory, basic_on_loopback=True, handle_state=face.directory / "third", handle_auth=made.handle_auth
    ) as worker:
        second = Face(face.stack, worker, face.directory, face.session, face.trusting)
        assert (await second.get(DATA, "?publicOnly=false", user=ADMIN, plain=True)).status == 200
        assert (await second.get(DATA, "?publicOnly=false", plain=True)).status == 403
        wrong = await second.get(DATA, user=ADMIN, secret=b"wrong", plain=True)
        assert (wrong.status, "WWW-Authenticate" in wrong.headers) == (403, False)
