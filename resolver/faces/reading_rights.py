"""What a request's credential lets it read beyond the public values: by its role, its enterprise, and grants.

Bearer tokens are this node's own: the same token is accepted for writes on the same port, and whoever runs the node
decides whether that port is reached over TLS, a terminating proxy or the loopback. Refusing them here would protect
nothing. Handle credentials (Basic, Handle) keep the Handle rule: over plain HTTP they are ignored.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from identifiers.changes import CredentialState, IdentityState, PrefixState, Role
from identifiers.handle import parse_handle
from identifiers.identifier import Invalid
from identifiers.values import Value
from identifiers.visibility import NOTHING_GRANTED, Granted, granted_in, is_readable
from resolver.faces.client import Client
from resolver.record import Record
from resolver.replica_reader import ReplicaReader

TOKEN_OCTETS_MAX: Final = 1_024
"""A session's token has about 350."""
READING_SCOPE: Final = "read"
"""What a narrowed token needs for anything beyond the public values."""
_HANDLE_SCHEMES: Final = ("basic", "handle")


class CredentialRefused(Exception):  # noqa: N818 - names what happened to it
    """The request carries a credential that proves nothing. Never treated as if there were none."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one reader may see of one record."""

    admin: bool = False
    owner: bool = False
    granted: Granted = NOTHING_GRANTED

    @property
    def privileged(self) -> bool:
        """Whether values that are not public are the reader's to see, as far as their permissions go."""
        return self.admin or self.owner

    def shows(self, value: Value) -> bool:
        """Say whether a value may be shown."""
        return is_readable(value, admin=self.admin, owner=self.owner, granted=self.granted)


_PUBLIC_ONLY: Final = Access()


@dataclass(frozen=True, slots=True)
class Rights:
    """Whom a credential stands for, as of an instant in seconds since 1970, and the replica that knows the grants."""

    credential: CredentialState
    identity: IdentityState | None
    reader: ReplicaReader
    now_s: float

    def access(self, record: Record, prefix: PrefixState) -> Access:
        """Return what may be seen of a record below a prefix."""
        if self.credential.scopes is not None and READING_SCOPE not in self.credential.scopes:
            return _PUBLIC_ONLY
        owner = self._enterprise is not None and self._enterprise == prefix.enterprise
        return Access(self._role == "administrator", owner, self._granted(record, prefix))

    def _granted(self, record: Record, prefix: PrefixState) -> Granted:
        name = parse_handle(record.spelling, exact_case=prefix.exact_case)
        objects = [] if isinstance(name, Invalid) else [name.key]
        if record.template is not None:
            objects.append(record.template)
        subjects = [self.credential.account, *(self.identity.groups if self.identity else ())]
        if self._enterprise is not None:
            subjects.append(self._enterprise)
        states = self.reader.grants(subjects, objects)
        return granted_in(states, enterprise=prefix.enterprise, right="read", now_s=self.now_s)

    # What the account is now; the credential was written when it was issued.
    @property
    def _role(self) -> Role:
        return self.identity.role if self.identity else self.credential.role

    @property
    def _enterprise(self) -> str | None:
        return self.identity.enterprise if self.identity else self.credential.enterprise


def rights_of(authorization: str | None, client: Client, reader: ReplicaReader, now_s: float) -> Rights | None:
    """Return the rights an `Authorization` header gives, None without one that counts.

    Raises CredentialRefused; its text is for the client.
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() in _HANDLE_SCHEMES and not client.secure:
        return None
    if scheme.lower() != "bearer":
        raise CredentialRefused("This node takes credentials as Authorization: Bearer <token>")
    octets = token.strip().encode("utf-8", "surrogateescape")
    if not 0 < len(octets) <= TOKEN_OCTETS_MAX:
        raise CredentialRefused("The token is not valid: ask the node's administrator for one")
    credential = reader.credential(hashlib.sha256(octets).hexdigest())
    if credential is None or credential.revoked or _expired(credential, now_s):
        raise CredentialRefused("The token is unknown, expired or revoked: ask the node's administrator for another")
    identity = reader.identity(credential.account)
    if identity is not None and identity.state == "disabled":
        raise CredentialRefused("The account of this token is disabled: ask the node's administrator")
    return Rights(credential, identity, reader, now_s)


def _expired(credential: CredentialState, now_s: float) -> bool:
    return credential.expires_at is not None and datetime.fromisoformat(credential.expires_at).timestamp() <= now_s
