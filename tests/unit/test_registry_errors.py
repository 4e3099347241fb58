"""Refusals of the registry: each tells its reader what to do."""

import ast
from pathlib import Path

from registry import errors

ROOT = Path(__file__).parents[2] / "registry"
WORDED_BY_SINGLE_REQUESTS = {"identifier_list.py"}
"""Where entries of lists are refused: only the code and the message go into their results."""


def refusals() -> set[str]:
    found = {errors.RegistryError}
    while more := {below for kind in found for below in kind.__subclasses__()} - found:
        found |= more
    return {kind.__name__ for kind in found}


def test_every_refusal_says_what_to_do() -> None:
    kinds, silent, told = refusals(), [], 0
    for path in sorted(ROOT.rglob("*.py")):
        if path.name in WORDED_BY_SINGLE_REQUESTS or path.parent.name == "snms":
            continue  # the second has messages of its own
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds:
                told += 1
                if not any(keyword.arg == "remedy" for keyword in call.keywords):
                    silent.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert told > 100
    assert silent == []
