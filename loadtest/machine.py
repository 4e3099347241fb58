"""The machine a run ran on: figures without it mean nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """Cores, processor, memory and the versions that decide speed."""

    cores: int
    processor: str
    memory_mb: int
    kernel: str
    python: str


def this_machine() -> Machine:
    """Return the shape of the machine this process runs on."""
    return Machine(
        cores=os.cpu_count() or 1,
        processor=_processor(),
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
