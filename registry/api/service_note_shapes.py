"""The JSON bodies of what the operator knows of the service: notes, emergency contacts, the docking agreement."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant

_TEXT = r"^[^\x00-\x1f\x7f]*(?!\s)[^\x00-\x1f\x7f]$"
Sentence = Annotated[str, Meta(min_length=1, max_length=1024, pattern=_TEXT)]
Day = Annotated[str, Meta(description="a day, YYYY-MM-DD", examples=["2031-05-06"])]
NoteKind = Literal["maintenance", "emergency"]


class NoteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A planned stop with its explanation, or an emergency with its cause and remedy; without `ended_at` it lasts."""

    kind: NoteKind
    started_at: Instant
    description: Sentence
    ended_at: Instant | None = None
    remedy: Sentence | None = None


class NoteAnswer(msgspec.Struct, frozen=True):
    """What was entered, and by whom; the month's report tells it."""

    note_id: str
    kind: NoteKind
    started_at: Instant
    ended_at: Instant | None
    description: str
    remedy: str | None
    entered_by: str
    entered_at: Instant


class NoteList(msgspec.Struct, frozen=True):
    """Planned stops and emergencies, the newest first."""

    items: list[NoteAnswer]


class ContactRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is called in an emergency."""

    name: Annotated[str, Meta(min_length=1, max_length=128, pattern=_TEXT)]
    telephone: Annotated[str, Meta(min_length=1, max_length=32, pattern=_TEXT)]
    email: Annotated[str, Meta(min_length=3, max_length=128, pattern=r"^[^\s@<>]+@[^\s@<>]+$")]


class SigningRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the form of the newest change was signed and sealed."""

    signed_on: Day


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact; without `signed_on` the form of annex 5 is still to be signed."""

    version: int
    name: str
    telephone: str
    email: str
    entered_by: str
    entered_at: Instant
    signed_on: Day | None


class ContactList(msgspec.Struct, frozen=True):
    """The contact that counts, and before it in time those that counted."""

    items: list[ContactAnswer]


class AgreementBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the docking agreement was signed, and when it ends."""

    signed_on: Day
    expires_on: Day
