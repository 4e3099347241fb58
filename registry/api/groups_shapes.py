"""The JSON bodies about groups."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant, Name
from registry.service.groups import MEMBERS_MAX

Description = Annotated[str, Meta(max_length=1_024)]
Ids = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=MEMBERS_MAX)]


class GroupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group to make, of the caller's enterprise; an administrator names one, or makes a group of the node."""

    name: Name
    description: Description = ""
    enterprise: str | None = None


class GroupPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a group; members left out stay."""

    name: Name | None = None
    description: Description | None = None


class Members(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members by their ids: accounts, and enterprises with all their accounts."""

    accounts: Ids = []
    enterprises: Ids = []


class MembersPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes into a group, and who leaves it."""

    add: Members = Members()
    remove: Members = Members()


class GroupAnswer(msgspec.Struct, frozen=True):
    """A group. `members` is null for somebody who is only in it."""

    id: str
    name: str
    description: str
    enterprise: str | None
    state: Literal["active", "withdrawn"]
    members: Members | None
    created_at: Instant
    updated_at: Instant


class ListedGroup(msgspec.Struct, frozen=True):
    """A group in a list."""

    id: str
    name: str
    description: str
    enterprise: str | None
    state: Literal["active", "withdrawn"]
    created_at: Instant
    updated_at: Instant


class GroupPage(msgspec.Struct, frozen=True):
    """Groups in the order of their ids."""

    items: list[ListedGroup]
    next: str | None
