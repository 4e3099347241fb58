"""Bounds of authentication that operators set lower: each is kept, and ends in its own answer (handle wire 24)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_wire.answers import Names
from identifiers.handle_wire.keys import public_octets
from identifiers.handle_wire.proofs import PBKDF2
from identifiers.handle_wire.requests import CreateHandle, ListHandles, Login, Resolution
from identifiers.hs_vlist import encode_references
from identifiers.values import Reference, Value
from resolver.handle.auth.limits import AuthLimits
from tests.handle_stack import ADMIN, PREFIX, SERVICE, Stack, admin_value, running_stack, secret_value

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN_ID = 10_001
RSA_USER = Reference(f"{PREFIX}/RSA", 300)
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
LOW = AuthLimits(
    challenges=3,
    sessions=4,
    session_s=100,
    session_idle_s=20,
    session_window=5,
    pbkdf2_iterations=9_999,
    failed_per_minute=2,
    key_bits=range(3_072, 4_097),
    vlist_depth=2,
    vlist_references=3,
    names_per_part=2,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(shared_registry_database, tmp_path_factory.mktemp("low"), limits=LOW) as made:
        await made.record(RSA_USER.handle, Value(300, "HS_PUBKEY", public_octets(RSA_KEY)))
        yield made


async def logged_in(stack: Stack, user: Reference, **how: Any) -> int:
    client = stack.client(address=f"192.0.2.{user.index % 250}")
    asked = await client.send(Login(user.handle, user.index), session_id=OWN_ID)
    return (await client.prove(asked, user, **how))[-1].rc


async def test_a_proof_of_more_iterations_than_are_computed_is_not_accepted(stack: Stack) -> None:
    assert await logged_in(stack, SERVICE, algorithm=PBKDF2) == 406
    assert await logged_in(stack, SERVICE) == 1


async def test_a_key_of_another_length_proves_nobody(stack: Stack) -> None:
    assert await logged_in(stack, RSA_USER, key=RSA_KEY) == 403


async def test_after_so_many_wrong_proofs_the_answer_is_too_busy(stack: Stack) -> None:
    user = Reference(f"{PREFIX}/GUESSED", 301)
    await stack.record(user.handle, secret_value(301))
    assert [await logged_in(stack, user, secret=b"wrong") for _ in range(3)] == [403, 403, 3]


async def test_so_many_challenges_are_under_way_on_the_host_and_no_more(stack: Stack) -> None:
    codes = [(await stack.client().send(CreateHandle(f"{PREFIX}/C", ()))).rc for _ in range(4)]
    assert codes == [402, 402, 402, 3]
    stack.clock.now += 100


async def test_sessions_are_as_many_and_last_as_long_as_was_set(stack: Stack) -> None:
    clients = [stack.client(address=f"192.0.2.{number}") for number in range(3)]
    for client in clients:
        assert (await client.set_up_session()).rc == 1
        stack.clock.now += 1
    look_up = Resolution(ADMIN.handle, types=("HS_ADMIN",))
    assert [(await client.send(look_up)).rc for client in clients] == [
        500,
        1,
        1,
    ]  # two of four are for those who proved
    for counter, code in ((7, 1), (2, 1), (1, 505)):
        assert (await clients[1].send(look_up, counter=counter)).rc == code, counter
    stack.clock.now += 21
    assert (await clients[2].send(look_up)).rc == 500


async def test_groups_are_read_so_deep_and_so_far(stack: Stack) -> None:
    member = Reference(f"{PREFIX}/MEMBER", 300)
    await stack.record(member.handle, secret_value(300))
    groups = [Reference(f"{PREFIX}/G{number}", 200) for number in range(4)]
    for group, next_one in zip(groups, [*groups[1:], member], strict=True):
        await stack.record(group.handle, Value(200, "HS_VLIST", encode_references((next_one,))))
    for number, code in ((3, 1), (2, 1), (1, 400)):
        name = f"{PREFIX}/DEEP{number}"
        await stack.record(name, admin_value(100, groups[number]), Value(1, "NOTE", b"x", permissions=0b1100))
        assert (await stack.client().done(Resolution(name), member)).rc == code, number


async def test_a_list_comes_in_parts_as_long_as_was_set(stack: Stack) -> None:
    client = stack.client()
    parts = await client.prove(await client.send(ListHandles(PREFIX)), SERVICE)
    assert {len(part.body.names) for part in parts[:-1] if isinstance(part.body, Names)} == {2}
