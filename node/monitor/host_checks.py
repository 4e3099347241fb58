"""What can be wrong with this host: a full disk, a replica that lags, a clock that is off."""

import asyncio
import shutil
import struct
import time
from pathlib import Path
from typing import Final

from node.monitor.watch import Probed

CLOCK_OFF_MAX_S: Final = 2.0
NTP_PORT: Final = 123
NTP_TIMEOUT_S: Final = 3.0
_NTP_TO_UNIX_S: Final = 2_208_988_800
_NTP_OCTETS: Final = 48
_NTP_CLIENT: Final = 0x23
_NTP_SENT_AT: Final = 40
"""Where in the answer the instant stands at which it left."""
_LAG: Final = "idnode_replica_lag_seconds "
_METRICS_STALE_S: Final = 10.0


def disk(directory: Path, free_percent_min: int) -> Probed:
    """See whether the disk that the node keeps its data on has room; the threshold in percent of its size."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError as error:
        return Probed(is_well=False, cause=f"the disk of {directory} cannot be looked at: {error.strerror}")
    free = usage.free * 100 / max(1, usage.total)
    if free < free_percent_min:
        return Probed(is_well=False, cause=f"the disk of {directory} has {free:.1f} % left")
    return Probed(is_well=True)


def lag_s(metrics: Path) -> float | None:
    """Return the replica's lag in seconds as the follower tells it; None while it tells nothing."""
    path = metrics / "follower.prom"
    try:
        if time.time() - path.stat().st_mtime > _METRICS_STALE_S:
            return None
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    return next((float(line.removeprefix(_LAG)) for line in lines if line.startswith(_LAG)), None)


def replica(lag: float | None, lag_max_s: int) -> Probed:
    """See whether the replica is up to date."""
    if lag is None:
        return Probed(is_well=None, cause="the follower tells nothing")
    if lag > lag_max_s:
        return Probed(is_well=False, cause=f"the replica lags by {lag:.0f} s")
    return Probed(is_well=True)


async def clock(server: str) -> Probed:
    """Ask a time server (SNTP, RFC 4330) how far this host's clock is off; without an answer nothing is known."""
    host, _, port = server.rpartition(":") if server.count(":") == 1 else (server, "", "")
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    try:
        async with asyncio.timeout(NTP_TIMEOUT_S):
            address = (host, int(port or NTP_PORT))
            transport, _ = await loop.create_datagram_endpoint(lambda: _Answer(answered), remote_addr=address)
            try:
                sent = time.time()
                transport.sendto(bytes([_NTP_CLIENT]) + bytes(_NTP_OCTETS - 1))
                answer = await answered
                middle = (sent + time.time()) / 2
            finally:
                transport.close()
    except OSError as error:
        return Probed(is_well=None, cause=f"the time server {server} does not answer: {error or 'timed out'}")
    return clock_off(answer, middle)


def clock_off(answer: bytes, now_s: float) -> Probed:
    """Judge a time server's answer; `now_s` is this host's clock between question and answer."""
    if len(answer) < _NTP_OCTETS or answer[1] == 0:
        return Probed(is_well=None, cause="the time server's answer is none")
    seconds, fraction = struct.unpack_from("!II", answer, _NTP_SENT_AT)
    off = now_s - (seconds - _NTP_TO_UNIX_S + fraction / 2**32)
    if abs(off) > CLOCK_OFF_MAX_S:
        return Probed(is_well=False, cause=f"the clock is off by {off:+.1f} s")
    return Probed(is_well=True)


class _Answer(asyncio.DatagramProtocol):
    """Waits for one datagram."""

    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, _address: object) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(error)
