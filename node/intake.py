"""What enterprises' own nodes report to this node: the collector of `sync`, served by the registry's process."""

import logging
from pathlib import Path

from aiohttp import web

from identifiers.signing_keys import KeyUnusable, PrivateKey, read_public
from node.settings import Sync
from registry.context import RegistryContext
from sync.intake.application import Intake
from sync.key_files import load_private

log = logging.getLogger(__name__)

PATH = "/report"
"""Below it lies the profile's own path, `/v1/…`."""


def algorithm_of(key_id: str, pem: str) -> str:
    """Read a public key and return its algorithm; raises ValueError that says what is wrong with it."""
    try:
        return read_public(key_id, pem).algorithm
    except KeyUnusable as error:
        raise ValueError(str(error)) from error


def answer_key(sync: Sync) -> PrivateKey | None:
    """Return the key with which this node signs, if it has one that can be used; if not, the log says why."""
    if not sync.sign_key_file:
        return None
    try:
        return load_private(Path(sync.sign_key_file), sync.key_id)
    except KeyUnusable as error:
        log.error("answers to enterprises' own nodes are not signed: %s", error)  # noqa: TRY400 - it says what is wrong
        return None


def collector(context: RegistryContext, node: str, key: PrivateKey | None = None) -> web.Application:
    """Return the collector for enterprises below this node's own prefix, which signs its answers with `key`."""
    return Intake(context.pool, node, context.clock, key).application()
