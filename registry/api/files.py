"""Handlers: files, sent and given as plain octets."""

from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from registry.api.call import Answer, Call, answer, check_media_type
from registry.api.enterprise_shapes import FileAnswer
from registry.api.routing import OCTETS
from registry.database import transaction
from registry.errors import InvalidRequest, TooLarge
from registry.origin import note_restricted_read
from registry.service import files
from registry.service.file_contents import PDF_OCTETS_MAX
from registry.states import instant
from registry.tables.files import StoredFile

MEDIA_TYPES: Final = (OCTETS, "image/jpeg", "image/png", "application/pdf")


async def upload(call: Call) -> Answer:
    """POST /api/v1/files."""
    if "Idempotency-Key" in call.request.headers:
        raise InvalidRequest(
            "idempotency_key_not_used",
            "an upload takes no Idempotency-Key",
            remedy="leave it out: sending a file again gives the same file",
        )
    check_media_type(call.request, *MEDIA_TYPES)
    content = await _content(call.request)
    async with transaction(call.context.pool) as connection:
        stored = await files.store(connection, call.principal, call.now, call.query("name") or "", content)
    return answer(shown(stored), 201, Location=f"/api/v1/files/{stored.id}")


async def get(call: Call) -> Answer:
    """GET /api/v1/files/{file}."""
    async with call.connected() as connection:
        return answer(shown(await files.get(connection, call.principal, call.path("file"))))


async def get_content(call: Call) -> web.Response:
    """GET /api/v1/files/{file}/content."""
    async with call.connected() as connection:
        found = await files.get(connection, call.principal, call.path("file"))
        content = await files.content_of(connection, found)
    note_restricted_read(f"file {found.id}")
    # Never shown in place: what strangers upload is to be looked at by a program of its own.
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(body=content, content_type=OCTETS, headers=headers)


def shown(file: StoredFile) -> FileAnswer:
    """Show a file as the API does."""
    return FileAnswer(
        id=file.id,
        number=file.rid,
        name=file.name,
        media_type=file.media_type,  # type: ignore[arg-type] # the table's own check allows no other
        octets=file.octets,
        sha256=file.sha256.hex(),
        enterprise=file.enterprise,
        created_at=instant(file.created_at),
    )


async def _content(request: web.Request) -> bytes:
    """Read a body up to the largest file there may be; what type it is, and how large that may be, is asked later."""
    content = bytearray()
    try:
        async for piece in request.content.iter_any():
            content += piece
            if len(content) > PDF_OCTETS_MAX:
                raise TooLarge(
                    "file_too_large",
                    f"a file has at most {PDF_OCTETS_MAX} octets",
                    remedy="reduce the resolution or the number of pages",
                )
    except (OSError, aiohttp.ClientError, HttpProcessingError) as error:
        raise InvalidRequest(
            "upload_cut_off", "the connection ended within the file", remedy="send the file again"
        ) from error
    return bytes(content)
