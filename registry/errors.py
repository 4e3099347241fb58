"""What the registry refuses, and why: one hierarchy, turned into answers in api/problems.py and nowhere else."""

# ruff: noqa: N818 - these name answers, and read as such where they are raised

from typing import ClassVar, NamedTuple

FIELD_ERRORS_MAX = 100
"""More faults than this in one request are not listed; nobody repairs more at once."""


class FieldError(NamedTuple):
    """One fault: `field` says where in the request (`values[3].type`), `message` what is wrong."""

    field: str
    message: str


class RegistryError(Exception):
    """A request that is not carried out. `message` says what was wrong, `remedy` what to do about it."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "The request cannot be understood"

    def __init__(self, code: str, message: str, *, remedy: str = "", errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.errors = errors[:FIELD_ERRORS_MAX]


class InvalidRequest(RegistryError):
    """The request is malformed."""


class Unauthenticated(RegistryError):
    """The request carries no token, or one that does not count."""

    status = 401
    title = "Who are you?"


class BadSignature(Unauthenticated):
    """A signature does not prove who sends the request. `server_time` is the instant here, in whole seconds."""

    def __init__(self, code: str, message: str, *, remedy: str, server_time: str) -> None:
        super().__init__(code, message, remedy=remedy)
        self.server_time = server_time


class Forbidden(RegistryError):
    """The token is good, and does not reach this far."""

    status = 403
    title = "Not allowed"


class NotFound(RegistryError):
    """There is no such thing, and there never was."""

    status = 404
    title = "Not found"


class Conflict(RegistryError):
    """The request does not fit what is stored."""

    status = 409
    title = "In conflict with what is stored"


class Gone(RegistryError):
    """It was here and is withdrawn for good."""

    status = 410
    title = "Withdrawn"


class CursorExpired(Gone):
    """What lies behind a cursor is no longer held. `oldest` is the cursor from which on it is."""

    def __init__(self, code: str, message: str, *, remedy: str, oldest: str) -> None:
        super().__init__(code, message, remedy=remedy)
        self.oldest = oldest


class PreconditionFailed(RegistryError):
    """It has changed since the caller read it."""

    status = 412
    title = "Changed meanwhile"


class TooLarge(RegistryError):
    """The request is longer than the registry reads."""

    status = 413
    title = "Too large"


class UnsupportedMediaType(RegistryError):
    """The body is in a form the registry does not read."""

    status = 415
    title = "Unsupported media type"


class InvalidFields(RegistryError):
    """The request is well formed and its content breaks rules, listed in `errors`."""

    status = 422
    title = "Some fields are not acceptable"


class TooManyRequests(RegistryError):
    """The caller has used up its share for now. `retry_after_s`: whole seconds after which there is some again."""

    status = 429
    title = "Too many requests"

    def __init__(self, code: str, message: str, *, remedy: str, retry_after_s: int) -> None:
        super().__init__(code, message, remedy=remedy)
        self.retry_after_s = retry_after_s


class Unavailable(RegistryError):
    """The database cannot be used now."""

    status = 503
    title = "Try again later"


class ChangedMeanwhile(Exception):
    """Another transaction changed the row first. Nothing is committed; the whole transaction is repeated."""


def one_field(code: str, field: str, message: str) -> InvalidFields:
    """Make the error for a single bad field."""
    detail = f"{field}: {message}" if field else message
    remedy = "correct the field and send the request again"
    return InvalidFields(code, detail, remedy=remedy, errors=(FieldError(field, message),))
