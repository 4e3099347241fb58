"""intake_attachments: files that an enterprise's own node has handed in, within what one reporter may leave here."""

from datetime import datetime
from typing import Final

from sync.collecting.files import HandedIn
from sync.collecting.problems import Problem
from sync.database import Connection

OCTETS_OF_REPORTER_MAX: Final = 256 * 1024 * 1024

_HAS: Final = "SELECT EXISTS (SELECT FROM intake_attachments WHERE reporter = $1 AND sha256 = $2)"
_HELD: Final = "SELECT coalesce(sum(octets), 0) FROM intake_attachments WHERE reporter = $1"
_PUT: Final = """
INSERT INTO intake_attachments (reporter, sha256, media_type, octets, content, received_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"""
_SEEN: Final = "UPDATE intake_attachments SET received_at = $3 WHERE reporter = $1 AND sha256 = $2"
_FORGET: Final = """
DELETE FROM intake_attachments WHERE (reporter, sha256) IN (
    SELECT reporter, sha256 FROM intake_attachments WHERE received_at < $1 ORDER BY received_at LIMIT $2)"""


async def has(connection: Connection, reporter: str, sha256: str) -> bool:
    """Whether this reporter's file is here; what others handed in is not told."""
    return bool(await connection.fetchval(_HAS, reporter, bytes.fromhex(sha256)))


async def put(connection: Connection, reporter: str, file: HandedIn, now: datetime) -> bool:
    """Keep a file in the caller's transaction; False if it was here already, and then it is kept for longer.

    Raises Problem if the reporter has left more here than it may.
    """
    if await has(connection, reporter, file.sha256):
        await connection.execute(_SEEN, reporter, bytes.fromhex(file.sha256), now)
        return False
    held = await connection.fetchval(_HELD, reporter)
    if held + len(file.content) > OCTETS_OF_REPORTER_MAX:
        detail = f"{held} octets of files are kept for {reporter}, at most {OCTETS_OF_REPORTER_MAX} are"
        raise Problem(413, "too_large", detail, more={"max_bytes": OCTETS_OF_REPORTER_MAX - held})
    values = (bytes.fromhex(file.sha256), file.media_type, len(file.content), file.content, now)
    return await connection.execute(_PUT, reporter, *values) == "INSERT 0 1"


async def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Drop files handed in before then, at most `limit`; return how many. No table taken here refers to files."""
    return int((await connection.execute(_FORGET, before, limit)).split()[-1])
