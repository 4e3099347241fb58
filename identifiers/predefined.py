"""Types whose data has a structure of its own: which JSON format shows it, and which data is parsed when written."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from identifiers.handle import fold
from identifiers.hs_admin import admin_from_json, admin_to_json, parse_admin
from identifiers.hs_key import key_from_json, key_to_json
from identifiers.hs_site import parse_site
from identifiers.hs_site_json import site_from_json, site_to_json
from identifiers.hs_vlist import parse_vlist, vlist_from_json, vlist_to_json
from identifiers.octets import WireError
from identifiers.values import INVALID_VALUE, ValuesError


class Format(NamedTuple):
    """One structured JSON format: ``show`` raises WireError for octets it cannot show, ``read`` ValuesError."""

    name: str
    show: Callable[[bytes], Any]
    read: Callable[[Any, str], bytes]


ADMIN: Final = Format("admin", admin_to_json, admin_from_json)
VLIST: Final = Format("vlist", vlist_to_json, vlist_from_json)
SITE: Final = Format("site", site_to_json, site_from_json)
KEY: Final = Format("key", key_to_json, key_from_json)
FORMATS: Final = {found.name: found for found in (ADMIN, VLIST, SITE, KEY)}

_FORMAT_OF_TYPE: Final = {
    "HS_ADMIN": ADMIN,
    "HS_VLIST": VLIST,
    "HS_SITE": SITE,
    "HS_SITE.PREFIX": SITE,
    "HS_NA_DELEGATE": SITE,
    "HS_PUBKEY": KEY,
}
_PARSED_ON_WRITE: Final[dict[str, Callable[[bytes], object]]] = {
    "HS_ADMIN": parse_admin,
    "HS_VLIST": parse_vlist,
    "HS_SITE": parse_site,
    "HS_SITE.PREFIX": parse_site,
    "HS_SITE.6": parse_site,
    "HS_NA_DELEGATE": parse_site,
}


@lru_cache(maxsize=4_096)
def format_of(type_: str) -> Format | None:
    """Return the format in which data of this type is shown, None for plain data. Types have no case."""
    return _FORMAT_OF_TYPE.get(fold(type_))


@lru_cache(maxsize=4_096)
def is_parsed_on_write(type_: str) -> bool:
    """Say whether data of this type must have its structure to be stored."""
    return fold(type_) in _PARSED_ON_WRITE


def check_data(type_: str, data: bytes, field: str) -> None:
    """Raise ValuesError (code 202) if ``data`` lacks the structure its type demands."""
    if is_parsed_on_write(type_):
        try:
            _PARSED_ON_WRITE[fold(type_)](data)
        except WireError as error:
            raise ValuesError(f"the data is no {type_}: {error}", field, INVALID_VALUE) from error
