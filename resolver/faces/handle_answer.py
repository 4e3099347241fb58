"""The bytes of Handle JSON answers: one place for their form, used by the fast lane and by every handler alike."""

from email.utils import formatdate
from typing import Final

import orjson

SUCCESS: Final = 1
PROTOCOL_ERROR: Final = 4
OPERATION_NOT_SUPPORTED: Final = 5
TRY_AGAIN: Final = 3
READ_ONLY: Final = 7
HANDLE_NOT_FOUND: Final = 100
HANDLE_ALREADY_EXISTS: Final = 101
INVALID_HANDLE: Final = 102
VALUES_NOT_FOUND: Final = 200
VALUE_ALREADY_EXISTS: Final = 201
INVALID_VALUE: Final = 202
NOT_RESPONSIBLE: Final = 301
REFERRAL: Final = 302
LACKS_RIGHT: Final = 400
ACCESS_DENIED: Final = 401
AUTHENTICATION_NEEDED: Final = 402
AUTHENTICATION_FAILED: Final = 403

_STATUS: Final = {
    SUCCESS: 200,
    VALUES_NOT_FOUND: 200,
    REFERRAL: 300,
    303: 300,
    HANDLE_NOT_FOUND: 404,
    HANDLE_ALREADY_EXISTS: 409,
    VALUE_ALREADY_EXISTS: 409,
    PROTOCOL_ERROR: 400,
    INVALID_HANDLE: 400,
    INVALID_VALUE: 400,
    NOT_RESPONSIBLE: 400,
    OPERATION_NOT_SUPPORTED: 501,
    TRY_AGAIN: 503,
    READ_ONLY: 503,
    LACKS_RIGHT: 403,
    ACCESS_DENIED: 403,
    AUTHENTICATION_FAILED: 403,
    404: 403,
}

JSON_TYPE: Final = "application/json; charset=UTF-8"
GZIP_OCTETS_MIN: Final = 1_400
"""A values array longer than this is compressed for clients that accept it; below, gzip would save no packet."""

OPEN_TO_ALL: Final = (("Access-Control-Allow-Origin", "*"),)
FOUND_HEADERS: Final = (
    ("Content-Type", JSON_TYPE),
    ("Cache-Control", "no-cache"),
    *OPEN_TO_ALL,
    ("Access-Control-Expose-Headers", "Content-Length, ETag"),
)
ERROR_HEADERS: Final = (
    ("Content-Type", JSON_TYPE),
    ("Cache-Control", "no-cache"),
    *OPEN_TO_ALL,
    ("Access-Control-Expose-Headers", "Content-Length, Location, Retry-After, WWW-Authenticate"),
)
VARY_ENCODING: Final = ("Vary", "Accept-Encoding")


def status_of(response_code: int, *, secure: bool = False) -> int:
    """Return the HTTP status of a Handle response code; `secure` when the request came over TLS (402 is 401 there)."""
    if response_code == AUTHENTICATION_NEEDED:
        return 401 if secure else 403
    return _STATUS.get(response_code, 500)


def write_status_of(response_code: int, *, secure: bool = False) -> int:
    """Return the HTTP status of anything but a resolution: there, values that are missing are an error."""
    return 400 if response_code == VALUES_NOT_FOUND else status_of(response_code, secure=secure)


def found_body(handle: str, values_json: bytes) -> bytes:
    """Return the body for a record: code 1 with its values, or code 200 when none of them may be shown."""
    if values_json == b"[]":
        return b'{"responseCode":200,"values":[],"handle":%b}' % orjson.dumps(handle)
    return b'{"responseCode":1,"handle":%b,"values":%b}' % (orjson.dumps(handle), values_json)


def referral_body(handle: str, values_json: bytes) -> bytes:
    """Return the body that names the sites of another server; `values_json` is an array, perhaps empty."""
    values = b"" if values_json == b"[]" else b'"values":%b,' % values_json
    return b'{"responseCode":302,%b"handle":%b}' % (values, orjson.dumps(handle))


def error_body(response_code: int, handle: str | None = None, message: str = "") -> bytes:
    """Return the error form: the code, the message if there is one, the handle if one was given."""
    parts = [b'{"responseCode":%d' % response_code]
    if message:
        parts.append(b'"message":%b' % orjson.dumps(message))
    if handle is not None:
        parts.append(b'"handle":%b' % orjson.dumps(handle))
    return b",".join(parts) + b"}"


class AnswerHeads:
    """Whole answers for the fast lane, head and body: what the handlers send for the same request.

    Names come as octets that need no JSON escaping. Everything up to the first part that differs between answers is
    made once a second, by `turn`: call it first.
    """

    __slots__ = ("_error_lines", "_not_found", "_second", "found_head")

    def __init__(self) -> None:
        self._second = -1
        self.found_head = b""
        self._error_lines = self._not_found = b""

    def turn(self, second: int) -> None:
        """Answer as of this second from now on."""
        if second != self._second:
            self._renew(second)

    def found(self, name: bytes, etag: bytes, public_json: bytes) -> bytes:
        """Answer with the public values of a record."""
        octets = len(public_json)
        if octets > GZIP_OCTETS_MIN or octets == _NOTHING_OCTETS:
            return self._found_unusual(name, etag, public_json)
        front, behind = found_parts(len(name), etag, public_json)
        return b"".join((self.found_head, front, name, behind))

    def not_found(self, name: bytes) -> bytes:
        """Answer that nothing is registered under the name."""
        body = b'{"responseCode":100,"handle":"%b"}' % name
        return b"%b%d\r\n\r\n%b" % (self._not_found, len(body), body)

    def too_large(self) -> bytes:
        """Answer that a head is too large; nothing is answered behind that."""
        line = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(HEAD_TOO_LARGE)
        return b"%b%b%b%b" % (line, self._error_lines, length, HEAD_TOO_LARGE)

    def _found_unusual(self, name: bytes, etag: bytes, public_json: bytes) -> bytes:
        body = found_body(name.decode("ascii"), public_json)
        vary = b"Vary: Accept-Encoding\r\n" if len(public_json) > GZIP_OCTETS_MIN else b""
        return b'%b%b"\r\n%bContent-Length: %d\r\n\r\n%b' % (self.found_head, etag, vary, len(body), body)

    def _renew(self, second: int) -> None:
        date = f"Date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
        self.found_head = b'HTTP/1.1 200 OK\r\n%b%bETag: "' % (_lines(FOUND_HEADERS), date)
        self._error_lines = _lines(ERROR_HEADERS) + date
        self._not_found = b"HTTP/1.1 404 Not Found\r\n%bContent-Length: " % self._error_lines
        self._second = second


def found_parts(name_octets: int, etag: bytes, public_json: bytes) -> tuple[bytes, bytes]:
    """Return what stands between `found_head` and a name that needs no escaping, and what follows the name.

    For records that have public values, of at most GZIP_OCTETS_MIN octets.
    """
    octets = _AROUND_OCTETS + name_octets + len(public_json)
    front = b'%b"\r\nContent-Length: %d\r\n\r\n{"responseCode":1,"handle":"' % (etag, octets)
    return front, b'","values":%b}' % public_json


HEAD_TOO_LARGE: Final = error_body(4, None, "The head of the request is too large: send fewer or shorter headers")
_AROUND_OCTETS: Final = len(found_body("", b"[0]")) - len(b"[0]")
_NOTHING_OCTETS: Final = len(b"[]")


def _lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii")
