"""Kinds of settings that several sections share."""

from msgspec import Meta


def number(meaning: str, unit: str, least: int, most: int) -> Meta:
    """Return what a whole number within bounds means."""
    return Meta(ge=least, le=most, description=meaning, extra={"unit": unit})
