"""The file of events: what is in it survives whatever happens to the process, and is entered once."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.monitor.event_spool import COMPACTED_FROM, EventSpool
from node.monitor.seen import Seen
from registry.tables.node_events import Event, Outage

AT = datetime(2031, 5, 6, 1, 2, 3, tzinfo=UTC)


def abnormal(number: str = "a-1") -> Event:
    return Event("88.118", "database", "abnormal", number, AT, cause="gone", abnormal_type=2)


def recovered(number: str = "r-1", of: str = "a-1") -> Event:
    return Event("88.118", "database", "recovered", number, AT + timedelta(minutes=1), related_event_no=of)


def test_what_was_appended_is_there_at_the_next_start(tmp_path: Path) -> None:
    EventSpool(tmp_path / "events").append([abnormal(), Outage("o-1", "resolution", AT)])
    found = EventSpool(tmp_path / "events")
    assert found.pending == [abnormal(), Outage("o-1", "resolution", AT)]
    assert list(found.open_events) == ["a-1"]
    assert list(found.open_outages) == ["o-1"]


def test_what_is_entered_is_not_pending_and_stays_open(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path / "events")
    spool.append([abnormal(), Outage("o-1", "resolution", AT)])
    spool.mark_entered(spool.pending)
    for again in (EventSpool(tmp_path / "events"), EventSpool(tmp_path / "events")):
        assert again.pending == []
        assert list(again.open_events) == ["a-1"]
        assert list(again.open_outages) == ["o-1"]


def test_a_recovered_event_closes_and_its_abnormal_one_is_known_until_it_is_entered(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path / "events")
    spool.append([abnormal()])
    spool.mark_entered([spool.pending[0]])
    spool.append([recovered()])
    again = EventSpool(tmp_path / "events")
    assert again.pending == [recovered()]
    assert not again.open_events
    assert again.abnormal_of(recovered()) == abnormal()
    again.mark_entered(again.pending)
    assert EventSpool(tmp_path / "events").abnormal_of(recovered()) is None


@pytest.mark.parametrize("torn", [b'{"event":{"pre', b"\x00\x00\x00"])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events"
    EventSpool(path).append([abnormal()])
    with path.open("ab") as file:
        file.write(torn)
    spool = EventSpool(path)
    assert spool.pending == [abnormal()]
    spool.append([recovered()])
    assert EventSpool(path).pending == [abnormal(), recovered()]


def test_a_long_file_is_written_anew_with_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "events"
    spool = EventSpool(path)
    spool.append([abnormal("open")])
    spool.mark_entered(spool.pending)
    with path.open("ab") as file:
        file.write(b'{"entered":["x"]}\n' * (COMPACTED_FROM // 18))
    spool.append([Outage("o-1", "resolution", AT, AT)])
    spool.mark_entered(spool.pending)
    assert path.stat().st_size < 1_000
    assert list(EventSpool(path).open_events) == ["open"]


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from node.monitor.event_spool import EventSpool
from registry.tables.node_events import Event
spool = EventSpool(Path(sys.argv[1]))
for number in range(3):
    spool.append([Event("88.118", str(number), "abnormal", f"e-{number}", datetime.now(UTC), abnormal_type=2)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_events_survive_the_process_being_killed(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "events")], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(EventSpool(tmp_path / "events").open_events) == ["e-0", "e-1", "e-2"]


def test_the_last_round_is_remembered(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "monitor" / "seen")
    assert seen.read() is None
    seen.write(AT)
    seen.write(AT + timedelta(seconds=10))
    assert Seen(tmp_path / "monitor" / "seen").read() == AT + timedelta(seconds=10)
    (tmp_path / "monitor" / "seen").write_text("nonsense")
    assert seen.read() is None
