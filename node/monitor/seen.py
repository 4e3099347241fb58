"""When the self-check last looked: what lies between that and its next start was not measured."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_FORM: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Seen:
    """A file of one instant, written in place every round."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._path = path

    def read(self) -> datetime | None:
        """Return the last round's moment; None before the first one, or if it cannot be told."""
        try:
            return datetime.strptime(self._path.read_text("ascii"), _FORM).replace(tzinfo=UTC)
        except (OSError, ValueError):
            return None

    def write(self, at: datetime) -> None:
        """Keep the moment of a round. Raises OSError."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, at.astimezone(UTC).strftime(_FORM).encode(), 0)
        finally:
            os.close(descriptor)
