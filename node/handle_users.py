"""Who administers the node with the Handle protocol, and where users elsewhere are looked up, as a worker takes it."""

from pathlib import Path
from typing import Final

from identifiers.handle_rights import read_administrators
from identifiers.handle_wire.keys import KeyUnusable, UsablePublicKey, load_public_key
from identifiers.values import Reference
from node.errors import SettingsError
from node.handle_bounds import auth_limits
from node.settings import Handle
from resolver.handle.auth.limits import AuthSettings

_KEY_OCTETS_MAX: Final = 65_536


def auth_settings(handle: Handle) -> AuthSettings:
    """Return what decides about users. Raises SettingsError."""
    if handle.key_bits_min > handle.key_bits_max:
        raise SettingsError("handle.key_bits_min is above handle.key_bits_max, so that no RSA key would do; lower it")
    host, _, port = handle.upstream.rpartition(":")
    return AuthSettings(
        administrators=administrators(handle),
        anonymous_admin=handle.anonymous_admin,
        weak_hashes=handle.weak_hashes,
        lists=handle.lists,
        challenge_s=handle.challenge_s,
        upstream=(host.strip("[]"), int(port)) if host else None,
        upstream_key=_upstream_key(handle.upstream_key_file),
        upstream_networks=tuple(handle.upstream_networks),
        limits=auth_limits(handle),
    )


def administrators(handle: Handle) -> tuple[Reference, ...]:
    """Return the users who may do everything on this node. Raises SettingsError."""
    try:
        return read_administrators(handle.administrators)
    except ValueError as error:
        raise SettingsError(f"handle.administrators: {error}; give index:handle, such as 300:88.118/ADMIN") from None


def _upstream_key(written: str) -> UsablePublicKey | None:
    if not written:
        return None
    try:
        with Path(written).open("rb") as file:
            return load_public_key(file.read(_KEY_OCTETS_MAX))
    except OSError as error:
        raise SettingsError(f"handle.upstream_key_file: cannot read {written}: {error.strerror}") from None
    except KeyUnusable as error:
        raise SettingsError(f"handle.upstream_key_file: {written}: {error}") from None
