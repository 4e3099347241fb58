"""Look-ups: what a node answers for a code, in one shape whichever interface was asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import orjson
from msgspec.structs import replace

from identifiers.handle import fold
from node.client.errors import RefusedError, UnavailableError
from node.client.listing import decoded
from node.client.problems import describe_problem
from node.client.session import Answer, NodeSession

HANDLES_PATH = "/api/handles/"
LOOKUP_PATH = "/api/v1/lookup"
LOOKUP_CODES_MAX = 1_000
LOOKUP_OCTETS_MAX = 500_000
"""Half of what a request to a node may have."""

Outcome = Literal["found", "absent", "gone", "referral", "invalid"]

OUTCOME_OF_RESPONSE_CODE: dict[int, Outcome] = {
    1: "found",
    200: "found",  # the record exists, but none of its values was selected
    100: "absent",
    302: "referral",
    303: "referral",
    102: "invalid",
    301: "absent",  # the node is not responsible for the prefix
}
_GONE = 410


class Resolution(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node knows of one code. `values` are Handle JSON values; `message` says why there are none."""

    identifier: str
    outcome: Outcome
    values: list[dict[str, Any]] = []
    message: str = ""


class _Error(msgspec.Struct):
    message: str = ""


class _Result(msgspec.Struct):
    identifier: str
    outcome: Outcome | Literal["unavailable"]
    values: list[dict[str, Any]] = []
    error: _Error = msgspec.field(default_factory=_Error)


class _Results(msgspec.Struct):
    results: list[_Result]


async def resolve_one(session: NodeSession, code: str, types: Sequence[str], indexes: Sequence[int]) -> Resolution:
    """Resolve one code by the Handle JSON interface; raises RefusedError, UnavailableError.

    `types` and `indexes` select values; a type with a trailing dot selects its subtypes too.
    """
    query = [*(("type", kind) for kind in types), *(("index", str(index)) for index in indexes)]
    path = HANDLES_PATH + quote(code, safe="")
    return _resolution(code, await session.ask("GET", path, query=query))


async def resolve_many(session: NodeSession, codes: Sequence[str]) -> list[Resolution]:
    """Resolve up to LOOKUP_CODES_MAX codes in one request, in their order; raises RefusedError, UnavailableError."""
    body = orjson.dumps({"identifiers": list(codes)})
    answer = await session.post(LOOKUP_PATH, body)
    results = decoded(answer, _Results).results
    if len(results) != len(codes):
        raise RefusedError(f"{len(codes)} codes were asked for, {len(results)} answered", status=answer.status)
    return [_named(result) for result in results]


def _named(result: _Result) -> Resolution:
    if result.outcome == "unavailable":
        raise UnavailableError(f"{result.identifier}: the node cannot tell now: {result.error.message}")
    return Resolution(result.identifier, result.outcome, result.values, result.error.message)


def _resolution(code: str, answer: Answer) -> Resolution:
    members = answer.json()
    response_code = members.get("responseCode") if isinstance(members, Mapping) else None
    outcome = "gone" if answer.status == _GONE else OUTCOME_OF_RESPONSE_CODE.get(response_code or 0)
    if outcome is None:
        line, problem_code = describe_problem(answer.status, answer.body)
        raise RefusedError(f"{code}: the node refused: {line}", status=answer.status, code=problem_code)
    message = members.get("message", "")
    return Resolution(code, outcome, members.get("values", []), str(message))


def codes_in_requests(codes: Iterable[str], codes_max: int = LOOKUP_CODES_MAX) -> Iterator[list[str]]:
    """Yield the codes in groups, each small enough for one request in number and in octets."""
    group: list[str] = []
    octets = 0
    for code in codes:
        group.append(code)
        octets += len(code.encode("utf-8", "replace"))
        if len(group) >= codes_max or octets >= LOOKUP_OCTETS_MAX:
            yield group
            group, octets = [], 0
    if group:
        yield group


def selected(resolution: Resolution, types: Sequence[str], indexes: Sequence[int]) -> Resolution:
    """Return `resolution` with only the values of these types or at these indexes; all of them if none are named."""
    if not types and not indexes:
        return resolution
    wanted = [fold(kind) for kind in types]
    values = [
        value
        for value in resolution.values
        if value.get("index") in indexes or any(_is_of_type(fold(str(value.get("type"))), kind) for kind in wanted)
    ]
    return replace(resolution, values=values)


def _is_of_type(kind: str, wanted: str) -> bool:
    """Tell whether a type is the wanted one, or below a wanted one that ends with a dot (RFC 3651 3.1)."""
    return kind == wanted or (wanted.endswith(".") and (kind.startswith(wanted) or kind == wanted[:-1]))
