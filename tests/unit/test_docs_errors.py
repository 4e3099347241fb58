"""docs/errors.md and the code name the same error codes with the same statuses."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import registry.api.problems  # noqa: F401 - defines two more classes of RegistryError
from identifiers.changes import PrefixStateName
from identifiers.identifier import InvalidCode
from registry.errors import InvalidFields, RegistryError
from resolver.faces import handle_answer

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([a-z0-9_]+)`")

ROW_CODE_AT = {"Rejection": 2, "reject": 1, "_reject_all": 2}
FILE_CODE_AT = {"Reject": 3, "_id_reject": 2, "_UnfitError": 2}
STATUS_AND_CODE_AT = {"ApiRefused": (0, 1), "refusal": (1, 2)}
WRITTEN_BY_REGISTRY = (2, 3, 7, 100, 101, 102, 200, 201, 202, 301, 400, 401, 402)
"""What the registry answers to Handle administrators, handed on by `/api/handles` and its lists."""
TAKEN_OVER_STATES = {
    "prefix_{prefix.state}": {f"prefix_{state}" for state in get_args(PrefixStateName) if state != "active"}
}
HEAD_TOO_LARGE = 431
"""Answered below the faces, which never see such a request."""
LINK_TO_WITHDRAWN = 410
"""On links alone, beside the code's own 404."""


@dataclass(frozen=True)
class Call:
    """A call in the source: the name called, its arguments, and the function it stands in."""

    path: Path
    name: str
    arguments: list[ast.expr]
    within: ast.AST


def calls(folder: str) -> Iterator[Call]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield from _calls_below(path, ast.parse(path.read_text(encoding="utf-8")))


def _calls_below(path: Path, within: ast.AST) -> Iterator[Call]:
    pending = list(ast.iter_child_nodes(within))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _calls_below(path, node)
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            yield Call(path, name, node.args, within)
        pending.extend(ast.iter_child_nodes(node))


def texts(call: Call, expression: ast.expr) -> set[str]:
    """Return the codes an argument can be; none where the code of another error is handed on."""
    match expression:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp():
            return texts(call, expression.body) | texts(call, expression.orelse)
        case ast.BoolOp():
            return set().union(*(texts(call, value) for value in expression.values))
        case ast.Attribute(attr="code"):
            return set()
        case ast.JoinedStr():
            return TAKEN_OVER_STATES[ast.unparse(expression)[2:-1]]
        case ast.Name(id=name):
            return _assigned(call, name)
    raise AssertionError(f"{call.path}: a code in a form not foreseen: {ast.unparse(expression)}")


def _assigned(call: Call, name: str) -> set[str]:
    assert isinstance(call.within, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = call.within.args
    if name in {one.arg for one in (*arguments.args, *arguments.kwonlyargs)}:
        return set()  # the calls of that function are looked at instead
    found: set[str] = set()
    for node in ast.walk(call.within):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found |= _taken(call, target, node.value, name)
    assert found, f"{call.path}: nothing assigned to {name}"
    return found


def _taken(call: Call, target: ast.expr, value: ast.expr, name: str) -> set[str]:
    if isinstance(target, ast.Name) and target.id == name:
        return texts(call, value)
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        return set().union(*(_taken(call, one, other, name) for one, other in pairs))
    return set()


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] not in ("code", "command")]


def codes_of(title: str) -> list[str]:
    return [found[1] for row in rows(title) if (found := CODE.fullmatch(row[0]))]


def numbers(cell: str) -> set[int]:
    return {int(number) for number in re.findall(r"\d+", cell)}


def refusals(of: type[RegistryError] = RegistryError) -> Iterator[type[RegistryError]]:
    yield of
    for one in of.__subclasses__():
        yield from refusals(one)


def body_statuses() -> set[int]:
    """Return the statuses with which a body is not taken."""
    refused = (call.arguments[0] for call in calls("resolver/faces") if call.name == "BodyRefused")
    return {number for argument in refused if (number := literal(argument)) is not None}


def literal(expression: ast.expr) -> int | None:
    """Return the number an argument is, if it is one."""
    match expression:
        case ast.Constant(value=int(number)):
            return number
    return None


def statuses(expression: ast.expr) -> set[int]:
    """Return what an argument for the status can be; anything but a number comes from a body that is not taken."""
    number = literal(expression)
    return {number} if number is not None else body_statuses()


