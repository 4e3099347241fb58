"""HTTP/1.1 as a load generator speaks it: request octets out, answers in; no sockets here.

Only what a benchmarked server has to send is understood: answers whose length is known from
their head (RFC 9112 section 6.3, rules 1 and 6). A chunked or close-delimited answer is an error of
the run, not something to measure around.
"""

from __future__ import annotations

from typing import NamedTuple

HEAD_OCTETS_MAX = 32_768
BODY_OCTETS_MAX = 16 * 1024 * 1024
DIGITS_MAX = 8
INFORMATIONAL_MAX = 199
BODYLESS_STATUSES = frozenset({204, 304})

_END = b"\r\n\r\n"
_LENGTH = b"\r\nContent-Length: "
_VERSION = b"HTTP/1.1 "
# In "Connection: close" however it is spelled, short of all capitals.
_MAY_CLOSE = b"lose"


class AnswerError(Exception):
    """The server sent something that is not an answer of known length."""


class Answer(NamedTuple):
    """One answer: its status code, its head with the blank line, its body; `closes`: the connection ends with it."""

    status: int
    head: bytes
    body: bytes
    closes: bool


def build_get(host: str, target: str, *, accept: str = "application/json") -> bytes:
    """Return the octets of a keep-alive GET; `target` must already be percent-encoded."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n".encode("ascii")


def build_put(host: str, target: str, body: bytes, *, token: str) -> bytes:
    """Return the octets of a keep-alive PUT of a JSON body, authorised by a bearer token."""
    head = (
        f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def plain_status(data: bytes) -> int:
    """Return the status of `data` when it is exactly one complete answer in the common spelling, else 0.

    This is the generator's hot path: four searches and no copy, 0.4 µs of the 8.5 µs that one exchange
    costs the client (`make bench` reports the client's CPU per request). 0 means "ask the parser", which
    decides everything that is split, pipelined, spelled otherwise, broken, or may announce the connection's end.
    """
    end = data.find(_END)
    length = data.find(_LENGTH, 12, end)
    if length < 0 or end < 0 or not data.startswith(_VERSION) or data.find(_MAY_CLOSE, 12, end) >= 0:
        return 0
    digits = data[length + 18 : data.find(b"\r", length + 18)]
    if not digits.isdigit() or len(digits) > DIGITS_MAX or end + 4 + int(digits) != len(data):
        return 0
    code = data[9:12]
    return int(code) if code.isdigit() and code >= b"200" else 0


class AnswerParser:
    """Answers out of a stream of octets, however they were split; holds at most one unfinished answer."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> list[Answer]:
        """Return the final answers that `data` completed, in order; raise AnswerError for anything else.

        Informational answers (1xx) are left out. After an error the connection cannot be used any more.
        """
        octets, start, answers = self.held + data, 0, []
        while (answer := _next_answer(octets, start)) is not None:
            start += len(answer.head) + len(answer.body)
            if answer.status > INFORMATIONAL_MAX:
                answers.append(answer)
        self.held = octets[start:]
        return answers


def _next_answer(octets: bytes, start: int) -> Answer | None:
    end = octets.find(_END, start)
    if end < 0:
        if len(octets) - start > HEAD_OCTETS_MAX:
            raise AnswerError(f"the head of an answer is longer than {HEAD_OCTETS_MAX} octets")
        return None
    head = octets[start : end + 4]
    version, status = _status(head)
    fields = _fields(head)
    body_end = end + 4 + _body_length(status, fields)
    if body_end > len(octets):
        return None
    return Answer(status, head, octets[end + 4 : body_end], _closes(version, fields))


def _status(head: bytes) -> tuple[bytes, int]:
    line = head[: head.index(b"\r\n")]
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or rest[3:4] not in (b"", b" "):
        raise AnswerError(f"not an HTTP/1.1 status line: {line[:80]!r}")
    return version, int(code)


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:-2])
    return [(name.lower(), value.strip()) for name, _, value in lines]


def _body_length(status: int, fields: list[tuple[bytes, bytes]]) -> int:
    for name, value in fields:
        if name == b"transfer-encoding":
            raise AnswerError(f"the answer is sent in {value[:40]!r} coding; only Content-Length is measured")
    if status <= INFORMATIONAL_MAX or status in BODYLESS_STATUSES:
        return 0
    lengths = {value for name, value in fields if name == b"content-length"}
    if len(lengths) != 1 or not (text := lengths.pop()).isdigit():
        raise AnswerError(f"an answer with status {status} has no single valid Content-Length")
    if len(text) > DIGITS_MAX or int(text) > BODY_OCTETS_MAX:
        raise AnswerError(f"an answer's body is longer than {BODY_OCTETS_MAX} octets")
    return int(text)


def _closes(version: bytes, fields: list[tuple[bytes, bytes]]) -> bool:
    options = {
        option.strip().lower() for name, value in fields if name == b"connection" for option in value.split(b",")
    }
    return b"close" in options or (version == b"HTTP/1.0" and b"keep-alive" not in options)
