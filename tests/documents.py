"""Small whole files of the kinds that may be uploaded."""

import struct
import zlib


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """Make a grey PNG that says it has this size."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"\x00" * 4)) + _chunk(b"IEND", b"")


PNG = png_of(2, 2)
JPEG = (
    b"\xff\xd8"
    b"\xff\xe0"
    + struct.pack(">H", 16)
    + b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    + b"\xff\xc0"
    + struct.pack(">HBHHB", 11, 8, 2, 3, 1)
    + b"\x01\x11\x00"
    + b"\xff\xda"
    + struct.pack(">HB", 8, 1)
    + b"\x01\x00\x00\x3f\x00"
    + b"\x12\x34\x56"
    + b"\xff\xd9"
)
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"


def document(number: int) -> bytes:
    """Make a PDF that no other number gives."""
    return PDF.replace(b"endobj", b"endobj %% %d" % number)
