"""The bodies of requests, typed, in both directions (handle wire 11).

Decoding is lenient where existing clients need it: octets after a complete body are ignored. What is too short or lies
about its length is refused with PROTOCOL_ERROR, a name that is none with INVALID_HANDLE.
"""

from collections.abc import Callable
from typing import Any, Final

from identifiers.handle_wire.codes import MODE_CLIENT_KEY, MODE_DIFFIE_HELLMAN, MODE_KEY_IN_HANDLE, Op
from identifiers.handle_wire.digests import encode_digest, read_digest_either_way
from identifiers.handle_wire.names import read_any_name, read_name
from identifiers.handle_wire.request_types import (
    INDEX_NONE,
    AddValue,
    ChallengeResponse,
    CreateHandle,
    DeleteHandle,
    GetSiteInfo,
    HomePrefix,
    ListHandles,
    ListHomedPrefixes,
    ListPrefixes,
    Login,
    ModifyValue,
    RemoveValue,
    Request,
    Resolution,
    SessionExchangeKey,
    SessionSetup,
    SessionTerminate,
    UnhomePrefix,
    VerifyChallenge,
)
from identifiers.octets import OctetReader, WireError, string
from identifiers.wire import encode_value, read_values

__all__ = [
    "INDEX_NONE",
    "AddValue",
    "ChallengeResponse",
    "CreateHandle",
    "DeleteHandle",
    "GetSiteInfo",
    "HomePrefix",
    "ListHandles",
    "ListHomedPrefixes",
    "ListPrefixes",
    "Login",
    "ModifyValue",
    "RemoveValue",
    "Request",
    "Resolution",
    "SessionExchangeKey",
    "SessionSetup",
    "SessionTerminate",
    "UnhomePrefix",
    "VerifyChallenge",
    "decode_request",
    "encode_request",
]

_U4_OCTETS: Final = 4
_STRING_OCTETS_MIN: Final = 4


def decode_request(op: int, body: bytes) -> Request | None:
    """Return the typed request; None for an operation that is not known, whatever its body. Raises WireError."""
    reading = _READING.get(op)
    return None if reading is None else reading(OctetReader(body))


def encode_request(request: Request) -> bytes:
    """Return the body of a request."""
    return _WRITING[type(request)](request)


def _resolution(reader: OctetReader) -> Resolution:
    name, indexes = read_name(reader), _read_numbers(reader)
    types = tuple([reader.text() for _ in range(reader.count(_STRING_OCTETS_MIN))])
    token = None
    if reader.left:
        try:
            token = reader.text()
        except WireError:  # any octets may follow the types
            token = None
    return Resolution(name, indexes, types, token)


def _verify(reader: OctetReader) -> VerifyChallenge:
    user, index, nonce = read_any_name(reader), reader.u4(), reader.octets()
    digest, has_length = read_digest_either_way(reader)
    return VerifyChallenge(user, index, nonce, digest, reader.octets(), has_length)


def _setup(reader: OctetReader) -> SessionSetup:
    head = reader.u2(), reader.u4(), read_any_name(reader), reader.u4()
    if head[0] in (MODE_CLIENT_KEY, MODE_DIFFIE_HELLMAN):
        return SessionSetup(*head, public_key=reader.octets())
    if head[0] == MODE_KEY_IN_HANDLE:
        return SessionSetup(*head, key_handle=read_any_name(reader), key_index=reader.u4())
    return SessionSetup(*head)


def _encode_resolution(request: Resolution) -> bytes:
    token = b"" if request.token is None else string(request.token.encode())
    return string(request.name.encode()) + _numbers(request.indexes) + _texts(request.types) + token


def _encode_values(request: CreateHandle | AddValue | ModifyValue) -> bytes:
    count = len(request.values).to_bytes(4, "big")
    return b"".join([string(request.name.encode()), count, *map(encode_value, request.values)])


def _encode_name(request: GetSiteInfo | DeleteHandle) -> bytes:
    return string(request.name.encode())


def _encode_prefix(request: ListHandles | ListPrefixes | ListHomedPrefixes | HomePrefix | UnhomePrefix) -> bytes:
    return string(request.prefix.encode())


def _encode_response(request: ChallengeResponse) -> bytes:
    return string(request.type.encode()) + _reference(request.user, request.index) + string(request.proof)


