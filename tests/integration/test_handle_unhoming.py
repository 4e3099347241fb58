"""Unhoming the prefix that holds an administrator's own key, and homing it again with it (handle wire 13.6, 18.2)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_wire import codes
from identifiers.handle_wire.keys import public_octets
from identifiers.handle_wire.requests import (
    CreateHandle,
    DeleteHandle,
    HomePrefix,
    Login,
    Resolution,
    UnhomePrefix,
    VerifyChallenge,
)
from identifiers.hs_vlist import encode_references
from identifiers.values import Reference, Value
from tests.handle_stack import ADMIN, PREFIX, SECRET, SERVICE, admin_value, proof_of, secret_value
from tests.integration.handle_http_face import Face, basic, running_face

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREFIX_KEY = Reference(f"0.NA/{PREFIX}", 301)
RSA_USER = Reference(f"{PREFIX}/RSA", 300)
MEMBER = Reference(f"{PREFIX}/MEMBER", 300)
GROUP = Reference(f"{PREFIX}/GROUP", 200)
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
OWN_ID = 10_001


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def face(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    directory = tmp_path_factory.mktemp("unhoming")
    administrators = (SERVICE, PREFIX_KEY, RSA_USER, GROUP)
    async with running_face(shared_registry_database, directory, administrators=administrators) as made:
        stack = made.stack
        await stack.record(f"0.NA/{PREFIX}", admin_value(100, ADMIN), secret_value(301))
        await stack.record(RSA_USER.handle, Value(300, "HS_PUBKEY", public_octets(RSA_KEY)))
        await stack.record(MEMBER.handle, secret_value(300))
        await stack.record(GROUP.handle, Value(200, "HS_VLIST", encode_references((MEMBER,))))
        await stack.record(f"{PREFIX}/OWN", admin_value(100, ADMIN), Value(2, "PRICE", b"12", permissions=0b1100))
        await stack.api.prefix("88.119", "Another")
        await stack.record("0.NA/88.119", admin_value(100, ADMIN))
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def unhomed(face: Face) -> AsyncIterator[Face]:
    assert (await face.stack.client().done(UnhomePrefix(PREFIX), SERVICE)).rc == 1
    yield face
    assert (await face.stack.client().done(HomePrefix(PREFIX), SERVICE)).rc == 1
    assert (await face.stack.client().send(Resolution(ADMIN.handle), codes.PUBLIC_ONLY)).rc == 1


@pytest.mark.parametrize("user", [SERVICE, PREFIX_KEY, RSA_USER, MEMBER], ids=lambda user: user.handle)
async def test_the_key_that_unhomed_its_own_prefix_homes_it_again(face: Face, user: Reference) -> None:
    client = face.stack.client()
    how: dict[str, Any] = {"key": RSA_KEY} if user == RSA_USER else {}
    assert (await client.done(UnhomePrefix(PREFIX), user, **how)).rc == 1
    assert (await client.send(Resolution(ADMIN.handle), codes.PUBLIC_ONLY)).rc == 301
    assert (await client.done(UnhomePrefix(PREFIX), user, **how)).rc == 1
    assert (await client.done(HomePrefix(PREFIX), user, **how)).rc == 1
    assert (await client.send(Resolution(ADMIN.handle), codes.PUBLIC_ONLY)).rc == 1


@pytest.mark.parametrize("user", [SERVICE, PREFIX_KEY, MEMBER], ids=lambda user: user.handle)
async def test_the_same_over_http(face: Face, user: Reference) -> None:
    assert (await face("DELETE", f"/api/prefixes/{PREFIX}", user=user)).code == 1
    assert (await face.get(ADMIN.handle)).code == 100
    assert (await face("POST", f"/api/prefixes/{PREFIX}", user=user)).code == 1
    assert (await face.get(ADMIN.handle)).code == 1


async def test_nobody_reads_what_is_kept(unhomed: Face) -> None:
    client = unhomed.stack.client()
    for name in (SERVICE.handle, f"{PREFIX}/OWN", f"0.NA/{PREFIX}"):
        for flags in (0, codes.PUBLIC_ONLY):
            assert (await client.done(Resolution(name), SERVICE, flags)).rc == 301
        assert (await unhomed.get(name, user=SERVICE)).code == 100


async def test_other_users_below_the_prefix_are_not_known(unhomed: Face) -> None:
    client = unhomed.stack.client()
    assert (await client.done(CreateHandle("88.119/X", ()), ADMIN)).rc == 403
    login = await client.send(Login(ADMIN.handle, 300), session_id=OWN_ID)
    assert (await client.prove(login, ADMIN))[-1].rc == 403
    refused = await unhomed("POST", "/api/prefixes/88.119", headers={"Authorization": basic(ADMIN, SECRET)})
    assert refused.status == 401


async def test_other_servers_are_sent_on_with_their_proofs(unhomed: Face) -> None:
    challenged = await unhomed.stack.client().send(HomePrefix(PREFIX))
    challenge = challenged.body
    proof = proof_of(challenge, SERVICE).proof  # type: ignore[arg-type] # it was challenged
    asked = VerifyChallenge(SERVICE.handle, 301, challenge.nonce, challenge.digest, proof)  # type: ignore[union-attr] # as above
    assert (await unhomed.stack.client().send(asked)).rc == 301


async def test_records_of_an_unhomed_prefix_are_deleted_with_their_own_rights(unhomed: Face) -> None:
    stack, client = unhomed.stack, unhomed.stack.client()
    keeper = Reference("88.119/KEEPER", 300)
    await stack.record(keeper.handle, secret_value(300))
    assert (await client.done(DeleteHandle(f"{PREFIX}/OWN"), keeper)).rc == 400
    assert (await client.done(HomePrefix(PREFIX), SERVICE)).rc == 1
    await stack.record(f"{PREFIX}/KEPT", admin_value(100, keeper))
    assert (await client.done(UnhomePrefix(PREFIX), SERVICE)).rc == 1
    assert (await client.done(DeleteHandle(f"{PREFIX}/KEPT"), keeper)).rc == 1
