"""Who may do what: the roles, the actions, and the one table that joins them."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, get_args

from identifiers.changes import Role
from registry.errors import Forbidden, Unauthenticated


class Action(Enum):
    """What can be done through the API; each route names one."""

    READ_API_DESCRIPTION = auto()
    READ_CODE_TABLES = auto()
    READ_STATUS = auto()

    SIGN_IN = auto()
    READ_OWN_ACCOUNT = auto()
    CHANGE_OWN_ACCOUNT = auto()
    ISSUE_TOKEN = auto()
    LIST_TOKENS = auto()
    REVOKE_TOKEN = auto()
    CREATE_ACCOUNT = auto()
    CHANGE_ACCOUNT = auto()
    READ_ACCOUNT = auto()
    LIST_ACCOUNTS = auto()
    CHANGE_GROUP = auto()
    READ_GROUP = auto()
    READ_AUDIT = auto()

    APPLY = auto()
    REVIEW_ENTERPRISE = auto()
    SUSPEND_ENTERPRISE = auto()
    CHANGE_ENTERPRISE = auto()
    READ_ENTERPRISE = auto()
    LIST_ENTERPRISES = auto()
    UPLOAD_FILE = auto()
    READ_FILE = auto()

    CREATE_PREFIX = auto()
    CHANGE_PREFIX = auto()
    APPLY_FOR_PREFIX = auto()
    ROUTE_PREFIX = auto()
    RESERVE_PREFIXES = auto()
    READ_PREFIX = auto()
    LIST_PREFIXES = auto()
    CHANGE_OPERATOR = auto()
    READ_OPERATOR = auto()
    CHANGE_APPLICATION = auto()
    READ_APPLICATION = auto()

    CREATE_TEMPLATE = auto()
    CHANGE_TEMPLATE = auto()
    WITHDRAW_TEMPLATE = auto()
    READ_TEMPLATE = auto()
    LIST_TEMPLATES = auto()
    READ_EXPOSURE = auto()

    CHANGE_GRANT = auto()
    READ_GRANT = auto()

    WRITE_IDENTIFIER = auto()
    READ_IDENTIFIER = auto()
    LIST_IDENTIFIERS = auto()
    SEARCH_IDENTIFIERS = auto()
    READ_HISTORY = auto()
    READ_REFERENCES = auto()
    READ_FEED = auto()
    RUN_JOB = auto()
    READ_JOB = auto()
    CHANGE_QUOTA = auto()
    READ_QUOTA = auto()
    ENTER_EVENT = auto()
    DECLARE_TAKEOVER = auto()
    CHANGE_REPORT_KEY = auto()
    READ_REPORT_KEY = auto()


class Reach(Enum):
    """How far an action goes. Whose a thing is, its prefix's (or its own) enterprise says."""

    NOTHING = "-"
    OWN = "o"
    OWN_AND_SHARED = "s"
    """Also what belongs to the node and is meant for everyone."""
    OWN_AND_PUBLIC = "p"
    """Of other enterprises' records the publicly readable values."""
    EVERYTHING = "A"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request: an account with its role and, for the enterprises' own, its enterprise.

    `scopes` None: everything the role may; otherwise only the actions of these scopes.
    """

    account: str
    role: Role
    enterprise: str | None = None
    scopes: frozenset[str] | None = None


ROLES: Final[tuple[Role, ...]] = get_args(Role)


def _row(reaches: str) -> dict[Role | None, Reach]:
    columns: tuple[Role | None, ...] = (*ROLES, None)
    return {role: Reach(letter) for role, letter in zip(columns, reaches.split(), strict=True)}


AUTHORITY: Final[dict[Action, dict[Role | None, Reach]]] = {
    # A everything, o own, s own and shared, p own and others' public values, - nothing
    #                                  administrator
    #                                  |  reviewer
    #                                  |  |  auditor
    #                                  |  |  |  enterprise administrator
    #                                  |  |  |  |  enterprise user
    #                                  |  |  |  |  |  applicant
    #                                  |  |  |  |  |  |  reader
    #                                  |  |  |  |  |  |  |  nobody (no token)
    Action.READ_API_DESCRIPTION: _row("A  A  A  A  A  A  A  A"),
    Action.READ_CODE_TABLES: _row("    A  A  A  A  A  A  A  A"),
    Action.READ_STATUS: _row("         A  -  A  -  -  -  -  -"),
    Action.SIGN_IN: _row("             A  A  A  A  A  A  A  A"),
    Action.READ_OWN_ACCOUNT: _row("    A  A  A  A  A  A  A  -"),
    Action.CHANGE_OWN_ACCOUNT: _row("  A  A  A  A  A  A  A  -"),
    Action.ISSUE_TOKEN: _row("         A  -  -  o  -  -  -  -"),
    Action.LIST_TOKENS: _row("         A  -  -  o  -  -  -  -"),
    Action.REVOKE_TOKEN: _row("        A  -  -  o  -  -  -  -"),
    Action.CREATE_ACCOUNT: _row("      A  -  -  o  -  -  -  -"),
    Action.CHANGE_ACCOUNT: _row("      A  -  -  o  -  -  -  -"),
    Action.READ_ACCOUNT: _row("        A  A  A  o  -  -  -  -"),
    Action.LIST_ACCOUNTS: _row("       A  A  A  o  -  -  -  -"),
    Action.CHANGE_GROUP: _row("        A  -  -  o  -  -  -  -"),
    Action.READ_GROUP: _row("          A  A  A  o  o  -  o  -"),
    Action.READ_AUDIT: _row("          A  -  A  o  -  -  -  -"),
    Action.APPLY: _row("               A  -  -  -  -  o  -  -"),
    Action.REVIEW_ENTERPRISE: _row("   A  A  -  -  -  -  -  -"),
    Action.SUSPEND_ENTERPRISE: _row("  A  -  -  -  -  -  -  -"),
    Action.CHANGE_ENTERPRISE: _row("   A  -  -  o  -  o  -  -"),
    Action.READ_ENTERPRISE: _row("     A  A  A  o  o  o  o  -"),
    Action.LIST_ENTERPRISES: _row("    A  A  A  o  o  o  o  -"),
    Action.UPLOAD_FILE: _row("         A  -  -  o  o  o  -  -"),
    Action.READ_FILE: _row("           A  A  A  o  o  o  -  -"),
    Action.CREATE_PREFIX: _row("       A  -  -  -  -  -  -  -"),
    Action.CHANGE_PREFIX: _row("       A  -  -  -  -  -  -  -"),
    Action.APPLY_FOR_PREFIX: _row("    A  -  -  o  -  o  -  -"),
    Action.ROUTE_PREFIX: _row("        A  -  -  o  -  -  -  -"),
    Action.RESERVE_PREFIXES: _row("    A  -  -  -  -  -  -  -"),
    Action.READ_PREFIX: _row("         A  A  A  o  o  o  o  -"),
    Action.LIST_PREFIXES: _row("       A  A  A  o  o  o  o  -"),
    Action.CHANGE_OPERATOR: _row("     A  -  -  -  -  -  -  -"),
    Action.READ_OPERATOR: _row("       A  A  A  -  -  -  -  -"),
    Action.CHANGE_APPLICATION: _row("  A  -  -  o  -  -  -  -"),
    Action.READ_APPLICATION: _row("    A  A  A  o  o  -  o  -"),
    Action.CREATE_TEMPLATE: _row("     A  -  -  o  -  -  -  -"),
    Action.CHANGE_TEMPLATE: _row("     A  -  -  o  -  -  -  -"),
    Action.WITHDRAW_TEMPLATE: _row("   A  -  -  o  -  -  -  -"),
    Action.READ_TEMPLATE: _row("       A  A  A  s  s  -  s  -"),
    Action.LIST_TEMPLATES: _row("      A  A  A  s  s  -  s  -"),
    Action.READ_EXPOSURE: _row("       A  -  A  o  -  -  -  -"),
    Action.CHANGE_GRANT: _row("        A  -  -  o  -  -  -  -"),
    Action.READ_GRANT: _row("          A  -  A  o  o  -  o  -"),
    Action.WRITE_IDENTIFIER: _row("    A  -  -  o  o  -  -  -"),
    Action.READ_IDENTIFIER: _row("     A  p  p  p  p  -  p  -"),
    Action.LIST_IDENTIFIERS: _row("    A  -  A  o  o  -  o  -"),
    Action.SEARCH_IDENTIFIERS: _row("  A  -  A  o  o  -  o  -"),
    Action.READ_HISTORY: _row("        A  -  A  o  o  -  o  -"),
    Action.READ_REFERENCES: _row("     A  -  A  p  p  -  p  -"),
    Action.READ_FEED: _row("           A  -  A  o  o  -  p  -"),
    Action.RUN_JOB: _row("             A  -  -  o  o  -  -  -"),
    Action.READ_JOB: _row("            A  -  A  o  o  -  -  -"),
    Action.CHANGE_QUOTA: _row("        A  -  -  -  -  -  -  -"),
    Action.READ_QUOTA: _row("          A  -  A  o  o  -  o  -"),
    Action.ENTER_EVENT: _row("         A  -  -  -  -  -  -  -"),
    Action.DECLARE_TAKEOVER: _row("    A  -  -  -  -  -  -  -"),
    Action.CHANGE_REPORT_KEY: _row("   A  -  -  o  -  -  -  -"),
    Action.READ_REPORT_KEY: _row("     A  -  A  o  -  -  -  -"),
}
"""Who may do what. Which values of a record someone may read is narrower still: identifiers/visibility.py."""

_READING: Final = frozenset(action for action in Action if action.name.startswith(("READ_", "LIST_", "SEARCH_")))

SCOPES: Final[dict[str, frozenset[Action]]] = {
    "read": _READING,
    "identifiers": frozenset({Action.WRITE_IDENTIFIER, Action.RUN_JOB}),
    "templates": frozenset({Action.CREATE_TEMPLATE, Action.CHANGE_TEMPLATE, Action.WITHDRAW_TEMPLATE}),
    "grants": frozenset({Action.CHANGE_GRANT, Action.CHANGE_GROUP}),
    "accounts": frozenset(
        {Action.ISSUE_TOKEN, Action.REVOKE_TOKEN, Action.CREATE_ACCOUNT, Action.CHANGE_ACCOUNT, Action.CHANGE_GROUP}
    ),
    "enterprises": frozenset(
        {
            Action.APPLY,
            Action.REVIEW_ENTERPRISE,
            Action.SUSPEND_ENTERPRISE,
            Action.CHANGE_ENTERPRISE,
            Action.UPLOAD_FILE,
            Action.APPLY_FOR_PREFIX,
            Action.ROUTE_PREFIX,
            Action.CHANGE_REPORT_KEY,
            Action.CHANGE_APPLICATION,
        }
    ),
    "operation": frozenset(
        {
            Action.CREATE_PREFIX,
            Action.CHANGE_PREFIX,
            Action.RESERVE_PREFIXES,
            Action.CHANGE_OPERATOR,
            Action.CHANGE_QUOTA,
            Action.ENTER_EVENT,
            Action.DECLARE_TAKEOVER,
        }
    ),
}
"""What a token may be narrowed to. Signing in and one's own account need no scope."""
_UNSCOPED: Final = frozenset(
    {
        Action.READ_API_DESCRIPTION,
        Action.READ_CODE_TABLES,
        Action.SIGN_IN,
        Action.READ_OWN_ACCOUNT,
        Action.CHANGE_OWN_ACCOUNT,
    }
)


