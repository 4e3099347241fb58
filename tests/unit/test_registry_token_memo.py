"""The token memo: a second's grace for the database, no more."""

from datetime import UTC, datetime, timedelta

from registry.authority import Principal
from registry.token_memo import KEPT, TOKENS_MAX, TokenMemo

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ANYBODY = Principal("acc_1", "reader", None)


def test_a_token_is_remembered_for_a_second_only() -> None:
    memo = TokenMemo()
    memo.remember("idn_a", ANYBODY, NOW)
    assert memo.recall("idn_a", NOW) == ANYBODY
    assert memo.recall("idn_a", NOW + KEPT - timedelta(milliseconds=1)) == ANYBODY
    assert memo.recall("idn_a", NOW + KEPT) is None
    assert memo.recall("idn_b", NOW) is None


def test_a_clock_set_back_extends_nothing() -> None:
    memo = TokenMemo()
    memo.remember("idn_a", ANYBODY, NOW)
    assert memo.recall("idn_a", NOW - timedelta(seconds=1)) is None


def test_forgetting_is_complete_and_the_memo_is_bounded() -> None:
    memo = TokenMemo()
    memo.remember("idn_a", ANYBODY, NOW)
    memo.forget()
    assert memo.recall("idn_a", NOW) is None
    for number in range(TOKENS_MAX + 1):
        memo.remember(f"idn_{number}", ANYBODY, NOW)
    assert sum(memo.recall(f"idn_{number}", NOW) is not None for number in range(TOKENS_MAX + 1)) <= TOKENS_MAX
