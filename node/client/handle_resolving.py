"""Look-ups over the Handle protocol, in the shape that every look-up has."""

from collections.abc import Sequence
from typing import Any

import orjson

from identifiers.handle_wire.answers import Failure, Referral, Resolved
from identifiers.handle_wire.client import Received
from identifiers.handle_wire.codes import ResponseCode
from identifiers.handle_wire.requests import Resolution as Question
from identifiers.value_json import values_to_json
from identifiers.values import Value
from node.client.errors import UsageError
from node.client.handle_errors import HandleRefusedError, UntrustedError
from node.client.handle_server import HandleServer
from node.client.problems import printable
from node.client.resolving import OUTCOME_OF_RESPONSE_CODE, Resolution


async def resolve_at(server: HandleServer, code: str, types: Sequence[str], indexes: Sequence[int]) -> Resolution:
    """Resolve one code at one server; raise HandleRefusedError, UnavailableError, UntrustedError, UsageError."""
    return resolution_of(code, await server.ask(question(code, types, indexes), server.look_up_flags))


def question(code: str, types: Sequence[str], indexes: Sequence[int]) -> Question:
    """Return the request for the values of these types or at these indexes; both empty: for all."""
    if not code or "\0" in code:
        raise UsageError("an empty code, or one with a NUL character, cannot be asked for")
    return Question(code, tuple(indexes), tuple(types))


def resolution_of(code: str, received: Received) -> Resolution:
    """Return an answer in the common shape; raise HandleRefusedError if it is neither found nor not found."""
    rc, body = received.header.rc, received.answer
    outcome = OUTCOME_OF_RESPONSE_CODE.get(rc)
    text = printable(body.text) if isinstance(body, Failure) else ""
    if outcome is None:
        raise HandleRefusedError(rc, text, about=code)
    if rc == ResponseCode.SUCCESS:
        if not isinstance(body, Resolved):
            raise UntrustedError(f"{code}: the server answered something else")
        return Resolution(code, outcome, shown(body.values))
    if isinstance(body, Referral):
        return Resolution(code, outcome, shown(body.values), printable(body.handle))
    return Resolution(code, outcome, [], text)


def shown(values: Sequence[Value]) -> list[dict[str, Any]]:
    """Return values as Handle JSON shows them, keys and sites in words."""
    members: list[dict[str, Any]] = orjson.loads(values_to_json(values, exact=False))
    return members
