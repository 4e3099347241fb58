"""Templates: what the records of a kind look like, kept by an enterprise or by the node for everyone.

A template is a draft until it is published; only then may records use it. Withdrawing is final: no new record may use
the template, and records that do stay as they are.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_PREFIX, KIND_TEMPLATE, Cursor, Op
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields, NotFound, one_field
from registry.reference.industries import LEVELS, industry_fault
from registry.service import master_data
from registry.service.item_changes import ItemChange, changed_items
from registry.states import template_state, to_millisecond
from registry.tables import enterprises, prefixes, templates
from registry.tables.templates import Item, State, Template

VERSION_CHARACTERS_MAX: Final = 128

MOVES: Final[Mapping[State, tuple[State, ...]]] = {
    "draft": ("published", "withdrawn"),
    "published": ("withdrawn",),
    "withdrawn": (),
}
"""From which state a template may come into which."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_CHARACTERS: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a template says of itself besides its items. `industry` are the four codes of GB/T 4754, section first.

    `shared`: other enterprises may read and copy it once it is published. `master_data` maps columns of T9 to items,
    by type or name; None: items whose type is a column's name fill it.
    """

    name: str
    name_en: str = ""
    industry: tuple[str, str, str, str] | None = None
    object_type: int = 2
    description: str = ""
    standard: str = ""
    shared: bool = False
    master_data: Mapping[str, str] | None = None


async def create(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    about: About,
    items: Sequence[ItemChange],
    code: str | None = None,
    enterprise: str | None = None,
    prefix: str | None = None,
    version: str | None = None,
    publish: bool = False,
    mapping_required: bool = True,
    copied_from: str | None = None,
) -> tuple[Template, Cursor]:
    """Create a template of an enterprise, or without one the node's own, as a draft unless `publish`.

    Below a `prefix` it belongs to the prefix's enterprise, has a Handle of its own and a `version` that is unique
    there; the version never changes. Without a code it gets one made here, which also is its version if none is
    given. `mapping_required` False publishes a template of active identifier carriers without the master data that
    reports need. Raises `InvalidFields` with every bad item, `Conflict` for a code or version in use.
    """
    authorise(principal, Action.CREATE_TEMPLATE)
    random = _random()
    code = _checked_code(code) if code is not None else f"TPL-{random}"
    version = _checked_version(version) if version is not None else code
    if prefix is not None:
        # The prefix stays with its enterprise until the template is there, and the version free.
        await journal.serialise(connection, KIND_PREFIX, prefix)
        await journal.serialise(connection, KIND_TEMPLATE, f"{prefix} {version}")
    await journal.serialise(connection, KIND_TEMPLATE, code)
    owner = await _owner(connection, enterprise, prefix) or principal.enterprise
    check_reaches(principal, Action.CREATE_TEMPLATE, owner)
    if owner is not None and await enterprises.by_id(connection, owner) is None:
        raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {owner}")
    all_items, _ = changed_items((), items)
    await check_references(connection, principal, all_items, code)
    await _check_unused(connection, code, prefix, version)
    now = to_millisecond(now)
    created = with_about(
        Template(
            id=0,
            code=code,
            name=about.name,
            enterprise=owner,
            state="published" if publish else "draft",
            created_at=now,
            updated_at=now,
            items=all_items,
            prefix=prefix,
            version=version,
            handle=f"{prefix}/TPL-{random}" if prefix is not None else None,
            copied_from=copied_from,
        ),
        about,
    )
    if publish and mapping_required:
        check_mapped(created)
    created = replace(created, id=await templates.insert(connection, created))
    return created, await record(connection, principal, "create", created)


async def publish(
    connection: Connection, principal: Principal, now: datetime, code: str
) -> tuple[Template, Cursor | None]:
    """Let records use a draft. No change if it is published already."""
    authorise(principal, Action.CHANGE_TEMPLATE)
    found = await owned(connection, principal, Action.CHANGE_TEMPLATE, code)
    if found.state != "published":
        check_mapped(found)
    return await _move(connection, principal, now, found, "published")


async def withdraw(
    connection: Connection, principal: Principal, now: datetime, code: str, *, unless_used: bool = False
) -> tuple[Template, Cursor | None]:
    """Let no new record use a template; records that do stay as they are. No change if it was withdrawn already.

    With `unless_used` a template that records follow is not withdrawn: `Conflict`.
    """
    authorise(principal, Action.WITHDRAW_TEMPLATE)
    found = await owned(connection, principal, Action.WITHDRAW_TEMPLATE, code)
    if unless_used and await templates.is_used(connection, found.id):
        raise Conflict(
            "template_in_use",
            f"identifiers follow the template {code}",
            remedy="withdraw them first, or leave the template as it is",
        )
    return await _move(connection, principal, now, found, "withdrawn")


async def get(connection: Connection, principal: Principal, code: str) -> Template:
    """Return a template the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_TEMPLATE)
    return _seen(principal, await existing(connection, code))


