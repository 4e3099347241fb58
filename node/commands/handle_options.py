"""The options of commands that speak the Handle protocol: which server, who asks, and how long to wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from identifiers.handle_wire.client import User
from node.client.handle_address import parse_address, place_at
from node.client.handle_keys import read_server_key, read_user
from node.client.handle_server import HandleServer, Manner
from node.client.handle_tcp import Patience
from node.client.location import local_handle_address
from node.commands.passphrase import VARIABLE, ask_passphrase

Protocol = Literal["http", "handle-tcp", "handle-udp"]

Server = Annotated[
    str | None,
    typer.Option(
        envvar="IDNODE_HANDLE_SERVER",
        metavar="HOST:PORT",
        help="The Handle server, such as 192.0.2.1:2641. Default: the local node.",
    ),
]
Auth = Annotated[
    str | None,
    typer.Option(metavar="INDEX:HANDLE", help="The place of the key of who asks, such as 300:88.118.8/ADMIN."),
]
KeyFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its private key: PEM, DER, or the classic software's form.")
]
KeyPasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"What opens an encrypted key file. Default: {VARIABLE}, or a terminal is asked.",
    ),
]
SecretFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its secret, instead of a key; a line feed at the end is left out.")
]
InSession = Annotated[bool, typer.Option("--session", help="Ask in a session: every message is authenticated.")]
ServerKey = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The server's public key; answers without its signature are not believed."),
]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, max=600, help="How long to wait for a Handle server.")
]


@dataclass(frozen=True, slots=True)
class HandleChoice:
    """The options of one command. Files are read and checked when the server is opened."""

    server: str | None
    data_dir: Path
    protocol: Protocol
    auth: str | None = None
    key_file: Path | None = None
    key_password_file: Path | None = None
    secret_file: Path | None = None
    in_session: bool = False
    server_key: Path | None = None
    timeout_s: float = 15.0

    def manner(self) -> Manner:
        """Return how servers are asked; raise UsageError for keys that cannot be used."""
        return Manner(
            "udp" if self.protocol == "handle-udp" else "tcp",
            self.user(),
            self.in_session,
            read_server_key(self.server_key),
            _patience(self.timeout_s),
        )

    def user(self) -> User | None:
        """Return who asks, None for anybody; raise UsageError."""
        return read_user(self.auth, self.key_file, self.secret_file, self.key_password_file, ask=ask_passphrase)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[HandleServer]:
        """Open the server; raise UsageError, or UnavailableError if there is no local node to be found."""
        address = parse_address(self.server or local_handle_address(self.data_dir))
        async with HandleServer(place_at(address), self.manner()) as server:
            yield server


def _patience(timeout_s: float) -> Patience:
    usual = Patience()
    share = min(1.0, timeout_s / sum(usual.repeats_s))
    repeats_s = tuple(pause_s * share for pause_s in usual.repeats_s)
    return Patience(min(usual.connect_s, timeout_s), timeout_s, repeats_s)
