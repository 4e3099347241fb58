"""A deposit or a restoration in a process of its own, to be killed.

`python -m tests.faults.escrow_process deposit|restore DSN DIRECTORY`, where the directory has the keys of a `Desk`. It
says on its standard output that it is in the middle of it, and stays there.
"""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from sync.escrow import keys
from sync.escrow.depositing import Depositor
from sync.escrow.handing_in import LocalTarget
from sync.escrow.restoring import restore
from sync.escrow.settings import EscrowSettings
from tests.escrow import SMALL
from tests.registered_node import REPORTER


class Stopping(LocalTarget):
    """A directory that takes one file, and begins with the second."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._directory = directory
        self._taken = 0

    async def put(self, file: Path) -> None:
        if self._taken:
            _begin(file, self._directory)
            await stay()
        self._taken += 1
        await super().put(file)


def _begin(file: Path, directory: Path) -> None:
    (directory / f".{file.name}.part").write_bytes(file.read_bytes()[:10])


async def stay() -> None:
    """Say where this is, and stay there."""
    print("in the middle", flush=True)  # noqa: T201 - what the test waits for
    await asyncio.Event().wait()


async def deposit(dsn: str, base: Path) -> None:
    """Make a deposit, and stop while the second file is handed in."""
    settings = EscrowSettings(
        dsn=dsn,
        prefixes=(REPORTER,),
        platform_key_file=base / "platform.pub",
        private_key_file=base / "own.pem",
        work_dir=base / "work",
        backup_dir=base / "backup",
    )
    now = datetime(2031, 5, 7, 1, tzinfo=UTC)
    await Depositor(settings, lambda: now, target=Stopping(base / "platform"), sizes=SMALL).deposit(REPORTER)


async def restoration(dsn: str, base: Path) -> None:
    """Restore the node's own copies, and stop before all of it counts."""
    own = keys.read_private(base / "own.pem")

    def keep_token(_: str) -> None:
        print("in the middle", flush=True)  # noqa: T201 - what the test waits for
        signal.pause()

    await restore([base / "backup"], dsn, key=own, signer=own.public, work=base / "restoring", keep_token=keep_token)


if __name__ == "__main__":
    what, dsn, base = sys.argv[1:]
    asyncio.run((deposit if what == "deposit" else restoration)(dsn, Path(base)))
