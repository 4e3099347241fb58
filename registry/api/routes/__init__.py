"""The routes of the API, as data: the application, its authorisation and its description are made from this table."""

from typing import Final

from registry.api.routes import about, identifiers, prefixes, templates, tokens

ROUTES: Final = (
    *identifiers.ROUTES,
    *prefixes.ROUTES,
    *templates.ROUTES,
    *tokens.ROUTES,
    *about.ROUTES,
)
