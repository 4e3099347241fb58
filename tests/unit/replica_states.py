"""Changes as the journal carries them, for tests that fill a replica."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from identifiers.changes import AliasKind, AliasState, Change, Hosting, IdentifierState, PrefixState, PrefixStateName
from identifiers.handle import check_new_handle
from identifiers.identifier import Identifier
from identifiers.parse import parse
from identifiers.value_json import values_to_json
from identifiers.values import Value

MOMENT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
MOMENT_TEXT = "2026-11-22T21:00:00Z"


def identifier_state(
    name: str, *values: Value, state: str = "active", version: int = 1, template: str | None = None
) -> IdentifierState:
    return IdentifierState(
        identifier=name,
        prefix=name.partition("/")[0],
        state=state,  # type: ignore[arg-type] # tests pass one of the two literals
        version=version,
        created_at=MOMENT_TEXT,
        updated_at=MOMENT_TEXT,
        values=msgspec.Raw(values_to_json(values)),
        template=template,
    )


def identifier_change(
    seq: int,
    name: str,
    *values: Value,
    state: str = "active",
    exact_case: bool = False,
    template: str | None = None,
    successor: str | None = None,
) -> Change:
    parsed = check_new_handle(name, exact_case=exact_case)
    assert isinstance(parsed, Identifier), parsed
    op = "create" if state == "active" else "withdraw"
    made = identifier_state(name, *values, state=state, template=template)
    after = msgspec.json.encode(msgspec.structs.replace(made, successor=successor))
    return Change(seq, seq, MOMENT, "identifier", parsed.key, op, after)


def alias_state(name: str, target: str, kind: AliasKind = "same") -> AliasState:
    return AliasState(
        alias=name,
        prefix=name.partition("/")[0] if "/" in name else "",
        kind=kind,
        target=target,
        state="active",
        version=1,
        created_at=MOMENT_TEXT,
        updated_at=MOMENT_TEXT,
    )


def alias_change(seq: int, name: str, target: str, kind: AliasKind = "same", *, withdrawn: bool = False) -> Change:
    parsed = parse(name)
    assert isinstance(parsed, Identifier), parsed
    state = alias_state(name, target, kind)
    if withdrawn:
        state = msgspec.structs.replace(state, state="withdrawn")
    op = "withdraw" if withdrawn else "create"
    return Change(seq, seq, MOMENT, "alias", parsed.key, op, msgspec.json.encode(state))


def prefix_change(
    seq: int,
    prefix: str,
    *,
    state: PrefixStateName = "active",
    hosting: Hosting = "here",
    exact_case: bool = False,
    sites: Sequence[dict[str, Any]] = (),
) -> Change:
    after = PrefixState(
        prefix=prefix,
        name="Example Pumps",
        state=state,
        hosting=hosting,
        enterprise="1",
        exact_case=exact_case,
        sites=list(sites),
    )
    return Change(seq, seq, MOMENT, "prefix", prefix, "create", msgspec.json.encode(after))


def url(text: str, index: int = 1, **more: int) -> Value:
    return Value(index, "URL", text.encode(), **more)  # type: ignore[arg-type] # only whole numbers are passed
