"""The API description: valid, complete, and true of its own examples; and its page, which loads nothing."""

import base64
import hashlib
import re
from typing import Any

import jsonschema  # type: ignore[import-untyped] # comes with the validator, without types
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from registry.api import docs_page
from registry.api.openapi import describe
from registry.api.routes import ROUTES
from registry.api.routing import CSV, NDJSON, OCTETS

DESCRIPTION = describe(ROUTES)
SIGN_IN = "/api/v1/sessions"
PAGE = docs_page.render(DESCRIPTION).decode()


def contents() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            parts = [operation["requestBody"]] if "requestBody" in operation else []
            for part in [*parts, *operation["responses"].values()]:
                found += [(where, content) for content in part.get("content", {}).values()]
    return found


def test_it_is_a_valid_openapi_document() -> None:
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


def test_every_route_is_in_it_once() -> None:
    described = {(method.upper(), path) for path, methods in DESCRIPTION["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    assert len(described) == len(ROUTES)
    operations = [operation for methods in DESCRIPTION["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES)


@pytest.mark.parametrize(("where", "content"), [found for found in contents() if "example" in found[1]])
def test_every_example_follows_its_schema(where: str, content: dict[str, Any]) -> None:
    schema = {**content["schema"], "components": DESCRIPTION["components"]}
    jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_every_body_of_fields_or_cells_has_an_example() -> None:
    for route in ROUTES:
        operation = DESCRIPTION["paths"][route.path][route.method.lower()]
        for part in (operation.get("requestBody", {}), *(operation["responses"][str(one)] for one in route.statuses)):
            for media_type, content in part.get("content", {}).items():
                # The description is not in the description.
                is_described = "$ref" in content["schema"] or media_type == CSV
                assert ("example" in content) == is_described, (route.path, media_type)


def test_every_refusal_has_an_example_of_its_status() -> None:
    examples = DESCRIPTION["components"]["examples"]
    for methods in DESCRIPTION["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/problem+json")
                if content is not None:
                    (named,) = content["examples"].values()
                    assert named["$ref"] == f"#/components/examples/problem_{status}"
    schema = {"$ref": "#/components/schemas/Problem", "components": DESCRIPTION["components"]}
    for name, example in examples.items():
        jsonschema.Draft202012Validator(schema).validate(example["value"])
        assert name == f"problem_{example['value']['status']}"
        assert example["value"]["remedy"], name


def test_every_parameter_is_described() -> None:
    for methods in DESCRIPTION["paths"].values():
        for operation in methods.values():
            assert all(parameter["description"] for parameter in operation["parameters"])


def test_an_answer_without_content_has_none() -> None:
    deleted = DESCRIPTION["paths"]["/api/v1/snapshots/{id}"]["delete"]["responses"]
    assert "content" not in deleted["204"]


def test_every_operation_says_how_it_refuses() -> None:
    for path, methods in DESCRIPTION["paths"].items():
        for operation in methods.values():
            problems = {
                status
                for status, response in operation["responses"].items()
                if "application/problem+json" in response.get("content", {})
            }
            assert "503" in problems, path
            assert ("401" in problems) == (operation.get("security") != [] or path == SIGN_IN)


def test_changes_may_carry_an_idempotency_key() -> None:
    for route in ROUTES:
        names = [item["name"] for item in DESCRIPTION["paths"][route.path][route.method.lower()]["parameters"]]
        is_stream = route.request_type in (NDJSON, OCTETS)
        assert ("Idempotency-Key" in names) == (route.method != "GET" and not is_stream and route.path != SIGN_IN)


def test_the_page_shows_every_operation_and_every_body() -> None:
    for route in ROUTES:
        assert f">{route.method}</span> <code>{route.path}</code>" in PAGE
        assert route.summary.split(" ")[0] in PAGE
    for name in DESCRIPTION["components"]["schemas"]:
        assert f'id="schema-{name}"' in PAGE


def test_the_page_loads_nothing_runs_nothing_and_its_style_is_the_one_allowed() -> None:
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|src=|\son\w+=", PAGE)
    assert all(not target.startswith(("http:", "https:", "//")) for target in re.findall(r'href="([^"]*)"', PAGE))
    style = re.search(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in docs_page.CONTENT_SECURITY_POLICY


def test_texts_are_escaped_on_the_page() -> None:
    hostile: dict[str, Any] = {
        **DESCRIPTION,
        "info": {"title": "<script>alert(1)</script>", "version": "1", "description": "a & b"},
    }
    page = docs_page.render(hostile).decode()
    assert "<script>" not in page
    assert "a &amp; b" in page


def test_every_link_within_the_page_leads_somewhere() -> None:
    targets = set(re.findall(r'href="#([^"]*)"', PAGE))
    assert targets <= set(re.findall(r'id="([^"]*)"', PAGE))
