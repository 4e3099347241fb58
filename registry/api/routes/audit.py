"""Routes: the audit log."""

from typing import Final, Literal

from registry.api import audit
from registry.api.audit_shapes import AuditPage
from registry.api.routing import CSV, NDJSON, PAGING, Parameter, Route
from registry.authority import Action
from registry.service.audit import ShownEntry

_ENTRY: Final = {
    "at": "2026-11-22T08:00:00.000Z",
    "kind": "change",
    "actor": "acc_71b0c2f4a98d3e56",
    "address": "192.0.2.17",
    "action": "PUT /api/v1/identifiers/{identifier}",
    "object": "identifier hdl:88.118.8/SN0001",
    "result": "ok",
    "request_id": "5f0c2d1e3b7a4c589f608f3c2b1a7d42",
    "count": 1,
}
_FILTERS: Final = (
    Parameter("kind", "change, or access: sign-ins, refusals, reads", schema=Literal["change", "access"]),
    Parameter("actor", "the id of the account"),
    Parameter("action", "what was done, such as `sign_in` or `PUT /api/v1/identifiers/{identifier}`"),
    Parameter("object", "how the object begins, such as `prefix 88.118.8`"),
    Parameter("result", "ok, or the code of the refusal"),
    Parameter("request_id", "the `X-Request-Id` of the request"),
    Parameter("since", "RFC 3339; entries of this instant and later"),
    Parameter("until", "RFC 3339; entries before this instant"),
)

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/audit",
        handler=audit.page,
        action=Action.READ_AUDIT,
        summary="Read who did what, newest first",
        description="All for administrators and auditors, otherwise what accounts of the caller's enterprise did.",
        response=AuditPage,
        refusals=(422,),
        parameters=(*PAGING, *_FILTERS),
        response_example={"items": [_ENTRY], "next": None},
    ),
    Route(
        method="GET",
        path="/api/v1/audit:export",
        handler=audit.export,
        action=Action.READ_AUDIT,
        summary="Export the audit log: one JSON object a line, or CSV",
        response=ShownEntry,
        response_type=NDJSON,
        response_also=(CSV,),
        refusals=(422,),
        parameters=(*_FILTERS, Parameter("format", "ndjson (the default) or csv", schema=Literal["ndjson", "csv"])),
        response_example=_ENTRY,
        csv_example=",".join(_ENTRY) + "\r\n" + ",".join(map(str, _ENTRY.values())) + "\r\n",
    ),
)
