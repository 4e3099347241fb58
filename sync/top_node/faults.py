"""What the simulator does wrong on purpose, decided by a seeded source so that a run can be repeated."""

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from random import Random
from typing import Final

PROBABILITY_MAX: Final = 1.0


class FaultsError(ValueError):
    """The text does not describe faults; the message says which part, and what is possible."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often things go wrong, as probabilities from 0 to 1 unless said otherwise.

    - `lose_acks`: the batch is stored, and the connection cut before the answer.
    - `unavailable`: 503 before anything is read; `error`: 500.
    - `duplicate`: the request takes effect twice, as when a proxy repeats it.
    - `pending`: 202, the receipt only when asked for later, for the `pending_polls`-th time.
    - `reject`: a row is refused as `internal`, decided anew each time.
    - `refuse`: a version of an identifier is refused as `format`, always the same ones; deletions never.
    - `unknown_code`: a row is refused with a code that the profile does not have.
    - `wrong_sequence`: 409 `out_of_order` though the sequence is the right one.
    - `shrink`: 413 with an oversize demand, one row a batch; never for a batch that has only one.
    - `slow_ms`: milliseconds before each answer.
    - `retry_after_s`: what 503 and 202 ask for.
    - `down_s`: for so many seconds from now every connection is cut without an answer.
    """

    lose_acks: float = 0.0
    unavailable: float = 0.0
    error: float = 0.0
    duplicate: float = 0.0
    pending: float = 0.0
    pending_polls: float = 1.0
    reject: float = 0.0
    refuse: float = 0.0
    unknown_code: float = 0.0
    wrong_sequence: float = 0.0
    shrink: float = 0.0
    slow_ms: float = 0.0
    retry_after_s: float = 1.0
    down_s: float = 0.0

    def told(self) -> dict[str, float]:
        """Return the faults by the names they are given with."""
        return {name.replace("_", "-"): value for name, value in asdict(self).items()}


_NAMES: Final = tuple(field.name for field in fields(Faults))
_NO_PROBABILITY: Final = ("slow_ms", "retry_after_s", "pending_polls", "down_s")


def parse_faults(text: str) -> Faults:
    """Read `lose-acks=0.05,slow-ms=20`; raises FaultsError."""
    told: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        told[name.strip()] = number
    return change_faults(Faults(), told)


def change_faults(faults: Faults, told: Mapping[str, object]) -> Faults:
    """Return the faults with some of them changed; raises FaultsError."""
    values: dict[str, float] = {}
    for name, number in told.items():
        field = name.replace("-", "_")
        if field not in _NAMES:
            possible = ", ".join(one.replace("_", "-") for one in _NAMES)
            raise FaultsError(f"{name!r} is not a fault; possible are {possible}")
        try:
            values[field] = float(number)  # type: ignore[arg-type]  # what is no number is told below
        except (TypeError, ValueError) as error:
            raise FaultsError(f"{name}={number}: write a number behind the =") from error
        most = float("inf") if field in _NO_PROBABILITY else PROBABILITY_MAX
        if not 0 <= values[field] <= most:
            raise FaultsError(f"{name}={number}: must be from 0 to {most:g}")
    return replace(faults, **values)


class FaultSource:
    """Decides, request by request and row by row, whether something goes wrong."""

    def __init__(self, faults: Faults, seed: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = faults
        self._seed = seed
        self._clock = clock
        self._random = Random(seed)  # noqa: S311 - must be repeatable, and guards nothing
        self._down_until = clock() + faults.down_s

    def change(self, faults: Faults) -> None:
        """Let other things go wrong from now on."""
        self.faults = faults
        self._down_until = self._clock() + faults.down_s

    def is_down(self) -> bool:
        """Whether nothing is answered at all now."""
        return self._clock() < self._down_until

    def strikes(self, probability: float) -> bool:
        """Whether a fault of this probability happens now."""
        return probability > 0 and self._random.random() < probability

    def refuses(self, key: str, ver: int) -> bool:
        """Whether this version of a row is refused for ever, the same in every run with this seed."""
        share = zlib.crc32(f"{self._seed}:{key}:{ver}".encode()) / 2**32
        return share < self.faults.refuse
