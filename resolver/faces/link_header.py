"""The `Link` header (RFC 8288): the record behind an alias, and the successor of what was withdrawn."""

from identifiers.identifier import Invalid
from resolver.lookup import Answer, Found, Gone
from resolver.record import path_of


def link_of(answer: Answer | Invalid) -> tuple[tuple[str, str], ...]:
    """Return the header for an answer as a pair of name and value, or nothing.

    `canonical` leads from any alias to the record's own identifier, `successor-version` from a former code or a
    tombstone to what has taken its place (RFC 5829).
    """
    if isinstance(answer, Found) and answer.alias is not None:
        relations = "canonical successor-version" if answer.alias == "former" else "canonical"
        return (("Link", f'<{path_of(answer.record.spelling)}>; rel="{relations}"'),)
    if isinstance(answer, Gone) and answer.record is not None and answer.record.instead is not None:
        return (("Link", f'<{answer.record.location}>; rel="successor-version"'),)
    return ()