def worker_codes() -> Iterator[tuple[str, set[int]]]:
    """Yield the codes that workers answer by themselves, with their statuses."""
    for call in calls("resolver"):
        if call.name == "problem":
            yield from ((code, statuses(call.arguments[0])) for code in texts(call, call.arguments[1]))
        elif call.name == "_refusal" and call.path.name == "registry_proxy.py":
            yield from ((code, {503}) for code in texts(call, call.arguments[1]))
        elif call.name == "_error" and call.path.name == "lookup_many.py":
            yield from ((code, {200}) for code in texts(call, call.arguments[0]))


def problem_codes() -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    status_of = {one.__name__: one.status for one in refusals()}
    for call in calls("registry"):
        status = InvalidFields.status if call.name == "one_field" else status_of.get(call.name)
        if status is not None and call.arguments:
            for code in texts(call, call.arguments[0]):
                found[code].add(status)
    for code, answered in worker_codes():
        found[code] |= answered
    return dict(found)


def codes_at(folder: str, positions: dict[str, int]) -> set[str]:
    found: set[str] = set()
    for call in calls(folder):
        position = positions.get(call.name)
        if position is not None and len(call.arguments) > position:
            found |= texts(call, call.arguments[position])
    return found


def test_every_code_of_a_problem_is_documented_with_its_statuses_and_no_other_is() -> None:
    documented = {row[0].strip("`"): numbers(row[1]) for row in rows("Problem bodies")}
    of_identifiers = get_args(InvalidCode)  # in a section of their own
    assert documented == {code: found for code, found in problem_codes().items() if code not in of_identifiers}


def test_every_code_of_a_row_of_a_batch_is_documented_and_no_other_is() -> None:
    assert set(codes_of("Rows of a batch")) == codes_at("registry/service", ROW_CODE_AT)


def test_every_code_of_an_unusable_identifier_is_documented_and_no_other_is() -> None:
    assert set(codes_of("Identifiers")) == set(get_args(InvalidCode))


def test_the_codes_said_not_to_be_answered_yet_are_those_nothing_makes() -> None:
    not_yet = section("Identifiers").partition("not served yet")[2]
    made = codes_at("identifiers", {"Invalid": 0})
    assert set(re.findall(r"^\| `([a-z0-9_]+)`", not_yet, re.MULTILINE)) == set(get_args(InvalidCode)) - made


def test_every_code_of_a_row_of_a_file_is_documented_and_no_other_is() -> None:
    assert set(codes_of("Rows of a file")) == codes_at("node/client", FILE_CODE_AT)


def response_codes() -> dict[int, set[int]]:
    """Return the Handle response codes that the faces use, each with its HTTP statuses."""
    values = {name: value for name, value in vars(handle_answer).items() if type(value) is int}
    found: dict[int, set[int]] = defaultdict(set)
    explicit: set[tuple[Path, int, int]] = set()
    for call in calls("resolver/faces"):
        at = STATUS_AND_CODE_AT.get(call.name)
        if at is not None and len(call.arguments) > at[1] and _named(call.arguments[at[1]]) in values:
            code = call.arguments[at[1]]
            explicit.add((call.path, code.lineno, code.col_offset))
            found[values[_named(code)]] |= statuses(call.arguments[at[0]])
        elif call.name == "error_body" and (number := literal(call.arguments[0])) is not None:
            found[number].add(handle_answer.status_of(number))
    for number in WRITTEN_BY_REGISTRY:
        found[number] |= {handle_answer.write_status_of(number, secure=secure) for secure in (False, True)}
    for path in sorted((ROOT / "resolver" / "faces").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if path.name == "handle_answer.py" or not isinstance(node, ast.Name | ast.Attribute):
                continue
            name = _named(node)
            if name in values and "OCTETS" not in name and (path, node.lineno, node.col_offset) not in explicit:
                code_value = values[name]
                found[code_value] |= {handle_answer.status_of(code_value, secure=secure) for secure in (False, True)}
    found[handle_answer.HANDLE_NOT_FOUND].add(LINK_TO_WITHDRAWN)
    found[handle_answer.PROTOCOL_ERROR].add(HEAD_TOO_LARGE)
    return dict(found)


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_every_handle_response_code_is_documented_with_its_statuses_and_no_other_is() -> None:
    documented = {int(row[0]): numbers(row[1]) for row in rows("Handle response codes")}
    assert documented == response_codes()


def test_no_code_stands_in_a_table_twice() -> None:
    for title in ("Problem bodies", "Rows of a batch", "Identifiers", "Rows of a file"):
        found = codes_of(title)
        assert len(found) == len(set(found)), title
