"""Passwords and sealed secrets, without a database."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import Conflict, InvalidFields
from registry.service.secrets import (
    hashed_password,
    matches,
    new_password,
    password_faults,
    password_from_sha256,
    seal,
    session_key,
    sha256_hex,
    unseal,
)

SECRET, OTHER = bytes(range(32)), bytes(32)


def test_the_compared_form_of_a_password_is_the_hex_of_its_sha256() -> None:
    assert sha256_hex("demo-password-1") == "583e058ef1aa5ca952da97e6091e0d8c1fda04aa055cb0d31fe15618aff79fc4"


async def test_a_password_is_kept_as_argon2id_and_matches_itself_only() -> None:
    made = await new_password("demo-password-1", "somebody")
    assert made.hash.startswith("$argon2id$")
    assert "demo" not in repr(made)
    assert made.hash not in repr(made)
    assert await matches(made.hash, sha256_hex("demo-password-1"))
    assert not await matches(made.hash, sha256_hex("demo-password-2"))
    assert not await matches(None, sha256_hex("demo-password-1"))
    assert not await matches("no hash at all", sha256_hex("demo-password-1"))


async def test_many_hashes_at_once_come_to_an_end() -> None:
    made = await asyncio.gather(*(hashed_password(str(number) * 64) for number in range(6)))
    assert len({one.hash for one in made}) == 6


async def test_a_password_known_by_its_hash_only_is_taken_over() -> None:
    made = await password_from_sha256(sha256_hex("demo-password-1").upper())
    assert await matches(made.hash, sha256_hex("demo-password-1"))
    for text in ("", "demo-password-1", "g" * 64, "a" * 63):
        with pytest.raises(InvalidFields):
            await password_from_sha256(text)


@pytest.mark.parametrize(
    "password", ["demo-password-1", "Ab3Ab3Ab3Cd", "correct horse battery", "密码密码很长的一个密码Aa1"]
)
def test_good_passwords(password: str) -> None:
    assert password_faults(password, "somebody") == []


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("Ab3!", "characters"),
        ("a" * 65, "characters"),
        ("abcdefghijkl", "three of"),
        ("aaaaaaaaaaaaaaaaaaaa", "different"),
        ("my-Somebody-1", "user name"),
    ],
)
def test_bad_passwords_are_told_why(password: str, word: str) -> None:
    assert any(word in fault for fault in password_faults(password, "somebody"))


async def test_a_weak_password_is_refused_with_every_fault() -> None:
    with pytest.raises(InvalidFields) as refused:
        await new_password("aaaa", "aaaa", member="new")
    assert refused.value.code == "weak_password"
    assert {error.field for error in refused.value.errors} == {"new"}
    assert len(refused.value.errors) == 4


@given(st.text(), st.text(min_size=1))
def test_what_is_sealed_opens_with_its_secret_for_its_account_only(plain: str, account: str) -> None:
    sealed = seal(SECRET, account, plain)
    assert unseal(SECRET, account, sealed) == plain
    assert seal(SECRET, account, plain) != sealed
    for secret, whose in ((OTHER, account), (SECRET, account + "x")):
        with pytest.raises(Conflict, match="another secret"):
            unseal(secret, whose, sealed)


def test_a_damaged_seal_opens_nothing() -> None:
    sealed = bytearray(seal(SECRET, "acc_1", "text"))
    sealed[-1] ^= 1
    for broken in (bytes(sealed), b"", b"short"):
        with pytest.raises(Conflict):
            unseal(SECRET, "acc_1", broken)


def test_the_key_of_sessions_is_not_the_secret_itself() -> None:
    assert session_key(SECRET) != SECRET
    assert session_key(SECRET) == session_key(SECRET)
    assert session_key(SECRET) != session_key(OTHER)
