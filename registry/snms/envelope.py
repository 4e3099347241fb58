"""The one form of every answer: message, status and data."""

from enum import IntEnum
from typing import Any, Final

import msgspec

SUCCESS_MESSAGE: Final = "success"


class Status(IntEnum):
    """What `status` says of a call. Clients test it; the HTTP status is 200 unless the node is set to be strict."""

    SUCCESS = 1
    NOT_SIGNED_IN = -1
    REFUSED = -2
    """Business failure; the reason is in the message."""
    NOT_PERMITTED = -3
    FAILED = -4


class Refusal(Exception):  # noqa: N818 - an answer, raised where it is decided
    """A call that is answered with another status than success.

    `message` is for people (Chinese where clients know a text), `code` the stable English name, `field` where the
    fault is. `http_status` is sent where the node is set to be strict, `always` even where it is not. `retry_after_s`
    is told to clients that have to wait.
    """

    def __init__(
        self,
        status: Status,
        message: str,
        code: str,
        *,
        field: str | None = None,
        http_status: int = 400,
        always: bool = False,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.field = field
        self.http_status = http_status
        self.always = always
        self.retry_after_s = retry_after_s


def refused(message: str, code: str, field: str | None = None, http_status: int = 400) -> Refusal:
    """Make a business failure (status -2)."""
    return Refusal(Status.REFUSED, message, code, field=field, http_status=http_status)


def success_body(data: Any) -> bytes:
    """Write the answer to a call that was carried out; `data` is anything that becomes JSON, msgspec.Raw too."""
    return msgspec.json.encode({"message": SUCCESS_MESSAGE, "status": int(Status.SUCCESS), "data": data})


def refusal_body(refusal: Refusal) -> bytes:
    """Write the answer to a call that was not carried out."""
    body: dict[str, Any] = {"message": refusal.message, "status": int(refusal.status), "data": None}
    if refusal.status is Status.REFUSED:
        body["error"] = refusal.code
        if refusal.field is not None:
            body["field"] = refusal.field
    return msgspec.json.encode(body)
