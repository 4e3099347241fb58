"""The calls of this API, as data."""

from typing import Final

from registry.snms import accounts, enterprises, files, identifiers, prefixes, templates
from registry.snms.routing import SnmsRoute

ROUTES: Final = (
    SnmsRoute("POST", "/identity/token", accounts.sign_in, open_to_all=True),
    SnmsRoute("POST", "/identity/token/v1", accounts.sign_in_hashed_form, open_to_all=True),
    SnmsRoute("POST", "/identity/registry", accounts.create),
    SnmsRoute("POST", "/snms/api/v3/ent/apply", enterprises.apply),
    SnmsRoute("POST", "/snms/api/v3/ent/upgrade-apply", enterprises.apply_for_account),
    SnmsRoute("GET", "/snms/api/v3/ent/page", enterprises.page),
    SnmsRoute("GET", "/snms/api/v3/ent/detail", enterprises.detail),
    SnmsRoute("POST", "/snms/api/ent/config", prefixes.configure),
    SnmsRoute("POST", "/snms/api/file/upload", files.upload),
    SnmsRoute("GET", "/snms/api/file/{id}", files.download),
    SnmsRoute("GET", "/snms/api/prefix/query", prefixes.query),
    SnmsRoute("GET", "/snms/api/prefix/page", prefixes.page),
    SnmsRoute("GET", "/snms/api/v3/template", templates.read),
    SnmsRoute("POST", "/snms/api/v3/template", templates.create_v3),
    SnmsRoute("DELETE", "/snms/api/v3/template", templates.delete),
    SnmsRoute("GET", "/snms/api/v5/template", templates.read),
    SnmsRoute("POST", "/snms/api/v5/template", templates.create_v5),
    SnmsRoute("PUT", "/snms/api/v5/template", templates.change),
    SnmsRoute("DELETE", "/snms/api/v5/template", templates.delete),
    SnmsRoute("GET", "/identityv2/data/detail", identifiers.detail, open_to_all=True),
    SnmsRoute("POST", "/identityv2/data", identifiers.create),
    SnmsRoute("PUT", "/identityv2/data", identifiers.update),
    SnmsRoute("DELETE", "/identityv2/data", identifiers.delete),
    SnmsRoute("POST", "/identityv2/data/batchCreate", identifiers.create_many),
    SnmsRoute("PUT", "/identityv2/data/batchUpdate", identifiers.update_many),
    SnmsRoute("DELETE", "/identityv2/data/batchDelete", identifiers.delete_many),
)
