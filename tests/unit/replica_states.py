"""Changes as the journal carries them, for tests that fill a replica."""

from datetime import UTC, datetime

import msgspec

from identifiers.changes import Change, IdentifierState, PrefixState
from identifiers.handle import check_new_handle
from identifiers.identifier import Identifier
from identifiers.value_json import values_to_json
from identifiers.values import Value

MOMENT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
MOMENT_TEXT = "2026-11-22T21:00:00Z"


def identifier_state(name: str, *values: Value, state: str = "active", version: int = 1) -> IdentifierState:
    return IdentifierState(
        identifier=name,
        prefix=name.partition("/")[0],
        state=state,  # type: ignore[arg-type] # tests pass one of the two literals
        version=version,
        created_at=MOMENT_TEXT,
        updated_at=MOMENT_TEXT,
        values=msgspec.Raw(values_to_json(values)),
    )


def identifier_change(seq: int, name: str, *values: Value, state: str = "active", exact_case: bool = False) -> Change:
    parsed = check_new_handle(name, exact_case=exact_case)
    assert isinstance(parsed, Identifier), parsed
    op = "create" if state == "active" else "withdraw"
    after = msgspec.json.encode(identifier_state(name, *values, state=state))
    return Change(seq, seq, MOMENT, "identifier", parsed.key, op, after)


def prefix_change(seq: int, prefix: str, *, hosting: str = "here", exact_case: bool = False) -> Change:
    state = PrefixState(
        prefix=prefix,
        name="Example Pumps",
        state="active",
        hosting=hosting,  # type: ignore[arg-type] # tests pass one of the two literals
        enterprise="1",
        exact_case=exact_case,
    )
    return Change(seq, seq, MOMENT, "prefix", prefix, "create", msgspec.json.encode(state))


def url(text: str, index: int = 1, **more: int) -> Value:
    return Value(index, "URL", text.encode(), **more)  # type: ignore[arg-type] # only whole numbers are passed
