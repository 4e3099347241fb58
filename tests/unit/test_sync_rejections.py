"""What follows from a row's refusal, by code (docking contract 9.5)."""

import pytest

from sync.rejections import RESENDS_MAX, Reaction, react
from sync.tables.table import Operation

ADD, DELETE, MODIFY = Operation.ADD, Operation.DELETE, Operation.MODIFY


@pytest.mark.parametrize(
    ("code", "operation", "reaction"),
    [
        ("stale", ADD, "taken"),
        ("stale", DELETE, "taken"),
        ("unknown_identifier", MODIFY, "send_as_add"),
        ("unknown_identifier", DELETE, "drop"),
        ("unknown_identifier", ADD, "keep_open"),
        ("internal", ADD, "send_again"),
        ("internal", DELETE, "send_again"),
        ("length", ADD, "keep_open"),
        ("required", MODIFY, "keep_open"),
        ("schema", MODIFY, "keep_open"),
        ("unknown_template", ADD, "send_missing"),
        ("unknown_enterprise", MODIFY, "send_missing"),
        ("unknown_prefix", ADD, "send_missing"),
        ("unknown_enterprise", DELETE, "drop"),
        ("period_closed", MODIFY, "send_again"),
        ("duplicate", ADD, "keep_open"),
        ("forbidden", ADD, "keep_open"),
        ("something new", ADD, "keep_open"),
    ],
)
def test_each_code_has_its_reaction(code: str, operation: Operation, reaction: Reaction) -> None:
    assert react(code, operation, 0) == reaction


def test_what_is_missing_is_sent_first_only_once() -> None:
    assert react("unknown_template", ADD, 1) == "keep_open"


def test_a_row_is_sent_again_by_itself_only_so_often() -> None:
    assert react("internal", ADD, RESENDS_MAX - 1) == "send_again"
    assert react("internal", ADD, RESENDS_MAX) == "keep_open"
    assert react("unknown_identifier", MODIFY, RESENDS_MAX) == "keep_open"
