"""The tables of maintenance, emergencies, emergency contacts and the docking agreement."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from registry.database import Connection

NoteKind = Literal["maintenance", "emergency"]

_COLUMNS: Final = "note_id, kind, started_at, ended_at, description, remedy, entered_by, entered_at"
_PUT: Final = f"""
INSERT INTO service_notes ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (note_id) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
    description = excluded.description, remedy = excluded.remedy, entered_by = excluded.entered_by,
    entered_at = excluded.entered_at"""
_WITHDRAW: Final = "UPDATE service_notes SET withdrawn_at = $2 WHERE note_id = $1 AND withdrawn_at IS NULL"
_FIND: Final = f"SELECT {_COLUMNS} FROM service_notes WHERE note_id = $1 AND withdrawn_at IS NULL"
_WITHIN: Final = f"""
SELECT {_COLUMNS} FROM service_notes
WHERE withdrawn_at IS NULL AND started_at < $2 AND (started_at >= $1 OR ended_at IS NULL OR ended_at > $1)
ORDER BY started_at, note_id"""
_NEWEST: Final = f"""
SELECT {_COLUMNS} FROM service_notes WHERE withdrawn_at IS NULL ORDER BY started_at DESC, note_id LIMIT $1"""
_CONTACT: Final = "version, name, telephone, email, entered_by, entered_at, signed_on"
_ADD_CONTACT: Final = f"""
INSERT INTO emergency_contacts (name, telephone, email, entered_by, entered_at) VALUES ($1, $2, $3, $4, $5)
RETURNING {_CONTACT}"""
_CONTACTS: Final = f"SELECT {_CONTACT} FROM emergency_contacts ORDER BY version DESC LIMIT 1000"
_SIGN: Final = "UPDATE emergency_contacts SET signed_on = $2 WHERE version = $1"
_AGREE: Final = """
INSERT INTO docking_agreement (signed_on, expires_on) VALUES ($1, $2)
ON CONFLICT (only_row) DO UPDATE SET signed_on = excluded.signed_on, expires_on = excluded.expires_on"""
_AGREEMENT: Final = "SELECT signed_on, expires_on FROM docking_agreement"


@dataclass(frozen=True, slots=True)
class Note:
    """A planned stop with its explanation, or an emergency with its cause and remedy. Without an end it lasts."""

    note_id: str
    kind: NoteKind
    started_at: datetime
    ended_at: datetime | None
    description: str
    remedy: str | None
    entered_by: str
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """Who is called in an emergency; `signed_on`: when the form of this change was signed."""

    version: int
    name: str
    telephone: str
    email: str
    entered_by: str
    entered_at: datetime
    signed_on: date | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The docking agreement."""

    signed_on: date
    expires_on: date


async def put(connection: Connection, note: Note) -> None:
    """Enter a note, or what has changed of it."""
    values = (note.note_id, note.kind, note.started_at, note.ended_at, note.description, note.remedy)
    await connection.execute(_PUT, *values, note.entered_by, note.entered_at)


async def withdraw(connection: Connection, note_id: str, now: datetime) -> bool:
    """Take a note back; False if there is none."""
    return bool(await connection.execute(_WITHDRAW, note_id, now) == "UPDATE 1")


async def find(connection: Connection, note_id: str) -> Note | None:
    """Return a note."""
    row = await connection.fetchrow(_FIND, note_id)
    return None if row is None else Note(**row)


async def within(connection: Connection, start: datetime, end: datetime) -> list[Note]:
    """Return what began between two instants, or lasted into that time."""
    return [Note(**row) for row in await connection.fetch(_WITHIN, start, end)]


async def newest(connection: Connection, limit: int) -> list[Note]:
    """Return the newest notes."""
    return [Note(**row) for row in await connection.fetch(_NEWEST, limit)]


async def add_contact(
    connection: Connection, now: datetime, *, name: str, telephone: str, email: str, entered_by: str
) -> Contact:
    """Enter a new emergency contact; the one before stays in the history."""
    row = await connection.fetchrow(_ADD_CONTACT, name, telephone, email, entered_by, now)
    assert row is not None  # noqa: S101 - an insertion returns its row
    return Contact(**row)


async def contacts(connection: Connection) -> list[Contact]:
    """Return the emergency contacts, the one that counts first."""
    return [Contact(**row) for row in await connection.fetch(_CONTACTS)]


async def sign_contact(connection: Connection, version: int, on: date) -> bool:
    """Note that the form of a change was signed; False if there is no such change."""
    return bool(await connection.execute(_SIGN, version, on) == "UPDATE 1")


async def put_agreement(connection: Connection, agreement: Agreement) -> None:
    """Enter the docking agreement, in the place of the one before."""
    await connection.execute(_AGREE, agreement.signed_on, agreement.expires_on)


async def agreement(connection: Connection) -> Agreement | None:
    """Return the docking agreement, if it is entered."""
    row = await connection.fetchrow(_AGREEMENT)
    return None if row is None else Agreement(**row)
