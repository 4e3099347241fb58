"""The API description as one page of HTML: made on the server, without scripts and without anything from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a404b); --quiet: light-dark(#59606c, #a3abb8);
  --paper: light-dark(#f5f6f8, #1d2127); --read: light-dark(#1a6b3c, #7bd39c); --write: light-dark(#9a4b00, #f0b072); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); text-transform: capitalize; }
section { margin: 2rem 0; } code, pre { font: 0.875rem/1.45 ui-monospace, monospace; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; } th { text-align: left; font-weight: 600; }
td, th { border-bottom: 1px solid var(--line); padding: 0.3rem 1rem 0.3rem 0; vertical-align: top; }
.method { font-weight: 700; color: var(--write); } .GET { color: var(--read); } .quiet { color: var(--quiet); }
h3 code { font-size: 1rem; overflow-wrap: anywhere; } nav li { margin: 0.2rem 0; }
"""
_CODE: Final = re.compile("`([^`]+)`")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render(description: Mapping[str, Any]) -> bytes:
    """Render an OpenAPI document of ours as a page."""
    info, schemas = description["info"], description["components"]["schemas"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in operations)
    body = [f"<h1>{escape(info['title'])}</h1><p>{_prose(info['description'])}</p>"]
    body.append('<p><a href="openapi.json">OpenAPI 3.1 document</a></p>')
    body.append(_contents(operations))
    for tag in tags:
        body.append(f"<h2>{escape(tag)}</h2>")
        body += [_section(*found) for found in operations if found[2]["tags"][0] == tag]
    body.append("<h2>Bodies</h2>")
    body += [_schema(name, schema) for name, schema in sorted(schemas.items())]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    ).encode()


def _contents(operations: list[tuple[str, str, Mapping[str, Any]]]) -> str:
    items = "".join(
        f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a></li>'
        for _, _, operation in operations
    )
    return f"<nav><ul>{items}</ul></nav>"


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    summary, about = escape(operation["summary"]), _prose(operation.get("description", ""))
    parts = [f'<section id="{operation["operationId"]}"><h3><span class="method {method}">{method}</span> ']
    parts.append(f"<code>{escape(path)}</code></h3><p><b>{summary}.</b> {about}</p>")
    if operation["parameters"]:
        rows = [(item["name"], item["in"], item.get("description", "")) for item in operation["parameters"]]
        parts.append(_table(("Parameter", "in", ""), rows))
    if "requestBody" in operation:
        parts.append(_content("Request", operation["requestBody"]["content"]))
    parts.append(_responses(operation["responses"]))
    return "".join(parts) + "</section>"


def _responses(responses: Mapping[str, Any]) -> str:
    rows = [(status, response["description"], "") for status, response in responses.items()]
    first = next(iter(responses.values()))
    return _content("Answer", first.get("content", {})) + _table(("Status", "", ""), rows)


def _content(title: str, content: Mapping[str, Any]) -> str:
    parts = []
    for media_type, described in content.items():
        shape = described["schema"].get("$ref", "").rpartition("/")[2]
        link = f' <a href="#schema-{shape}">{shape}</a>' if shape else ""
        parts.append(f'<p class="quiet">{title}: {escape(media_type)}{link}</p>')
        if "example" in described:
            example = described["example"]
            shown = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            parts.append(f"<pre>{escape(shown)}</pre>")
    return "".join(parts)


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (member + ("" if member in required else " ?"), _kind(described), described.get("description", ""))
        for member, described in schema.get("properties", {}).items()
    ]
    about = _prose(schema.get("description", ""))
    return f'<section id="schema-{name}"><h3>{name}</h3><p>{about}</p>{_table(("Member", "", ""), rows)}</section>'


def _kind(described: Mapping[str, Any]) -> str:
    if "$ref" in described:
        return str(described["$ref"]).rpartition("/")[2]
    if "anyOf" in described:
        return " or ".join(_kind(choice) for choice in described["anyOf"])
    if "enum" in described:
        return ", ".join(map(str, described["enum"]))
    if described.get("type") == "array":
        return f"list of {_kind(described.get('items', {}))}"
    return str(described.get("type", "anything"))


def _table(heads: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><td><code>{escape(first)}</code></td><td>{escape(second)}</td><td>{_prose(third)}</td></tr>"
        for first, second, third in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>" if rows else ""


def _prose(text: str) -> str:
    """Escape a text of the description; what stands in backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
