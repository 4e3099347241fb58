"""A PostgreSQL of one test alone, to be killed."""

import subprocess
from pathlib import Path

from node.postgres import EmbeddedPostgres


class Server:
    """A PostgreSQL of this test alone, to be killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cluster = EmbeddedPostgres(directory / "postgres", directory / "run", durable=True)
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.cluster.initialise()
        self.cluster.settle_leftovers()
        with (self.directory / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - forking is quick
                self.cluster.command(), env=dict(self.cluster.environment), cwd="/", stdout=log, stderr=log
            )
        await self.cluster.wait_ready()

    def kill(self) -> None:
        """SIGKILL of the postmaster; its back ends notice and end by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.cluster.stop()
        if self.process is not None:
            self.process.wait(timeout=10)
