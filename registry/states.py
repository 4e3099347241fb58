"""The whole state of a thing as the journal and a snapshot carry it: rows in, JSON out."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from identifiers.changes import CredentialState, IdentifierState, PrefixState
from registry.tables.accounts import Token
from registry.tables.enterprises import Enterprise
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Item, Template

_encode = msgspec.json.Encoder().encode


class EnterpriseState(msgspec.Struct, frozen=True):
    """An enterprise."""

    id: str
    name: str
    state: str
    created_at: str
    updated_at: str


class TemplateState(msgspec.Struct, frozen=True):
    """A template with its items."""

    code: str
    name: str
    enterprise: str | None
    state: str
    items: tuple[Item, ...]
    created_at: str
    updated_at: str


def instant(at: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def to_millisecond(at: datetime) -> datetime:
    """Cut an instant to what `instant` writes, so that the table and the journal hold the same one."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def identifier_state(record: Record, prefix: str) -> bytes:
    """Encode a record."""
    return _encode(
        IdentifierState(
            record.spelling,
            prefix,
            record.state,  # type: ignore[arg-type] # the table's own check allows no other
            record.version,
            instant(record.created_at),
            instant(record.updated_at),
            msgspec.Raw(record.values),
            record.template,
            record.successor,
        )
    )


def prefix_state(prefix: Prefix) -> bytes:
    """Encode a prefix."""
    return _encode(
        PrefixState(
            prefix=prefix.prefix,
            name=prefix.name,
            state=prefix.state,  # type: ignore[arg-type] # as above
            hosting=prefix.hosting,  # type: ignore[arg-type] # as above
            enterprise=prefix.enterprise,
            exact_case=prefix.exact_case,
            sites=prefix.sites,
        )
    )


def credential_state(token: Token) -> bytes:
    """Encode what a resolver needs of a token."""
    return _encode(
        CredentialState(
            token_sha256=token.sha256.hex(),
            account=token.account,
            role=token.role,
            enterprise=token.enterprise,
            expires_at=instant(token.expires_at) if token.expires_at else None,
            revoked=token.revoked_at is not None,
        )
    )


def enterprise_state(enterprise: Enterprise) -> bytes:
    """Encode an enterprise."""
    return _encode(
        EnterpriseState(
            enterprise.id,
            enterprise.name,
            enterprise.state,
            instant(enterprise.created_at),
            instant(enterprise.updated_at),
        )
    )


def template_state(template: Template) -> bytes:
    """Encode a template."""
    return _encode(
        TemplateState(
            template.code,
            template.name,
            template.enterprise,
            template.state,
            template.items,
            instant(template.created_at),
            instant(template.updated_at),
        )
    )


def created_states(prefix: str, template: str | None, at: datetime) -> Callable[[bytes, bytes], bytes]:
    """Return a function that encodes records created together, from the spelling as JSON and the values.

    The same octets as `identifier_state`, at a third of the time: bulk import encodes nothing twice that repeats.
    """
    created_at = instant(at).encode()
    before = b',"prefix":%b,"state":"active","version":1,"created_at":"%b","updated_at":"%b","values":' % (
        _encode(prefix),
        created_at,
        created_at,
    )
    after = b"}" if template is None else b',"template":%b}' % _encode(template)

    def created_state(spelling: bytes, values: bytes) -> bytes:
        return b'{"identifier":' + spelling + before + values + after

    return created_state
