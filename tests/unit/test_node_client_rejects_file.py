"""The rejects file: durable groups, cut back on resume, never two writers."""

import csv
from pathlib import Path

import pytest

from node.client.errors import UsageError
from node.client.readers.record import Reject
from node.client.rejects_file import RejectsFile


def reject(line: int, *cells: str) -> Reject:
    return Reject(line, "name", "no, thanks", "bad", cells)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejects.csv"


def opened(path: Path, octets: int = 0) -> RejectsFile:
    file = RejectsFile(path, ["id", "name"])
    assert file.open(octets)
    return file


def test_rejects_stand_below_one_header_with_the_cells_as_they_were(path: Path) -> None:
    file = opened(path)
    file.append([reject(2, "SN1", 'a,\r\n"b" 泵')])
    file.append([reject(9, "SN2", "c")])
    file.close(keep=True)
    with path.open(encoding="utf-8", newline="") as text:
        assert list(csv.reader(text)) == [
            ["line", "column", "reason", "code", "id", "name"],
            ["2", "name", "no, thanks", "bad", "SN1", 'a,\r\n"b" 泵'],
            ["9", "name", "no, thanks", "bad", "SN2", "c"],
        ]


def test_octets_that_were_no_text_come_back_as_they_were(path: Path) -> None:
    file = opened(path)
    file.append([reject(2, b"\xb1\xc3".decode("utf-8", "surrogateescape"))])
    file.close(keep=True)
    assert b"bad,\xb1\xc3" in path.read_bytes()


def test_a_second_run_cuts_off_what_was_written_after_the_last_progress(path: Path) -> None:
    file = opened(path)
    file.append([reject(2, "SN1")])
    durable = file.octets
    whole = path.read_bytes()
    file.append([reject(3, "SN2")])
    file.close(keep=True)
    again = opened(path, durable)
    assert path.read_bytes() == whole
    again.append([reject(3, "SN2")])
    assert path.read_bytes().count(b"line,column") == 1
    again.close(keep=True)


def test_a_file_shorter_than_remembered_cannot_be_continued(path: Path) -> None:
    path.write_bytes(b"short")
    assert not RejectsFile(path, []).open(100)


def test_a_file_without_rejects_is_removed(path: Path) -> None:
    opened(path).close(keep=False)
    assert not path.exists()


def test_two_imports_never_write_the_same_file(path: Path) -> None:
    first = opened(path)
    with pytest.raises(UsageError, match="another import"):
        RejectsFile(path, []).open()
    first.close(keep=True)
    opened(path).close(keep=False)


def test_a_file_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --rejects"):
        RejectsFile(tmp_path / "missing" / "rejects.csv", []).open()
