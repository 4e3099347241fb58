"""Opening LMDB environments: once per file and process, checked before the first page is touched."""

import os
from pathlib import Path
from typing import NamedTuple

import lmdb

_READERS_MAX = 512


class ReplicaMissing(Exception):  # noqa: N818 - a state of the world, answered by a bootstrap
    """There is no replica yet."""


class ReplicaDamaged(Exception):  # noqa: N818 - a state of the world, answered by a rebuild
    """The replica cannot be read as what it should be."""


class MapLimits(NamedTuple):
    """Sizes of the memory map in octets: where it starts, and where it must stop."""

    initial_octets: int = 1 << 30
    maximum_octets: int = 1 << 40


class _Opened(NamedTuple):
    environment: "lmdb.Environment"
    users: int


# LMDB's locks belong to the process, so one file must not be opened twice in it: a reader beside the writer shares.
_opened: dict[Path, _Opened] = {}


def open_environment(generation: Path, map_octets: int, *, readonly: bool) -> "lmdb.Environment":
    """Open one generation; close it with `close_environment`. Raises ReplicaMissing or ReplicaDamaged."""
    if not (generation / "data.mdb").exists():
        raise ReplicaMissing(f"no replica in {generation}")
    try:
        environment = create_environment(generation, map_octets, readonly=readonly)
    except lmdb.Error as error:
        raise ReplicaDamaged(f"{generation} cannot be opened: {error}") from error
    try:
        check_size(environment, generation)
    except (ReplicaDamaged, ReplicaMissing):
        close_environment(generation)
        raise
    return environment


def create_environment(generation: Path, map_octets: int, *, readonly: bool = False) -> "lmdb.Environment":
    """Open a generation whose file may not exist yet. Raises lmdb.Error."""
    opened = _opened.get(generation)
    if opened is None:
        opened = _Opened(_open(generation, map_octets, readonly=readonly), 0)
    _opened[generation] = opened._replace(users=opened.users + 1)
    return opened.environment


def close_environment(generation: Path) -> None:
    """Release one use of a generation; the last one closes it."""
    opened = _opened.get(generation)
    if opened is None:
        return
    if opened.users > 1:
        _opened[generation] = opened._replace(users=opened.users - 1)
    else:
        del _opened[generation]
        opened.environment.close()


def check_size(environment: "lmdb.Environment", generation: Path) -> None:
    """Refuse a file shorter than its own page count: touching its missing pages would kill the process."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    try:
        there = (generation / "data.mdb").stat().st_size
    except OSError as error:
        raise ReplicaMissing(f"{generation} was removed") from error
    if there < needed:
        raise ReplicaDamaged(f"{generation} is cut short: {there} octets of {needed}")


def _open(generation: Path, map_octets: int, *, readonly: bool) -> "lmdb.Environment":
    return lmdb.open(
        str(generation),
        map_size=map_octets,
        max_dbs=8,
        max_readers=_READERS_MAX,
        readonly=readonly,
        create=not readonly,
        readahead=_fits_in_memory(generation),
        meminit=False,
        # One wait for the disk a transaction instead of two. A machine that fails may undo the last transaction, whole,
        # with the cursor in it: the follower reads it again.
        metasync=False,
    )


def warm(generation: Path) -> None:
    """Ask the kernel to bring a generation into memory, if it fits: after a boot lookups wait for no disk then."""
    if _fits_in_memory(generation):
        descriptor = os.open(generation / "data.mdb", os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)


def _fits_in_memory(generation: Path) -> bool:
    """Whether to let the kernel read ahead.

    Where the map fits, reading ahead warms it quickly (measured: first touches of 100,000 random records cost 2.8 µs
    each with it, 48 µs without). Where it does not, it would push useful pages out for neighbours nobody asked for.
    """
    try:
        octets = (generation / "data.mdb").stat().st_size
    except OSError:
        octets = 0
    return octets < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
