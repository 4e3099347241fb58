"""What refusals look like, one for each status: the examples of problem bodies in the API's description."""

from typing import Any, Final

import msgspec

from registry.api.problems import InternalError, problem_of
from registry.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Gone,
    InvalidFields,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    RegistryError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)

_NAME: Final = "88.118.8/SN0001"
_REFUSALS: Final[tuple[RegistryError, ...]] = (
    InvalidRequest("malformed_json", "this is not JSON: unexpected end of data", remedy="repair the JSON of the body"),
    Unauthenticated(
        "token_invalid",
        "the token is unknown, expired or revoked",
        remedy="send the header Authorization: Bearer <token> with a token that counts; sign in to get one",
    ),
    Forbidden("not_yours", "this belongs to another enterprise", remedy="use a token of the enterprise it belongs to"),
    NotFound("unknown_prefix", "the prefix 88.118.9 is not registered here", remedy="check the spelling"),
    Conflict("identifier_withdrawn", f"{_NAME} was withdrawn", remedy="register the record under another identifier"),
    Gone("identifier_withdrawn", f"{_NAME} is withdrawn for good", remedy="use 88.118.8/SN0002"),
    PreconditionFailed(
        "version_mismatch",
        f"{_NAME} is at version 2 now",
        remedy="read it again, apply your change to what you read, and send its ETag in If-Match",
    ),
    TooLarge("body_too_large", "the body is too long", remedy="send less, or use a batch for many identifiers"),
    UnsupportedMediaType(
        "unsupported_media_type", "the body is text/plain, coding identity", remedy="send application/json in UTF-8"
    ),
    InvalidFields(
        "bad_fields",
        "values: this is required",
        remedy="correct the field and send the request again",
        errors=(FieldError("values", "this is required"),),
    ),
    TooManyRequests(
        "rate_limited", "the enterprise asks more often than its quota allows", remedy="wait", retry_after_s=1
    ),
    InternalError("internal_error", "the registry has failed; the log says why", remedy="report it to the operator"),
    Unavailable("busy", "the database is busy", remedy="send the request again"),
)
EXAMPLES: Final[dict[int, Any]] = {refusal.status: msgspec.to_builtins(problem_of(refusal)) for refusal in _REFUSALS}
"""Problem bodies as JSON, by status."""
