"""The JSON bodies of what is found through identifiers: their history, aliases, references and graphs."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from identifiers.changes import AliasKind
from registry.api.shapes import Instant, StoredValues, Version
from registry.service.references import NodeState

_KIND = Meta(description="`same`: a further code of the thing; `former`: a code that was corrected since")
_Name = Annotated[str, Meta(min_length=1, max_length=2_048, examples=["88.118.8/SN0001"])]


class AliasRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an alias leads."""

    identifier: _Name
    kind: Annotated[AliasKind, _KIND] = "same"


class AliasAnswer(msgspec.Struct, frozen=True):
    """Another name of a record."""

    alias: str
    identifier: str
    kind: Annotated[AliasKind, _KIND]
    version: Annotated[int, Meta(description="counts the changes of the name", ge=1)]
    created_at: Instant
    updated_at: Instant


class AliasPage(msgspec.Struct, frozen=True):
    """Aliases of one record in the order of their keys."""

    items: list[AliasAnswer]
    next: str | None


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of a record, with the values the caller may read."""

    version: Version
    op: Literal["create", "update", "withdraw"]
    actor: Annotated[str, Meta(description="id of the account that made the change")]
    at: Annotated[Instant, Meta(description="when the transaction of the change began")]
    state: Literal["active", "withdrawn"]
    values: StoredValues
    template: str | None = None
    successor: str | None = None
    withheld: Annotated[list[int], Meta(description="indexes of values that the caller may not read")] = []


class HistoryPage(msgspec.Struct, frozen=True):
    """Versions of one record, newest first."""

    identifier: str
    items: list[HistoryEntry]
    next: str | None


class ReferenceAnswer(msgspec.Struct, frozen=True):
    """A value that names an identifier: `source` refers to `target` at `index`."""

    source: str
    index: int
    target: str


class ReferencePage(msgspec.Struct, frozen=True):
    """References in their order."""

    items: list[ReferenceAnswer]
    next: str | None


class GraphNode(msgspec.Struct, frozen=True):
    """An identifier, `depth` references away from where the graph begins. `unknown`: not registered here."""

    identifier: str
    state: NodeState
    depth: Annotated[int, Meta(ge=0)]


class GraphAnswer(msgspec.Struct, frozen=True):
    """What is reached from an identifier over references, nearest first. `complete` is false when a limit ended it."""

    nodes: list[GraphNode]
    references: list[ReferenceAnswer]
    complete: bool
