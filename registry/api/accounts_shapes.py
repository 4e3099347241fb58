"""The JSON bodies about accounts, sessions and tokens of one's own."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from identifiers.changes import Role
from registry.api.shapes import Instant, Name, Scopes
from registry.service.users import CONTACT_CHARACTERS_MAX, REMARKS_CHARACTERS_MAX, USERNAME_CHARACTERS_MAX

_SECRET = Meta(min_length=1, max_length=64)
UserName = Annotated[str, Meta(min_length=1, max_length=USERNAME_CHARACTERS_MAX, examples=["demo-pump"])]
Password = Annotated[
    str, _SECRET, Meta(description="10 to 64 characters; under 16, of three kinds", examples=["demo-password-1"])
]
Contact = Annotated[str, Meta(min_length=1, max_length=CONTACT_CHARACTERS_MAX)]
Remarks = Annotated[str, Meta(max_length=REMARKS_CHARACTERS_MAX)]
Code = Annotated[str, Meta(min_length=6, max_length=7, description="six digits, perhaps with a blank in the middle")]
AccountState = Literal["active", "disabled"]


class SignInRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and a password, or the access key and the secret key of an application."""

    username: Annotated[str, Meta(min_length=1, max_length=255)]
    password: Annotated[str, Meta(min_length=1, max_length=255)]
    totp: Annotated[str, Meta(max_length=16, description="the one-time code, if the account uses them")] | None = None


class SessionAnswer(msgspec.Struct, frozen=True):
    """A session. Send `token` as `Authorization: Bearer <token>`; it is shown once."""

    token: str
    account: str
    role: Role
    enterprise: str | None
    expires_at: Instant


class SessionEnd(msgspec.Struct, frozen=True):
    """A session that counts no more."""

    account: str
    ended_at: Instant


class AccountRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to make: a user with a name and a password, or an application, whose keys the node makes."""

    role: Role
    kind: Literal["user", "application"] = "user"
    enterprise: Annotated[str | None, Meta(description="its id; without it, the caller's own")] = None
    username: UserName | None = None
    password: Password | None = None
    email: Contact | None = None
    mobile: Contact | None = None
    label: Name | None = None
    remarks: Remarks = ""
    hashed_login: Annotated[
        bool | None,
        Meta(description="whether the hashed form of signing in is possible; off for users, on for applications"),
    ] = None


class AccountPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of an account; members left out stay. Disabling it ends its sessions and tokens for good."""

    role: Role | None = None
    enterprise: str | None = None
    state: AccountState | None = None
    label: Name | None = None
    email: Contact | None = None
    mobile: Contact | None = None
    remarks: Remarks | None = None


class OwnAccountPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach the caller; members left out stay."""

    email: Contact | None = None
    mobile: Contact | None = None


class AccountAnswer(msgspec.Struct, frozen=True):
    """An account. `username` is null where there are tokens only; `totp`: signing in asks for one-time codes."""

    id: str
    kind: Literal["token", "user", "application"]
    role: Role
    enterprise: str | None
    state: AccountState
    label: str
    username: str | None
    email: str | None
    mobile: str | None
    remarks: str | None
    hashed_login: bool
    totp: bool
    groups: list[str]
    locked_until: Instant | None
    created_at: Instant
    updated_at: Instant


class AccountKeys(msgspec.Struct, frozen=True):
    """An account with the keys of an application. `secret_key` is shown once; a repeated request gets null."""

    account: AccountAnswer
    access_key: str | None
    secret_key: str | None


class ListedAccount(msgspec.Struct, frozen=True):
    """An account in a list."""

    id: str
    kind: Literal["token", "user", "application"]
    role: Role
    enterprise: str | None
    state: AccountState
    label: str
    username: str | None
    created_at: Instant
    updated_at: Instant


class AccountPage(msgspec.Struct, frozen=True):
    """Accounts in the order of their ids."""

    items: list[ListedAccount]
    next: str | None


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another password for the caller."""

    current: Annotated[str, Meta(min_length=1, max_length=255)]
    new: Annotated[str, Meta(min_length=1, max_length=255)]


class PasswordReset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another password for a user; an application gets another secret key, so `password` is left out."""

    password: Password | None = None
    hashed_login: Annotated[bool | None, Meta(description="as for a new account; without it, as it was")] = None


class PasswordProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's present password, as the proof that the token is in the right hands."""

    current: Annotated[str, Meta(min_length=1, max_length=255)]


class TotpSecret(msgspec.Struct, frozen=True):
    """What the caller's device needs to make one-time codes; shown once, null for a repeated request."""

    secret: str | None
    uri: Annotated[str | None, Meta(description="the same as an `otpauth:` address, to be shown as a QR code")]


class TotpConfirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first code of the device."""

    code: Code


class OwnTokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token of the caller's own account."""

    label: Name
    scopes: Scopes | None = None
    expires_at: Annotated[str | None, Meta(description="RFC 3339; without it the token counts until revoked")] = None
