"""The bench as `make bench` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.bench.results import read_results


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest.bench", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_measure_that_does_not_exist_is_refused_with_those_that_do() -> None:
    done = bench("--only", "speed")
    assert done.returncode == 2
    assert "lookup-throughput" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_quick_run_measures_a_real_node_and_leaves_the_real_figures_alone(tmp_path: Path) -> None:
    handle = ("handle-udp-cpu", "handle-tcp", "handle-create")
    only = [option for name in ("memory", "bulk-import", *handle) for option in ("--only", name)]
    done = bench("--quick", "--folder", str(tmp_path), *only)
    assert done.returncode == 0, done.stdout
    results = read_results(tmp_path / "work" / "quick.json").measures
    assert set(results) == {"memory", "bulk-import", *handle}
    assert all((results[name].outcome.value or 0) > 0 for name in handle)
    assert 5 < (results["memory"].outcome.value or 0) < 500
    assert 0 < (results["bulk-import"].outcome.value or 0) < 5
    assert "not to be compared" in (tmp_path / "work" / "quick.html").read_text(encoding="utf-8")
    assert not (tmp_path / "latest.json").exists()
