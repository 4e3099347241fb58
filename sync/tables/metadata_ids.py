"""By which identifier a template is told, in T4 and T11 and in the rows of T9 that refer to it. Pure."""

from typing import Final

TEMPLATE_SUFFIX: Final = "TPL-"
"""How the suffix of a template's identifier begins; ordinary registrations may not begin so."""


def metadata_id(handle: str | None, prefix: str, code: str) -> str:
    """Return the identifier a template is told by: its own, or one made of its code below a prefix."""
    return handle or f"{prefix}/{TEMPLATE_SUFFIX}{code}"
