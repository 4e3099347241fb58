"""How large and how long the bench is, and what it knows about a node's data directory. One place for both."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtest.keys import KeyPattern

SERVER_CORE = 0
CLIENT_CORE = 1

# Where a node keeps what the bench has to find, below its data directory.
NODE_FILE = Path("run/node.json")
TOKEN_FILE = Path("admin-token")
REPLICA_FOLDER = Path("replica")
POSTGRES_LOCK_FILE = Path("postgres/postmaster.pid")
DATABASE_USER = "idnode"
DATABASE_NAME = "idnode"
WORKER = "worker-0"

PREFIX = "88.118.8"
WRITE_PREFIX = "88.118.9"
IMPORT_PREFIX = "88.200"
SNMS_PREFIX = "88.118.15907"
SEARCH_PREFIX = "88.118.77"
FORMAT = "{prefix}/SN{n:07d}"

BATCH_ROWS = 5000
BATCHES_IN_FLIGHT = 4
# Rows per commit of the batch call; raw COPY commits as often.
COMMIT_ROWS = 2000


class Settings(msgspec.Struct, frozen=True):
    """The sizes of one bench run; times in seconds."""

    work: Path
    records: int = 1_000_000
    small_records: int = 100_000
    large_records: int = 5_000_000
    import_rows: int = 200_000
    rounds: int = 5
    seconds: float = 5.0
    connections: int = 64
    write_rate: float = 500.0
    searched_records: int = 10_000_000
    snms_records: int = 30_000
    searches: int = 400
    quick: bool = False


def quick(settings: Settings) -> Settings:
    """Return sizes that show in two minutes whether the bench works; their figures are not to be compared."""
    return msgspec.structs.replace(
        settings,
        records=20_000,
        small_records=5_000,
        large_records=50_000,
        import_rows=20_000,
        searched_records=20_000,
        snms_records=4_500,
        searches=50,
        rounds=2,
        seconds=1.0,
        quick=True,
    )


def keys_of(records: int, prefix: str = PREFIX) -> KeyPattern:
    """Return the identifiers of a data set of this size."""
    return KeyPattern(prefix, records, FORMAT)
