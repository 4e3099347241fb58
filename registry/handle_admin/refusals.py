"""What the registry's refusals are in the Handle protocol (Handle wire 7)."""

from typing import Final

from identifiers.handle_changes import Refused
from registry.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidFields,
    NotFound,
    RegistryError,
    TooManyRequests,
    Unavailable,
)

DAILY_LIMIT: Final = 603
REGISTRATION_LIMIT: Final = 604
_BY_CODE: Final = {
    "bad_char": 102,
    "bad_prefix": 102,
    "bad_suffix": 102,
    "empty": 102,
    "not_nfc": 102,
    "too_long": 102,
    "concurrent_change": 3,
    "daily_quota_exhausted": DAILY_LIMIT,
    "identifier_exists": 101,
    "identifier_is_alias": 101,
    "identifier_withdrawn": 101,
    "prefix_routed": 301,
    "quota_exhausted": REGISTRATION_LIMIT,
    "read_only": 7,
    "too_many_prefixes": 605,
    "unique_value_taken": 201,
    "unknown_prefix": 301,
}
_BY_KIND: Final[dict[type[RegistryError], int]] = {
    NotFound: 100,
    Gone: 100,
    InvalidFields: 202,
    Forbidden: 400,
    TooManyRequests: 3,
    Unavailable: 7,
    Conflict: 202,
}
_ERROR: Final = 2
_NOT_RESPONSIBLE: Final = 301
_TEXT_CHARACTERS_MAX: Final = 200


def refused(error: RegistryError) -> Refused:
    """Return a refusal of the service layer as one of the protocol; the text names the first field at fault."""
    code = _BY_CODE.get(error.code) or _BY_KIND.get(type(error), _ERROR)
    if isinstance(error, Gone):  # what is withdrawn is there for who creates it, and not for who changes it
        code = _BY_KIND[Gone]
    if error.code.startswith("prefix_"):
        code = _NOT_RESPONSIBLE
    text = error.message
    if error.errors:
        text = f"{text}: {error.errors[0].field}: {error.errors[0].message}"
    return Refused(code, " ".join(text.split())[:_TEXT_CHARACTERS_MAX])
