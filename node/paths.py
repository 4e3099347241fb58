"""Where a node keeps its things: the layout of the data directory."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from node.errors import DataDirectoryError

# The kernel keeps a socket's path in 108 octets with its final zero; this is the longest name we put below.
_SOCKET_DIRECTORY_OCTETS_MAX = 107 - len("/postgres/.s.PGSQL.5432.lock")


class DataPaths:
    """The places in one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.postgres = data_dir / "postgres"
        self.replica = data_dir / "replica"
        self.spool = data_dir / "spool" / "lookups"
        self.snapshots = data_dir / "snapshots"
        self.monitor = data_dir / "monitor"
        self.events = self.monitor / "events"
        self.events_told_directly = self.monitor / "told-directly"
        self.run = data_dir / "run"
        self.metrics = self.run / "metrics"
        self.handle_state = self.run / "handle"
        self.http_sessions = self.run / "http-sessions"
        self.node_file = self.run / "node.json"
        self.monitor_status = self.run / "monitor.json"
        self.admin_token = data_dir / "admin-token"
        self.sockets = _socket_directory(self.run)
        self.postgres_socket = self.sockets / "postgres"
        self.registry_socket = self.sockets / "registry.sock"
        self.registry_calls_socket = self.sockets / "registry-calls.sock"
        self.follower_socket = self.sockets / "follower.sock"

    def create(self) -> None:
        """Make the directories that are missing. Raises `DataDirectoryError`."""
        try:
            for directory in (self.data_dir, self.run, self.metrics, self.replica, self.spool):
                directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise DataDirectoryError(
                f"the data directory {self.data_dir} cannot be used: {error.strerror} ({error.filename}); "
                "make it writable for this user or choose another with --data-dir"
            ) from error
        if self.sockets != self.run:
            _make_private(self.sockets)

    def clear_run(self) -> None:
        """Remove what only a running node has: sockets, metrics, its description."""
        for socket in (self.registry_socket, self.registry_calls_socket, self.follower_socket, self.node_file):
            socket.unlink(missing_ok=True)
        self.monitor_status.unlink(missing_ok=True)
        shutil.rmtree(self.handle_state, ignore_errors=True)
        shutil.rmtree(self.http_sessions, ignore_errors=True)
        for file in self.metrics.glob("*.prom*"):
            file.unlink(missing_ok=True)
        for directory in (self.metrics, self.postgres_socket, self.sockets if self.sockets != self.run else None):
            if directory is not None and directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()


def _socket_directory(run: Path) -> Path:
    if len(os.fsencode(run)) <= _SOCKET_DIRECTORY_OCTETS_MAX:
        return run
    # The same directory at every start, so that a killed node leaves at most one.
    digest = hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"idnode-{os.geteuid()}-{digest}"


def _make_private(directory: Path) -> None:
    """Make a directory below a place where others may write; refuse one that somebody else has put there."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise DataDirectoryError(f"the socket directory {directory} cannot be made: {error.strerror}") from error
    if directory.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise DataDirectoryError(
            f"{directory} exists and is not this user's own; remove it, or choose a --data-dir with a shorter path"
        )
