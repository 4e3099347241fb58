"""Commands for what an operator knows of the service: events, maintenance, emergencies, contacts, the agreement."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import typer

from registry.errors import InvalidFields, RegistryError
from registry.service import service_notes as notes
from registry.service.events import enter_abnormal, enter_recovered
from registry.tables import node_events, operator, service_notes
from registry.tables.service_notes import Agreement, Contact, Note, NoteKind
from sync.commands.asking import EXIT_NOT_ALL, EXIT_USAGE, OPERATOR, AsJson, Database, Limit, connected, failure, show
from sync.database import Connection

T = TypeVar("T")

At = Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="Since when, with its zone; without it: now.")]
Began = Annotated[str, typer.Option("--began", metavar="INSTANT", help="When it began, with its zone.")]
Ended = Annotated[str | None, typer.Option("--ended", metavar="INSTANT", help="When it ended; without it, it lasts.")]
Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="The node's own, or an enterprise's.")]
Number = Annotated[str, typer.Argument(metavar="EVENT", help="The number of the event.")]
NoteId = Annotated[
    str | None, typer.Option("--change", metavar="ID", help="Enter anew what was entered under this id.")
]
Text = Annotated[str, typer.Argument(metavar="TEXT", help="What was done, or the cause; as the report shows it.")]
_CHARACTERS_MAX: Final = 1024

event = typer.Typer(no_args_is_help=True, help="Abnormal and recovered events.")
note = typer.Typer(no_args_is_help=True, help="Planned stops and emergencies, for the monthly report.")
contact = typer.Typer(no_args_is_help=True, help="Who is called in an emergency.")


@event.command("list")
def list_events(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show the newest events, of the self-check and of operators."""
    found = connected(database, lambda connection: node_events.newest(connection, limit))
    columns = ("event_no", "event_type", "prefix", "condition", "occurred_at", "related_event_no", "cause", "queued_at")
    rows = [msgspec.structs.asdict(one.event) | {"queued_at": one.queued_at} for one in found]
    show(rows, columns, as_json=as_json)


@event.command("abnormal")
def abnormal(
    prefix: Prefix,
    *,
    database: Database,
    kind: Annotated[int, typer.Option("--type", min=1, max=4, help="1 network, 2 system, 3 attack, 4 other.")] = 4,
    cause: Annotated[str | None, typer.Option(help="Why, if the logs show it.")] = None,
    at: At = None,
) -> None:
    """Enter that something is abnormal; its number is written to standard output.

    Exit codes: 0 it is entered; 1 one is open, or the prefix is unknown; 2 the command is wrong; 4 no database.
    """
    now, occurred_at = datetime.now(UTC), _instant(at)
    made = _done(
        database,
        lambda connection: enter_abnormal(
            connection, now, prefix=prefix, abnormal_type=kind, cause=_bounded(cause), occurred_at=occurred_at
        ),
    )
    typer.echo(made.event_no)


@event.command("recovered")
def recovered(number: Number, *, database: Database, at: At = None) -> None:
    """Enter that an event which an operator entered is over.

    Exit codes: 0 it is entered; 1 there is no such open event; 2 the command is wrong; 4 no database.
    """
    now, occurred_at = datetime.now(UTC), _instant(at)
    made = _done(database, lambda connection: enter_recovered(connection, now, number, occurred_at))
    typer.echo(made.event_no)


