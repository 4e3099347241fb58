"""Who may do what: the roles, the actions, and the one table that joins them."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from identifiers.changes import Role
from registry.errors import Forbidden, Unauthenticated


class Action(Enum):
    """What can be done through the API; each route names one."""

    READ_API_DESCRIPTION = auto()
    READ_OWN_ACCOUNT = auto()
    READ_STATUS = auto()
    ISSUE_TOKEN = auto()
    LIST_TOKENS = auto()
    REVOKE_TOKEN = auto()
    CREATE_PREFIX = auto()
    CHANGE_PREFIX = auto()
    READ_PREFIX = auto()
    LIST_PREFIXES = auto()
    CREATE_TEMPLATE = auto()
    WITHDRAW_TEMPLATE = auto()
    READ_TEMPLATE = auto()
    LIST_TEMPLATES = auto()
    WRITE_IDENTIFIER = auto()
    READ_IDENTIFIER = auto()
    LIST_IDENTIFIERS = auto()


class Reach(Enum):
    """How far an action goes. Whose a thing is, its prefix's (or its own) enterprise says."""

    NOTHING = auto()
    OWN = auto()
    OWN_AND_SHARED = auto()
    """Also what belongs to the node and is meant for everyone."""
    OWN_AND_PUBLIC = auto()
    """Of other enterprises' records the publicly readable values."""
    EVERYTHING = auto()


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent the request: an account with its role and, for all but administrators, its enterprise."""

    account: str
    role: Role
    enterprise: str | None = None


_E, _N, _OWN = Reach.EVERYTHING, Reach.NOTHING, Reach.OWN

AUTHORITY: Final[dict[Action, dict[Role | None, Reach]]] = {
    # action                      administrator, enterprise, reader, nobody (no token)
    Action.READ_API_DESCRIPTION: {"administrator": _E, "enterprise": _E, "reader": _E, None: _E},
    Action.READ_OWN_ACCOUNT: {"administrator": _E, "enterprise": _E, "reader": _E, None: _N},
    Action.READ_STATUS: {"administrator": _E, "enterprise": _N, "reader": _N, None: _N},
    Action.ISSUE_TOKEN: {"administrator": _E, "enterprise": _N, "reader": _N, None: _N},
    Action.LIST_TOKENS: {"administrator": _E, "enterprise": _N, "reader": _N, None: _N},
    Action.REVOKE_TOKEN: {"administrator": _E, "enterprise": _N, "reader": _N, None: _N},
    Action.CREATE_PREFIX: {"administrator": _E, "enterprise": _N, "reader": _N, None: _N},
    Action.CHANGE_PREFIX: {"administrator": _E, "enterprise": _N, "reader": _N, None: _N},
    Action.READ_PREFIX: {"administrator": _E, "enterprise": _OWN, "reader": _OWN, None: _N},
    Action.LIST_PREFIXES: {"administrator": _E, "enterprise": _OWN, "reader": _OWN, None: _N},
    Action.CREATE_TEMPLATE: {"administrator": _E, "enterprise": _OWN, "reader": _N, None: _N},
    Action.WITHDRAW_TEMPLATE: {"administrator": _E, "enterprise": _OWN, "reader": _N, None: _N},
    Action.READ_TEMPLATE: {
        "administrator": _E,
        "enterprise": Reach.OWN_AND_SHARED,
        "reader": Reach.OWN_AND_SHARED,
        None: _N,
    },
    Action.LIST_TEMPLATES: {
        "administrator": _E,
        "enterprise": Reach.OWN_AND_SHARED,
        "reader": Reach.OWN_AND_SHARED,
        None: _N,
    },
    Action.WRITE_IDENTIFIER: {"administrator": _E, "enterprise": _OWN, "reader": _N, None: _N},
    Action.READ_IDENTIFIER: {
        "administrator": _E,
        "enterprise": Reach.OWN_AND_PUBLIC,
        "reader": Reach.OWN_AND_PUBLIC,
        None: _N,
    },
    Action.LIST_IDENTIFIERS: {"administrator": _E, "enterprise": _OWN, "reader": _OWN, None: _N},
}


def authorise(principal: Principal | None, action: Action) -> Reach:
    """Return how far `principal` may go with `action`. Raises `Unauthenticated` or `Forbidden` if nowhere."""
    reach = AUTHORITY[action][principal.role if principal else None]
    if reach is not Reach.NOTHING:
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
