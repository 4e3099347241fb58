"""Log lines: one an event, and no secret in any."""

import json
import logging
import sys

import pytest

from node.log import OneLine, redacted

TOKEN = "idn_" + "aB3-_" * 8 + "xyz"


def formatted(form: str, message: str, *arguments: object, exc_info: bool = False, **extra: object) -> str:
    error = sys.exc_info() if exc_info else None
    logger = logging.getLogger("resolver.lane")
    record = logger.makeRecord(logger.name, logging.WARNING, "", 0, message, arguments, error, extra=extra)
    return OneLine("worker-0", form).format(record)  # type: ignore[arg-type]


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_text_line_has_its_keys_in_order_and_quotes_what_needs_it() -> None:
    line = formatted("text", "slow %s", "disk", octets=7, where="a b")
    assert line.partition(" ")[2] == (
        'level=warning process=worker-0 logger=resolver.lane message="slow disk" octets=7 where="a b"'
    )


def test_a_json_line_can_be_read_back() -> None:
    fields = json.loads(formatted("json", "产品 %d", 5, octets=7))
    assert (fields["message"], fields["level"], fields["octets"]) == ("产品 5", "warning", 7)
    assert fields["time"].endswith("+00:00")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_event_is_one_line_whatever_is_in_it(form: str) -> None:
    try:
        fail("first\nsecond")
    except ValueError:
        line = formatted(form, "bad\r\nlevel=info forged", exc_info=True)
    assert not {"\n", "\r"} & set(line)
    assert "Traceback" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_never_reach_a_line_not_even_through_an_exception(form: str) -> None:
    try:
        fail(f"Authorization: Bearer {TOKEN}")
    except ValueError:
        line = formatted(form, "at postgresql://u:hunter2@h/d", exc_info=True, token=TOKEN)
    assert TOKEN not in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token {TOKEN}.", "token idn_***."),
        ("authorization: Bearer abcdef0123456789==", "authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("host=x password=hunter2 port=1", "host=x password=*** port=1"),
        ("postgres://u:p%40ss@h/d", "postgres://u:***@h/d"),
        ("GET http://127.0.0.1:8080/x@y", "GET http://127.0.0.1:8080/x@y"),
        ("a bearer of news", "a bearer of news"),
    ],
)
def test_redaction_takes_the_secret_and_leaves_the_rest(text: str, left: str) -> None:
    assert redacted(text) == left
