"""What the operator knows of the service: planned stops, emergencies, who is called, the agreement (contract 2, 6)."""

from dataclasses import replace
from datetime import date, datetime
from typing import Final

from registry.database import Connection
from registry.errors import NotFound, one_field
from registry.ids import new_id
from registry.tables import service_notes
from registry.tables.service_notes import Agreement, Contact, Note, NoteKind

LISTED_BY: Final = "GET /api/v1/sync/notes lists what is entered"


async def enter(
    connection: Connection,
    now: datetime,
    *,
    kind: NoteKind,
    started_at: datetime,
    ended_at: datetime | None,
    description: str,
    remedy: str | None,
    entered_by: str,
) -> Note:
    """Enter a planned stop with its explanation, or an emergency with its cause and remedy. Raises `InvalidFields`."""
    note = Note(new_id("not"), kind, started_at, ended_at, description, remedy, entered_by, now)
    _check(note)
    await service_notes.put(connection, note)
    return note


async def change(connection: Connection, note: Note) -> Note:
    """Enter anew what was entered under an id; its kind stays. Raises `NotFound` and `InvalidFields`."""
    before = await service_notes.find(connection, note.note_id)
    if before is None or before.kind != note.kind:
        raise _unknown(note.note_id)
    _check(note)
    await service_notes.put(connection, note)
    return note


async def find(connection: Connection, note_id: str) -> Note:
    """Return a note. Raises `NotFound`."""
    found = await service_notes.find(connection, note_id)
    if found is None:
        raise _unknown(note_id)
    return found


async def withdraw(connection: Connection, note_id: str, now: datetime) -> None:
    """Take back what was entered by mistake. Raises `NotFound`."""
    if not await service_notes.withdraw(connection, note_id, now):
        raise _unknown(note_id)


async def sign_contact(connection: Connection, on: date) -> Contact:
    """Note when the form of the newest change of the contact was signed (annex 5). Raises `NotFound`."""
    found = await service_notes.contacts(connection)
    if not found:
        raise NotFound("no_contact", "no emergency contact is entered", remedy="enter one first")
    await service_notes.sign_contact(connection, found[0].version, on)
    return replace(found[0], signed_on=on)


async def agree(connection: Connection, agreement: Agreement) -> None:
    """Enter when the docking agreement was signed and ends, in the place of the one before. Raises `InvalidFields`."""
    if agreement.expires_on <= agreement.signed_on:
        raise one_field("bad_agreement", "expires_on", "the agreement ends after it was signed")
    await service_notes.put_agreement(connection, agreement)


def _check(note: Note) -> None:
    if note.ended_at is not None and note.ended_at < note.started_at:
        raise one_field("bad_note", "ended_at", "it cannot end before it began")
    if note.kind == "maintenance" and note.remedy is not None:
        raise one_field("bad_note", "remedy", "a planned stop has an explanation, only an emergency has a remedy")


def _unknown(note_id: str) -> NotFound:
    return NotFound("unknown_note", f"nothing of this kind is entered under {note_id[:64]}", remedy=LISTED_BY)