def authorise(principal: Principal | None, action: Action) -> Reach:
    """Return how far `principal` may go with `action`. Raises `Unauthenticated` or `Forbidden` if nowhere."""
    reach = AUTHORITY[action][principal.role if principal else None]
    if reach is not Reach.NOTHING:
        _check_scope(principal, action)
        return reach
    if principal is None:
        raise Unauthenticated(
            "token_missing",
            "this request needs a token",
            remedy="send the header Authorization: Bearer <token>; an administrator issues tokens",
        )
    raise Forbidden(
        "role_not_allowed",
        f"the role {principal.role} may not do this",
        remedy="ask an administrator for a token with another role",
    )


def _check_scope(principal: Principal | None, action: Action) -> None:
    if principal is None or principal.scopes is None or action in _UNSCOPED:
        return
    if not any(action in SCOPES.get(scope, ()) for scope in principal.scopes):
        needed = " or ".join(sorted(scope for scope, actions in SCOPES.items() if action in actions))
        raise Forbidden(
            "scope_not_granted",
            "this token is narrowed to other work",
            remedy=f"use a token with the scope {needed}",
        )


def check_reaches(principal: Principal, action: Action, enterprise: str | None) -> Reach:
    """Return how far `principal` may go with `action` on a thing of `enterprise` (None: the node's own).

    EVERYTHING: as far as anyone. OWN_AND_PUBLIC: only what is public. Raises `Forbidden` if not at all.
    """
    reach = authorise(principal, action)
    owns = enterprise is not None and principal.enterprise == enterprise
    if reach is Reach.EVERYTHING or owns or (reach is Reach.OWN_AND_SHARED and enterprise is None):
        return Reach.EVERYTHING
    if reach is Reach.OWN_AND_PUBLIC:
        return reach
    raise Forbidden(
        "not_yours",
        "this belongs to another enterprise",
        remedy="use a token of the enterprise it belongs to, or ask an administrator",
    )
