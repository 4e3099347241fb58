"""What an uploaded file really is: recognised by its octets, never by its name, and checked to be whole."""

import zlib
from typing import Final

from registry.errors import InvalidFields, TooLarge, one_field

IMAGE_OCTETS_MAX: Final = 2**20
PDF_OCTETS_MAX: Final = 5 * 2**20
PIXELS_MAX: Final = 16_000
"""Longest side of an image."""
EXTENSIONS: Final = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PDF: Final = (b"%PDF-1.", b"%PDF-2.")
_TAIL_OCTETS: Final = 1_024
_IHDR_OCTETS: Final = 13
_CHUNK_FRAME_OCTETS: Final = 12
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG segments that carry the picture's size."""
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = b"\xff\xd9"


def media_type_of(content: bytes) -> str:
    """Return the media type of a whole JPEG, PNG or PDF.

    Raises `InvalidFields` for anything else and for a damaged file, `TooLarge` for one over the limit of its type.
    """
    if content.startswith(_PDF):
        _check_size(content, PDF_OCTETS_MAX, "a PDF")
        if b"%%EOF" not in content[-_TAIL_OCTETS:] or b"startxref" not in content[-_TAIL_OCTETS:]:
            raise _damaged("the PDF has no end")
        return "application/pdf"
    if content.startswith(_PNG):
        _check_size(content, IMAGE_OCTETS_MAX, "an image")
        _check_png(content)
        return "image/png"
    if content.startswith(_JPEG):
        _check_size(content, IMAGE_OCTETS_MAX, "an image")
        _check_jpeg(content)
        return "image/jpeg"
    raise one_field("file_type_not_accepted", "file", "this is no JPEG, PNG or PDF: convert it to one of these")


def _check_size(content: bytes, octets_max: int, what: str) -> None:
    if len(content) > octets_max:
        raise TooLarge(
            "file_too_large",
            f"{what} has at most {octets_max} octets, this one has {len(content)}",
            remedy="reduce the resolution or the number of pages",
        )


def _check_png(content: bytes) -> None:
    """Walk over the chunks: each must be whole, with its checksum, the first the header and the last the end."""
    at = len(_PNG)
    kinds: list[bytes] = []
    while at + _CHUNK_FRAME_OCTETS <= len(content) and kinds[-1:] != [b"IEND"]:
        length = int.from_bytes(content[at : at + 4])
        kind, checked = content[at + 4 : at + 8], content[at + 4 : at + 8 + length]
        at += length + _CHUNK_FRAME_OCTETS
        if at > len(content) or zlib.crc32(checked) != int.from_bytes(content[at - 4 : at]):
            raise _damaged("a chunk of the PNG is cut off or changed")
        if not kinds:
            if kind != b"IHDR" or length != _IHDR_OCTETS:
                raise _damaged("the PNG has no header")
            _check_sides(int.from_bytes(checked[4:8]), int.from_bytes(checked[8:12]))
        kinds.append(kind)
    if kinds[-1:] != [b"IEND"] or b"IDAT" not in kinds:
        raise _damaged("the PNG has no end or no picture")
    if at != len(content):
        raise _damaged("something is appended to the PNG")


def _check_jpeg(content: bytes) -> None:
    """Walk over the segments up to the picture's data; its size must be told before, and its end must follow."""
    at, sides_seen = 2, False
    while at + 4 <= len(content) and content[at] == 0xFF:  # noqa: PLR2004 - every segment begins with it
        marker = content[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill octet
            at += 1
            continue
        length = int.from_bytes(content[at + 2 : at + 4])
        if marker in _FRAME_MARKERS:
            _check_sides(int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7]))
            sides_seen = True
        at += 2 + length
        if marker == _START_OF_SCAN:
            break
    else:
        raise _damaged("the JPEG has no picture")
    if not sides_seen or _END_OF_IMAGE not in content[max(at, len(content) - _TAIL_OCTETS) :]:
        raise _damaged("the JPEG has no size or no end")


def _check_sides(width: int, height: int) -> None:
    if not (0 < width <= PIXELS_MAX and 0 < height <= PIXELS_MAX):
        raise one_field("file_damaged", "file", f"an image has 1 to {PIXELS_MAX} pixels a side, not {width}×{height}")


def _damaged(what: str) -> InvalidFields:
    return one_field("file_damaged", "file", f"{what}: upload the original again")
