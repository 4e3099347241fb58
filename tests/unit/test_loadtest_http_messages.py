import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.http_messages import (
    BODY_OCTETS_MAX,
    HEAD_OCTETS_MAX,
    Answer,
    AnswerError,
    AnswerParser,
    build_get,
    build_put,
    plain_status,
)

FOUND = b'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 18\r\n\r\n{"responseCode":1}'
ABSENT = b'HTTP/1.1 404 Not Found\r\ncontent-length: 20\r\nConnection: keep-alive\r\n\r\n{"responseCode":100}'
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NOT_MODIFIED = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhello"
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
NEGATIVE_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc"
HUGE_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_OCTETS_MAX + 1)
ABSURD_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % (b"9" * 20_000)
NOT_HTTP = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
NO_STATUS = b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def test_an_answer_split_at_every_octet_is_read_once_and_whole() -> None:
    for place in range(1, len(FOUND)):
        parser = AnswerParser()
        assert parser.feed(FOUND[:place]) == []
        (answer,) = parser.feed(FOUND[place:])
        assert (answer.status, answer.body) == (200, b'{"responseCode":1}')
        assert parser.held == b""


def test_an_answer_that_comes_octet_by_octet_is_read() -> None:
    parser = AnswerParser()
    answers = [answer for place in range(len(ABSENT)) for answer in parser.feed(ABSENT[place : place + 1])]
    assert statuses(answers) == [404]


@given(st.lists(st.sampled_from([FOUND, ABSENT, EMPTY, NOT_MODIFIED, CONTINUE]), max_size=6), st.data())
def test_pipelined_answers_in_any_pieces_come_out_in_order(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parser = AnswerParser()
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    answers = [answer for piece in pieces for answer in parser.feed(piece)]
    assert [answer.head + answer.body for answer in answers] == [one for one in sent if one != CONTINUE]


@pytest.mark.parametrize(
    "broken",
    [CHUNKED, UNTIL_CLOSE, TWO_LENGTHS, NEGATIVE_LENGTH, HUGE_LENGTH, ABSURD_LENGTH, NOT_HTTP, NO_STATUS],
    ids=["chunked", "until close", "two lengths", "negative", "huge", "absurd", "not HTTP", "no status"],
)
def test_what_is_not_an_answer_of_known_length_is_an_error(broken: bytes) -> None:
    with pytest.raises(AnswerError):
        AnswerParser().feed(broken)
    assert plain_status(broken) == 0


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (b"HTTP/1.1 200 OK", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive", False),
        (b"HTTP/1.1 200 OK\r\nconnection:Close", True),
        (b"HTTP/1.1 200 OK\r\nConnection: TE, CLOSE", True),
        (b"HTTP/1.0 200 OK", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", False),
    ],
)
def test_an_answer_says_whether_the_connection_ends_with_it(head: bytes, closes: bool) -> None:  # noqa: FBT001
    (answer,) = AnswerParser().feed(head + b"\r\nContent-Length: 0\r\n\r\n")
    assert answer.closes == closes


def test_a_head_without_end_is_an_error_and_not_kept_for_ever() -> None:
    parser = AnswerParser()
    assert parser.feed(b"x" * HEAD_OCTETS_MAX) == []
    with pytest.raises(AnswerError, match="longer than"):
        parser.feed(b"x")


@pytest.mark.parametrize(("answer", "status"), [(FOUND, 200), (EMPTY, 200)])
def test_the_plain_case_is_recognised_without_the_parser(answer: bytes, status: int) -> None:
    assert plain_status(answer) == status


@pytest.mark.parametrize(
    "data", [FOUND + FOUND, FOUND[:-1], FOUND + b"x", ABSENT, NOT_MODIFIED, CONTINUE, LAST, b"", b"HTTP/1.1 2"]
)
def test_everything_else_is_left_to_the_parser(data: bytes) -> None:
    assert plain_status(data) == 0


def test_the_beginning_of_an_answer_is_never_taken_for_the_whole() -> None:
    # Padded so that without its end the head is as long as the length it announces would make a whole answer.
    for padding in range(40):
        whole = b"HTTP/1.1 200 OK\r\nA: " + b"x" * padding + b"\r\nContent-Length: 50\r\n\r\n" + b"y" * 50
        assert plain_status(whole) == 200
        assert not any(plain_status(whole[:place]) for place in range(len(whole)))


@given(
    st.sampled_from([b"200", b"404", b"100", b"0x1", b" 20"]),
    st.lists(
        st.sampled_from([b"Content-Length: 3", b"Content-Length: 03", b"X-Content-Length: 3", b"A: b"]), max_size=3
    ),
    st.binary(max_size=5),
)
def test_the_short_cut_never_says_more_than_the_parser(code: bytes, fields: list[bytes], body: bytes) -> None:
    data = b"\r\n".join([b"HTTP/1.1 " + code + b" OK", *fields, b"", body])
    if status := plain_status(data):
        try:
            answers = AnswerParser().feed(data)
        except AnswerError:
            # The one thing the short cut does not look for: a second, different length.
            assert len({field for field in fields if field.startswith(b"Content-Length")}) > 1
        else:
            assert statuses(answers) == [status]


def test_requests_are_whole_and_name_their_host() -> None:
    assert build_get("127.0.0.1:8080", "/api/handles/88.118.8/SN1") == (
        b"GET /api/handles/88.118.8/SN1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: application/json\r\n\r\n"
    )
    put = build_put("h", "/api/v1/identifiers/a/b", b"{}", token="t")
    assert put.startswith(b"PUT /api/v1/identifiers/a/b HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n")
    assert put.endswith(b"Content-Length: 2\r\n\r\n{}")
