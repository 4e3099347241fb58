"""The JSON bodies of what is wrong with the reports, and of orders to them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant

TableName = Annotated[str, Meta(pattern=r"^[A-Z][0-9]{1,2}$", examples=["T9"])]
_KEY = r"^[^\x00-\x1f\x7f]+$"
RowKey = Annotated[str, Meta(min_length=1, max_length=400, pattern=_KEY, examples=["88.118.8/PUMP-1"])]
Keys = Annotated[list[RowKey], Meta(max_length=1_000)]


class FindingRow(msgspec.Struct, frozen=True):
    """One thing that is not in order: its kind, since when, what exactly, and what helps."""

    what: str
    since: Instant | None
    detail: str
    remedy: str


class FindingList(msgspec.Struct, frozen=True):
    """What is not in order, what stops most first; empty where nothing is wrong or nothing is reported."""

    items: list[FindingRow]


class PauseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of which nothing is to be sent; none named: all."""

    tables: Annotated[list[TableName], Meta(max_length=32)] = []
    reason: Annotated[str, Meta(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class UnpauseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tables to be sent again; none named: all."""

    tables: Annotated[list[TableName], Meta(max_length=32)] = []


class StreamRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream."""

    table: TableName
    scope: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[0-9.]+$", examples=["88.118.8"])]


class FullSetRequest(StreamRequest, frozen=True, forbid_unknown_fields=True):
    """One stream; `start_over`: first go on behind the collector's last sequence."""

    start_over: bool = False


class ResendRequest(StreamRequest, frozen=True, forbid_unknown_fields=True):
    """Refused rows of one stream; without `keys` all of them."""

    keys: Keys | None = None


class DismissRequest(StreamRequest, frozen=True, forbid_unknown_fields=True):
    """Open rows of one stream that need nothing more."""

    keys: Annotated[list[RowKey], Meta(min_length=1, max_length=1_000)]


class Ordered(msgspec.Struct, frozen=True):
    """An order that the reporting process carries out; `directive_id`: where its outcome is told, if anywhere."""

    ordered: str
    directive_id: str | None = None


class ResentAnswer(msgspec.Struct, frozen=True):
    """Keys by what became of them: queued again, not kept any more, or never sent because the row is not fit for it."""

    queued: list[str]
    not_stored: list[str]
    never_sent: list[str]


class Dismissed(msgspec.Struct, frozen=True):
    """How many rows were closed."""

    closed: int
