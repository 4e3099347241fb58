"""Calls about enterprises: applying for one, and reading what is on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from identifiers.changes import Cursor
from registry.authority import Action, Principal, authorise
from registry.database import Connection, connected
from registry.errors import Conflict, FieldError, Forbidden, InvalidFields
from registry.service import accounts, enterprise_store, enterprises, prefix_states
from registry.service.enterprise_details import EnterpriseDetails, EnterpriseDocuments, Statement, read_statement
from registry.service.enterprise_details import without_persons as persons_left_out
from registry.snms import beijing_time
from registry.snms.accounts import create_user, hashed, read_new_user
from registry.snms.call import Call
from registry.snms.enterprise_form import Form, read_form, show_form
from registry.snms.enterprise_members import member_of
from registry.snms.envelope import refused
from registry.snms.members import LONG_MAX
from registry.snms.pages import PageWanted
from registry.snms.pages import page as shown_page
from registry.snms.refusals import MESSAGES
from registry.tables import files, prefixes
from registry.tables import users as users_table
from registry.tables.enterprises import Enterprise, Wanted

NAME_CHARACTERS_MAX: Final = 255
_GENERAL_ID_DIGITS: Final = 16


async def apply(call: Call) -> Any:
    """`POST /snms/api/v3/ent/apply`: user, enterprise and the application for its prefix, all or nothing."""
    body = await call.members()
    call.check_administrator()
    new = read_new_user(body.members("sysUser"), contact_limit=50)
    form = read_form(body)
    password = await hashed(new)

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        statement = await _statement(connection, form)
        with _members_named():
            account, created = await create_user(connection, call, new, password)
            _, applied = await enterprises.apply(
                connection, call.principal, call.now, statement=statement, prefix=form.prefix, applicant=account
            )
        return True, max(created, applied)

    return await call.change(work)


async def apply_for_account(call: Call) -> Any:
    """`POST /snms/api/v3/ent/upgrade-apply`: for an account that exists; its own enterprise is corrected instead."""
    body = await call.members()
    username = body.text("username", "userName", limit=50)
    form = read_form(body)

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        statement = await _statement(connection, form)
        with _members_named():
            return True, await _apply_for(connection, call, username, statement, form.prefix)

    return await call.change(work)


async def page(call: Call) -> Any:
    """`GET /snms/api/v3/ent/page`: newest first; others' enterprises are left out, not refused."""
    asked = call.query
    wanted = Wanted(
        name=asked.optional_text("orgName", limit=NAME_CHARACTERS_MAX) or "",
        since=asked.optional_datetime("startDate"),
        until=asked.optional_datetime("endDate"),
    )
    which = PageWanted.of(asked)
    async with connected(call.context.pool) as connection:
        found, total = await enterprises.numbered_page(connection, call.principal, wanted, which.offset, which.size)
        open_ids = await users_table.open_ids(connection, [enterprise.id for enterprise in found])
    return shown_page(which, total, [_listed(enterprise, open_ids.get(enterprise.id, [])) for enterprise in found])


async def detail(call: Call) -> Any:
    """`GET /snms/api/v3/ent/detail`: the three objects of an application."""
    number = call.query.optional_integer("id", low=1, high=LONG_MAX)
    async with connected(call.context.pool) as connection:
        found = await _asked_for(connection, call.principal, number)
        details, documents = enterprise_store.details_of(found), enterprise_store.documents_of(found)
        if details is not None and not enterprises.persons_shown(call.principal, found):
            details, documents = persons_left_out(details), None
        rids = await _rids(connection, documents)
        owned = await prefixes.page(connection, "", 1, found.id)
    shown = show_form(details, documents, rids, owned[0].prefix if owned else None)
    shown["entBasicInfo"]["orgName"] = found.name
    return shown


