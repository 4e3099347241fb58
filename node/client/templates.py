"""Templates as an import needs them: which value a column becomes."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from node.client.listing import decoded
from node.client.readers.table import TemplateItem
from node.client.session import NodeSession

TEMPLATES_PATH = "/api/v1/templates/"


class _Item(msgspec.Struct):
    index: int
    type: str
    name: str = ""


class _Template(msgspec.Struct):
    items: list[_Item]


async def template_items(session: NodeSession, code: str) -> Mapping[str, TemplateItem]:
    """Return the items of a template by the column names that stand for them: an item's type, or its name.

    Raises RefusedError (also for a template that the node does not have), UnavailableError.
    """
    template = decoded(await session.get(TEMPLATES_PATH + quote(code, safe="")), _Template)
    by_name = {item.name: TemplateItem(item.index, item.type) for item in template.items if item.name}
    return by_name | {item.type: TemplateItem(item.index, item.type) for item in template.items}
