"""Files that rows and reports refer to, as they are handed in (docking contract 9.9): named by their digest."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from sync.collecting.batch_check import check_digest
from sync.collecting.problems import Problem
from sync.tables.field_kinds import FILE_OCTETS_MAX

MEDIA_TYPE_CHARACTERS_MAX: Final = 64

_SHA256: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A file whose content is the one its name says; raises Problem for any other."""

    sha256: str
    media_type: str
    content: bytes

    def __post_init__(self) -> None:
        if hashlib.sha256(self.content).hexdigest() != self.sha256:
            raise Problem(422, "digest_mismatch", "the content has another digest than the path says")


def file_name(request: web.Request) -> str:
    """Return the digest that a path names; raises Problem."""
    sha256 = request.match_info["sha256"]
    if not _SHA256.fullmatch(sha256):
        raise Problem(400, "malformed", "an attachment is named by its SHA-256, 64 lower-case hexadecimal digits")
    return sha256


def read_file(request: web.Request, content: bytes) -> HandedIn:
    """Return the file of a PUT; raises Problem for another digest, more than 20 MiB, or none at all."""
    sha256, media_type = file_name(request), request.headers.get("Content-Type", "")
    check_digest(content, request.headers.get("Content-Digest", ""))
    if not 0 < len(media_type) <= MEDIA_TYPE_CHARACTERS_MAX:
        raise Problem(400, "malformed", "Content-Type must be the file's media type")
    if not content:
        raise Problem(400, "malformed", "an attachment has content")
    if len(content) > FILE_OCTETS_MAX:
        raise file_too_large()
    return HandedIn(sha256, media_type, content)


def file_too_large() -> Problem:
    """Return the problem of a file above the limit."""
    return Problem(413, "too_large", "longer than a file may be", more={"max_bytes": FILE_OCTETS_MAX})
