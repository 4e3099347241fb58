import msgspec
import pytest

from loadtest.keys import KeyPattern
from loadtest.plan import Plan, PlanError, check_plan, without_token
from loadtest.target import Target, TargetError, parse_target

KEYS = KeyPattern("88.118.8", 10)
LOCAL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8080", Target("127.0.0.1", 8080, "127.0.0.1:8080")),
        ("http://127.0.0.1:8080/", Target("127.0.0.1", 8080, "127.0.0.1:8080")),
        ("http://127.9.9.9", Target("127.9.9.9", 80, "127.9.9.9")),
        ("http://[::1]:8080", Target("::1", 8080, "[::1]:8080")),
    ],
)
def test_this_machine_may_be_loaded(url: str, target: Target) -> None:
    assert parse_target(url, allow_remote=False) == target


def test_another_machine_only_when_allowed() -> None:
    with pytest.raises(TargetError, match="--allow-remote"):
        parse_target("http://192.0.2.1:8080", allow_remote=False)
    assert parse_target("http://192.0.2.1:8080", allow_remote=True).address == "192.0.2.1"


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1", "127.0.0.1:8080", "http://", "http://127.0.0.1:x", "http://127.0.0.1:99999"),
        *("http://127.0.0.1/api", "http://u@127.0.0.1", "http://127.0.0.1/?a", "http://name.invalid"),
    ],
)
def test_what_is_not_a_plain_address_is_refused(url: str) -> None:
    with pytest.raises(TargetError):
        parse_target(url, allow_remote=True)


def test_writes_need_a_token_and_a_prefix_and_the_open_loop() -> None:
    check_plan(Plan(url=LOCAL, keys=KEYS, scenario="mixed", token="t", write_prefix="p"))
    check_plan(Plan(url=LOCAL, keys=KEYS, scenario="mixed", write_share=0))
    with pytest.raises(PlanError, match="token"):
        check_plan(Plan(url=LOCAL, keys=KEYS, scenario="mixed", write_prefix="p"))
    with pytest.raises(PlanError, match="prefix"):
        check_plan(Plan(url=LOCAL, keys=KEYS, scenario="mixed", token="t"))
    with pytest.raises(PlanError, match="open loop"):
        check_plan(Plan(url=LOCAL, keys=KEYS, scenario="mixed", loop="closed", token="t", write_prefix="p"))


def test_the_mixed_rate_is_shared_between_reads_and_writes() -> None:
    plan = Plan(url=LOCAL, keys=KEYS, scenario="mixed", rate=1000, write_share=0.25)
    assert (plan.read_rate, plan.write_rate) == (750, 250)
    assert Plan(url=LOCAL, keys=KEYS, rate=1000, write_share=0.25).write_rate == 0


@pytest.mark.parametrize(
    "excess", [{"duration_s": 3601}, {"rate": 0}, {"connections": 0}, {"outstanding_max": 10**9}, {"unknown": 1}]
)
def test_a_plan_beyond_its_bounds_is_refused(excess: dict[str, float]) -> None:
    plan = msgspec.to_builtins(Plan(url=LOCAL, keys=KEYS)) | excess
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plan, Plan)


def test_the_token_is_not_kept() -> None:
    assert without_token(Plan(url=LOCAL, keys=KEYS, token="secret")).token == ""
