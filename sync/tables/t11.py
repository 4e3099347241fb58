"""T11 下属企业节点元数据: templates of each enterprise (docking contract 4.11)."""

from collections.abc import Sequence

from registry.tables.templates import Template
from sync.state_rows import Wanted
from sync.tables.metadata_ids import metadata_id
from sync.tables.t4 import template_data


def enterprise_template_rows(template: Template, prefixes: Sequence[str]) -> list[Wanted]:
    """Return the rows of an enterprise's template; `prefixes` are the enterprise's below the reporter.

    One without an identifier of its own is told below each prefix, as the identifiers that use it tell it.
    """
    if template.handle is None:
        scopes = [prefix for prefix in prefixes if template.prefix in (None, prefix)]
    else:
        scopes = [prefix for prefix in prefixes if prefix == (template.prefix or template.handle.partition("/")[0])]
    rows = []
    for scope in scopes:
        key = metadata_id(template.handle, scope, template.code)
        data = {"enterprise_prefix": scope, **template_data(template, key)}
        rows.append(Wanted("T11", scope, key, data))
    return rows