def _encode_verify(request: VerifyChallenge) -> bytes:
    digest = string(request.digest.octets) if request.has_length else encode_digest(request.digest)
    return _reference(request.user, request.index) + string(request.nonce) + digest + string(request.proof)


def _encode_setup(setup: SessionSetup) -> bytes:
    head = setup.mode.to_bytes(2, "big") + setup.timeout_s.to_bytes(4, "big")
    key = b""
    if setup.mode in (MODE_CLIENT_KEY, MODE_DIFFIE_HELLMAN):
        key = string(setup.public_key)
    elif setup.mode == MODE_KEY_IN_HANDLE:
        key = _reference(setup.key_handle, setup.key_index)
    return head + _reference(setup.identity, setup.identity_index) + key + b"\0\0"


def _read_ignored(reader: OctetReader) -> str:
    return reader.octets().decode(errors="replace")


def _read_numbers(reader: OctetReader) -> tuple[int, ...]:
    return tuple([reader.u4() for _ in range(reader.count(_U4_OCTETS))])


def _numbers(numbers: tuple[int, ...]) -> bytes:
    return b"".join([number.to_bytes(4, "big") for number in (len(numbers), *numbers)])


def _texts(texts: tuple[str, ...]) -> bytes:
    return len(texts).to_bytes(4, "big") + b"".join([string(text.encode()) for text in texts])


def _reference(name: str, index: int) -> bytes:
    return string(name.encode()) + index.to_bytes(4, "big")


_READING: Final[dict[int, Callable[[OctetReader], Request]]] = {
    Op.RESOLUTION: _resolution,
    Op.GET_SITE_INFO: lambda reader: GetSiteInfo(_read_ignored(reader)),
    Op.CREATE_HANDLE: lambda reader: CreateHandle(read_name(reader), read_values(reader)),
    Op.DELETE_HANDLE: lambda reader: DeleteHandle(read_name(reader)),
    Op.ADD_VALUE: lambda reader: AddValue(read_name(reader), read_values(reader)),
    Op.REMOVE_VALUE: lambda reader: RemoveValue(read_name(reader), _read_numbers(reader)),
    Op.MODIFY_VALUE: lambda reader: ModifyValue(read_name(reader), read_values(reader)),
    Op.LIST_HANDLES: lambda reader: ListHandles(read_name(reader)),
    Op.LIST_PREFIXES: lambda reader: ListPrefixes(read_name(reader)),
    Op.CHALLENGE_RESPONSE: lambda reader: ChallengeResponse(
        reader.text(), read_any_name(reader), reader.u4(), reader.octets()
    ),
    Op.VERIFY_CHALLENGE: _verify,
    Op.HOME_PREFIX: lambda reader: HomePrefix(read_name(reader)),
    Op.UNHOME_PREFIX: lambda reader: UnhomePrefix(read_name(reader)),
    Op.LIST_HOMED_PREFIXES: lambda reader: ListHomedPrefixes(_read_ignored(reader)),
    Op.SESSION_SETUP: _setup,
    Op.SESSION_TERMINATE: lambda reader: SessionTerminate(_read_ignored(reader) if reader.left else None),
    Op.SESSION_EXCHANGE_KEY: lambda reader: SessionExchangeKey(reader.octets()),
    Op.LOGIN: lambda reader: Login(read_any_name(reader), reader.u4()),
}
_WRITING: Final[dict[type, Callable[[Any], bytes]]] = {
    Resolution: _encode_resolution,
    GetSiteInfo: _encode_name,
    CreateHandle: _encode_values,
    DeleteHandle: _encode_name,
    AddValue: _encode_values,
    RemoveValue: lambda request: string(request.name.encode()) + _numbers(request.indexes),
    ModifyValue: _encode_values,
    ListHandles: _encode_prefix,
    ListPrefixes: _encode_prefix,
    ListHomedPrefixes: _encode_prefix,
    ChallengeResponse: _encode_response,
    VerifyChallenge: _encode_verify,
    HomePrefix: _encode_prefix,
    UnhomePrefix: _encode_prefix,
    SessionSetup: _encode_setup,
    SessionTerminate: lambda request: b"" if request.name is None else string(request.name.encode()),
    SessionExchangeKey: lambda request: string(request.data),
    Login: lambda request: _reference(request.user, request.index),
}
