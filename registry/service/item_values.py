"""What the data of one value must be: the formats of strings, and the data types of items."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from identifiers.gtin import parse_gtin
from identifiers.handle import check_handle
from identifiers.identifier import Invalid
from registry.tables.templates import Item

DIGITS_MAX: Final = 38
FILES_MAX: Final = 50
URL_CHARACTERS_MAX: Final = 2_048
DATE_FORMAT_DEFAULT: Final = "YYYY-MM-DD"

DATE_FORMATS: Final[Mapping[str, str]] = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY/MM/DD": "%Y/%m/%d",
    "YYYYMMDD": "%Y%m%d",
    "YYYY-MM": "%Y-%m",
    "YYYY": "%Y",
    "YYYY-MM-DD HH:mm:ss": "%Y-%m-%d %H:%M:%S",
    "YYYY-MM-DDTHH:mm:ssZ": "%Y-%m-%dT%H:%M:%SZ",
}
"""How a date may be written. The last form is an instant in UTC."""

MEDIA_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("jpg", "jpeg", "png", "gif", "webp", "svg", "bmp", "tif", "tiff"),
    "audio": ("mp3", "wav", "ogg", "m4a", "aac", "flac", "amr"),
    "video": ("mp4", "m4v", "mov", "webm", "avi", "mkv", "mpg", "mpeg"),
}
"""What the address of an image, a sound or a film may end in, unless the item says something else."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_NUMBER = re.compile(rf"[+-]?([0-9]{{1,{DIGITS_MAX}}})(?:\.([0-9]{{1,{DIGITS_MAX}}}))?")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable() and " " not in text


FORMATS: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "text": (lambda _: True, "text"),
    "integer": (_INTEGER.fullmatch, "a whole number like 42"),
    "decimal": (_DECIMAL.fullmatch, "a number like 4.50"),
    "date": (_is_date, "a date like 2025-11-22"),
    "instant": (_is_instant, "an instant with its zone like 2025-11-22T08:00:00Z"),
    "url": (_is_url, "an address like https://example.com/p"),
    "gtin": (lambda text: not isinstance(parse_gtin(text), Invalid), "a GTIN with its right check digit"),
}
"""Formats of strings. Fixed ones only: a regular expression of a client's would be a program of a client's."""


def data_faults(item: Item, text: str) -> list[str]:
    """Return every way in which the data of a value breaks the rules of its item, as sentences about the item."""
    if not text and item.required:
        return ["is required, and empty"]
    return _CHECKS[item.data_type](item, text)


def _string(item: Item, text: str) -> list[str]:
    faults = []
    shortest, longest = item.length_min or 0, item.length_max
    if len(text) < shortest or (longest is not None and len(text) > longest):
        bounds = f"{shortest} to {longest}" if longest is not None else f"at least {shortest}"
        faults.append(f"has {bounds} characters, not {len(text)}")
    fits, description = FORMATS[item.format]
    if not fits(text):
        faults.append(f"is not {description}")
    return faults


def _number(item: Item, text: str) -> list[str]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return [f"is not a number like 4.50 of at most {DIGITS_MAX} digits"]
    whole, fraction = match[1].lstrip("0"), match[2] or ""
    faults = []
    digits = item.digits or DIGITS_MAX
    if len(whole) + len(fraction) > digits:
        faults.append(f"has at most {digits} digits, not {len(whole) + len(fraction)}")
    if item.decimals is not None and len(fraction) > item.decimals:
        faults.append(f"has at most {item.decimals} decimals, not {len(fraction)}")
    number = Decimal(text)
    if item.number_min is not None and number < item.number_min:
        faults.append(f"is at least {item.number_min:f}")
    if item.number_max is not None and number > item.number_max:
        faults.append(f"is at most {item.number_max:f}")
    return faults


def _date(item: Item, text: str) -> list[str]:
    written = item.date_format or DATE_FORMAT_DEFAULT
    pattern = DATE_FORMATS[written]
    try:
        # Written out again, because strptime also takes 1 for 01 and digits of other scripts.
        fits = datetime.strptime(text, pattern).strftime(pattern) == text  # noqa: DTZ007 - only its form is looked at
    except ValueError:
        fits = False
    return [] if fits else [f"is not a date written {written}"]


def _reference(_item: Item, text: str) -> list[str]:
    if "/" not in text:
        return ["is not an identifier like 88.118.8/SN0001"]
    found = check_handle(text)
    return [f"is no identifier: {found.message}"] if isinstance(found, Invalid) else []


def _files(item: Item, text: str) -> list[str]:
    addresses = text.split("\n")
    most = item.files_max or 1
    faults = [f"has at most {most} addresses, one a line, not {len(addresses)}"] if len(addresses) > most else []
    suffixes = item.file_suffixes or MEDIA_SUFFIXES.get(item.data_type, ())
    for number, address in enumerate(addresses[:most], 1):
        if len(address) > URL_CHARACTERS_MAX or not _is_url(address):
            faults.append(f"is in line {number} not an address like https://example.com/drawing.pdf")
        elif suffixes and urlsplit(address).path.rpartition(".")[2].lower() not in suffixes:
            faults.append(f"is in line {number} not the address of a file of the kinds {', '.join(suffixes)}")
    return faults


_CHECKS: Final[Mapping[str, Callable[[Item, str], list[str]]]] = {
    "string": _string,
    "number": _number,
    "date": _date,
    "reference": _reference,
    "file": _files,
    "image": _files,
    "audio": _files,
    "video": _files,
}
