"""Calls about files: the documents of an application."""

from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from registry.authority import Action, authorise
from registry.database import connected, transaction
from registry.errors import TooLarge
from registry.service import files
from registry.service.file_contents import EXTENSIONS
from registry.snms.call import Call
from registry.snms.envelope import Refusal, Status, refused
from registry.snms.members import LONG_MAX, Members, missing
from registry.snms.refusals import MESSAGES

FILE_OCTETS_MAX: Final = 5 * 2**20
"""The larger of the two limits; the smaller one, of images, is the service's to check."""
PART: Final = "file"


async def upload(call: Call) -> Any:
    """`POST /snms/api/file/upload`: one part named `file`; its type is told by its content."""
    authorise(call.principal, Action.UPLOAD_FILE)
    name, content = await _read_part(call)
    async with transaction(call.context.pool) as connection:
        try:
            stored = await files.store(connection, call.principal, call.now, name, content)
        except TooLarge as error:
            raise _too_large() from error
    return {"id": stored.rid, "path": f"{_path_of(stored.id)}.{EXTENSIONS[stored.media_type]}"}


async def download(call: Call) -> web.Response:
    """`GET /snms/api/file/{id}`: the octets, for the file's owner and administrators."""
    rid = Members({"id": call.request.match_info["id"]}).integer("id", low=1, high=LONG_MAX)
    async with connected(call.context.pool) as connection:
        found = await files.get_numbered(connection, call.principal, rid)
        content = await files.content_of(connection, found)
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(body=content, content_type=found.media_type, headers=headers)


async def _read_part(call: Call) -> tuple[str, bytes]:
    if call.request.content_type != "multipart/form-data":
        raise Refusal(
            Status.REFUSED, "请使用multipart/form-data", "unsupported_media_type", http_status=415, always=True
        )
    try:
        reader = await call.request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, BodyPartReader) and part.name == PART:
                return part.filename or "", await _content(part)
    except ValueError as error:
        raise refused("请求体不是合法的multipart", "malformed_multipart", PART) from error
    raise missing(PART)


async def _content(part: BodyPartReader) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk():
        content += chunk
        if len(content) > FILE_OCTETS_MAX:
            raise _too_large()
    return bytes(content)


def _too_large() -> Refusal:
    code = "file_too_large"
    return refused(MESSAGES[code], code, PART)


def _path_of(file_id: str) -> UUID:
    """Return the virtual path of a file: a UUID made of its random id, so the same file has the same path always."""
    return UUID(bytes=blake2b(file_id.encode(), digest_size=16).digest(), version=4)