async def by_version(connection: Connection, principal: Principal, prefix: str, version: str) -> Template:
    """Return the template below a prefix that has this version and is not withdrawn. Raises as `get` does."""
    authorise(principal, Action.READ_TEMPLATE)
    found = await templates.by_version(connection, prefix, version)
    if found is None:
        raise NotFound(
            "unknown_template",
            f"there is no template {version} below {prefix}",
            remedy="list the templates to find its version",
        )
    return _seen(principal, found)


async def page(
    connection: Connection,
    principal: Principal,
    after: str,
    limit: int,
    *,
    state: str | None = None,
    prefix: str | None = None,
) -> list[Template]:
    """Return the next templates the principal may see, in the order of their codes."""
    everything = authorise(principal, Action.LIST_TEMPLATES) is Reach.EVERYTHING
    # An id no enterprise has leaves only the node's own and shared ones.
    enterprise = None if everything else principal.enterprise or ""
    return await templates.page(connection, after, limit, enterprise, state=state, prefix=prefix)


async def usable(connection: Connection, principal: Principal, code: str, *, owner: str | None = None) -> Template:
    """Return the template a registration names. Raises `InvalidFields` unless it may be used for new records.

    `owner` is the enterprise whose record is written: its own templates may be used by whoever may write it.
    """
    found = await templates.by_code(connection, code)
    if found is None:
        raise one_field("unknown_template", "template", f"there is no template {code}")
    check_usable(principal, found, owner=owner)
    return found


def check_usable(principal: Principal, template: Template, *, owner: str | None = None) -> None:
    """Raise unless a template may be used for new records, as `usable` does."""
    if template.enterprise is None or template.enterprise != owner:
        check_reaches(principal, Action.READ_TEMPLATE, template.enterprise)
    code = template.code
    if template.state == "withdrawn":
        raise one_field("template_withdrawn", "template", f"the template {code} is withdrawn: use another one")
    if template.state == "draft":
        raise one_field("template_not_published", "template", f"the template {code} is a draft: publish it first")


async def stored(connection: Connection, code: str | None) -> Template | None:
    """Return the template a stored record was registered with, withdrawn or not."""
    return await templates.by_code(connection, code) if code is not None else None


async def existing(connection: Connection, code: str) -> Template:
    """Return a template, whoever asks. Raises `NotFound`."""
    found = await templates.by_code(connection, code)
    if found is None:
        raise NotFound("unknown_template", f"there is no template {code}", remedy="list the templates to find its code")
    return found


async def owned(connection: Connection, principal: Principal, action: Action, code: str) -> Template:
    """Return a template to change, kept from other transactions until the end of this one."""
    await journal.serialise(connection, KIND_TEMPLATE, code)
    found = await existing(connection, code)
    check_reaches(principal, action, found.enterprise)
    return found


async def record(connection: Connection, principal: Principal, op: Op, template: Template) -> Cursor:
    """Write a template as it is now into the journal."""
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_TEMPLATE,
        key=template.code,
        op=op,
        after=template_state(template),
    )


def with_about(template: Template, about: About) -> Template:
    """Return the template saying this of itself. Raises `InvalidFields` (`bad_template`) with every fault."""
    faults: list[FieldError] = []
    mapped = None
    if about.master_data is not None:
        mapped, faults = master_data.by_type(about.master_data, template.items)
    faults += _industry_faults(about.industry)
    if about.object_type not in (1, 2):
        faults.append(FieldError("object_type", "this is 1 (active identifier carrier) or 2 (other)"))
    if faults:
        raise InvalidFields(
            "bad_template",
            "some members break the rules of templates",
            remedy="correct the fields listed and send the request again",
            errors=tuple(faults),
        )
    return replace(
        template,
        name=about.name,
        name_en=about.name_en,
        industry=about.industry,
        object_type=about.object_type,
        description=about.description,
        standard=about.standard,
        shared=about.shared,
        master_data=mapped,
    )


