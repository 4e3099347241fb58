"""Idempotency-Key: a change is made once, however often its request comes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.maintenance import maintain
from tests.registry_api import VALUES, Api, running_api

ONE = "/api/v1/identifiers/88.118.8/SN1"
KEY = {"Idempotency-Key": "3f0e"}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        await running.prefix()
        yield running


async def changes(api: Api) -> int:
    return int(await api.context.pool.fetchval("SELECT count(*) FROM journal"))


async def test_the_same_request_gets_the_same_answer_and_is_done_once(api: Api) -> None:
    requests = [
        ("PUT", ONE, {"values": VALUES}),
        ("PATCH", ONE, {"values": [{"index": 2, "type": "URL", "data": "x"}]}),
        ("DELETE", ONE, None),
        ("POST", "/api/v1/prefixes", {"prefix": "88.118.9", "name": "Valves"}),
        ("PATCH", "/api/v1/prefixes/88.118.9", {"state": "suspended"}),
        ("POST", "/api/v1/templates", {"code": "t", "name": "T", "items": [{"index": 2000, "name": "n", "type": "n"}]}),
    ]
    for number, (method, path, body) in enumerate(requests):
        key = {"Idempotency-Key": f"key-{number}"}
        first = await api.admin(method, path, body, headers=key)
        assert first.status < 300, first.body
        before = await changes(api)
        again = await api.admin(method, path, body, headers=key)
        assert (again.status, again.body) == (first.status, first.body)
        for header in ("ETag", "Location"):
            assert again.headers.get(header) == first.headers.get(header)
        assert await changes(api) == before


async def test_the_secret_of_a_token_is_not_kept_for_a_repeated_request(api: Api) -> None:
    body = {"role": "reader", "label": "x"}
    first = (await api.admin("POST", "/api/v1/tokens", body, headers=KEY)).json
    again = (await api.admin("POST", "/api/v1/tokens", body, headers=KEY)).json
    assert again == {**first, "token": None}
    kept = await api.context.pool.fetchval("SELECT answer FROM idempotency_keys")
    assert first["token"] not in kept


async def test_the_same_key_with_another_request_is_refused(api: Api) -> None:
    await api.admin("PUT", ONE, {"values": VALUES}, headers=KEY)
    other_body = await api.admin("PUT", ONE, {"values": []}, headers=KEY)
    other_path = await api.admin("PUT", ONE + "2", {"values": VALUES}, headers=KEY)
    other_method = await api.admin("DELETE", ONE, headers=KEY)
    other_condition = await api.admin("PUT", ONE, {"values": VALUES}, headers=KEY | {"If-Match": "*"})
    for refusal in (other_body, other_path, other_method, other_condition):
        assert (refusal.status, refusal.json["code"]) == (422, "idempotency_key_reused")


async def test_keys_of_different_accounts_have_nothing_to_do_with_each_other(api: Api) -> None:
    other = await api.holder("administrator")
    await api.admin("PUT", ONE, {"values": VALUES}, headers=KEY)
    assert (await other("PUT", ONE + "2", {"values": VALUES}, headers=KEY)).status == 202


async def test_a_refusal_is_not_kept_and_the_repaired_request_may_use_the_key(api: Api) -> None:
    assert (await api.admin("PATCH", ONE, {"remove": [1]}, headers=KEY)).status == 404
    assert (await api.admin("PUT", ONE, {"values": VALUES}, headers=KEY)).status == 202


async def test_of_concurrent_duplicates_one_is_done_and_the_others_are_told_to_wait(api: Api) -> None:
    async with api.context.pool.acquire() as connection, connection.transaction():
        # The first of them waits for this lock, in the middle of its change.
        await connection.execute("LOCK TABLE journal IN EXCLUSIVE MODE")
        replies = [asyncio.create_task(api.admin("PUT", ONE, {"values": VALUES}, headers=KEY)) for _ in range(4)]
        done, waiting = await asyncio.wait(replies, return_when=asyncio.ALL_COMPLETED, timeout=1)
    assert (len(done), len(waiting)) == (3, 1)
    for task in done:
        refusal = task.result()
        assert (refusal.status, refusal.json["code"]) == (409, "request_in_progress")
        assert int(refusal.headers["Retry-After"]) > 0
    assert (await waiting.pop()).json["version"] == 1
    assert (await api.admin("PUT", ONE, {"values": VALUES}, headers=KEY)).json["version"] == 1


async def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    await api.admin("PUT", ONE, {"values": VALUES}, headers=KEY)
    await api.context.pool.execute("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    other = {"values": [{"index": 1, "type": "URL", "data": "y"}]}
    assert (await api.admin("PUT", ONE, other, headers=KEY)).json["version"] == 2
    assert (await api.admin("PUT", ONE, other, headers=KEY)).json["version"] == 2
    async with api.context.pool.acquire() as connection:
        await maintain(connection, datetime.now(UTC))
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 1
        await maintain(connection, datetime.now(UTC) + timedelta(hours=25))
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_key_out_of_bounds_is_refused(api: Api, key: str) -> None:
    refusal = await api.admin("PUT", ONE, {"values": VALUES}, headers={"Idempotency-Key": key})
    assert (refusal.status, refusal.json["code"]) == (400, "bad_idempotency_key")
