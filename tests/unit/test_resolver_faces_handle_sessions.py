"""HTTP sessions: shared, bounded, and gone when their time is over (Handle over HTTP, 8)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from identifiers.values import Reference
from resolver.faces.handle_api.sessions import SessionLimits, Sessions, SessionsUnavailable

USER = Reference("88.118.8/ADMIN", 300)
LIMITS = SessionLimits(total=4, per_address=3, idle_s=100, bare_idle_s=10)


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    made = Sessions(tmp_path / "sessions", LIMITS)
    yield made
    made.close()


def test_a_session_is_found_by_its_id_and_keeps_its_nonce(sessions: Sessions) -> None:
    made = sessions.open("192.0.2.1", 0)
    assert sessions.find(made.id, 1) == made
    assert (len(made.id) >= 22, len(made.nonce)) == (True, 16)
    assert sessions.find("unknown", 1) is None
    assert sessions.find("\udcff", 1) is None


def test_nothing_on_disk_tells_an_id(sessions: Sessions, tmp_path: Path) -> None:
    made = sessions.open("192.0.2.1", 0)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(made.id.encode() in path.read_bytes() for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_a_session_that_is_used_lives_on_and_one_that_is_not_ends(sessions: Sessions) -> None:
    made = sessions.open("192.0.2.1", 0)
    for now in (90, 180, 270):
        assert sessions.find(made.id, now) is not None
    assert sessions.find(made.id, 371) is None


def test_a_bare_session_ends_soon_unless_it_is_used(sessions: Sessions) -> None:
    unused, used = sessions.open("192.0.2.1", 0, bare=True), sessions.open("192.0.2.1", 0, bare=True)
    assert sessions.find(used.id, 9) is not None
    assert sessions.find(unused.id, 11) is None
    assert sessions.find(used.id, 50) is not None


def test_an_authenticated_session_says_whose_it_is_until_it_is_ended(sessions: Sessions) -> None:
    made = sessions.open("192.0.2.1", 0)
    sessions.authenticate(made.id, USER, b"proof", 1)
    found = sessions.find(made.id, 2)
    assert found is not None
    assert (found.user, found.proof, found.nonce) == (USER, b"proof", made.nonce)
    sessions.end(made.id)
    assert sessions.find(made.id, 2) is None
    sessions.authenticate(made.id, USER, b"proof", 3)
    assert sessions.find(made.id, 3) is None


def test_an_address_has_so_many_and_its_oldest_goes(sessions: Sessions) -> None:
    made = [sessions.open("192.0.2.1", now) for now in range(3)]
    sessions.authenticate(made[0].id, USER, b"", 3)
    sessions.open("192.0.2.1", 4)
    assert [sessions.find(one.id, 5) is not None for one in made] == [True, False, True]
    assert len(sessions) == 3


def test_all_together_have_a_limit_and_those_of_nobody_go_first(sessions: Sessions) -> None:
    known = sessions.open("192.0.2.1", 0)
    sessions.authenticate(known.id, USER, b"", 0)
    waiting = sessions.open("192.0.2.2", 1)
    bare = sessions.open("192.0.2.3", 2, bare=True)
    sessions.open("192.0.2.4", 3)
    sessions.open("192.0.2.5", 4)
    assert sessions.find(bare.id, 5) is None
    sessions.open("192.0.2.6", 5)
    assert sessions.find(waiting.id, 6) is None
    assert sessions.find(known.id, 6) is not None
    assert len(sessions) == 4


def test_what_has_expired_makes_room(sessions: Sessions) -> None:
    for number in range(3):
        sessions.open(f"192.0.2.{number}", 0, bare=True)
    sessions.open("192.0.2.9", 20)
    assert len(sessions) == 1


def test_workers_share_them_and_another_boot_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Sessions(tmp_path), Sessions(tmp_path)
    made = first.open("192.0.2.1", 0)
    assert second.find(made.id, 1) == made
    first.close()
    assert second.find(made.id, 1) == made
    second.close()
    monkeypatch.setattr("resolver.faces.handle_api.sessions._boot", lambda: "another")
    later = Sessions(tmp_path)
    assert later.find(made.id, 1) is None
    assert [path.name for path in tmp_path.iterdir()] == ["another"]
    later.close()


def test_a_file_that_cannot_be_used_is_one_kind_of_trouble(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    sessions.close()
    for use in (lambda: sessions.open("192.0.2.1", 0), lambda: sessions.find("x", 0), lambda: sessions.end("x")):
        with pytest.raises(SessionsUnavailable):
            use()