def check_mapped(template: Template) -> None:
    """Raise `InvalidFields` unless reports can tell active identifier carriers of the template."""
    faults = master_data.unmapped(template.object_type, template.master_data, template.items)
    if faults:
        raise InvalidFields(
            "master_data_unmapped",
            "an active identifier carrier is told with data that no item of the template fills",
            remedy="map the columns listed in master_data, then publish the template",
            errors=tuple(faults),
        )


def withdrawn_for_good(template: Template) -> Conflict:
    """Make the error for a change of a template that is no more."""
    return Conflict(
        "template_withdrawn",
        f"the template {template.code} is withdrawn for good",
        remedy="make a copy and change that",
    )


async def check_references(connection: Connection, principal: Principal, items: Sequence[Item], code: str) -> None:
    """Raise `InvalidFields` unless the templates that items refer to exist and may be seen; `code` is their own."""
    wanted = {item.reference_template for item in items} - {None, code}
    faults = []
    for reference in sorted(reference for reference in wanted if reference is not None):
        found = await templates.by_code(connection, reference)
        if found is None or not may_see(principal, found):
            faults.append(FieldError("items", f"there is no template {reference} for references to follow"))
    if faults:
        raise InvalidFields(
            "bad_items",
            "some items refer to templates that are not there",
            remedy="create these templates first, or leave the references out",
            errors=tuple(faults),
        )


def may_see(principal: Principal, template: Template) -> bool:
    """Say whether the principal may read a template: its own, the node's, or a published one that is shared."""
    if template.shared and template.state == "published":
        return True
    reach = authorise(principal, Action.READ_TEMPLATE)
    return reach is Reach.EVERYTHING or template.enterprise in (None, principal.enterprise)


def _seen(principal: Principal, template: Template) -> Template:
    if not may_see(principal, template):
        check_reaches(principal, Action.READ_TEMPLATE, template.enterprise)
    return template


async def _move(
    connection: Connection, principal: Principal, now: datetime, template: Template, to: State
) -> tuple[Template, Cursor | None]:
    if template.state == to:
        return template, None
    if to not in MOVES[template.state]:
        raise withdrawn_for_good(template)
    moved = replace(template, state=to, updated_at=to_millisecond(now))
    await templates.update(connection, moved)
    return moved, await record(connection, principal, "withdraw" if to == "withdrawn" else "update", moved)


async def _owner(connection: Connection, enterprise: str | None, prefix: str | None) -> str | None:
    """Return whose template it is to be, by its prefix if it has one."""
    if prefix is None:
        return enterprise
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise one_field("unknown_prefix", "prefix", f"there is no prefix {prefix}")
    if found.state == "withdrawn":
        raise Conflict("prefix_withdrawn", f"the prefix {prefix} is withdrawn for good", remedy="use another prefix")
    if enterprise not in (None, found.enterprise):
        raise one_field("bad_prefix", "prefix", f"the prefix {prefix} belongs to another enterprise than {enterprise}")
    return found.enterprise


async def _check_unused(connection: Connection, code: str, prefix: str | None, version: str) -> None:
    if await templates.by_code(connection, code) is not None:
        raise Conflict("template_exists", f"the template {code} exists already", remedy="choose another code")
    if prefix is not None and await templates.by_version(connection, prefix, version) is not None:
        raise Conflict(
            "template_version_exists",
            f"there is a template {version} below {prefix} already",
            remedy="choose another version, or change the template that there is",
        )


def _industry_faults(industry: Sequence[str] | None) -> list[FieldError]:
    faults = []
    within = None
    for level, code in zip(LEVELS, industry or (), strict=False):
        if fault := industry_fault(code, level, within):
            faults.append(FieldError(f"industry.{level}", fault))
            break
        within = code
    return faults


def _checked_code(code: str) -> str:
    if _CODE.fullmatch(code) is None:
        raise one_field("bad_code", "code", "a code has 1 to 64 letters, digits, dots, hyphens and underscores")
    return code


def _checked_version(version: str) -> str:
    if not 1 <= len(version) <= VERSION_CHARACTERS_MAX or not version.isprintable() or version != version.strip():
        message = f"a version has 1 to {VERSION_CHARACTERS_MAX} printable characters, and no blank around them"
        raise one_field("bad_version", "version", message)
    return version


def _random() -> str:
    """Return 26 characters of Crockford's base 32: 130 random bits."""
    return "".join(secrets.choice(_CROCKFORD) for _ in range(_RANDOM_CHARACTERS))
