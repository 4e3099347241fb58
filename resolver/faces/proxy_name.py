"""From what stands behind the slash of a link to the name it means (Handle proxy, from path to handle)."""

import re
from typing import Final

_PREFIXES: Final = re.compile(r"(?:hdl:|doi:|info:doi/|info:hdl/)", re.IGNORECASE)
_URN_PREFIXES: Final = re.compile(r"(?:urn:hdl:|urn:doi:|urn:eidr:)", re.IGNORECASE)


def name_in_link(text: str) -> str:
    """Return the name in a decoded path without its leading slash, or in a form's field.

    One way of writing a Handle as a URI is removed from the front. In a URN the first colon stands for the slash.
    """
    if urn := _URN_PREFIXES.match(text):
        return text[urn.end() :].replace(":", "/", 1)
    if prefix := _PREFIXES.match(text):
        return text[prefix.end() :]
    return text
