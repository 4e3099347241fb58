"""What enterprises' own nodes report to this node: the collector of `sync`, served by the registry's process."""

from aiohttp import web

from identifiers.signing_keys import KeyUnusable, read_public
from registry.context import RegistryContext
from sync.intake.application import Intake

PATH = "/report"
"""Below it lies the profile's own path, `/v1/…`."""


def algorithm_of(key_id: str, pem: str) -> str:
    """Read a public key and return its algorithm; raises ValueError that says what is wrong with it."""
    try:
        return read_public(key_id, pem).algorithm
    except KeyUnusable as error:
        raise ValueError(str(error)) from error


def collector(context: RegistryContext, node: str) -> web.Application:
    """Return the collector for enterprises below this node's own prefix."""
    return Intake(context.pool, node, context.clock).application()
