"""Files: the documents that belong to an application. Uploaded first, bound to one enterprise later."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from registry.authority import Action, Principal, Reach, authorise
from registry.database import Connection
from registry.errors import Conflict, FieldError, Forbidden, InvalidFields, NotFound
from registry.ids import new_id
from registry.service.file_contents import EXTENSIONS, media_type_of
from registry.states import to_millisecond
from registry.tables import files
from registry.tables.files import StoredFile

UNBOUND_KEPT: Final = timedelta(days=7)
UNBOUND_MAX: Final = 64
"""Files of one account that belong to no application yet."""
NAME_CHARACTERS_MAX: Final = 255


async def store(connection: Connection, principal: Principal, now: datetime, name: str, content: bytes) -> StoredFile:
    """Keep a file for its owner; the same content again is the same file, while it belongs to no application.

    Raises `InvalidFields` and `TooLarge` for content that is not accepted, `Conflict` for too many files.
    """
    authorise(principal, Action.UPLOAD_FILE)
    media_type = media_type_of(content)
    sha256 = hashlib.sha256(content).digest()
    known = await files.by_content(connection, principal.account, sha256)
    if known is not None:
        return known
    if await files.count_unbound(connection, principal.account) >= UNBOUND_MAX:
        raise Conflict(
            "too_many_files",
            f"{UNBOUND_MAX} files of yours belong to no application yet",
            remedy=f"use them in an application; unused ones are deleted after {UNBOUND_KEPT.days} days",
        )
    return await files.insert(
        connection,
        file_id=new_id("fil"),
        owner=principal.account,
        name=_plain_name(name) or f"file.{EXTENSIONS[media_type]}",
        media_type=media_type,
        sha256=sha256,
        content=content,
        now=to_millisecond(now),
    )


async def get(connection: Connection, principal: Principal, file_id: str) -> StoredFile:
    """Return a file's description. Raises `NotFound`, or `Forbidden` for a file that is not the principal's to see."""
    found = await files.by_id(connection, file_id)
    return _readable(principal, found, file_id)


async def get_numbered(connection: Connection, principal: Principal, rid: int) -> StoredFile:
    """Return the description of the file with a number, as `get` does."""
    found = (await files.by_rids(connection, [rid])).get(rid)
    return _readable(principal, found, str(rid))


async def content_of(connection: Connection, file: StoredFile) -> bytes:
    """Return the octets of a file that `get` has shown to be readable."""
    found = await files.content(connection, file.id)
    if found is None:  # deleted between the two statements
        raise _unknown(file.id)
    return found


async def bind(
    connection: Connection,
    now: datetime,
    *,
    enterprise: str,
    owners: frozenset[str],
    wanted: Mapping[str, Sequence[str]],
) -> None:
    """Bind files to an enterprise. `wanted` maps fields of the request to ids; `owners` are accounts they may be of.

    Raises `InvalidFields` that names every file that does not exist, is another's, or belongs to another enterprise.
    """
    ids = [file_id for found in wanted.values() for file_id in found]
    known = await files.by_ids(connection, ids)
    faults = [
        FieldError(f"{field}[{at}]", f"the file {file_id[:64]} does not exist, is not yours or is used already")
        for field, found in wanted.items()
        for at, file_id in enumerate(found)
        if not _usable(known.get(file_id), enterprise, owners)
    ]
    faults += [
        FieldError(field, "the same file stands in two places: upload each document")
        for field, found in wanted.items()
        if any(ids.count(file_id) > 1 for file_id in found)
    ]
    if faults:
        message = "some files cannot be used"
        raise InvalidFields("bad_files", message, remedy="upload them and use the new ids", errors=tuple(faults))
    await files.bind(connection, ids, enterprise, to_millisecond(now))


async def forget_unbound(connection: Connection, now: datetime) -> None:
    """Delete the files that no application has used in time."""
    await files.forget_unbound(connection, now - UNBOUND_KEPT)


def _usable(file: StoredFile | None, enterprise: str, owners: frozenset[str]) -> bool:
    if file is None:
        return False
    return file.enterprise == enterprise if file.enterprise is not None else file.owner in owners


def _readable(principal: Principal, found: StoredFile | None, name: str) -> StoredFile:
    reach = authorise(principal, Action.READ_FILE)
    if found is None:
        raise _unknown(name)
    of_own_enterprise = principal.role == "enterprise_administrator" and found.enterprise == principal.enterprise
    if reach is Reach.EVERYTHING or found.owner == principal.account or (of_own_enterprise and found.enterprise):
        return found
    raise Forbidden("not_yours", "this file belongs to somebody else", remedy="use a token of the account it is of")


def _unknown(name: str) -> NotFound:
    return NotFound("unknown_file", f"there is no file {name[:64]}", remedy="upload it again; unused files are deleted")


def _plain_name(name: str) -> str:
    """Keep the last part of a path, without what does not print."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:NAME_CHARACTERS_MAX].strip()
