"""What the simulator does wrong on purpose, decided by a seeded source so that a run can be repeated."""

import zlib
from dataclasses import dataclass, fields
from random import Random

PROBABILITY_MAX = 1.0


class FaultsError(ValueError):
    """The text does not describe faults; the message says which part, and what is possible."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong, as probabilities from 0 to 1 unless said otherwise.

    - `lose_acks`: the batch is stored, and the connection cut before the answer.
    - `unavailable`: 503 before anything is read.
    - `duplicate`: the request takes effect twice, as when a proxy repeats it.
    - `pending`: 202, the receipt only when asked for later.
    - `reject`: a row is refused as `internal`, decided anew each time.
    - `refuse`: a version of an identifier is refused as `format`, always the same ones; deletions never.
    - `slow_ms`: milliseconds before each answer.
    - `retry_after_s`: what 503 and 202 ask for.
    """

    lose_acks: float = 0.0
    unavailable: float = 0.0
    duplicate: float = 0.0
    pending: float = 0.0
    reject: float = 0.0
    refuse: float = 0.0
    slow_ms: float = 0.0
    retry_after_s: float = 1.0


_NAMES = tuple(field.name for field in fields(Faults))
_NO_PROBABILITY = ("slow_ms", "retry_after_s")


def parse_faults(text: str) -> Faults:
    """Read `lose-acks=0.05,slow-ms=20`; raises FaultsError."""
    values: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        field = name.strip().replace("-", "_")
        if field not in _NAMES:
            possible = ", ".join(one.replace("_", "-") for one in _NAMES)
            raise FaultsError(f"{name!r} is not a fault; possible are {possible}")
        try:
            values[field] = float(number)
        except ValueError as error:
            raise FaultsError(f"{part!r}: write a number behind the =") from error
        most = float("inf") if field in _NO_PROBABILITY else PROBABILITY_MAX
        if not 0 <= values[field] <= most:
            raise FaultsError(f"{part!r}: must be from 0 to {most:g}")
    return Faults(**values)


class FaultSource:
    """Decides, request by request and row by row, whether something goes wrong."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._seed = seed
        self._random = Random(seed)  # noqa: S311 - must be repeatable, and guards nothing

    def strikes(self, probability: float) -> bool:
        """Whether a fault of this probability happens now."""
        return probability > 0 and self._random.random() < probability

    def refuses(self, key: str, ver: int) -> bool:
        """Whether this version of a row is refused for ever, the same in every run with this seed."""
        share = zlib.crc32(f"{self._seed}:{key}:{ver}".encode()) / 2**32
        return share < self.faults.refuse
