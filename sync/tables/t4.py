"""T4 二级节点系统元数据: the node's own templates (docking contract 4.4); T11 has the same fields."""

from typing import Any, Final

from identifiers.values import RECORD_OCTETS_MAX
from registry.tables.templates import Item, Template
from sync.state_rows import Wanted
from sync.tables.metadata_ids import metadata_id

_LEVELS: Final = ("category", "specific", "trade", "subclass")


def node_template_row(reporter: str, template: Template) -> Wanted:
    """Return the row of a template of the node's own."""
    key = metadata_id(template.handle, reporter, template.code)
    return Wanted("T4", reporter, key, template_data(template, key))


def template_data(template: Template, key: str) -> dict[str, Any]:
    """Return the fields 1 to 5. A withdrawn template stays, disabled: identifiers that were told refer to it."""
    industry = {} if template.industry is None else {"industry": dict(zip(_LEVELS, template.industry, strict=True))}
    return {
        "metadata_id": key,
        **industry,
        "version": template.version,
        "object_type": template.object_type,
        "elements": [_element(item) for item in template.items],
        "x_state": 0 if template.state == "withdrawn" else 1,
    }


def _element(item: Item) -> dict[str, Any]:
    element: dict[str, Any] = {
        "name": item.type,
        "alias": item.name,
        "data_type": item.data_type,
        "length": _length(item),
        "x_required": item.required,
        "x_index": item.index,
        "x_state": int(item.enabled),
    }
    return element if item.length_min is None else {**element, "x_min_length": item.length_min}


def _length(item: Item) -> int:
    """Return the most characters a value may have; without a limit of its own, what a record may hold."""
    return item.length_max or item.digits or RECORD_OCTETS_MAX
