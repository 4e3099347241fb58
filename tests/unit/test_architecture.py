"""Who may import whom: the rule that keeps lookups independent of the database, and codecs free of I/O."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"identifiers", "registry", "resolver", "sync", "node", "loadtest"}
MAY_IMPORT = {
    "identifiers": set(),
    "registry": {"identifiers"},
    "resolver": {"identifiers"},
    "sync": {"identifiers", "registry"},
    "loadtest": {"identifiers"},
    "node": OURS,
}
NEVER = {
    "identifiers": {"asyncio", "socket", "os", "time", "aiohttp", "asyncpg", "lmdb", "pathlib", "random", "threading"},
    "resolver": {"asyncpg"},
}
"""The resolver answers without PostgreSQL; `identifiers` is pure: no I/O, no clock, no chance."""


def imported_roots(path: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            roots.add(node.module.partition(".")[0])
    return roots


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_its_place_allows(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for path in modules:
        roots = imported_roots(path)
        assert not (roots & OURS) - allowed, f"{path} imports {(roots & OURS) - allowed}"
        assert not roots & NEVER.get(package, set()), f"{path} imports {roots & NEVER[package]}"


def test_every_module_says_its_one_reason_to_exist() -> None:
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"
