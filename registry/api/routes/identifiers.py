"""Routes: single identifiers, lists and batches."""

from typing import Final, Literal

from registry.api import batch, identifiers
from registry.api.routing import NDJSON, PAGING, Parameter, Route
from registry.api.shapes import (
    BatchEnd,
    BatchRow,
    IdentifierAnswer,
    IdentifierPage,
    IdentifierPatch,
    IdentifierRequest,
    WriteAnswer,
)
from registry.authority import Action

_IF_MATCH = Parameter("If-Match", "ETag of the version this change is based on; another one stored: 412", "header")
_IF_ABSENT = Parameter("If-None-Match", "`*`: only if the identifier does not exist yet; else 412", "header")
_IF_CHANGED = Parameter("If-None-Match", "ETags the caller has; if one is the record's: 304", "header")
_IDENTIFIER_NOTE = (
    "The identifier is everything behind `/identifiers/` in the raw path, percent-decoded once; slashes may stand as "
    "they are, `+` is a plus sign. "
)
_RESOLVABLE_NOTE = (
    "Answers once this host's resolver knows the change: `resolvable` is then true. If that takes longer than two "
    "seconds the status is 202 and `resolvable` false; the change is stored all the same."
)
_VALUES = [{"index": 1, "type": "URL", "data": {"format": "string", "value": "https://example.com/sn0001"}}]
_RECORD = {
    "identifier": "88.118.8/SN0001",
    "prefix": "88.118.8",
    "state": "active",
    "version": 1,
    "created_at": "2025-11-22T08:00:00.000Z",
    "updated_at": "2025-11-22T08:00:00.000Z",
    "values": [{**_VALUES[0], "ttl": 86400, "timestamp": "2025-11-22T08:00:00Z"}],
}
_WRITTEN = {"identifier": "88.118.8/SN0001", "version": 1, "resolvable": True}

ROUTES: Final = (
    Route(
        method="PUT",
        path="/api/v1/identifiers/{identifier}",
        handler=identifiers.put,
        action=Action.WRITE_IDENTIFIER,
        summary="Register an identifier, or replace its record",
        description=_IDENTIFIER_NOTE + "A value sent unchanged keeps its timestamp; a record sent unchanged keeps its "
        "version. A withdrawn identifier is never given again. " + _RESOLVABLE_NOTE,
        request=IdentifierRequest,
        response=WriteAnswer,
        statuses=(200, 201, 202),
        refusals=(404, 409, 412),
        parameters=(_IF_MATCH, _IF_ABSENT),
        request_example={"values": _VALUES},
        response_example=_WRITTEN,
    ),
    Route(
        method="GET",
        path="/api/v1/identifiers/{identifier}",
        handler=identifiers.get,
        action=Action.READ_IDENTIFIER,
        summary="Read the record of an identifier",
        description=_IDENTIFIER_NOTE + "Of other enterprises' records the publicly readable values are shown.",
        response=IdentifierAnswer,
        statuses=(200, 304),
        refusals=(404, 410),
        parameters=(_IF_CHANGED,),
        response_example=_RECORD,
    ),
    Route(
        method="PATCH",
        path="/api/v1/identifiers/{identifier}",
        handler=identifiers.patch,
        action=Action.WRITE_IDENTIFIER,
        summary="Add, replace and remove single values of a record",
        description=_IDENTIFIER_NOTE + _RESOLVABLE_NOTE,
        request=IdentifierPatch,
        response=WriteAnswer,
        statuses=(200, 202),
        refusals=(404, 409, 410, 412),
        parameters=(_IF_MATCH,),
        request_example={"values": _VALUES, "remove": [2001]},
        response_example={**_WRITTEN, "version": 2},
    ),
    Route(
        method="DELETE",
        path="/api/v1/identifiers/{identifier}",
        handler=identifiers.withdraw,
        action=Action.WRITE_IDENTIFIER,
        summary="Withdraw an identifier for good",
        description=_IDENTIFIER_NOTE + "Lookups then answer that it is gone. " + _RESOLVABLE_NOTE,
        response=WriteAnswer,
        statuses=(200, 202),
        refusals=(404, 409, 410, 412),
        parameters=(_IF_MATCH, Parameter("successor", "the identifier to use instead")),
        response_example={**_WRITTEN, "version": 3},
    ),
    Route(
        method="GET",
        path="/api/v1/identifiers",
        handler=identifiers.page,
        action=Action.LIST_IDENTIFIERS,
        summary="List the records of a prefix",
        description="In the order of their keys, with their values. A page may be shorter than its limit when its "
        "records are long; it is the last one when `next` is null.",
        response=IdentifierPage,
        refusals=(404,),
        parameters=(
            Parameter("prefix", "the prefix whose identifiers are listed", required=True),
            Parameter("state", "active (the default), withdrawn or all", schema=Literal["active", "withdrawn", "all"]),
            *PAGING,
        ),
        response_example={"items": [_RECORD], "next": None},
    ),
    Route(
        method="POST",
        path="/api/v1/identifiers:batch",
        handler=batch.write,
        action=Action.WRITE_IDENTIFIER,
        summary="Register many identifiers in one stream",
        description="One JSON object a line, at most 1 MiB a line and 100,000 lines; the answer has a line for each, "
        "with its number, in order, and the summary last. A bad line is rejected with its reason and the others go "
        "in. A line equal to what is stored is `unchanged`, so a batch may be sent again at any time. Lines are stored "
        "in chunks; if the summary holds a `problem`, lines without an answer are to be sent again.",
        request=BatchRow,
        request_type=NDJSON,
        response=BatchEnd,
        response_type=NDJSON,
        parameters=(
            Parameter(
                "on_conflict",
                "what becomes of a line whose identifier exists with other values: `fail` rejects it (the default), "
                "`skip` leaves what is stored, `replace` replaces it",
                schema=Literal["skip", "replace", "fail"],
            ),
            Parameter("template", "code of the template every record must follow"),
            Parameter("wait", "`false`: do not wait for the resolver at the end", schema=Literal["true", "false"]),
        ),
        request_example={"identifier": "88.118.8/SN0001", "values": _VALUES},
        response_example={
            "summary": {
                "created": 1,
                "replaced": 0,
                "unchanged": 0,
                "skipped": 0,
                "rejected": 0,
                "resolvable": True,
            }
        },
    ),
)
