"""The numbers of the protocol: operations, response codes, flags, algorithms (handle wire 3.1, 6, 7)."""

from enum import IntEnum
from typing import Final

from identifiers.values import SECRET_TYPE


class Op(IntEnum):
    """Operations (handle wire 6). Others occur in requests and are refused with OPERATION_NOT_SUPPORTED."""

    RESOLUTION = 1
    GET_SITE_INFO = 2
    CREATE_HANDLE = 100
    DELETE_HANDLE = 101
    ADD_VALUE = 102
    REMOVE_VALUE = 103
    MODIFY_VALUE = 104
    LIST_HANDLES = 105
    LIST_PREFIXES = 106
    CHALLENGE_RESPONSE = 200
    VERIFY_CHALLENGE = 201
    HOME_PREFIX = 300
    UNHOME_PREFIX = 301
    LIST_HOMED_PREFIXES = 302
    SESSION_SETUP = 400
    SESSION_TERMINATE = 401
    SESSION_EXCHANGE_KEY = 402
    LOGIN = 2001


class ResponseCode(IntEnum):
    """Response codes (handle wire 7); the only ones that may ever be sent."""

    SUCCESS = 1
    ERROR = 2
    SERVER_TOO_BUSY = 3
    PROTOCOL_ERROR = 4
    OPERATION_NOT_SUPPORTED = 5
    RECURSION_COUNT_TOO_HIGH = 6
    SERVER_BACKUP = 7
    HANDLE_NOT_FOUND = 100
    HANDLE_ALREADY_EXISTS = 101
    INVALID_HANDLE = 102
    VALUES_NOT_FOUND = 200
    VALUE_ALREADY_EXISTS = 201
    INVALID_VALUE = 202
    OUT_OF_DATE_SITE_INFO = 300
    SERVER_NOT_RESPONSIBLE = 301
    SERVICE_REFERRAL = 302
    PREFIX_REFERRAL = 303
    INVALID_ADMIN = 400
    INSUFFICIENT_PERMISSIONS = 401
    AUTHENTICATION_NEEDED = 402
    AUTHENTICATION_FAILED = 403
    INVALID_CREDENTIAL = 404
    AUTHENTICATION_TIMEOUT = 405
    AUTHENTICATION_ERROR = 406
    SESSION_TIMEOUT = 500
    SESSION_FAILED = 501
    INVALID_SESSION_KEY = 502
    NEED_RSA_KEY = 503
    INVALID_SESSION_SETUP = 504
    SESSION_MESSAGE_REJECTED = 505
    CHANNEL_ERROR = 601
    CHANNEL_TIMEOUT = 602
    DAILY_LIMIT = 603
    REGISTRATION_LIMIT = 604
    PREFIX_LIMIT = 605


# Flags of the header (handle wire 3.1), plain numbers because the hot path combines them.
AUTHORITATIVE: Final = 0x80000000
CERTIFY: Final = 0x40000000
ENCRYPT: Final = 0x20000000
RECURSIVE: Final = 0x10000000
CACHE_CERTIFY: Final = 0x08000000
CONTINUES: Final = 0x04000000
KEEP_CONNECTION: Final = 0x02000000
PUBLIC_ONLY: Final = 0x01000000
RETURN_DIGEST: Final = 0x00800000
OVERWRITE: Final = 0x00400000
MINT_SUFFIX: Final = 0x00200000
DO_NOT_REFER: Final = 0x00100000
RECURSION_AUTHENTICATION: Final = 0x00000004

REQUEST_FLAGS: Final = RECURSIVE | CACHE_CERTIFY | PUBLIC_ONLY
"""What existing clients set on a plain resolution."""
COPIED_FLAGS: Final = CERTIFY | ENCRYPT | CACHE_CERTIFY | PUBLIC_ONLY | DO_NOT_REFER
"""Flags an answer repeats from its request; MINT_SUFFIX too, on a create."""

# Flags of the envelope (handle wire 2).
COMPRESSED: Final = 0x80
ENCRYPTED: Final = 0x40
TRUNCATED: Final = 0x20

# Session set-up (handle wire 14.2).
MODE_CLIENT_KEY: Final = 1
MODE_SERVER_KEY: Final = 2
MODE_KEY_IN_HANDLE: Final = 3
MODE_DIFFIE_HELLMAN: Final = 4

# Encryption algorithms (handle wire 15).
AES: Final = 3
SM4: Final = 4

# Digest algorithms (handle wire 12).
MD5: Final = 1
SHA1: Final = 2
SHA256: Final = 3

SECRET_KEY: Final = SECRET_TYPE
PUBLIC_KEY: Final = "HS_PUBKEY"

NOT_OVER_UDP: Final = frozenset(
    {*range(Op.CREATE_HANDLE, Op.LIST_PREFIXES + 1), *range(300, 303), *range(1000, 1005), Op.LOGIN}
)
"""Operations that UDP answers with ERROR, which sends clients to TCP (handle wire 19.3)."""

EXPIRATION_SECONDS: Final = 43_200
"""By how much an answer's expiration lies after now (handle wire 3)."""

SERIAL_UNKNOWN: Final = 0xFFFF

MESSAGE_OCTETS_MAX: Final = 262_144
"""Longest message part, envelope not counted (handle wire 1)."""
