"""The whole state of a thing as the journal and a snapshot carry it: rows in, JSON out."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from identifiers.changes import (
    AliasState,
    CredentialState,
    GrantInForce,
    GrantState,
    IdentifierState,
    IdentityState,
    PrefixState,
)
from registry.tables.accounts import Account, Token
from registry.tables.aliases import Alias
from registry.tables.enterprises import Enterprise
from registry.tables.grants import Grant
from registry.tables.groups import Group, Member
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Item, Template

_encode = msgspec.json.Encoder().encode


class EnterpriseState(msgspec.Struct, frozen=True, omit_defaults=True):
    """An enterprise. `proposed` are the details and documents a change request asks for; instants are RFC 3339."""

    id: str
    name: str
    state: str
    created_at: str
    updated_at: str
    number: int = 0
    version: int = 1
    hosted: bool = True
    details: msgspec.Raw | None = None
    documents: msgspec.Raw | None = None
    proposed: msgspec.Raw | None = None
    applicant: str | None = None
    reason: str | None = None
    verification: msgspec.Raw | None = None
    national: msgspec.Raw | None = None
    takeover_version: str | None = None
    takeover_at: str | None = None
    submitted_at: str | None = None
    reviewed_at: str | None = None
    reviewer: str | None = None


class GroupState(msgspec.Struct, frozen=True):
    """A group with the ids of its members."""

    id: str
    name: str
    description: str
    enterprise: str | None
    state: str
    accounts: list[str]
    enterprises: list[str]
    created_at: str
    updated_at: str


class TemplateState(msgspec.Struct, frozen=True):
    """A template with its items. `industry` are the four codes of GB/T 4754, section first."""

    code: str
    name: str
    enterprise: str | None
    state: str
    items: tuple[Item, ...]
    created_at: str
    updated_at: str
    prefix: str | None
    version: str
    handle: str | None
    name_en: str
    industry: tuple[str, str, str, str] | None
    object_type: int
    description: str
    standard: str
    shared: bool
    master_data: Mapping[str, str] | None
    copied_from: str | None


def instant(at: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def to_second(at: datetime) -> str:
    """Write an instant as the docking contract does (3.1): RFC 3339 in UTC, whole seconds, fractions dropped."""
    return at.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"


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


def alias_state(alias: Alias, prefix: str, state: Literal["active", "withdrawn"]) -> bytes:
    """Encode another name of a record, below `prefix`; empty for names of other schemes than Handle."""
    return _encode(
        AliasState(
            alias.spelling,
            prefix,
            alias.kind,
            alias.target,
            state,
            alias.version,
            instant(alias.created_at),
            instant(alias.updated_at),
        )
    )


def prefix_state(prefix: Prefix) -> bytes:
    """Encode a prefix."""
    return _encode(
        PrefixState(
            prefix=prefix.prefix,
            name=prefix.name,
            state=prefix.state,
            hosting=prefix.hosting,
            enterprise=prefix.enterprise,
            exact_case=prefix.exact_case,
            sites=prefix.sites,
            hosting_state=prefix.hosting_state,
            reason=prefix.reason,
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
            scopes=token.scopes,
        )
    )


def identity_state(account: Account, groups: list[str]) -> bytes:
    """Encode an account with the groups it is in."""
    return _encode(IdentityState(account.id, account.enterprise, account.role, account.state, groups))


def group_state(group: Group, members: list[Member]) -> bytes:
    """Encode a group with its members."""
    return _encode(
        GroupState(
            group.id,
            group.name,
            group.description,
            group.enterprise,
            group.state,
            [member.account for member in members if member.account is not None],
            [member.enterprise for member in members if member.enterprise is not None],
            instant(group.created_at),
            instant(group.updated_at),
        )
    )


def enterprise_state(enterprise: Enterprise) -> bytes:
    """Encode an enterprise."""
    return _encode(
        EnterpriseState(
            id=enterprise.id,
            name=enterprise.name,
            state=enterprise.state,
            created_at=instant(enterprise.created_at),
            updated_at=instant(enterprise.updated_at),
            number=enterprise.number,
            version=enterprise.version,
            hosted=enterprise.hosted,
            details=_raw(enterprise.details),
            documents=_raw(enterprise.documents),
            proposed=_raw(enterprise.proposed),
            applicant=enterprise.applicant,
            reason=enterprise.reason,
            verification=_raw(enterprise.verification),
            national=_raw(enterprise.national),
            takeover_version=enterprise.takeover_version,
            takeover_at=_instant_or_none(enterprise.takeover_at),
            submitted_at=_instant_or_none(enterprise.submitted_at),
            reviewed_at=_instant_or_none(enterprise.reviewed_at),
            reviewer=enterprise.reviewer,
        )
    )


def _raw(stored: str | None) -> msgspec.Raw | None:
    return msgspec.Raw(stored.encode()) if stored is not None else None


def _instant_or_none(at: datetime | None) -> str | None:
    return instant(at) if at is not None else None


def template_state(template: Template) -> bytes:
    """Encode a template."""
    return _encode(
        TemplateState(
            code=template.code,
            name=template.name,
            enterprise=template.enterprise,
            state=template.state,
            items=template.items,
            created_at=instant(template.created_at),
            updated_at=instant(template.updated_at),
            prefix=template.prefix,
            version=template.version,
            handle=template.handle,
            name_en=template.name_en,
            industry=template.industry,
            object_type=template.object_type,
            description=template.description,
            standard=template.standard,
            shared=template.shared,
            master_data=template.master_data,
            copied_from=template.copied_from,
        )
    )


def grant_state(grant: Grant, standing: Iterable[Grant]) -> bytes:
    """Encode the grants that are in force between the subject and the object of `grant`."""
    return _encode(
        GrantState(
            grant.subject_kind,
            grant.subject,
            grant.object_kind,
            grant.object_key,
            [
                GrantInForce(
                    one.id,
                    one.enterprise,
                    one.right,
                    one.indexes,
                    instant(one.expires_at) if one.expires_at else None,
                )
                for one in standing
            ],
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
