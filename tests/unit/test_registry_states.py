"""States in the journal: the fast way to encode a new record gives the same octets as the careful one."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from identifiers.changes import IdentifierState
from registry.states import created_states, identifier_state, instant, to_millisecond
from registry.tables.identifiers import Record

instants = st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(to_millisecond)  # noqa: DTZ001


@given(st.text(max_size=50), st.text(max_size=20), st.none() | st.text(min_size=1, max_size=20), instants)
def test_a_created_state_is_the_record_s_state(spelling: str, prefix: str, template: str | None, at: datetime) -> None:
    values = b'[{"index":1}]'
    record = Record(1, "hdl:x", spelling, "active", None, template, None, values, 1, at, at)
    fast = created_states(prefix, template, at)(msgspec.json.encode(spelling), values)
    assert fast == identifier_state(record, prefix)
    decoded = msgspec.json.decode(fast, type=IdentifierState)
    assert (decoded.identifier, decoded.prefix, decoded.template, decoded.version) == (spelling, prefix, template, 1)
    assert datetime.fromisoformat(decoded.created_at) == at


def test_instants_are_in_utc_to_the_millisecond() -> None:
    beijing = timezone(timedelta(hours=8))
    at = datetime(2025, 11, 22, 8, 0, 0, 123_999, beijing)
    assert instant(at) == "2025-11-22T00:00:00.123Z"
    assert instant(to_millisecond(at)) == instant(at)
    assert to_millisecond(at).microsecond == 123_000
