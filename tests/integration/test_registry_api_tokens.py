"""Tokens over the API: issuing, listing, revoking, expiring, and the first administrator's."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.bootstrap import ensure_administrator
from tests.registry_api import Api, running_api

TOKENS = "/api/v1/tokens"


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def test_a_token_is_shown_once_and_stored_as_a_hash_only(api: Api) -> None:
    made = await api.admin("POST", TOKENS, {"role": "reader", "label": "scanner"})
    token = made.json["token"]
    assert made.status == 201
    assert token.startswith("idn_")
    assert len(token) == 4 + 43
    whole = await api.context.pool.fetchval("SELECT string_agg(t::text, ' ') FROM api_tokens t")
    assert token not in whole
    assert hashlib.sha256(token.encode()).hexdigest() in whole
    assert all("token" not in item for item in (await api.admin("GET", TOKENS)).json["items"])
    assert (await api.client(token)("GET", "/api/v1/whoami")).json == {
        "account": made.json["account"],
        "role": "reader",
        "enterprise": None,
        "scopes": None,
    }


async def test_credentials_follow_in_the_journal_without_the_secret(api: Api) -> None:
    enterprise = await api.prefix()
    made = (
        await api.admin(
            "POST",
            TOKENS,
            {
                "role": "enterprise_administrator",
                "enterprise": enterprise,
                "label": "x",
                "expires_at": "2099-01-01T08:00:00+08:00",
            },
        )
    ).json
    await api.admin("DELETE", f"{TOKENS}/{made['id']}")
    rows = await api.context.pool.fetch(
        "SELECT key, op, after FROM journal WHERE kind = 'credential' ORDER BY xid, seq"
    )
    sha256 = hashlib.sha256(made["token"].encode()).hexdigest()
    created, revoked = rows[-2:]
    assert [(row["key"], row["op"]) for row in (created, revoked)] == [(sha256, "create"), (sha256, "withdraw")]
    state = {
        "token_sha256": sha256,
        "account": made["account"],
        "role": "enterprise_administrator",
        "enterprise": enterprise,
        "expires_at": "2099-01-01T00:00:00.000Z",
        "revoked": False,
        "scopes": None,
    }
    assert json.loads(created["after"]) == state
    assert json.loads(revoked["after"]) == {**state, "revoked": True}


async def test_a_revoked_token_counts_no_more_and_revoking_again_changes_nothing(api: Api) -> None:
    made = (await api.admin("POST", TOKENS, {"role": "reader", "label": "x"})).json
    client = api.client(made["token"])
    assert (await client("GET", "/api/v1/whoami")).status == 200
    first = await api.admin("DELETE", f"{TOKENS}/{made['id']}")
    assert first.json["revoked_at"] is not None
    assert (await client("GET", "/api/v1/whoami")).json["code"] == "token_invalid"
    assert (await api.admin("DELETE", f"{TOKENS}/{made['id']}")).json == first.json
    assert (await api.admin("DELETE", f"{TOKENS}/tok_none")).status == 404


async def test_an_expired_token_counts_no_more(api: Api) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    client = await api.holder("reader", expires_at=soon)
    assert (await client("GET", "/api/v1/whoami")).status == 200
    await api.context.pool.execute("UPDATE api_tokens SET expires_at = now() WHERE expires_at IS NOT NULL")
    api.context.tokens.forget()  # as a second later
    assert (await client("GET", "/api/v1/whoami")).status == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "king", "label": "x"}, "role"),
        ({"role": "reader"}, "label"),
        ({"label": "x"}, "role"),
        ({"role": "reader", "label": "x", "scopes": ["read", "everything"]}, "scopes[1]"),
        ({"role": "reader", "label": "x", "scopes": []}, "scopes"),
        ({"role": "enterprise_administrator", "label": "x"}, "enterprise"),
        ({"role": "administrator", "label": "x", "enterprise": "ent_1"}, "enterprise"),
        ({"role": "reader", "label": "x", "enterprise": "ent_none"}, "enterprise"),
        ({"role": "reader", "label": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"role": "reader", "label": "x", "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"role": "reader", "label": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ],
)
async def test_a_bad_token_request_names_the_field(api: Api, body: Any, field: str) -> None:
    refusal = await api.admin("POST", TOKENS, body)
    assert (refusal.status, refusal.json["errors"][0]["field"]) == (422, field)


async def test_tokens_are_listed_in_pages(api: Api) -> None:
    for _ in range(4):
        await api.holder("reader")
    first = (await api.admin("GET", f"{TOKENS}?limit=3")).json
    second = (await api.admin("GET", f"{TOKENS}?limit=3&cursor={first['next']}")).json
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert ids == sorted(ids)
    assert (len(set(ids)), second["next"]) == (5, None)


async def test_the_first_change_of_a_new_registry_has_its_day_in_the_journal(api: Api) -> None:
    assert await api.context.pool.fetchval("SELECT count(*) FROM journal_default") == 0
    assert await api.context.pool.fetchval("SELECT string_agg(kind, ' ' ORDER BY seq) FROM journal") == (
        "identity credential"
    )


async def test_the_first_administrator_is_made_once_and_again_when_none_is_left(api: Api) -> None:
    async with api.context.pool.acquire() as connection:
        assert await ensure_administrator(connection) is None
        only = (await api.admin("GET", TOKENS)).json["items"][0]["id"]
        await api.admin("DELETE", f"{TOKENS}/{only}")
        token = await ensure_administrator(connection)
        assert token is not None
        assert await ensure_administrator(connection) is None
    assert (await api.client(token)("GET", "/api/v1/whoami")).json["role"] == "administrator"
