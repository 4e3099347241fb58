"""The options that all `idnode handle` commands share, given to each of them by one decorator."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import Signature, signature
from typing import Annotated, Any

import typer

from node.client.errors import UsageError
from node.client.handle_admin import Administration, WireAdministration
from node.client.handle_json_admin import JsonAdministration
from node.client.location import locate_node
from node.client.retry import NEVER
from node.client.session import open_session
from node.commands import handle_options, options
from node.commands.handle_options import HandleChoice

Protocol = Annotated[
    handle_options.Protocol,
    typer.Option(help="http is the Handle JSON API, at --url; handle-udp gives way to TCP for changes."),
]


@dataclass(frozen=True, slots=True)
class Target:
    """The server that the options choose, and how it is to be answered."""

    choice: HandleChoice
    url: str | None
    as_json: bool

    @asynccontextmanager
    async def administration(self) -> AsyncIterator[Administration]:
        """Open the server; raise UsageError, or UnavailableError if there is no local node to be found."""
        choice = self.choice
        if choice.protocol != "http":
            async with choice.opened() as server:
                yield WireAdministration(server)
            return
        if choice.in_session or choice.server_key:
            raise UsageError("--session and --server-key belong to the Handle protocol; https protects by itself")
        node = locate_node(self.url, None, choice.data_dir).anonymous()
        async with open_session(node, NEVER) as session:
            yield JsonAdministration(session, choice.user())


def at_server(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of a server behind its own; its first argument is their Target."""
    shared = signature(_target).parameters
    own = list(signature(command).parameters.values())[1:]

    def called(**given: Any) -> None:
        target = _target(**{name: given.pop(name) for name in shared})
        command(target, **given)

    together = [*own, *shared.values()]
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    vars(called)["__signature__"] = Signature(together)
    return called


def _target(
    *,
    server: handle_options.Server = None,
    url: options.Url = None,
    protocol: Protocol = "handle-tcp",
    auth: handle_options.Auth = None,
    key_file: handle_options.KeyFile = None,
    key_password_file: handle_options.KeyPasswordFile = None,
    secret_file: handle_options.SecretFile = None,
    in_session: handle_options.InSession = False,
    server_key: handle_options.ServerKey = None,
    timeout: handle_options.Timeout = 15.0,
    data_dir: options.DataDir = options.DATA_DIR,
    as_json: options.Json = False,
) -> Target:
    choice = HandleChoice(
        server, data_dir, protocol, auth, key_file, key_password_file, secret_file, in_session, server_key, timeout
    )
    return Target(choice, url, as_json)
