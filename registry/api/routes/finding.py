"""Routes: finding records by value and template, their history, aliases and references."""

from typing import Final, Literal

from registry.api import aliases, finding
from registry.api.finding_shapes import (
    AliasAnswer,
    AliasPage,
    AliasRequest,
    GraphAnswer,
    HistoryPage,
    ReferencePage,
)
from registry.api.routing import PAGING, Parameter, Route
from registry.api.shapes import IdentifierPage
from registry.authority import Action
from registry.service.references import DEPTH_MAX, EDGES_MAX, NODES_MAX

_IDENTIFIER: Final = Parameter("identifier", "the identifier, or an alias of it", required=True)
_VALUES: Final = [
    {
        "index": 2001,
        "type": "batch",
        "data": {"format": "string", "value": "B000042"},
        "ttl": 86400,
        "timestamp": "2025-11-22T08:00:00Z",
    }
]
_RECORD: Final = {
    "identifier": "88.118.8/SN0001",
    "prefix": "88.118.8",
    "state": "active",
    "version": 1,
    "created_at": "2025-11-22T08:00:00.000Z",
    "updated_at": "2025-11-22T08:00:00.000Z",
    "values": _VALUES,
    "template": "product-1",
}
_VERSION: Final = {
    "version": 1,
    "op": "create",
    "actor": "acc_71b0c2f4a98d3e56",
    "at": "2025-11-22T08:00:00.000Z",
    "state": "active",
    "values": _VALUES,
    "template": "product-1",
}
_REFERENCE: Final = {"source": "88.118.8/SN0001", "index": 2002, "target": "88.118.8/PART7"}
_ALIAS: Final = {
    "alias": "88.118.8/OLD0001",
    "identifier": "88.118.8/SN0001",
    "kind": "former",
    "version": 1,
    "created_at": "2025-11-22T08:00:00.000Z",
    "updated_at": "2025-11-22T08:00:00.000Z",
}
_ALIAS_NOTE: Final = (
    "The alias is everything behind `/aliases/` in the raw path, percent-decoded once: a Handle, or a code of another "
    "scheme such as a GTIN. "
)

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/identifiers:search",
        handler=finding.find,
        action=Action.SEARCH_IDENTIFIERS,
        summary="Find records by a value, by their template, or both",
        description="Values of items that their template calls searchable are found, exactly or by what they begin "
        "with; `index` says of which item. Without a value all active records of the template come. A page may be "
        "shorter than its limit, because records whose value the caller may not read are left out; it is the last one "
        "when `next` is null.",
        response=IdentifierPage,
        refusals=(404,),
        parameters=(
            Parameter("prefix", "the prefix whose identifiers are searched", required=True),
            Parameter("index", "the item whose value is looked for", schema=int),
            Parameter("value", "the value, in full"),
            Parameter("begins", "what the value begins with, in place of `value`"),
            Parameter("template", "code of the template the records follow"),
            *PAGING,
        ),
        response_example={"items": [_RECORD], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/identifiers:history",
        handler=finding.versions,
        action=Action.READ_HISTORY,
        summary="Read every version of a record: what, who, when",
        description="Newest first, as far back as the journal is kept. Of each version the values are shown that the "
        "caller may read now.",
        response=HistoryPage,
        refusals=(404,),
        parameters=(_IDENTIFIER, *PAGING),
        response_example={"identifier": "88.118.8/SN0001", "items": [_VERSION], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/identifiers:references",
        handler=finding.named_by,
        action=Action.READ_REFERENCES,
        summary="List what a record refers to",
        description="By values of items of the data type `reference`, in the order of their indexes.",
        response=ReferencePage,
        refusals=(404,),
        parameters=(_IDENTIFIER, *PAGING),
        response_example={"items": [_REFERENCE], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/identifiers:referrers",
        handler=finding.naming,
        action=Action.READ_REFERENCES,
        summary="List what refers to a record",
        description="Of other enterprises' records the references that are publicly readable. A page may be shorter "
        "than its limit; it is the last one when `next` is null.",
        response=ReferencePage,
        refusals=(404,),
        parameters=(_IDENTIFIER, *PAGING),
        response_example={"items": [_REFERENCE], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/identifiers:graph",
        handler=finding.graph,
        action=Action.READ_REFERENCES,
        summary="Walk the references around a record",
        description=f"Nearest first, at most {DEPTH_MAX} references away, {NODES_MAX:,} identifiers and "
        f"{EDGES_MAX:,} references; `complete` is false when a limit ended the walk.",
        response=GraphAnswer,
        refusals=(404,),
        parameters=(
            _IDENTIFIER,
            Parameter(
                "direction",
                "`out`: what the record refers to, `in`: what refers to it, `both` (the default)",
                schema=Literal["out", "in", "both"],
            ),
            Parameter("depth", f"how many references away, 1 to {DEPTH_MAX}; 2 without it", schema=int),
            Parameter("nodes", f"most identifiers, 1 to {NODES_MAX:,}; 100 without it", schema=int),
        ),
        response_example={
            "nodes": [
                {"identifier": "88.118.8/SN0001", "state": "active", "depth": 0},
                {"identifier": "88.118.8/PART7", "state": "active", "depth": 1},
            ],
            "references": [_REFERENCE],
            "complete": True,
        },
    ),
    Route(
        method="GET",
        path="/api/v1/aliases",
        handler=aliases.page,
        action=Action.READ_IDENTIFIER,
        summary="List the aliases of a record",
        response=AliasPage,
        refusals=(404,),
        parameters=(_IDENTIFIER, *PAGING),
        response_example={"items": [_ALIAS], "next": None},
    ),
    Route(
        method="PUT",
        path="/api/v1/aliases/{identifier}",
        handler=aliases.put,
        action=Action.WRITE_IDENTIFIER,
        summary="Let another name lead to a record",
        description=_ALIAS_NOTE + "It resolves like the record from then on, and nothing else can be registered under "
        "it. A withdrawn identifier may become an alias, so that codes printed with it go on resolving. Codes of other "
        "schemes are set by administrators.",
        request=AliasRequest,
        response=AliasAnswer,
        statuses=(200, 201),
        refusals=(404, 409, 410),
        request_example={"identifier": "88.118.8/SN0001", "kind": "former"},
        response_example=_ALIAS,
    ),
    Route(
        method="GET",
        path="/api/v1/aliases/{identifier}",
        handler=aliases.get,
        action=Action.READ_IDENTIFIER,
        summary="Read where an alias leads",
        description=_ALIAS_NOTE,
        response=AliasAnswer,
        refusals=(404,),
        response_example=_ALIAS,
    ),
    Route(
        method="DELETE",
        path="/api/v1/aliases/{identifier}",
        handler=aliases.remove,
        action=Action.WRITE_IDENTIFIER,
        summary="Let an alias lead nowhere any more",
        description=_ALIAS_NOTE + "Look-ups answer then that it is gone, and name the record it led to. It may be set "
        "again.",
        response=AliasAnswer,
        refusals=(404, 409),
        response_example={**_ALIAS, "version": 2},
    ),
)
