"""The few pages people see: small, escaped, readable on a phone and in the dark, with nothing to load or run."""

from collections.abc import Iterable
from html import escape
from typing import Any, Final
from urllib.parse import quote

import orjson

from resolver.location import usable_location

HEADERS: Final = (
    ("Content-Type", "text/html; charset=UTF-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
"""No `form-action`: browsers apply it to redirects too, and the query page's form ends in one."""

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.3rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #8885;overflow-wrap:anywhere}"
    "td:first-child,td:nth-child(3){white-space:nowrap}"
    "input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.5rem 0}"
    "button{font:inherit;padding:.5rem 1.5rem}"
    "@media(max-width:40rem){thead{display:none}td{display:block;border:0;padding:.1rem 0}"
    "tr{display:block;padding:.6rem 0;border-bottom:1px solid #8885}}"
)


def page(title: str, body: str) -> bytes:
    """Return a whole page; `title` is escaped here, `body` is markup and was escaped where it was made."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    ).encode()


def query_page() -> bytes:
    """Return the page at `/`: one field for one identifier."""
    return page(
        "Identifier query",
        '<h1>Identifier query</h1><form method="post" action="/"><label for="hdl">Identifier</label>'
        '<input id="hdl" name="hdl" placeholder="88.118.8/SN0001" maxlength="2048" required autofocus>'
        "<button>Resolve</button></form>",
    )


def help_page() -> bytes:
    """Return the page at `/help.html`: what may be written behind a link."""
    return page(
        "Help",
        "<h1>Help</h1><p>A link of this node ends in an identifier: <code>/88.118.8/SN0001</code>. It leads to where "
        "the identifier's owner says. Behind a question mark may stand:</p><dl>"
        "<dt><code>noredirect</code><dd>show what is registered, and lead nowhere"
        "<dt><code>type</code>, <code>index</code><dd>only these values"
        "<dt><code>urlappend</code><dd>text to put behind the address"
        "<dt><code>locatt=name:value</code><dd>choose among several addresses"
        "<dt><code>action</code><dd><code>showvalues</code>, <code>showurls</code> or <code>api</code></dl>",
    )


def message_page(title: str, name: str, text: str) -> bytes:
    """Return a page with one sentence about a name."""
    return page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p><p><code>{escape(name)}</code></p>")


def withdrawn_page(name: str, successor: str | None, path: str) -> bytes:
    """Return the page of a withdrawn identifier, with the way to its successor if it has one."""
    title, link = "Handle Withdrawn", ""
    if successor is not None:
        link = f'<p>Use <a href="{escape(path)}">{escape(successor)}</a> instead.</p>'
    text = "This identifier was withdrawn and is not used again."
    return page(title, f"<h1>{title}</h1><p>{text}</p><p><code>{escape(name)}</code></p>{link}")


def redirect_page(location: str) -> bytes:
    """Return the body of a redirect, for readers that do not follow it."""
    target = escape(location)
    return f'<!DOCTYPE html><title>Handle Redirect</title><a href="{target}">{target}</a>\n'.encode()


def values_page(name: str, values_json: bytes) -> bytes:
    """Return the table of a record's public values."""
    values = orjson.loads(values_json)
    if not values:
        return message_page("No Values Found", name, "The identifier has no values of the kind asked for.")
    rows = "".join(_row(value) for value in values)
    return page(
        f"Values of {name}",
        f"<h1>{escape(name)}</h1><table><thead><tr><th>Index<th>Type<th>Timestamp<th>Data</tr></thead>"
        f"<tbody>{rows}</tbody></table>",
    )


def sites_page(name: str, prefix: str, addresses: Iterable[str]) -> bytes:
    """Return the page that names the enterprise's own node, where the prefix is served."""
    listed = "".join(f"<li><code>{escape(address)}</code></li>" for address in addresses)
    where = f"<ul>{listed}</ul>" if listed else ""
    return page(
        "Handle Referral",
        f"<h1>{escape(name)}</h1><p>The prefix {escape(prefix)} is served by its enterprise's own node.</p>{where}",
    )


def _row(value: dict[str, Any]) -> str:
    timestamp = escape(str(value.get("timestamp", "")))
    cells = (str(value["index"]), _type(value["type"]), timestamp, _data(value["data"]))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _type(name: str) -> str:
    """Show a type; one that is a Handle links to what describes it, its slash encoded so that no host is named."""
    return f'<a href="/{quote(name, safe="")}">{escape(name)}</a>' if "/" in name else escape(name)


def _data(data: dict[str, Any]) -> str:
    value = data["value"]
    if data["format"] != "string":
        return f"<code>{escape(value if isinstance(value, str) else orjson.dumps(value).decode())}</code>"
    location = usable_location(value.encode())
    return f'<a href="{escape(location)}">{escape(value)}</a>' if location else escape(value)
