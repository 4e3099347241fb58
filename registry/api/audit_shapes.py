"""The JSON bodies about the audit log."""

import msgspec

from registry.service.audit import ShownEntry


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    items: list[ShownEntry]
    next: str | None
