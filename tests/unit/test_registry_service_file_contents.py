"""What an uploaded file really is."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.service.file_contents import IMAGE_OCTETS_MAX, PDF_OCTETS_MAX, media_type_of
from tests.documents import JPEG, PDF, PNG, png_of


def code_of(content: bytes) -> str:
    with pytest.raises(RegistryError) as refused:
        media_type_of(content)
    return refused.value.code


def test_whole_files_are_recognised_by_their_content() -> None:
    assert [media_type_of(content) for content in (JPEG, PNG, PDF)] == ["image/jpeg", "image/png", "application/pdf"]


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>", b"MZ\x90\x00", b"PK\x03\x04", b"plain text", b"%PDF"])
def test_anything_else_is_not_accepted(content: bytes) -> None:
    assert code_of(content) == "file_type_not_accepted"


@pytest.mark.parametrize(
    "content",
    [
        PNG[:-4],
        PNG + b"<script>",
        PNG[:40] + b"\x00" + PNG[41:],
        b"\x89PNG\r\n\x1a\n",
        png_of(0, 1),
        png_of(20_000, 1),
        JPEG[:-2],
        JPEG[:4],
        JPEG.replace(struct.pack(">HH", 2, 3), struct.pack(">HH", 0, 3)),
        PDF.replace(b"%%EOF", b""),
        PDF.replace(b"startxref", b""),
    ],
)
def test_a_damaged_file_is_refused(content: bytes) -> None:
    assert code_of(content) == "file_damaged"


def test_each_type_has_its_limit() -> None:
    chunk = b"tEXt" + bytes(IMAGE_OCTETS_MAX)
    large = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert code_of(PNG[:-12] + large + PNG[-12:]) == "file_too_large"
    padding = b"%" + b" " * IMAGE_OCTETS_MAX
    assert media_type_of(PDF[:9] + padding + b"\n" + PDF[9:]) == "application/pdf"
    assert code_of(PDF[:9] + padding * 5 + PDF[9:]) == "file_too_large"
    assert len(padding) * 5 > PDF_OCTETS_MAX


@given(st.sampled_from([JPEG, PNG, PDF]), st.data())
def test_no_octets_make_it_fail_otherwise(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content)))
    changed = content[:at] + data.draw(st.binary(max_size=40)) + content[data.draw(st.integers(at, len(content))) :]
    refused = None
    try:
        media_type_of(changed)
    except RegistryError as error:
        refused = error.code
    assert refused in (None, "file_damaged", "file_type_not_accepted", "file_too_large")
