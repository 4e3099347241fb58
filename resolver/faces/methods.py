"""The methods of HTTP that faces know by name; any other is 501 (Handle over HTTP, 1)."""

from typing import Final

from resolver.faces import handle_answer

KNOWN_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")
METHOD_OCTETS_MAX: Final = 20
"""Of a method in an error message."""


def unknown_method(method: str) -> bytes:
    """Return the body of the answer to a method that is not known."""
    shown = method[:METHOD_OCTETS_MAX]
    return handle_answer.error_body(handle_answer.PROTOCOL_ERROR, None, f"Unknown method {shown}")
