"""What a worker asks of the registry for a Handle administrator, and what it is answered (Handle wire 17 and 18).

A worker proves who the user is; the registry decides what the user may do, does it through its one service layer, and
answers with a Handle response code. Both sides are this node's own: these shapes never leave the host.
"""

from typing import Final, Literal

import msgspec

from identifiers.values import Reference, Value

Face = Literal["handle_tcp", "handle_udp", "handle_http"]

ANY_TAG: Final = "*"
NAMES_PER_PAGE_MAX: Final = 10_000
PAGE_OCTETS_MAX: Final = 2**20
"""A page of names ends after about this many octets of them, whatever its limit."""


class Create(msgspec.Struct, frozen=True, tag="create", omit_defaults=True):
    """Op 100. `overwrite` (OWE) replaces a whole record; `mint` (MNS) appends a random UUID to `name`.

    `entity_tag`: the record's entity tag as a lookup has shown it, to anybody or to an administrator (16 hexadecimal
    digits); the record must still have it, else code 201 with `stale`. Of single values theirs alone counts as well.
    `ANY_TAG`: there must be a record.
    """

    name: str
    values: tuple[Value, ...]
    overwrite: bool = False
    mint: bool = False
    entity_tag: str | None = None


class Delete(msgspec.Struct, frozen=True, tag="delete", omit_defaults=True):
    """Op 101."""

    name: str
    entity_tag: str | None = None


class Add(msgspec.Struct, frozen=True, tag="add", omit_defaults=True):
    """Op 102. `overwrite` replaces values whose index is there."""

    name: str
    values: tuple[Value, ...]
    overwrite: bool = False
    entity_tag: str | None = None


class Remove(msgspec.Struct, frozen=True, tag="remove", omit_defaults=True):
    """Op 103."""

    name: str
    indexes: tuple[int, ...]
    entity_tag: str | None = None


class Modify(msgspec.Struct, frozen=True, tag="modify", omit_defaults=True):
    """Op 104. `overwrite` adds values whose index is not there."""

    name: str
    values: tuple[Value, ...]
    overwrite: bool = False
    entity_tag: str | None = None


class ListHandles(msgspec.Struct, frozen=True, tag="list_handles", omit_defaults=True):
    """Op 105, one page: names below `prefix` (`88.118.8` or `0.NA/88.118.8`), without the prefix record.

    `after` is `next` of the page before, `offset` counts names behind it. `count` asks for `total` too.
    """

    prefix: str
    after: str = ""
    offset: int = 0
    limit: int = 1_000
    count: bool = False


class ListDerived(msgspec.Struct, frozen=True, tag="list_derived", omit_defaults=True):
    """Op 106, one page: the prefixes one level below `prefix`, as `0.NA/…`."""

    prefix: str
    after: str = ""
    offset: int = 0
    limit: int = 1_000
    count: bool = False


class Home(msgspec.Struct, frozen=True, tag="home", omit_defaults=True):
    """Op 300."""

    prefix: str


class Unhome(msgspec.Struct, frozen=True, tag="unhome", omit_defaults=True):
    """Op 301."""

    prefix: str


class ListHomed(msgspec.Struct, frozen=True, tag="list_homed", omit_defaults=True):
    """Op 302, one page, as `0.NA/…`."""

    after: str = ""
    offset: int = 0
    limit: int = 1_000
    count: bool = False


Writing = Create | Delete | Add | Remove | Modify
Listing = ListHandles | ListDerived | ListHomed
Operation = Writing | Listing | Home | Unhome


class Group(msgspec.Struct, frozen=True, array_like=True):
    """The public HS_VLIST values of a record elsewhere, as a worker has read them."""

    name: str
    values: tuple[Value, ...]


class HandleRequest(msgspec.Struct, frozen=True, tag="handle_request", omit_defaults=True):
    """One operation. `user` is who proved to be an administrator; None only for changes of public-write values.

    `number` is the worker's own, to tell answers apart. `address` is the client's. `groups` are those below prefixes
    that are not served here, which decide about the user's rights.
    """

    number: int
    operation: Operation
    face: Face
    user: Reference | None = None
    address: str = "unknown"
    groups: tuple[Group, ...] = ()


class HandleAnswer(msgspec.Struct, frozen=True, tag="handle_answer", omit_defaults=True):
    """What came of it.

    `code` is a Handle response code: 1 success, else as Handle wire 17.3. 603 to 605 mean an exhausted quota: a face
    sends 3 instead to whoever has no IDIS login. 402 means that a user is needed. `text` is for people.
    `existed`: what was put was there before. `replaced`: something there was really changed (OWE in an answer).
    `resolvable`: this host's replica already has the change. `names`, `next` (None: that was all) and `total` belong
    to lists.
    """

    number: int
    code: int = 1
    text: str = ""
    name: str = ""
    existed: bool = False
    replaced: bool = False
    stale: bool = False
    resolvable: bool = True
    names: list[str] = []
    next: str | None = None
    total: int | None = None
