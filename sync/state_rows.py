"""What the state tables say of one thing registered, as it is now: rows wanted, before anybody asks what was told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from sync.batch import Row
from sync.calendar_time import instant
from sync.tables.fields import check_row
from sync.tables.table import Problem


class Wanted(NamedTuple):
    """A row as the collector should hold it. `covers` are prefixes that it makes known there (T1, T6)."""

    table: str
    scope: str
    key: str
    data: Mapping[str, Any]
    covers: tuple[str, ...] = ()

    def problems(self) -> list[Problem]:
        """Return why the row is not fit to be sent; nothing for one in order."""
        return check_row(self.table, self.data)


def known(members: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known: absent and null mean the same, and empty text is not sent (docking contract 3.1)."""
    return {name: value for name, value in members.items() if value is not None and value != ""}


def data_octets(data: Mapping[str, Any]) -> bytes:
    """Return a row's data as they are sent: always the same octets for the same data."""
    return msgspec.json.encode(data)


def told(key: str, ver: int, at: datetime, data: bytes | None) -> Row:
    """Return a row, its number still 0; without data it says that the key is gone."""
    if data is None:
        return Row(n=0, key=key, op="delete", ver=ver, at=instant(at))
    return Row(n=0, key=key, op="upsert", ver=ver, at=instant(at), data=msgspec.Raw(data))
