"""The node's secret: made once, whole, and its owner's alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node.errors import DataDirectoryError
from node.secret_file import OCTETS, ensure_secret, read_secret


def test_it_is_made_at_the_first_start_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "node-secret"
    secret = ensure_secret(file)
    assert len(secret) == OCTETS
    assert file.stat().st_mode & 0o777 == 0o600
    assert ensure_secret(file) == read_secret(file) == secret
    assert [path.name for path in tmp_path.iterdir()] == ["node-secret"]


def test_two_nodes_make_two_secrets(tmp_path: Path) -> None:
    assert ensure_secret(tmp_path / "a") != ensure_secret(tmp_path / "b")


def test_starts_at_the_same_time_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ensure_secret, [tmp_path / "node-secret"] * 8))) == 1


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "node-secret"
    ensure_secret(file)
    file.chmod(0o640)
    with pytest.raises(DataDirectoryError, match="can be read by others; chmod 600"):
        ensure_secret(file)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_file_of_another_length_is_refused_and_left(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "node-secret"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(DataDirectoryError, match="has not 32 octets"):
        ensure_secret(file)
    assert file.read_bytes() == content


def test_a_place_where_none_can_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match=r"cannot be made: .*registry\.secret_file"):
        ensure_secret(tmp_path / "absent" / "node-secret")
