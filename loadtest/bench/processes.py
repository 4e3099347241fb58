"""What the kernel knows of a process: where it runs, what CPU time it used, what memory it holds."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)")


def pin(pid: int, core: int) -> None:
    """Let every thread of a process run on one core only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core})


def lower_priority(pid: int, niceness: int) -> None:
    """Let every thread of a process give way to others."""
    with contextlib.suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)


def descendants(pid: int) -> list[int]:
    """Return the process ids of all children, their children, and so on."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                children.setdefault(int(_after_name(int(folder.name))[1]), []).append(int(folder.name))
    found, unseen = [], [pid]
    while unseen:
        below = children.get(unseen.pop(), [])
        found += below
        unseen += below
    return found


def command_line(pid: int) -> bytes:
    """Return how a process calls itself; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def cpu_s(pid: int) -> float:
    """Return the user and system time of a process, all its threads together, in seconds of 10 ms resolution."""
    fields = _after_name(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_mb(pid: int, *, except_below: Path) -> float:
    """Return the resident memory of a process in MB (10^6 octets), without the files mapped from a folder.

    The replica's map is the kernel's page cache, shared by all workers and given back under pressure;
    everything else, shared libraries too, counts in full.
    """
    total_kb, counts = 0, True
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        if mapping := _MAPPING.fullmatch(line):
            counts = not mapping[1].startswith(f"{except_below.resolve()}{os.sep}")
        elif counts and line.startswith("Rss:"):
            total_kb += int(line.split()[1])
    return total_kb * 1024 / 1e6


def _after_name(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name, which may hold blanks and brackets: [0] is the state."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
