"""The progress of an import on disk."""

import os
from pathlib import Path

import pytest

from node.client.errors import UsageError
from node.client.import_progress import Counts, Progress, ProgressFile, beside, fingerprint


def progress_of(path: Path) -> Progress:
    return Progress(fingerprint(path), {"prefix": "88.118.8"}, Counts(created=7, rejected=2), 120, "88.118.8/a")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text("id\nSN1\n")
    return path


def test_progress_is_read_back_as_it_was_saved_until_it_is_removed(tmp_path: Path, data: Path) -> None:
    file = ProgressFile(tmp_path / "progress.json")
    assert file.load() is None
    file.save(progress_of(data))
    file.save(progress_of(data))
    assert file.load() == progress_of(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["products.csv", "progress.json"]
    file.remove()
    assert file.load() is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"form":1}', b"[]", b"\xff" * 100, b'{"terms":{"a":"\xff"}}'])
def test_what_is_no_progress_is_not_continued(tmp_path: Path, content: bytes) -> None:
    file = ProgressFile(tmp_path / "progress.json")
    file.path.write_bytes(content)
    assert file.load() is None


def test_progress_of_another_form_is_not_continued(tmp_path: Path, data: Path) -> None:
    file = ProgressFile(tmp_path / "progress.json")
    progress = progress_of(data)
    progress.form += 1
    file.save(progress)
    assert file.load() is None


def test_progress_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the progress file"):
        ProgressFile(tmp_path / "missing" / "progress.json").save(progress_of(data))


@pytest.mark.parametrize("change", ["content", "time", "length"])
def test_a_changed_file_has_another_fingerprint(data: Path, change: str) -> None:
    before = fingerprint(data)
    assert fingerprint(data) == before
    stat = data.stat()
    data.write_text({"content": "id\nSN2\n", "time": "id\nSN1\n", "length": "id\nSN1\nSN2\n"}[change])
    os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns + (change == "time")))
    assert fingerprint(data) != before


def test_companions_of_a_file_stand_beside_it(data: Path) -> None:
    assert beside(data, ".rejects.csv") == data.with_name("products.csv.rejects.csv")
    assert beside(Path("/proc/1/x.csv"), ".rejects.csv").name == "x.csv.rejects.csv"
