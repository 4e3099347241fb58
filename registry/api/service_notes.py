"""Handlers: planned stops and emergencies, emergency contacts, and the docking agreement."""

from datetime import date, datetime

from registry.api.call import Answer, Call, answer, outcome, read_instant
from registry.api.paging import read_limit
from registry.api.service_note_shapes import (
    AgreementBody,
    ContactAnswer,
    ContactList,
    ContactRequest,
    NoteAnswer,
    NoteList,
    NoteRequest,
    SigningRequest,
)
from registry.database import Connection
from registry.errors import NotFound, one_field
from registry.service import service_notes
from registry.service.change import Outcome
from registry.states import instant, to_millisecond
from registry.tables import service_notes as table
from registry.tables.service_notes import Agreement, Contact, Note


async def list_notes(call: Call) -> Answer:
    """GET /api/v1/sync/notes."""
    limit = read_limit(call.query("limit"))
    async with call.connected() as connection:
        found = await table.newest(connection, limit)
    return answer(NoteList([_note(one) for one in found]))


async def enter_note(call: Call) -> Answer:
    """POST /api/v1/sync/notes."""
    body = await call.read(NoteRequest)
    started_at, ended_at = _span(body)

    async def work(connection: Connection) -> Outcome:
        made = await service_notes.enter(
            connection,
            to_millisecond(call.now),
            kind=body.kind,
            started_at=started_at,
            ended_at=ended_at,
            description=body.description,
            remedy=body.remedy,
            entered_by=call.principal.account,
        )
        return outcome(201, _note(made), None, location=f"/api/v1/sync/notes/{made.note_id}")

    return await call.change(work)


async def read_note(call: Call) -> Answer:
    """GET /api/v1/sync/notes/{note}."""
    async with call.connected() as connection:
        return answer(_note(await service_notes.find(connection, call.path("note"))))


async def change_note(call: Call) -> Answer:
    """PUT /api/v1/sync/notes/{note}."""
    body = await call.read(NoteRequest)
    note = Note(
        call.path("note"),
        body.kind,
        *_span(body),
        body.description,
        body.remedy,
        call.principal.account,
        to_millisecond(call.now),
    )

    async def work(connection: Connection) -> Outcome:
        return outcome(200, _note(await service_notes.change(connection, note)), None)

    return await call.change(work)


async def withdraw_note(call: Call) -> Answer:
    """DELETE /api/v1/sync/notes/{note}."""

    async def work(connection: Connection) -> Outcome:
        found = await service_notes.find(connection, call.path("note"))
        await service_notes.withdraw(connection, found.note_id, call.now)
        return outcome(200, _note(found), None)

    return await call.change(work)


async def list_contacts(call: Call) -> Answer:
    """GET /api/v1/sync/contacts."""
    async with call.connected() as connection:
        return answer(ContactList([_contact(one) for one in await table.contacts(connection)]))


async def enter_contact(call: Call) -> Answer:
    """POST /api/v1/sync/contacts."""
    body = await call.read(ContactRequest)

    async def work(connection: Connection) -> Outcome:
        made = await table.add_contact(
            connection,
            to_millisecond(call.now),
            name=body.name,
            telephone=body.telephone,
            email=body.email,
            entered_by=call.principal.account,
        )
        return outcome(201, _contact(made), None)

    return await call.change(work)


async def sign_contact(call: Call) -> Answer:
    """POST /api/v1/sync/contacts:sign."""
    on = _day((await call.read(SigningRequest)).signed_on, "signed_on")

    async def work(connection: Connection) -> Outcome:
        return outcome(200, _contact(await service_notes.sign_contact(connection, on)), None)

    return await call.change(work)


async def read_agreement(call: Call) -> Answer:
    """GET /api/v1/sync/agreement."""
    async with call.connected() as connection:
        found = await table.agreement(connection)
    if found is None:
        raise NotFound("no_agreement", "no docking agreement is entered", remedy="PUT /api/v1/sync/agreement enters it")
    return answer(_agreement(found))


async def put_agreement(call: Call) -> Answer:
    """PUT /api/v1/sync/agreement."""
    body = await call.read(AgreementBody)
    entered = Agreement(_day(body.signed_on, "signed_on"), _day(body.expires_on, "expires_on"))

    async def work(connection: Connection) -> Outcome:
        await service_notes.agree(connection, entered)
        return outcome(200, _agreement(entered), None)

    return await call.change(work)


def _span(body: NoteRequest) -> tuple[datetime, datetime | None]:
    started_at = read_instant(body.started_at, "started_at")
    return started_at, None if body.ended_at is None else read_instant(body.ended_at, "ended_at")


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise one_field("bad_date", field, "write the day as YYYY-MM-DD") from None


def _note(note: Note) -> NoteAnswer:
    return NoteAnswer(
        note_id=note.note_id,
        kind=note.kind,
        started_at=instant(note.started_at),
        ended_at=None if note.ended_at is None else instant(note.ended_at),
        description=note.description,
        remedy=note.remedy,
        entered_by=note.entered_by,
        entered_at=instant(note.entered_at),
    )


def _contact(contact: Contact) -> ContactAnswer:
    return ContactAnswer(
        version=contact.version,
        name=contact.name,
        telephone=contact.telephone,
        email=contact.email,
        entered_by=contact.entered_by,
        entered_at=instant(contact.entered_at),
        signed_on=None if contact.signed_on is None else contact.signed_on.isoformat(),
    )


def _agreement(agreement: Agreement) -> AgreementBody:
    return AgreementBody(agreement.signed_on.isoformat(), agreement.expires_on.isoformat())
