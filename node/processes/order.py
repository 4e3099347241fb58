"""What the supervisor tells a child process at its start: one line of JSON on its standard input."""

from pathlib import Path
from typing import Any

import msgspec

from node.paths import DataPaths
from node.settings import Settings, decode_settings, encode_settings

# Settings are short; the limit is against a child that is started by hand with something else on its input.
LINE_OCTETS_MAX = 1_048_576


class _Line(msgspec.Struct):
    process: str
    settings: Any
    dsn: str
    port: int
    handle_port: int


class Order(msgspec.Struct, frozen=True):
    """The name a process runs under (`worker-0`), the settings, and what the supervisor settled at its start.

    `dsn` is the database in use, `port` the HTTP port and `handle_port` the Handle port in use.
    """

    process: str
    settings: Settings
    dsn: str
    port: int
    handle_port: int = 0

    @property
    def paths(self) -> DataPaths:
        """The places in the data directory."""
        return DataPaths(Path(self.settings.data_dir))

    def line(self) -> bytes:
        """Return the line to write to the child; it holds secrets."""
        plain = _Line(self.process, encode_settings(self.settings), self.dsn, self.port, self.handle_port)
        return msgspec.json.encode(plain) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Order":
        """Read what `line` made. Raises `msgspec.DecodeError`."""
        plain = msgspec.json.decode(line, type=_Line)
        return cls(plain.process, decode_settings(plain.settings), plain.dsn, plain.port, plain.handle_port)
