"""Problem bodies as one line for a person."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.client.problems import describe_problem, printable


def test_a_problem_becomes_one_line_with_its_fields_and_its_remedy() -> None:
    body = orjson.dumps(
        {
            "type": "urn:idnode:problem:bad_prefix",
            "title": "The prefix is not valid.",
            "detail": "88..1 has an empty segment",
            "code": "bad_prefix",
            "errors": [{"field": "prefix", "message": "segments have digits"}],
            "remedy": "Write it like 88.118.8",
        }
    )
    assert describe_problem(400, body) == (
        "The prefix is not valid: 88..1 has an empty segment (prefix: segments have digits). Write it like 88.118.8",
        "bad_prefix",
    )


def test_what_the_detail_says_already_is_not_said_again() -> None:
    body = orjson.dumps({"detail": "the name is empty", "errors": [{"field": "name", "message": "the name is empty"}]})
    assert describe_problem(400, body)[0] == "the name is empty"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", "HTTP status 502"),
        (b"<h1>Bad Gateway</h1>\n", "HTTP status 502: <h1>Bad Gateway</h1>"),
        (b'{"title":7}', 'HTTP status 502: {"title":7}'),
        (b"{}", "HTTP status 502"),
        (b'{"responseCode":301,"message":"Not our prefix"}', "Not our prefix"),
    ],
)
def test_a_body_of_somebody_else_is_shown_as_far_as_it_helps(body: bytes, line: str) -> None:
    assert describe_problem(502, body) == (line, "")


@given(st.text())
def test_foreign_text_cannot_steer_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not set(shown) & {"\x1b", "\n", "\r", "\x07", "\x9b", "\u202e"}


def test_chinese_text_and_its_blanks_stay_as_they_are() -> None:
    assert printable("泵　（大）\x1b[2J\u202e") == "泵　（大）\\x1b[2J\\u202e"