@note.command("list")
def list_notes(*, database: Database, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show planned stops and emergencies, the newest first."""
    found = connected(database, lambda connection: service_notes.newest(connection, limit))
    columns = ("note_id", "kind", "started_at", "ended_at", "description", "remedy")
    show([asdict(one) for one in found], columns, as_json=as_json)


@note.command("maintenance")
def maintenance(text: Text, *, database: Database, began: Began, ended: Ended = None, change: NoteId = None) -> None:
    """Enter a planned stop; its id is written to standard output.

    Exit codes: 0 it is entered; 1 there is none with this id; 2 the command is wrong; 4 no database.
    """
    _enter(database, "maintenance", text, None, began, ended, change)


@note.command("emergency")
def emergency(
    text: Text,
    *,
    database: Database,
    began: Began,
    ended: Ended = None,
    remedy: Annotated[str | None, typer.Option(help="What was done about it.")] = None,
    change: NoteId = None,
) -> None:
    """Enter an emergency with its cause and remedy; its id is written to standard output.

    Exit codes: 0 it is entered; 1 there is none with this id; 2 the command is wrong; 4 no database.
    """
    _enter(database, "emergency", text, remedy, began, ended, change)


@note.command("withdraw")
def withdraw(
    note_id: Annotated[str, typer.Argument(metavar="ID", help="As it was written when entered.")], *, database: Database
) -> None:
    """Take back what was entered by mistake.

    Exit codes: 0 it is taken back; 1 there is none with this id; 4 the database cannot be reached.
    """
    now = datetime.now(UTC)
    _done(database, lambda connection: notes.withdraw(connection, note_id, now))


@contact.command("set")
def set_contact(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is called.")],
    telephone: Annotated[str, typer.Argument(metavar="TELEPHONE", help="With the country's number.")],
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Where mail reaches them.")],
    *,
    database: Database,
) -> None:
    """Enter who is called in an emergency; `contact form` then prints what has to be signed."""
    now = datetime.now(UTC)
    limits = ((name, 128), (telephone, 32), (email, 128))
    if any(not 1 <= len(text) <= most or not text.isprintable() for text, most in limits) or "@" not in email:
        raise failure("a name, a telephone number and a mail address are needed", EXIT_USAGE)
    connected(
        database,
        lambda connection: service_notes.add_contact(
            connection, now, name=name, telephone=telephone, email=email, entered_by=OPERATOR
        ),
    )
    typer.echo("entered; notify the top-level node with the signed form: idnode sync contact form FILE")


@contact.command("list")
def list_contacts(*, database: Database, as_json: AsJson = False) -> None:
    """Show who is called in an emergency, and who was."""
    found = connected(database, service_notes.contacts)
    show(
        [asdict(one) for one in found],
        ("version", "name", "telephone", "email", "entered_at", "signed_on"),
        as_json=as_json,
    )


@contact.command("form")
def form(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it, such as contact.docx.")],
    *,
    database: Database,
) -> None:
    """Write the form by which a change of the contact is notified, for signature and seal.

    Exit codes: 0 it is written; 1 no contact is entered; 2 the file cannot be written; 4 no database.
    """
    from sync.monthly import annex5  # noqa: PLC0415 - the library takes a second to load

    async def read(connection: Connection) -> tuple[list[Contact], str]:
        record = await operator.find(connection)
        name = "" if record is None else str(record.details["org_name"])
        return await service_notes.contacts(connection), name

    contacts, organisation = connected(database, read)
    if not contacts:
        raise failure("no emergency contact is entered: idnode sync contact set", EXIT_NOT_ALL)
    before = contacts[1] if len(contacts) > 1 else None
    octets = annex5.render(before, contacts[0], organisation, datetime.now(UTC).date())
    try:
        file.write_bytes(octets)
    except OSError as error:
        raise failure(f"{file} cannot be written: {error.strerror}", EXIT_USAGE) from error


@contact.command("signed")
def signed(
    on: Annotated[str, typer.Argument(metavar="DATE", help="When the form was signed, YYYY-MM-DD.")],
    *,
    database: Database,
) -> None:
    """Note that the form of the newest change was signed.

    Exit codes: 0 it is noted; 1 no contact is entered; 2 the date is none; 4 no database.
    """
    day = _date(on)
    _done(database, lambda connection: notes.sign_contact(connection, day))


def agreement(
    signed_on: Annotated[str, typer.Argument(metavar="SIGNED", help="When it was signed, YYYY-MM-DD.")],
    expires_on: Annotated[str, typer.Argument(metavar="EXPIRES", help="When it ends, YYYY-MM-DD.")],
    *,
    database: Database,
) -> None:
    """Enter when the docking agreement was signed and ends; `sync check` reminds from 180 days before.

    Exit codes: 0 it is entered; 2 the dates are none; 4 the database cannot be reached.
    """
    entered = Agreement(_date(signed_on), _date(expires_on))
    _done(database, lambda connection: notes.agree(connection, entered))


def _enter(
    dsn: str, kind: NoteKind, text: str, remedy: str | None, began: str, ended: str | None, note_id: str | None
) -> None:
    started_at, ended_at = _instant(began), _instant(ended)
    assert started_at is not None  # noqa: S101 - the option is required
    description = _bounded(text)
    if description is None:
        raise failure("say in words what it was", EXIT_USAGE)
    now, done = datetime.now(UTC), _bounded(remedy)

    async def work(connection: Connection) -> Note:
        if note_id is not None:
            changed = Note(note_id, kind, started_at, ended_at, description, done, OPERATOR, now)
            return await notes.change(connection, changed)
        return await notes.enter(
            connection,
            now,
            kind=kind,
            started_at=started_at,
            ended_at=ended_at,
            description=description,
            remedy=done,
            entered_by=OPERATOR,
        )

    typer.echo(_done(dsn, work).note_id)


def _done(dsn: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    try:
        return connected(dsn, work)
    except InvalidFields as error:
        raise failure(f"{error}", EXIT_USAGE) from error
    except RegistryError as error:
        raise failure(f"{error}", EXIT_NOT_ALL) from error


def _bounded(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    clean = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if len(clean) > _CHARACTERS_MAX:
        raise failure(f"the text has more than {_CHARACTERS_MAX} characters", EXIT_USAGE)
    return clean


def _instant(written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise failure(f"{written!r} is no instant with a zone, such as 2031-05-06T09:00:00+08:00", EXIT_USAGE)
    return found.astimezone(UTC)


def _date(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise failure(f"{written!r} is no day, such as 2031-05-06", EXIT_USAGE) from None
