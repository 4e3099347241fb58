"""The prober against a real worker: its probes are answered over HTTP and Handle, and count nowhere."""

from collections import Counter
from pathlib import Path

from identifiers.handle_wire.requests import Resolution
from identifiers.handle_wire.udp import packets
from node.monitor import probes
from node.monitor.blocked import OF_COUNTED, BlockedTraffic
from node.monitor.prober import Prober, Targets
from resolver.handle.limits import HandleLimits
from resolver.spool import read_segments
from tests.integration.handle_worker import Datagrams, handle_worker, request
from tests.integration.running_worker import PREFIX, Worker, examples, fill
from tests.support import eventually

SECRET = "d" * 64


def prober(directory: Path, worker: Worker, identifier: str) -> Prober:
    handle = f"handle://127.0.0.1:{worker.handle_port}"
    http = f"http://127.0.0.1:{worker.port}"
    targets = Targets(http, handle, (http, handle), identifier, directory / "token", 3, directory, directory, 0, 60, 20)
    return Prober(targets, SECRET)


async def test_probes_are_answered_and_count_nowhere_over_either_protocol(tmp_path: Path) -> None:
    fill(tmp_path / "replica", examples())
    async with handle_worker(tmp_path, probe_secret=SECRET, node_prefix="88.118") as worker:
        for name in (f"{PREFIX}/SN1", f"{PREFIX}/NONE", "88.118/IDNODE-PROBE"):
            found = await prober(tmp_path, worker, name).resolution()
            # Of a prefix that is not registered yet nothing can be said over HTTP; a Handle server says just that.
            http = None if name.startswith("88.118/") else True
            assert [[one.is_well for one in made] for made in found.values()] == [[http] * 3, [True] * 3], name
        place = ("127.0.0.1", worker.handle_port)
        assert (await probes.own_handle_resolution(*place, f"{PREFIX}/SN1", "somebody else's")).is_well is True
        assert (await probes.handle_resolution(*place, f"{PREFIX}/SN1", "udp")).is_well is True
        assert (await probes.resolution(f"http://127.0.0.1:{worker.port}", f"{PREFIX}/SN1")).is_well is True
    counted = Counter[str]()
    for segment in read_segments(tmp_path / "spool"):
        for prefix in segment.content.prefixes:
            counted.update(prefix.faces)
    assert counted == {"handle_tcp": 1, "handle_udp": 1, "handle-json": 1}


async def test_a_flood_is_seen_in_the_figures_of_the_worker_that_turns_it_away(tmp_path: Path) -> None:
    fill(tmp_path / "replica", examples())
    blocked, shown = BlockedTraffic(tmp_path / "metrics", 20), tmp_path / "metrics" / "worker-0.prom"
    flood = packets(request(Resolution(f"{PREFIX}/SN1", (), ())))
    async with handle_worker(tmp_path, HandleLimits(answers_per_source=5), process="worker-0") as worker:
        await eventually(shown.exists)
        assert blocked.look(0.0).is_well is None
        with Datagrams(worker.handle_port) as sender:
            for _ in range(300):
                sender.send(*flood)
        await eventually(lambda: blocked_so_far(shown) >= 200)
        found = blocked.look(10.0)
    assert found.is_well is False
    assert found.cause.startswith("limits turn 9")
    outcomes = Counter[str]()
    for segment in read_segments(tmp_path / "spool"):
        for prefix in segment.content.prefixes:
            outcomes.update({outcome: count for _, outcome, count in prefix.sources})
    assert outcomes.total() == 300
    assert outcomes["found"] <= 50, "what was not said is no success"


def blocked_so_far(shown: Path) -> float:
    """Return how many datagrams a worker says that it has not answered for their rate."""
    lines = [line for line in shown.read_text().splitlines() if line.startswith(OF_COUNTED[0])]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