async def _apply_for(
    connection: Connection, call: Call, username: str, statement: Statement, prefix: str
) -> Cursor | None:
    user = await users_table.by_name(connection, username)
    if user is None:
        raise refused("用户不存在", "unknown_user", "username", 404)
    if call.principal.role != "administrator" and call.principal.account != user.account:
        raise Forbidden("not_yours", "this account is somebody else's")
    account = await accounts.existing(connection, user.account)
    owner = Principal(account.id, account.role, account.enterprise)
    known = await enterprises.own(connection, owner)
    if known is None or known.state == "withdrawn":
        _, cursor = await enterprises.apply(
            connection, call.principal, call.now, statement=statement, prefix=prefix, applicant=account.id
        )
        return cursor
    if known.state in ("applied", "rejected"):
        _, cursor = await enterprises.correct(
            connection, call.principal, call.now, known.id, statement=statement, prefix=prefix
        )
        return cursor
    _, cursor = await enterprises.request_change(connection, call.principal, call.now, known.id, statement=statement)
    if any(owned.prefix == prefix for owned in await enterprise_store.prefixes_of(connection, known.id)):
        return cursor
    _, applied = await prefix_states.apply_for(
        connection,
        call.principal,
        call.now,
        enterprise=known.id,
        prefix=prefix,
        name=known.name,
        hosted=known.hosted,
    )
    return max(cursor, applied)


async def _statement(connection: Connection, form: Form) -> Statement:
    """Check the form by the rules of the service. Files that do not exist are its to refuse, in their turn."""
    known = await files.by_rids(connection, [rid for numbers in form.files.values() for rid in numbers])
    for document, numbers in form.files.items():
        for at, rid in enumerate(numbers):
            if rid not in known:
                raise refused(MESSAGES["bad_files"], "file_not_usable", member_of(f"documents.{document}[{at}]"))
    documents = {name: [known[rid].id for rid in numbers] for name, numbers in form.files.items()}
    with _members_named():
        return read_statement(form.details, documents, hosted=False)


@contextmanager
def _members_named() -> Iterator[None]:
    """Let refusals of the service layer name the members of the request in place of its own fields."""
    try:
        yield
    except (Conflict, InvalidFields) as error:
        named = tuple(FieldError(member_of(fault.field), fault.message) for fault in error.errors)
        raise type(error)(error.code, error.message, remedy=error.remedy, errors=named) from error


async def _asked_for(connection: Connection, principal: Principal, number: int | None) -> Enterprise:
    if number is not None:
        return await enterprises.get_numbered(connection, principal, number)
    if principal.role == "administrator":
        raise refused("缺少必要的请求参数: id", "missing_parameter", "id")
    authorise(principal, Action.READ_ENTERPRISE)
    own = await enterprises.own(connection, principal)
    if own is None:
        raise refused("企业不存在", "unknown_enterprise", "id", 404)
    return own


async def _rids(connection: Connection, documents: EnterpriseDocuments | None) -> dict[str, int]:
    if documents is None:
        return {}
    ids = [file_id for found in msgspec.structs.asdict(documents).values() for file_id in found]
    return {file_id: file.rid for file_id, file in (await files.by_ids(connection, ids)).items()}


def _listed(enterprise: Enterprise, open_ids: list[str]) -> dict[str, Any]:
    details: EnterpriseDetails | None = enterprise_store.details_of(enterprise)
    return {
        "id": enterprise.number,
        "createDate": beijing_time.written(enterprise.created_at),
        "updateDate": beijing_time.written(enterprise.updated_at),
        "orgName": enterprise.name,
        "orgNature": str(details.org_nature) if details is not None else None,
        "orgCrtType": str(enterprise.org_id_type) if enterprise.org_id_type is not None else None,
        "orgCrtCode": enterprise.org_id_number,
        "orgDesc": details.org_profile if details is not None else None,
        "website": details.website if details is not None else None,
        "entGeneralId": f"{enterprise.number:0{_GENERAL_ID_DIGITS}d}",
        "openIds": open_ids,
    }
