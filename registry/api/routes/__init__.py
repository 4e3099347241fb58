"""The routes of the API, as data: the application, its authorisation and its description are made from this table."""

from typing import Final

from registry.api.routes import (
    about,
    accounts,
    audit,
    code_tables,
    enterprises,
    files,
    finding,
    grants,
    groups,
    identifiers,
    jobs,
    operator,
    prefix_allocation,
    prefixes,
    quotas,
    templates,
    tokens,
)

ROUTES: Final = (
    *identifiers.ROUTES,
    *finding.ROUTES,
    *prefixes.ROUTES,
    *prefix_allocation.ROUTES,
    *templates.ROUTES,
    *grants.ROUTES,
    *accounts.ROUTES,
    *tokens.ROUTES,
    *groups.ROUTES,
    *audit.ROUTES,
    *enterprises.ROUTES,
    *files.ROUTES,
    *code_tables.ROUTES,
    *jobs.ROUTES,
    *quotas.ROUTES,
    *operator.ROUTES,
    *about.ROUTES,
)
