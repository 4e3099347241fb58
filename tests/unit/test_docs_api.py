"""docs/api.md names every path there is."""

import re
from pathlib import Path

from registry.api.openapi import describe
from registry.api.routes import ROUTES
from resolver.faces.application import LOOKUP_MANY
from resolver.faces.health import PATHS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
RESOURCE = re.compile(r"^\| `(?P<path>/api/v1/[^`]+)` \| (?P<methods>[A-Z, ]+) \|", re.MULTILINE)


def test_every_path_of_the_registry_is_named_with_its_methods_and_no_other_is() -> None:
    described = {path: {method.upper() for method in methods} for path, methods in describe(ROUTES)["paths"].items()}
    assert {row["path"]: set(row["methods"].split(", ")) for row in RESOURCE.finditer(DOCUMENT)} == described


def test_every_parameter_of_a_batch_is_named() -> None:
    (batch,) = (route for route in ROUTES if route.path.endswith(":batch"))
    for parameter in batch.parameters:
        assert f"| `{parameter.name}` |" in DOCUMENT


def test_the_paths_of_the_workers_are_named() -> None:
    for path in ("/api/handles/{identifier}", "/{identifier}", LOOKUP_MANY, *PATHS):
        assert f"`{path}`" in DOCUMENT, path
