import io

from rich.console import Console

from loadtest.figures import Progress, Second
from loadtest.keys import KeyPattern
from loadtest.live import LiveView, spark
from loadtest.plan import Plan

PLAN = Plan(url="http://127.0.0.1:8080", keys=KeyPattern("88.118.8", 10), duration_s=10)


def progress(*, answered: int = 1000, wrong: int = 0) -> Progress:
    second = Second(
        at_s=1.0,
        span_s=0.5,
        answered=answered,
        wrong=wrong,
        outstanding=17,
        p50_us=41,
        p99_us=1240,
        p999_us=3500,
        max_us=9000,
    )
    return Progress(elapsed_s=1.0, seconds={"reads": second})


def shown(*, terminal: bool, wrong: int = 0) -> str:
    written = io.StringIO()
    with LiveView(PLAN, Console(file=written, force_terminal=terminal, width=120)) as view:
        view.show(progress(wrong=wrong))
    return written.getvalue()


def test_a_terminal_sees_rate_latency_errors_and_outstanding_requests() -> None:
    text = shown(terminal=True, wrong=3)
    for part in ("http://127.0.0.1:8080", "2,000", "41 µs", "1.24 ms", "3.5 ms", "9 ms", "17", "3", "█"):
        assert part in text, part


def test_a_log_gets_one_line_a_second() -> None:
    text = shown(terminal=False)
    assert text.count("\n") == 1
    assert "reads 2,000/s p50 41 µs p99 1.24 ms wrong 0 outstanding 17" in text


def test_the_spark_line_is_full_at_its_highest() -> None:
    assert spark([0, 50, 100]) == "▁▅█"
    assert spark([0, 0]) == "▁▁"
    assert spark([]) == ""
