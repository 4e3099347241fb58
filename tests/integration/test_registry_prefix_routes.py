"""Where a prefix is found: routes to an enterprise's own node, serials of its sites, and hosting applied for."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from identifiers.hs_site import parse_site
from identifiers.hs_site_json import site_from_json
from registry.authority import Principal
from registry.database import transaction
from registry.service import prefix_routes
from registry.service.prefix_routes import Address
from tests.registry_api import VALUES, Api, Client, Reply, running_api

PREFIX = "/api/v1/prefixes/88.118.8"
FOUR = {"ip": "192.0.2.17", "tcp_port": 2641, "udp_port": 2641}
SIX = {"ip": "2001:DB8:0::17", "http_port": 443, "http_tls": True}


@pytest.fixture
async def api(registry_database: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(registry_database, tmp_path) as running:
        yield running


async def owner(api: Api) -> Client:
    return await api.holder("enterprise_administrator", await api.prefix())


async def put(client: Client, *addresses: Any) -> Reply:
    return await client("PUT", f"{PREFIX}/route", {"addresses": addresses})


async def journalled(api: Api) -> Any:
    after = await api.context.pool.fetchval(
        "SELECT after FROM journal WHERE kind = 'prefix' ORDER BY xid DESC, seq DESC LIMIT 1"
    )
    return json.loads(after)


async def test_a_route_of_two_addresses_is_two_sites_with_the_next_serial(api: Api) -> None:
    client = await owner(api)
    first = await put(client, SIX, FOUR)
    assert first.status == 200, first.body
    assert first.json == {
        "prefix": "88.118.8",
        "hosting": "routed",
        "hosting_state": "not_hosted",
        "serial": 2,
        "addresses": [
            {"ip": "192.0.2.17", "tcp_port": 2641, "udp_port": 2641, "http_port": None, "http_tls": False},
            {"ip": "2001:db8::17", "tcp_port": None, "udp_port": None, "http_port": 443, "http_tls": True},
        ],
    }
    assert (await client("GET", f"{PREFIX}/route")).json == first.json
    state = await journalled(api)
    assert (state["hosting"], state["hosting_state"]) == ("routed", "not_hosted")
    four, six = (parse_site(site_from_json(site, "site")) for site in state["sites"])
    assert (four.serial, six.serial) == (2, 2)
    assert [(port.protocol, port.port) for port in four.servers[0].interfaces] == [(1, 2641), (0, 2641)]
    assert [(port.protocol, port.port) for port in six.servers[0].interfaces] == [(3, 443)]
    assert four.servers[0].address[-4:] == bytes([192, 0, 2, 17])


async def test_every_change_raises_the_serial_and_the_same_route_again_does_not(api: Api) -> None:
    client = await owner(api)
    serials = [(await put(client, *route)).json["serial"] for route in ((FOUR,), (FOUR,), (SIX,), (SIX, FOUR))]
    assert serials == [2, 2, 3, 4]


async def test_after_the_highest_serial_comes_the_first(api: Api) -> None:
    client = await owner(api)
    await api.context.pool.execute("UPDATE prefixes SET route_serial = 65535")
    assert (await put(client, FOUR)).json["serial"] == 1


async def test_identifiers_of_a_routed_prefix_are_not_written_here(api: Api) -> None:
    client = await owner(api)
    await put(client, FOUR)
    refused = await client("PUT", "/api/v1/identifiers/88.118.8/A", {"values": VALUES})
    assert (refused.status, refused.json["code"]) == (409, "prefix_routed")


async def test_an_address_of_one_type_can_replace_its_own_type_only(api: Api) -> None:
    await api.prefix()
    administrator = Principal("acc", "administrator")
    found: list[tuple[Address, ...]] = []
    for address in (Address("192.0.2.17", tcp_port=2641), Address("2001:db8::1", 2641), Address("192.0.2.18", 2641)):
        async with transaction(api.context.pool) as connection:
            changed, _ = await prefix_routes.route(
                connection, administrator, api.context.clock(), "88.118.8", addresses=[address], keep_other_type=True
            )
        found.append(prefix_routes.addresses_of(changed))
    assert [[address.ip for address in addresses] for addresses in found] == [
        ["192.0.2.17"],
        ["192.0.2.17", "2001:db8::1"],
        ["192.0.2.18", "2001:db8::1"],
    ]


@pytest.mark.parametrize(
    ("addresses", "field"),
    [
        ([], "addresses"),
        ([FOUR] * 9, "addresses"),
        ([FOUR, FOUR], "addresses[1].ip"),
        ([{"ip": "192.0.2.17"}], "addresses[0]"),
        ([{"ip": "192.0.2.17", "tcp_port": 0}], "addresses[0].tcp_port"),
        ([{"ip": "192.0.2.17", "tcp_port": 65_536}], "addresses[0].tcp_port"),
        ([{"ip": "example.com", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "192.0.2.017", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "[2001:db8::1]", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "fe80::1%eth0", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "127.0.0.1", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "::", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "::ffff:192.0.2.1", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "224.0.0.1", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "255.255.255.255", "tcp_port": 1}], "addresses[0].ip"),
        ([{"ip": "192.0.2.1", "tcp_port": 1, "sctp_port": 1}], "addresses[0].sctp_port"),
    ],
)
async def test_a_bad_route_names_the_field(api: Api, addresses: Any, field: str) -> None:
    await api.prefix()
    refused = await put(api.admin, *addresses)
    assert (refused.status, [fault["field"] for fault in refused.json["errors"]]) == (422, [field]), refused.json


async def test_all_that_is_wrong_with_a_route_is_told_at_once(api: Api) -> None:
    await api.prefix()
    refused = await put(api.admin, {"ip": "nowhere"}, {"ip": "::1", "tcp_port": 1})
    assert [fault["field"] for fault in refused.json["errors"]] == [
        "addresses[0].ip",
        "addresses[0]",
        "addresses[1].ip",
    ]


async def test_only_the_owner_and_administrators_set_the_route(api: Api) -> None:
    mine = await api.prefix()
    other = await api.prefix("88.118.9", "Valves")
    for role, enterprise, status in (
        ("enterprise_administrator", mine, 200),
        ("enterprise_administrator", other, 403),
        ("enterprise_user", mine, 403),
        ("reviewer", None, 403),
    ):
        assert (await put(await api.holder(role, enterprise), FOUR)).status == status, (role, enterprise)
    assert (await put(api.admin, SIX)).status == 200


@pytest.mark.parametrize("state", ["applied", "under_review", "rejected", "withdrawing", "withdrawn"])
async def test_a_prefix_that_is_not_in_force_gets_no_route(api: Api, state: str) -> None:
    await api.prefix()
    await api.context.pool.execute("UPDATE prefixes SET state = $1", state)
    refused = await put(api.admin, FOUR)
    assert (refused.status, refused.json["code"]) == (409, "prefix_not_in_force")


async def test_look_ups_stay_where_they_are_until_an_application_to_be_hosted_is_decided(
    api: Api,
) -> None:
    client = await owner(api)
    await put(client, FOUR)
    asked = await client("POST", f"{PREFIX}:host")
    assert (asked.json["hosting"], asked.json["hosting_state"]) == ("routed", "applied")
    assert (await client("POST", f"{PREFIX}:host")).json == asked.json
    assert (await client("POST", f"{PREFIX}:decide-hosting", {"decision": "approved"})).status == 403
    silent = await api.admin("POST", f"{PREFIX}:decide-hosting", {"decision": "rejected"})
    assert (silent.status, silent.json["errors"][0]["field"]) == (422, "reason")
    refused = await api.admin("POST", f"{PREFIX}:decide-hosting", {"decision": "rejected", "reason": "no room"})
    assert (refused.json["hosting"], refused.json["hosting_state"]) == ("routed", "rejected")
    assert refused.json["reason"] == "no room"
    assert (await client("POST", f"{PREFIX}:host")).json["reason"] == ""
    hosted = await api.admin("POST", f"{PREFIX}:decide-hosting", {"decision": "approved"})
    assert (hosted.json["hosting"], hosted.json["hosting_state"], hosted.json["sites"]) == ("here", "hosted", [])
    assert (await client("PUT", "/api/v1/identifiers/88.118.8/A", {"values": VALUES})).status in (201, 202)
    late = await api.admin("POST", f"{PREFIX}:decide-hosting", {"decision": "approved"})
    assert (late.status, late.json["code"]) == (409, "hosting_not_applied_for")


async def test_an_administrator_hosts_a_prefix_at_once(api: Api) -> None:
    await api.prefix()
    await put(api.admin, FOUR)
    hosted = await api.admin("POST", f"{PREFIX}:host")
    assert hosted.json["hosting_state"] == "hosted"
    assert (await api.admin("GET", f"{PREFIX}/route")).json["addresses"] == []
    assert (await api.admin("POST", f"{PREFIX}:host")).json == hosted.json


async def test_sites_given_as_they_are_are_read_as_a_route(api: Api) -> None:
    old = {
        "serverList": [
            {
                "serverId": 1,
                "address": "192.0.2.17",
                "interfaceList": [
                    {"query": True, "protocol": "tcp", "port": 2641},
                    {"query": False, "admin": True, "protocol": "HTTP", "port": 8000},
                ],
            }
        ]
    }
    await api.prefix(hosting="routed", sites=[old])
    route = (await api.admin("GET", f"{PREFIX}/route")).json
    assert (route["hosting_state"], route["serial"]) == ("not_hosted", 1)
    assert route["addresses"] == [
        {"ip": "192.0.2.17", "tcp_port": 2641, "udp_port": None, "http_port": None, "http_tls": False}
    ]
