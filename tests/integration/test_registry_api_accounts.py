"""Accounts over the API: signing in, locking, one-time codes, changing and disabling, tokens of one's own."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pyotp
import pytest

from registry.errors import Unauthenticated
from registry.ids import token_sha256
from registry.maintenance import maintain
from registry.service import sign_in
from registry.service.secrets import session_key, sha256_hex
from tests.registry_api import SECRET, Api, Client, Reply, running_api

ACCOUNTS = "/api/v1/accounts"
SESSIONS = "/api/v1/sessions"
PASSWORD = "demo-password-1"
OTHER_PASSWORD = "demo-password-2"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, duration: timedelta) -> None:
        self.now += duration


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(registry_database: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path, clock=clock) as running:
        yield running


async def make(api: Api, username: str = "pump", role: str = "reader", by: Client | None = None, **more: Any) -> str:
    body = {"username": username, "password": PASSWORD, "role": role, **more}
    reply = await (by or api.admin)("POST", ACCOUNTS, body)
    assert reply.status == 201, reply.body
    return str(reply.json["account"]["id"])


async def make_application(api: Api, **more: Any) -> Any:
    reply = await api.admin("POST", ACCOUNTS, {"kind": "application", "role": "reader", **more})
    assert reply.status == 201, reply.body
    return reply.json


async def try_to_sign_in(
    api: Api, username: str = "pump", password: str = PASSWORD, address: str = "192.0.2.1", **more: Any
) -> Reply:
    body = {"username": username, "password": password, **more}
    return await api.client(None)("POST", SESSIONS, body, headers={"X-Idnode-Peer": address})


async def signed_in(api: Api, username: str = "pump", password: str = PASSWORD, **more: Any) -> Client:
    reply = await try_to_sign_in(api, username, password, **more)
    assert reply.status == 201, reply.body
    return api.client(reply.json["token"])


async def is_let_in(client: Client) -> bool:
    reply = await client("GET", "/api/v1/whoami")
    assert reply.status in (200, 401)
    return reply.status == 200


# Sessions


async def test_signing_in_gives_a_token_that_counts_for_24_hours(api: Api, clock: Clock) -> None:
    account = await make(api)
    reply = await try_to_sign_in(api)
    client = api.client(reply.json["token"])
    assert reply.headers["Cache-Control"] == "no-store"
    assert (await client("GET", "/api/v1/whoami")).json == {
        "account": account,
        "role": "reader",
        "enterprise": None,
        "scopes": None,
    }
    clock.pass_by(timedelta(hours=24) - timedelta(seconds=1))
    assert await is_let_in(client)
    clock.pass_by(timedelta(seconds=1))
    assert not await is_let_in(client)


async def test_a_session_is_a_jwt_signed_with_a_key_of_the_node_and_kept_as_a_hash_only(api: Api) -> None:
    account = await make(api)
    token = (await try_to_sign_in(api)).json["token"]
    claims = jwt.decode(token, session_key(SECRET), algorithms=["HS256"])
    assert set(claims) == {"sub", "role", "ent", "iat", "exp", "jti", "epoch"}
    assert (claims["sub"], claims["role"], claims["ent"], claims["epoch"]) == (account, "reader", None, 0)
    assert claims["exp"] - claims["iat"] == 24 * 3600
    whole = await api.context.pool.fetchval("SELECT string_agg(t::text, ' ') FROM api_tokens t")
    assert token not in whole
    assert token_sha256(token).hex() in whole


async def test_a_session_reaches_the_resolvers_like_any_token(api: Api) -> None:
    account = await make(api)
    token = (await try_to_sign_in(api)).json["token"]
    after = await api.context.pool.fetchval(
        "SELECT after FROM journal WHERE kind = 'credential' AND key = $1", token_sha256(token).hex()
    )
    state = json.loads(after)
    assert (state["account"], state["role"], state["revoked"]) == (account, "reader", False)
    assert state["expires_at"] is not None


async def test_a_token_that_only_looks_signed_counts_for_nothing(api: Api) -> None:
    account = await make(api)
    claims = {"sub": account, "role": "administrator", "ent": None, "iat": 0, "exp": 2**33, "jti": "1", "epoch": 0}
    for key in (session_key(SECRET), bytes(32)):
        forged = jwt.encode(claims, key, algorithm="HS256")
        assert not await is_let_in(api.client(forged))
    assert not await is_let_in(api.client("x" * 5000))


@pytest.mark.parametrize(("username", "password"), [("pump", "wrong-password-1"), ("nobody", PASSWORD), ("pump", "")])
async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(api: Api, username: str, password: str) -> None:
    await make(api)
    reply = await try_to_sign_in(api, username, password or "x")
    assert (reply.status, reply.json["code"]) == (401, "credentials_wrong")
    assert "WWW-Authenticate" in reply.headers


async def test_names_are_found_in_whatever_case_they_are_written(api: Api) -> None:
    await make(api, "Demo-Pump")
    assert await is_let_in(await signed_in(api, "demo-PUMP"))
    taken = await api.admin("POST", ACCOUNTS, {"username": "DEMO-PUMP", "password": PASSWORD, "role": "reader"})
    assert (taken.status, taken.json["code"]) == (409, "username_taken")


async def test_signing_in_with_an_expired_token_in_the_header_works(api: Api) -> None:
    await make(api)
    reply = await api.client("idn_expired")("POST", SESSIONS, {"username": "pump", "password": PASSWORD})
    assert reply.status == 201


async def test_signing_out_ends_this_session_and_no_other(api: Api) -> None:
    await make(api)
    first, second = await signed_in(api), await signed_in(api)
    assert (await first("DELETE", f"{SESSIONS}/current")).status == 200
    assert not await is_let_in(first)
    assert await is_let_in(second)
    refused = await api.admin("DELETE", f"{SESSIONS}/current")
    assert (refused.status, refused.json["code"]) == (409, "no_session")


async def test_a_new_password_ends_every_session_and_no_token(api: Api) -> None:
    await make(api)
    first, second = await signed_in(api), await signed_in(api)
    token = (await first("POST", f"{ACCOUNTS}/me/tokens", {"label": "x"})).json["token"]
    wrong = await first("POST", f"{ACCOUNTS}/me:change-password", {"current": "wrong", "new": OTHER_PASSWORD})
    assert (wrong.status, wrong.json["code"]) == (422, "wrong_password")
    changed = await first("POST", f"{ACCOUNTS}/me:change-password", {"current": PASSWORD, "new": OTHER_PASSWORD})
    assert changed.status == 200
    assert not await is_let_in(first)
    assert not await is_let_in(second)
    assert await is_let_in(api.client(token))
    assert (await try_to_sign_in(api, password=PASSWORD)).status == 401
    later = (await try_to_sign_in(api, password=OTHER_PASSWORD)).json["token"]
    assert jwt.decode(later, session_key(SECRET), algorithms=["HS256"])["epoch"] == 1


async def test_a_session_that_begins_while_the_password_changes_does_not_count(api: Api) -> None:
    account = await make(api)
    async with api.context.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"credential:{account}")
        attempt = asyncio.ensure_future(try_to_sign_in(api))
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not attempt.done()
        await connection.execute("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1", account)
    assert (await attempt).json["code"] == "credentials_wrong"


async def test_sessions_that_are_over_are_removed_here_and_at_the_resolvers(api: Api, clock: Clock) -> None:
    await make(api)
    token = (await try_to_sign_in(api)).json["token"]
    async with api.context.pool.acquire() as connection:
        clock.pass_by(timedelta(hours=47))
        await maintain(connection, clock())
        assert await connection.fetchval("SELECT count(*) FROM api_tokens WHERE kind = 'session'") == 1
        clock.pass_by(timedelta(hours=2))
        await maintain(connection, clock())
        assert await connection.fetchval("SELECT count(*) FROM api_tokens WHERE kind = 'session'") == 0
        ops = await connection.fetch(
            "SELECT op, after FROM journal WHERE key = $1 ORDER BY xid, seq", token_sha256(token).hex()
        )
    assert [row["op"] for row in ops] == ["create", "withdraw"]
    assert json.loads(ops[1]["after"])["revoked"] is True


async def test_the_oldest_session_ends_when_there_would_be_too_many(
    api: Api, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "SESSIONS_MAX", 2)
    await make(api)
    sessions = []
    for _ in range(3):
        sessions.append(await signed_in(api))
        clock.pass_by(timedelta(seconds=2))
    assert [await is_let_in(session) for session in sessions] == [False, True, True]


# The hashed form of signing in


def hashed(password: str, day: str) -> str:
    return hashlib.sha256((hashlib.sha256(password.encode()).hexdigest() + day).encode()).hexdigest()


def test_the_hashed_form_has_the_vector_of_the_contract() -> None:
    expected = "0877d3d2280ee42acd32b0e8a508a6d3e7ede28230ae9296c4e1824ede44e49f"
    assert (
        sign_in.hashed_form(sha256_hex(PASSWORD), "2031-05-06").decode() == expected == hashed(PASSWORD, "2031-05-06")
    )


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2031-05-06T03:00:00+00:00", {"2031-05-06"}),
        ("2031-05-06T15:55:00+00:00", {"2031-05-06", "2031-05-07"}),  # 23:55 in Beijing
        ("2031-05-06T16:05:00+00:00", {"2031-05-06", "2031-05-07"}),  # 00:05 in Beijing, the day before in UTC
        ("2031-05-06T20:00:00+00:00", {"2031-05-06", "2031-05-07"}),
        ("2031-05-07T00:05:00+00:00", {"2031-05-07"}),
    ],
)
def test_the_hashed_form_carries_the_date_in_beijing_or_in_utc(now: str, days: set[str]) -> None:
    assert sign_in.accepted_dates(datetime.fromisoformat(now)) == days


async def sign_in_hashed(api: Api, username: str, password: str) -> bool:
    day = (api.context.clock() + timedelta(hours=8)).date().isoformat()
    try:
        await sign_in.sign_in_hashed(
            api.context,
            username=username,
            password=hashed(password, day).upper(),
            address="192.0.2.2",
            now=api.context.clock(),
        )
    except Unauthenticated:
        return False
    return True


async def test_the_hashed_form_works_for_applications_and_for_people_only_where_it_is_on(api: Api) -> None:
    application = await make_application(api)
    await make(api, "off")
    await make(api, "on", hashed_login=True)
    assert await sign_in_hashed(api, application["access_key"], application["secret_key"])
    assert not await sign_in_hashed(api, "off", PASSWORD)
    assert await sign_in_hashed(api, "on", PASSWORD)
    assert not await sign_in_hashed(api, "on", OTHER_PASSWORD)
    assert not await sign_in_hashed(api, "nobody", PASSWORD)


async def test_with_another_secret_of_the_node_the_hashed_form_fails_and_the_clear_one_works(api: Api) -> None:
    application = await make_application(api)
    await api.context.pool.execute("UPDATE users SET hashed_login = decode(repeat('ab', 60), 'hex')")
    assert not await sign_in_hashed(api, application["access_key"], application["secret_key"])
    assert await is_let_in(await signed_in(api, application["access_key"], application["secret_key"]))


async def test_no_secret_stands_in_the_database_in_clear(api: Api) -> None:
    application = await make_application(api)
    await make(api, "on", hashed_login=True)
    dumped = ""
    for table in ("users", "accounts", "api_tokens", "journal", "idempotency_keys", "audit_log"):
        dumped += await api.context.pool.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
    for secret in (application["secret_key"], PASSWORD):
        assert secret not in dumped
        assert sha256_hex(secret) not in dumped


# Failures


async def test_the_eleventh_try_in_ten_minutes_is_refused_even_with_the_right_password(api: Api, clock: Clock) -> None:
    await make(api)
    for _ in range(10):
        assert (await try_to_sign_in(api, password="wrong")).status == 401
    refused = await try_to_sign_in(api, address="192.0.2.99")
    assert (refused.status, refused.json["code"]) == (429, "too_many_failures")
    assert 0 < int(refused.headers["Retry-After"]) <= 600
    clock.pass_by(timedelta(seconds=int(refused.headers["Retry-After"])))
    assert (await try_to_sign_in(api)).status == 201


async def test_an_address_is_refused_whatever_names_it_tries_and_other_addresses_are_not(api: Api) -> None:
    await make(api)
    for number in range(10):
        await try_to_sign_in(api, f"nobody-{number}", address="192.0.2.7")
    assert (await try_to_sign_in(api, address="192.0.2.7")).status == 429
    assert (await try_to_sign_in(api, address="192.0.2.8")).status == 201


async def test_a_name_nobody_has_is_refused_just_as_one_that_somebody_has(api: Api) -> None:
    for number in range(10):
        await try_to_sign_in(api, "nobody", address=f"192.0.2.{number}")
    assert (await try_to_sign_in(api, "nobody", address="192.0.2.99")).status == 429


async def test_tries_at_the_same_time_are_not_more_than_ten(api: Api) -> None:
    await make(api)
    tries = [try_to_sign_in(api, password="wrong", address=f"192.0.2.{number}") for number in range(25)]
    statuses = [reply.status for reply in await asyncio.gather(*tries)]
    assert (statuses.count(401), statuses.count(429)) == (10, 15)


async def test_signing_in_lets_a_name_begin_anew(api: Api) -> None:
    await make(api)
    for _ in range(3):
        for number in range(9):
            await try_to_sign_in(api, password="wrong", address=f"192.0.2.{number}")
        assert (await try_to_sign_in(api)).status == 201


async def test_an_administrator_unlocks_an_account(api: Api) -> None:
    account = await make(api)
    for number in range(10):
        await try_to_sign_in(api, password="wrong", address=f"192.0.2.{number}")
    assert (await api.admin("GET", f"{ACCOUNTS}/{account}")).json["locked_until"] is not None
    assert (await api.admin("POST", f"{ACCOUNTS}/{account}:unlock")).json["locked_until"] is None
    assert (await try_to_sign_in(api, address="192.0.2.99")).status == 201


async def test_failures_are_forgotten_after_a_day(api: Api, clock: Clock) -> None:
    await try_to_sign_in(api, "nobody")
    clock.pass_by(timedelta(days=1, seconds=1))
    async with api.context.pool.acquire() as connection:
        await maintain(connection, clock())
        assert await connection.fetchval("SELECT count(*) FROM sign_in_failures") == 0


# One-time codes


async def enrol(client: Client, clock: Clock) -> pyotp.TOTP:
    begun = await client("POST", f"{ACCOUNTS}/me:enrol-totp", {"current": PASSWORD})
    assert begun.status == 200, begun.body
    assert begun.json["secret"] in begun.json["uri"]
    totp = pyotp.TOTP(begun.json["secret"])
    confirmed = await client("POST", f"{ACCOUNTS}/me:confirm-totp", {"code": totp.at(clock())})
    assert confirmed.json["totp"] is True, confirmed.body
    return totp


async def test_with_one_time_codes_signing_in_needs_one_and_each_counts_once(api: Api, clock: Clock) -> None:
    await make(api)
    totp = await enrol(await signed_in(api), clock)
    assert (await try_to_sign_in(api)).json["code"] == "totp_required"
    used_to_confirm = totp.at(clock())
    assert (await try_to_sign_in(api, totp=used_to_confirm)).json["code"] == "credentials_wrong"
    clock.pass_by(timedelta(seconds=30))
    code = totp.at(clock())
    replies = await asyncio.gather(*(try_to_sign_in(api, totp=code) for _ in range(3)))
    assert sorted(reply.status for reply in replies) == [201, 401, 401]


async def test_asking_for_the_code_is_no_failure_and_a_wrong_code_is(api: Api, clock: Clock) -> None:
    await make(api)
    await enrol(await signed_in(api), clock)
    for _ in range(12):
        assert (await try_to_sign_in(api)).json["code"] == "totp_required"
    for _ in range(10):
        assert (await try_to_sign_in(api, totp="000000")).status == 401
    assert (await try_to_sign_in(api)).status == 429


async def test_codes_are_not_asked_for_before_they_are_confirmed_and_can_be_switched_off(
    api: Api, clock: Clock
) -> None:
    account = await make(api)
    client = await signed_in(api)
    wrong = await client("POST", f"{ACCOUNTS}/me:confirm-totp", {"code": "000000"})
    assert wrong.json["code"] == "totp_not_begun"
    begun = await client("POST", f"{ACCOUNTS}/me:enrol-totp", {"current": PASSWORD})
    wrong = await client("POST", f"{ACCOUNTS}/me:confirm-totp", {"code": "000000"})
    assert (wrong.status, wrong.json["code"]) == (422, "wrong_code")
    assert (await try_to_sign_in(api)).status == 201
    code = pyotp.TOTP(begun.json["secret"]).at(clock())
    assert (await client("POST", f"{ACCOUNTS}/me:confirm-totp", {"code": code})).status == 200
    assert (await client("POST", f"{ACCOUNTS}/me:enrol-totp", {"current": PASSWORD})).json["code"] == "totp_enrolled"
    assert (await client("POST", f"{ACCOUNTS}/me:disable-totp", {"current": "wrong"})).status == 422
    assert (await client("POST", f"{ACCOUNTS}/me:disable-totp", {"current": PASSWORD})).json["totp"] is False
    assert (await try_to_sign_in(api)).status == 201
    await enrol(client, clock)
    assert (await api.admin("POST", f"{ACCOUNTS}/{account}:reset-totp")).json["totp"] is False


async def test_the_hashed_form_has_no_place_for_a_code_and_is_refused(api: Api, clock: Clock) -> None:
    await make(api, hashed_login=True)
    assert await sign_in_hashed(api, "pump", PASSWORD)
    await enrol(await signed_in(api), clock)
    assert not await sign_in_hashed(api, "pump", PASSWORD)


# Looking after accounts


async def test_an_account_is_read_listed_and_changed(api: Api) -> None:
    enterprise = await api.prefix()
    account = await make(api, role="enterprise_user", enterprise=enterprise, email="a@example.com", mobile="138 0000")
    shown = (await api.admin("GET", f"{ACCOUNTS}/{account}")).json
    assert (shown["username"], shown["email"], shown["kind"], shown["state"]) == (
        "pump",
        "a@example.com",
        "user",
        "active",
    )
    patch = {"email": "b@example.com", "label": "Somebody", "remarks": "knows"}
    changed = (await api.admin("PATCH", f"{ACCOUNTS}/{account}", patch)).json
    assert {name: changed[name] for name in patch} == patch
    listed = (await api.admin("GET", f"{ACCOUNTS}?username=PUMP")).json["items"]
    assert [item["id"] for item in listed] == [account]
    for query, found in (("role=reader", 0), ("kind=user", 1), ("state=disabled", 0), (f"enterprise={enterprise}", 1)):
        items = (await api.admin("GET", f"{ACCOUNTS}?{query}")).json["items"]
        assert sum(item["id"] == account for item in items) == found, query
    assert (await api.admin("GET", f"{ACCOUNTS}?role=king")).json["code"] == "bad_filter"
    assert (await api.admin("GET", f"{ACCOUNTS}/acc_none")).json["code"] == "unknown_account"


async def test_every_fault_of_a_new_account_is_named_at_once(api: Api) -> None:
    body = {"username": "two words", "password": PASSWORD, "role": "reader", "email": "none", "mobile": "none"}
    refused = await api.admin("POST", ACCOUNTS, body)
    assert {error["field"] for error in refused.json["errors"]} == {"username", "email", "mobile"}
    for body, field in (
        ({"password": PASSWORD, "role": "reader"}, "username"),
        ({"username": "x", "role": "reader"}, "password"),
        ({"username": "x", "role": "reader", "password": "short"}, "password"),
        ({"username": "ak_mine", "role": "reader", "password": PASSWORD}, "username"),
        ({"username": "x", "role": "enterprise_user", "password": PASSWORD}, "enterprise"),
        ({"username": "x", "role": "auditor", "enterprise": "ent_1", "password": PASSWORD}, "enterprise"),
        ({"username": "x", "role": "reader", "enterprise": "ent_none", "password": PASSWORD}, "enterprise"),
        ({"kind": "application", "username": "x", "role": "reader"}, "username"),
        ({"kind": "application", "password": PASSWORD, "role": "reader"}, "password"),
    ):
        refused = await api.admin("POST", ACCOUNTS, body)
        assert (refused.status, refused.json["errors"][0]["field"]) == (422, field), body


@pytest.mark.parametrize(("member", "code"), [("email", "email_taken"), ("mobile", "mobile_taken")])
async def test_addresses_and_numbers_are_unique(api: Api, member: str, code: str) -> None:
    value: dict[str, Any] = {"email": "A@example.com", "mobile": "+86 138 0000"}
    await make(api, "first", **value)
    other = await make(api, "second")
    again = {member: value[member].lower()}
    body = {"username": "third", "password": PASSWORD, "role": "reader", **again}
    assert (await api.admin("POST", ACCOUNTS, body)).json["code"] == code
    assert (await api.admin("PATCH", f"{ACCOUNTS}/{other}", again)).json["code"] == code


async def test_of_many_that_ask_for_one_name_at_once_one_gets_it(api: Api) -> None:
    body = {"username": "pump", "password": PASSWORD, "role": "reader"}
    replies = await asyncio.gather(*(api.admin("POST", ACCOUNTS, body) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409]


async def test_another_role_reaches_tokens_and_sessions_at_once(api: Api) -> None:
    enterprise = await api.prefix()
    account = await make(api, role="applicant")
    session = await signed_in(api)
    token = api.client((await session("POST", f"{ACCOUNTS}/me/tokens", {"label": "x"})).json["token"])
    assert (await token("GET", "/api/v1/whoami")).json["role"] == "applicant"
    patch = {"role": "enterprise_administrator", "enterprise": enterprise}
    assert (await api.admin("PATCH", f"{ACCOUNTS}/{account}", patch)).status == 200
    for client in (session, token):
        who = (await client("GET", "/api/v1/whoami")).json
        assert (who["role"], who["enterprise"]) == ("enterprise_administrator", enterprise)
        state = await latest(api, "credential", token_sha256(client.token or "").hex())
        assert (state["role"], state["enterprise"], state["revoked"]) == ("enterprise_administrator", enterprise, False)


async def test_disabling_an_account_ends_everything_it_has_for_good(api: Api) -> None:
    account = await make(api)
    session = await signed_in(api)
    token = api.client((await session("POST", f"{ACCOUNTS}/me/tokens", {"label": "x"})).json["token"])
    assert (await api.admin("PATCH", f"{ACCOUNTS}/{account}", {"state": "disabled"})).status == 200
    for client in (session, token):
        assert not await is_let_in(client)
        assert (await latest(api, "credential", token_sha256(client.token or "").hex()))["revoked"] is True
    assert (await latest(api, "identity", account))["state"] == "disabled"
    assert (await try_to_sign_in(api)).json["code"] == "credentials_wrong"
    refused = await api.admin("POST", "/api/v1/tokens", {"account": account, "label": "x"})
    assert refused.json["code"] == "account_disabled"
    assert (await api.admin("PATCH", f"{ACCOUNTS}/{account}", {"state": "active"})).status == 200
    assert not await is_let_in(token)
    assert (await try_to_sign_in(api)).status == 201


async def latest(api: Api, kind: str, key: str) -> Any:
    row = await api.context.pool.fetchval(
        "SELECT after FROM journal WHERE kind = $1 AND key = $2 ORDER BY xid DESC, seq DESC LIMIT 1", kind, key
    )
    return json.loads(row)


async def test_nobody_changes_their_own_role_or_state(api: Api) -> None:
    own = (await api.admin("GET", "/api/v1/whoami")).json["account"]
    for patch in ({"state": "disabled"}, {"role": "reader"}):
        assert (await api.admin("PATCH", f"{ACCOUNTS}/{own}", patch)).json["code"] == "own_account"
    assert (await api.admin("PATCH", f"{ACCOUNTS}/{own}", {"label": "Me"})).json["label"] == "Me"


async def test_an_account_of_tokens_only_has_no_password(api: Api) -> None:
    own = (await api.admin("GET", "/api/v1/whoami")).json["account"]
    for path, body in (
        ("me:change-password", {"current": "x", "new": OTHER_PASSWORD}),
        ("me:enrol-totp", {"current": "x"}),
        (f"{own}:reset-password", {"password": OTHER_PASSWORD}),
        (f"{own}:unlock", None),
    ):
        refused = await api.admin("POST", f"{ACCOUNTS}/{path}", body)
        assert (refused.status, refused.json["code"]) == (409, "no_password"), path


async def test_an_application_gets_another_secret_key_and_the_old_one_counts_no_more(api: Api) -> None:
    made = await make_application(api)
    account, access, secret = made["account"]["id"], made["access_key"], made["secret_key"]
    assert access.startswith("ak_")
    assert await is_let_in(await signed_in(api, access, secret))
    again = (await api.admin("POST", f"{ACCOUNTS}/{account}:reset-password", {})).json
    assert (again["access_key"], again["secret_key"] != secret) == (access, True)
    assert (await try_to_sign_in(api, access, secret)).status == 401
    assert await is_let_in(await signed_in(api, access, again["secret_key"]))
    assert await sign_in_hashed(api, access, again["secret_key"])


async def test_a_repeated_request_makes_one_application_and_shows_its_secret_once(api: Api) -> None:
    body = {"kind": "application", "role": "reader"}
    first, second = [await api.admin("POST", ACCOUNTS, body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert first.json["secret_key"] is not None
    assert second.json == {**first.json, "secret_key": None}


# Whose accounts


async def test_an_enterprises_administrator_looks_after_its_own_accounts_only(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief = await api.holder("enterprise_administrator", mine)
    own = await make(api, "own", "enterprise_user", by=chief)
    foreign = await make(api, "foreign", "enterprise_user", enterprise=other)
    node = await make(api, "node", "auditor")
    assert (await chief("GET", f"{ACCOUNTS}/{own}")).json["enterprise"] == mine
    for account in (foreign, node):
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"label": "x"}),
            ("POST", ":unlock", None),
            ("POST", ":reset-password", {"password": OTHER_PASSWORD}),
            ("POST", ":reset-totp", None),
        ):
            refused = await chief(method, f"{ACCOUNTS}/{account}{path}", body)
            assert (refused.status, refused.json["code"]) == (403, "not_yours"), (account, path)
        assert (await chief("POST", "/api/v1/tokens", {"account": account, "label": "x"})).status == 403
    listed = (await chief("GET", ACCOUNTS)).json["items"]
    assert {item["enterprise"] for item in listed} == {mine}
    assert (await chief("GET", f"{ACCOUNTS}?enterprise={other}")).json["items"] == []
    assert (await chief("POST", "/api/v1/tokens", {"account": own, "label": "x"})).status == 201


@pytest.mark.parametrize("role", ["administrator", "reviewer", "auditor", "applicant"])
async def test_an_enterprises_administrator_gives_no_role_of_the_node(api: Api, role: str) -> None:
    mine = await api.prefix()
    chief = await api.holder("enterprise_administrator", mine)
    own = await make(api, "own", "enterprise_user", by=chief)
    body = {"username": "x", "password": PASSWORD, "role": role}
    assert (await chief("POST", ACCOUNTS, body)).status == 403
    assert (await chief("PATCH", f"{ACCOUNTS}/{own}", {"role": role})).status == 403
    assert (await chief("POST", "/api/v1/tokens", {"role": role, "label": "x"})).status == 403


async def test_an_account_cannot_be_moved_to_another_enterprise_by_its_own(api: Api) -> None:
    mine, other = await api.prefix(), await api.prefix("88.118.9", "Valves")
    chief = await api.holder("enterprise_administrator", mine)
    own = await make(api, "own", "enterprise_user", by=chief)
    assert (await chief("PATCH", f"{ACCOUNTS}/{own}", {"enterprise": other})).status == 403


@pytest.mark.parametrize("role", ["enterprise_user", "reader", "applicant"])
async def test_other_roles_see_their_own_account_only(api: Api, role: str) -> None:
    mine = await api.prefix()
    client = await api.holder(role, mine)
    assert (await client("GET", f"{ACCOUNTS}/me")).json["role"] == role
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"username": "x", "password": PASSWORD, "role": "reader"}),
        ("GET", "/acc_1", None),
        ("PATCH", "/acc_1", {"label": "x"}),
    ):
        assert (await client(method, f"{ACCOUNTS}{path}", body)).status == 403


@pytest.mark.parametrize("role", ["reviewer", "auditor"])
async def test_the_nodes_staff_reads_accounts_and_changes_none(api: Api, role: str) -> None:
    account = await make(api)
    client = await api.holder(role)
    assert (await client("GET", f"{ACCOUNTS}/{account}")).status == 200
    assert (await client("PATCH", f"{ACCOUNTS}/{account}", {"label": "x"})).status == 403


# Tokens of one's own, and narrowed ones


async def test_an_account_issues_lists_and_revokes_tokens_of_its_own(api: Api) -> None:
    await make(api)
    client = await signed_in(api)
    body = {"label": "printer", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00Z"}
    made = (await client("POST", f"{ACCOUNTS}/me/tokens", body)).json
    assert (made["scopes"], made["expires_at"]) == (["read"], "2099-01-01T00:00:00.000Z")
    assert (await api.client(made["token"])("GET", "/api/v1/whoami")).json["scopes"] == ["read"]
    listed = (await client("GET", f"{ACCOUNTS}/me/tokens")).json["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert (await client("DELETE", f"{ACCOUNTS}/me/tokens/{made['id']}")).json["revoked_at"] is not None
    assert not await is_let_in(api.client(made["token"]))


async def test_tokens_of_others_are_not_found_among_ones_own(api: Api) -> None:
    await make(api)
    client = await signed_in(api)
    others = (await api.admin("GET", "/api/v1/tokens")).json["items"][0]["id"]
    assert (await client("DELETE", f"{ACCOUNTS}/me/tokens/{others}")).json["code"] == "unknown_token"


async def test_a_narrowed_token_makes_no_wider_one_and_changes_nothing_the_account_rests_on(api: Api) -> None:
    await make(api)
    session = await signed_in(api)
    body = {"label": "x", "scopes": ["read", "grants"]}
    narrowed = api.client((await session("POST", f"{ACCOUNTS}/me/tokens", body)).json["token"])
    for scopes in (None, ["read", "accounts"]):
        refused = await narrowed("POST", f"{ACCOUNTS}/me/tokens", {"label": "x", "scopes": scopes})
        assert (refused.status, refused.json["code"]) == (403, "scope_not_granted")
    assert (await narrowed("POST", f"{ACCOUNTS}/me/tokens", {"label": "x", "scopes": ["read"]})).status == 201
    for method, path, sent in (
        ("PATCH", "", {"email": "x@example.com"}),
        ("POST", ":change-password", {"current": PASSWORD, "new": OTHER_PASSWORD}),
        ("POST", ":enrol-totp", {"current": PASSWORD}),
        ("POST", ":confirm-totp", {"code": "000000"}),
        ("POST", ":disable-totp", {"current": PASSWORD}),
    ):
        refused = await narrowed(method, f"{ACCOUNTS}/me{path}", sent)
        assert (refused.status, refused.json["code"]) == (403, "scope_not_granted"), path


async def test_a_token_for_accounts_makes_no_administrator(api: Api) -> None:
    narrowed = await api.holder("administrator", scopes=["accounts", "read"])
    assert (await narrowed("POST", ACCOUNTS, {"username": "x", "password": PASSWORD, "role": "reader"})).status == 201
    for path, body in (
        (ACCOUNTS, {"username": "y", "password": PASSWORD, "role": "administrator"}),
        ("/api/v1/tokens", {"role": "administrator", "label": "x"}),
        ("/api/v1/tokens", {"role": "administrator", "label": "x", "scopes": ["accounts"]}),
    ):
        assert (await narrowed("POST", path, body)).json["code"] == "scope_not_granted"
    chief = await make(api, "chief", "administrator")
    refused = await narrowed("POST", f"{ACCOUNTS}/{chief}:reset-password", {"password": OTHER_PASSWORD})
    assert refused.json["code"] == "scope_not_granted"


async def test_a_scope_lets_do_what_it_names_and_nothing_else(api: Api) -> None:
    mine = await api.prefix()
    narrowed = await api.holder("enterprise_administrator", mine, scopes=["identifiers"])
    values = [{"index": 1, "type": "URL", "data": "https://example.com"}]
    assert (await narrowed("PUT", "/api/v1/identifiers/88.118.8/1", {"values": values})).status == 202
    refused = await narrowed("GET", "/api/v1/identifiers/88.118.8/1")
    assert (refused.status, refused.json["code"]) == (403, "scope_not_granted")


async def test_an_account_has_a_bounded_number_of_tokens(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.service.accounts.TOKENS_PER_ACCOUNT_MAX", 2)
    await make(api)
    client = await signed_in(api)
    for _ in range(2):
        made = await client("POST", f"{ACCOUNTS}/me/tokens", {"label": "x"})
        assert made.status == 201
    assert (await client("POST", f"{ACCOUNTS}/me/tokens", {"label": "x"})).json["code"] == "too_many_tokens"
    await client("DELETE", f"{ACCOUNTS}/me/tokens/{made.json['id']}")
    assert (await client("POST", f"{ACCOUNTS}/me/tokens", {"label": "x"})).status == 201


async def test_every_account_has_an_identity_in_the_journal(api: Api) -> None:
    mine = await api.prefix()
    account = await make(api, role="enterprise_user", enterprise=mine)
    assert await latest(api, "identity", account) == {
        "account": account,
        "enterprise": mine,
        "role": "enterprise_user",
        "state": "active",
        "groups": [],
    }
    holder = await api.holder("reader")
    who = (await holder("GET", "/api/v1/whoami")).json["account"]
    assert (await latest(api, "identity", who))["role"] == "reader"


@pytest.mark.parametrize("username", ["\ud800", "\x00", "x\x00y", "é" * 200, "' OR 1=1 --", "%", "\\"])
async def test_odd_names_are_refused_and_break_nothing(api: Api, username: str) -> None:
    body = json.dumps({"username": username, "password": PASSWORD}).encode()
    reply = await api.client(None)("POST", SESSIONS, data=body, headers={"Content-Type": "application/json"})
    assert reply.status in (400, 401, 422), reply.body


async def test_a_name_is_one_however_its_accents_are_composed(api: Api) -> None:
    await make(api, "Andr\u00e9")
    assert await is_let_in(await signed_in(api, "Andre\u0301"))


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
async def test_instants_at_the_ends_of_time_are_refused(api: Api, instant: str) -> None:
    body = {"role": "reader", "label": "x", "expires_at": instant}
    assert (await api.admin("POST", "/api/v1/tokens", body)).json["errors"][0]["field"] == "expires_at"


async def test_what_is_kept_of_a_repeatable_request_does_not_let_its_password_be_guessed(api: Api) -> None:
    body = {"username": "pump", "password": PASSWORD, "role": "reader"}
    sent = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": "once"}
    assert (await api.admin("POST", ACCOUNTS, data=sent, headers=headers)).status == 201
    kept = await api.context.pool.fetchval("SELECT request_sha256 FROM idempotency_keys")
    assert kept != hashlib.sha256(b"\x00".join([b"POST", ACCOUNTS.encode(), b"", b"", sent])).digest()
    assert (await api.admin("POST", ACCOUNTS, data=sent, headers=headers)).status == 201
