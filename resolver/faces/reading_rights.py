"""What a request's credential lets it read beyond the public values.

Bearer tokens are this node's own: the same token is accepted for writes on the same port, and whoever runs the node
decides whether that port is reached over TLS, a terminating proxy or the loopback. Refusing them here would protect
nothing. Handle credentials (Basic, Handle) keep the Handle rule: over plain HTTP they are ignored.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from identifiers.changes import CredentialState, PrefixState
from resolver.faces.client import Client
from resolver.replica_reader import ReplicaReader

TOKEN_OCTETS_MAX: Final = 256
_HANDLE_SCHEMES: Final = ("basic", "handle")


class CredentialRefused(Exception):  # noqa: N818 - names what happened to it
    """The request carries a credential that proves nothing. Never treated as if there were none."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Whom a credential stands for; None for a request without one."""

    credential: CredentialState | None = None

    @property
    def authenticated(self) -> bool:
        """Whether there is a valid credential."""
        return self.credential is not None

    def may_read_all(self, prefix: PrefixState) -> bool:
        """Say whether values that are not public may be shown: to administrators, and to the prefix's enterprise."""
        if self.credential is None:
            return False
        if self.credential.role == "administrator":
            return True
        return self.credential.enterprise is not None and self.credential.enterprise == prefix.enterprise


ANONYMOUS: Final = Rights()


def rights_of(authorization: str | None, client: Client, reader: ReplicaReader, now_s: float) -> Rights:
    """Return the rights an `Authorization` header gives. Raises CredentialRefused; its text is for the client."""
    if authorization is None:
        return ANONYMOUS
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() in _HANDLE_SCHEMES and not client.secure:
        return ANONYMOUS
    if scheme.lower() != "bearer":
        raise CredentialRefused("This node takes credentials as Authorization: Bearer <token>")
    octets = token.strip().encode("utf-8", "surrogateescape")
    if not 0 < len(octets) <= TOKEN_OCTETS_MAX:
        raise CredentialRefused("The token is not valid: ask the node's administrator for one")
    credential = reader.credential(hashlib.sha256(octets).hexdigest())
    if credential is None or credential.revoked or _expired(credential, now_s):
        raise CredentialRefused("The token is unknown, expired or revoked: ask the node's administrator for another")
    return Rights(credential)


def _expired(credential: CredentialState, now_s: float) -> bool:
    return credential.expires_at is not None and datetime.fromisoformat(credential.expires_at).timestamp() <= now_s
