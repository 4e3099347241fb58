"""What a client can ask for, one type for each operation (handle wire 6, 11)."""

from typing import ClassVar, Final

import msgspec

from identifiers.handle_wire.codes import Op
from identifiers.handle_wire.digests import Digest
from identifiers.values import Value

INDEX_NONE: Final = 0xFFFFFFFF
"""The identity index of a session without identity."""


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """Ask for values. ``token`` is a text some clients append; None: nothing was appended."""

    op: ClassVar[Op] = Op.RESOLUTION
    name: str
    indexes: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    token: str | None = None


class GetSiteInfo(msgspec.Struct, frozen=True, gc=False):
    """Ask a server for its site record; the name is ignored."""

    op: ClassVar[Op] = Op.GET_SITE_INFO
    name: str = "/"


class CreateHandle(msgspec.Struct, frozen=True, gc=False):
    """Create a record."""

    op: ClassVar[Op] = Op.CREATE_HANDLE
    name: str
    values: tuple[Value, ...]


class DeleteHandle(msgspec.Struct, frozen=True, gc=False):
    """Delete a record."""

    op: ClassVar[Op] = Op.DELETE_HANDLE
    name: str


class AddValue(msgspec.Struct, frozen=True, gc=False):
    """Add values to a record."""

    op: ClassVar[Op] = Op.ADD_VALUE
    name: str
    values: tuple[Value, ...]


class RemoveValue(msgspec.Struct, frozen=True, gc=False):
    """Remove the values with these indexes."""

    op: ClassVar[Op] = Op.REMOVE_VALUE
    name: str
    indexes: tuple[int, ...]


class ModifyValue(msgspec.Struct, frozen=True, gc=False):
    """Replace the values with these indexes."""

    op: ClassVar[Op] = Op.MODIFY_VALUE
    name: str
    values: tuple[Value, ...]


class ListHandles(msgspec.Struct, frozen=True, gc=False):
    """List the names below a prefix."""

    op: ClassVar[Op] = Op.LIST_HANDLES
    prefix: str


class ListPrefixes(msgspec.Struct, frozen=True, gc=False):
    """List the prefixes derived from a prefix."""

    op: ClassVar[Op] = Op.LIST_PREFIXES
    prefix: str


class ListHomedPrefixes(msgspec.Struct, frozen=True, gc=False):
    """List the prefixes this server answers for."""

    op: ClassVar[Op] = Op.LIST_HOMED_PREFIXES
    prefix: str = "/"


class ChallengeResponse(msgspec.Struct, frozen=True, gc=False):
    """Answer a challenge: ``type`` is HS_SECKEY or HS_PUBKEY, ``proof`` see ``proofs``."""

    op: ClassVar[Op] = Op.CHALLENGE_RESPONSE
    type: str
    user: str
    index: int
    proof: bytes = b""

    def __repr__(self) -> str:
        return f"ChallengeResponse({self.type!r}, {self.index}:{self.user})"


class VerifyChallenge(msgspec.Struct, frozen=True, gc=False):
    """Ask whether a secret-key proof is right. ``has_length``: the digest came with a length, as some write it."""

    op: ClassVar[Op] = Op.VERIFY_CHALLENGE
    user: str
    index: int
    nonce: bytes
    digest: Digest
    proof: bytes
    has_length: bool = False

    def __repr__(self) -> str:
        return f"VerifyChallenge({self.index}:{self.user})"


class HomePrefix(msgspec.Struct, frozen=True, gc=False):
    """Answer for a prefix from now on."""

    op: ClassVar[Op] = Op.HOME_PREFIX
    prefix: str


class UnhomePrefix(msgspec.Struct, frozen=True, gc=False):
    """Answer for a prefix no longer."""

    op: ClassVar[Op] = Op.UNHOME_PREFIX
    prefix: str


class SessionSetup(msgspec.Struct, frozen=True, gc=False):
    """Set a session up (handle wire 14.2).

    ``public_key`` belongs to modes 1 and 4, ``key_handle`` and ``key_index`` to mode 3. ``timeout_s`` is the wish of
    the client, 0 for none.
    """

    op: ClassVar[Op] = Op.SESSION_SETUP
    mode: int
    timeout_s: int = 86_400
    identity: str = ""
    identity_index: int = INDEX_NONE
    public_key: bytes = b""
    key_handle: str = ""
    key_index: int = 0


class SessionTerminate(msgspec.Struct, frozen=True, gc=False):
    """End the session of the envelope. ``name`` is ignored; None: the body is empty."""

    op: ClassVar[Op] = Op.SESSION_TERMINATE
    name: str | None = None


class SessionExchangeKey(msgspec.Struct, frozen=True, gc=False):
    """Hand over an encrypted session key (mode 2, which this server refuses)."""

    op: ClassVar[Op] = Op.SESSION_EXCHANGE_KEY
    data: bytes


class Login(msgspec.Struct, frozen=True, gc=False):
    """Log a user of the industrial-internet client in, for this connection and session id (handle wire 20.2)."""

    op: ClassVar[Op] = Op.LOGIN
    user: str
    index: int


Request = (
    Resolution
    | GetSiteInfo
    | CreateHandle
    | DeleteHandle
    | AddValue
    | RemoveValue
    | ModifyValue
    | ListHandles
    | ListPrefixes
    | ListHomedPrefixes
    | ChallengeResponse
    | VerifyChallenge
    | HomePrefix
    | UnhomePrefix
    | SessionSetup
    | SessionTerminate
    | SessionExchangeKey
    | Login
)
