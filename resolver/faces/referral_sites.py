"""The sites of a prefix that its enterprise's own node serves, as the HS_SITE values a referral carries."""

from typing import Final

import orjson

from identifiers.changes import PrefixState
from identifiers.hs_site_json import site_from_json
from identifiers.value_json import values_to_json
from identifiers.values import Value, ValuesError

SITE_TYPE: Final = "HS_SITE"


def sites_json(prefix: PrefixState) -> bytes:
    """Return a JSON array of HS_SITE values, indexes from 1; a site that is none is left out."""
    return values_to_json(site_values(prefix))


def site_values(prefix: PrefixState) -> list[Value]:
    """Return the same as values."""
    values: list[Value] = []
    for site in prefix.sites:
        try:
            data = site_from_json(site, "site")
        except ValuesError:
            continue
        values.append(Value(len(values) + 1, SITE_TYPE, data))
    return values


def site_addresses(prefix: PrefixState) -> list[str]:
    """Return where the prefix is served, for people: `HTTP 192.0.2.1 port 8000`, one per interface."""
    sites = [value["data"]["value"] for value in orjson.loads(sites_json(prefix))]
    servers = [server for site in sites for server in site["servers"]]
    return [
        f"{interface['protocol']} {server['address']} port {interface['port']}"
        for server in servers
        for interface in server["interfaces"]
    ]
