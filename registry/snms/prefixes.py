"""Calls about prefixes: what one is, a list of them, and where one resolves."""

import json
from typing import Any, Final

from identifiers.changes import Cursor
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection, connected
from registry.service import prefix_routes, prefix_states
from registry.service.prefix_routes import HOSTING_CODES, PORT_MAX, Address
from registry.snms import beijing_time
from registry.snms.call import Call
from registry.snms.envelope import refused
from registry.snms.members import Members
from registry.snms.pages import PageWanted
from registry.snms.pages import page as shown_page
from registry.snms.refusals import unknown_prefix
from registry.tables import enterprises
from registry.tables import prefixes as table
from registry.tables.enterprises import Enterprise
from registry.tables.prefixes import Prefix, Wanted

PREFIX_CHARACTERS_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 255
HOSTING_SERVER: Final = 1
"""The one hosting server there is: this node."""
_IN_FORCE: Final = ("active", "suspended")
_IP_TYPES: Final = {4: "IPv4", 6: "IPv6"}


async def query(call: Call) -> Any:
    """`GET /snms/api/prefix/query`: one prefix, for administrators and for whoever it belongs to."""
    text = call.query.text("prefix", limit=PREFIX_CHARACTERS_MAX)
    principal = call.principal
    async with connected(call.context.pool) as connection:
        authorise(principal, Action.READ_PREFIX)
        found = await table.by_prefix(connection, text)
        if found is None or found.state not in prefix_states.STATUS_CODES:
            raise unknown_prefix("prefix")
        owner = await enterprises.by_id(connection, found.enterprise)
        if owner is None or owner.applicant != principal.account:
            check_reaches(principal, Action.READ_PREFIX, found.enterprise)
    return _queried(found, owner, call.context.settings.snms.registration_body)


async def page(call: Call) -> Any:
    """`GET /snms/api/prefix/page`: newest first; others' prefixes are left out, not refused."""
    asked = call.query
    name = asked.optional_text("entName", limit=NAME_CHARACTERS_MAX) or ""
    beginning = asked.optional_text("entPrefix", limit=PREFIX_CHARACTERS_MAX) or ""
    wanted = Wanted(
        enterprise=_own_only(call.principal),
        enterprise_name=name,
        beginning=beginning,
        since=asked.optional_datetime("startDate"),
        until=asked.optional_datetime("endDate"),
    )
    which = PageWanted.of(asked)
    async with connected(call.context.pool) as connection:
        found, total = await table.numbered_page(connection, wanted, which.offset, which.size)
        owners = {prefix.enterprise: await enterprises.by_id(connection, prefix.enterprise) for prefix in found}
    return shown_page(which, total, [_listed(prefix, owners[prefix.enterprise]) for prefix in found])


async def configure(call: Call) -> Any:
    """`POST /snms/api/ent/config`: hosted by this node, or served by the enterprise's own."""
    body = await call.members()
    server = body.optional_integer("proxyServerId")
    config = body.members("entPrefixConfig")
    text = config.text("entPrefix", limit=PREFIX_CHARACTERS_MAX)
    self_run = any(name in config for name in ("hdlType", "ipType", "ip", "tcpPort", "udpPort", "httpPort"))
    if server is not None and self_run:
        raise refused("托管与非托管参数不能同时提交", "hosted_and_self_run", "proxyServerId")
    if server is not None and server != HOSTING_SERVER:
        raise refused("托管服务器不存在", "unknown_hosting_server", "proxyServerId")
    address = None if server is not None else _address(config)

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        await _check_approved(connection, call.principal, text)
        if address is None:
            _, cursor = await prefix_routes.host(connection, call.principal, call.now, text)
        else:
            _, cursor = await prefix_routes.route(
                connection, call.principal, call.now, text, addresses=[address], keep_other_type=True
            )
        return True, cursor

    return await call.change(work)


def _address(config: Members) -> Address:
    if config.text("hdlType", limit=NAME_CHARACTERS_MAX) != "HS_SITE":
        raise config.refuse("hdlType")
    ip_type = config.choice("ipType", tuple(_IP_TYPES))
    address = Address(
        config.text("ip", limit=NAME_CHARACTERS_MAX),
        tcp_port=config.optional_integer("tcpPort", low=1, high=PORT_MAX),
        udp_port=config.optional_integer("udpPort", low=1, high=PORT_MAX),
        http_port=config.optional_integer("httpPort", low=1, high=PORT_MAX),
    )
    if address.ip_type != _IP_TYPES[ip_type]:
        raise config.refuse("ip")
    if address.tcp_port is None and address.udp_port is None and address.http_port is None:
        raise config.lacks("tcpPort")
    return address


async def _check_approved(connection: Connection, principal: Principal, prefix: str) -> None:
    """Raise unless the prefix's enterprise has been approved, by the national node where there is a link to one."""
    authorise(principal, Action.ROUTE_PREFIX)
    found = await table.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix("entPrefix")
    check_reaches(principal, Action.ROUTE_PREFIX, found.enterprise)
    if found.state not in _IN_FORCE:
        raise refused("企业尚未通过国家顶级节点审核", "not_approved", "entPrefix")


def _own_only(principal: Principal) -> str | None:
    everything = authorise(principal, Action.LIST_PREFIXES) is Reach.EVERYTHING
    return None if everything else principal.enterprise or ""


def _queried(prefix: Prefix, owner: Enterprise | None, registration_body: str) -> dict[str, Any]:
    details = json.loads(owner.details) if owner is not None and owner.details else {}
    website = details.get("website")
    return {
        "prefix": prefix.prefix,
        "createDate": beijing_time.written(prefix.created_at),
        "ghrName": registration_body,
        "status": prefix_states.STATUS_CODES[prefix.state],
        "entNameCn": owner.name if owner is not None else prefix.name,
        "entWebSite": website,
        "entSite": website,
        "entIndustry": details.get("industry_category"),
        "entAddrCn": details.get("org_address"),
        "entDesc": details.get("org_profile"),
    }


def _listed(prefix: Prefix, owner: Enterprise | None) -> dict[str, Any]:
    return {
        "id": prefix.id,
        "createDate": beijing_time.written(prefix.created_at),
        "updateDate": beijing_time.written(prefix.updated_at),
        "entPrefix": prefix.prefix,
        "entprefix": prefix.prefix,
        "entId": owner.number if owner is not None else None,
        "state": 1 if prefix.state == "active" else 0,
        "entName": owner.name if owner is not None else prefix.name,
        "proxyState": HOSTING_CODES[prefix.hosting_state],
    }
