"""T9: from an identifier's state in the journal to a checked row."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.changes import Change, IdentifierState
from sync.tables.t9 import T9
from sync.tables.t9_fields import COLUMNS, check
from sync.tables.table import Draft, Operation, Reported
from sync.templates import Templates

REPORTER, SCOPE = "88.999", "88.999.15907"
ACTIVE_COLUMNS = ("terminal_type", "owner", "purpose", "serial_or_imei")


def identifier(
    name: str = "PUMP-1", *, template: str | None = "PUMP", op: str = "create", values: object = ()
) -> Change:
    state = IdentifierState(
        identifier=f"{SCOPE}/{name}",
        prefix=SCOPE,
        state="withdrawn" if op == "withdraw" else "active",
        version=3,
        created_at="2031-05-05T16:30:00.123Z",
        updated_at="2031-05-06T01:00:00Z",
        values=msgspec.Raw(json.dumps(values).encode()),
        template=template,
    )
    at = datetime(2031, 5, 6, 1, 2, 3, 900_000, tzinfo=UTC)
    return Change(10, 1, at, "identifier", f"hdl:{SCOPE}/{name}", op, msgspec.json.encode(state))


def template(code: str = "PUMP", **members: Any) -> Change:
    state = {"code": code, "name": "x", "state": "active", "enterprise": "e1", "items": [], **members}
    return Change(9, 1, datetime(2031, 5, 6, tzinfo=UTC), "template", code, "create", json.dumps(state).encode())


def text(index: int, kind: str, value: str, form: str = "string") -> dict[str, Any]:
    return {"index": index, "type": kind, "data": {"format": form, "value": value}, "ttl": 86400}


UNUSED: Any = None
"""No connection is needed: every template here is learned from the journal."""


async def read(*changes: Change, default_template: str | None = None) -> list[Reported]:
    return await T9(REPORTER, default_template).read(changes, Templates(), UNUSED)


async def test_the_record_of_a_prefix_is_not_told_of_as_an_identifier() -> None:
    record = identifier()._replace(key=f"hdl:0.NA/{SCOPE}")
    assert await read(template(), record) == []


async def test_a_row_carries_the_columns_in_the_contracts_order() -> None:
    (reported,) = await read(template(), identifier())
    row = T9(REPORTER).row(Draft(Operation.ADD, reported))
    assert isinstance(row.data, msgspec.Raw)
    assert bytes(row.data) == (
        b'{"enterprise_prefix":"88.999.15907","identifier":"88.999.15907/PUMP-1","created_on":"2031-05-06",'
        b'"metadata_id":"88.999.15907/TPL-PUMP","operation_type":1}'
    )
    assert (row.key, row.op, row.ver, row.at) == (f"{SCOPE}/PUMP-1", "upsert", 3, "2031-05-06T01:02:03Z")


async def test_a_deletion_carries_only_what_names_the_identifier() -> None:
    (reported,) = await read(identifier(op="withdraw", template=None))
    row = T9(REPORTER).row(Draft(Operation.DELETE, reported))
    assert reported.problem is None
    assert row.op == "delete"
    assert msgspec.json.decode(row.data) == {  # type: ignore[arg-type]
        "enterprise_prefix": SCOPE,
        "identifier": f"{SCOPE}/PUMP-1",
        "operation_type": 2,
    }


async def test_the_templates_map_fills_master_data_from_values() -> None:
    mapped = template(master_data={"product_name": "name", "produced_at": "made", "product_type": "absent"})
    values = [text(2000, "name", " 轴向柱塞泵 A10 "), text(2001, "made", "2031-05-05"), text(2002, "name", "second")]
    (reported,) = await read(mapped, identifier(values=values))
    assert reported.problem is None
    assert list(reported.data.items())[5:] == [("product_name", "轴向柱塞泵 A10"), ("produced_at", "2031-05-05")]


async def test_without_a_map_items_named_after_columns_fill_them() -> None:
    named = template(items=[{"index": 2000, "name": "Brand", "type": "product_brand", "format": "text"}])
    (reported,) = await read(named, identifier(values=[text(2000, "product_brand", "示例"), text(1, "URL", "x")]))
    assert reported.data["product_brand"] == "示例"
    assert "URL" not in reported.data


async def test_values_that_are_not_text_fill_nothing() -> None:
    mapped = template(master_data={"product_name": "name"})
    (reported,) = await read(mapped, identifier(values=[text(2000, "name", "AAAA", "base64")]))
    assert "product_name" not in reported.data


@pytest.mark.parametrize(("permissions", "told"), [("1110", True), ("1100", True), ("0100", False), ("0101", False)])
async def test_a_value_that_only_a_grant_opens_is_not_reported(permissions: str, *, told: bool) -> None:
    mapped = template(master_data={"product_name": "name"})
    value = text(2000, "name", "泵") | {"permissions": permissions}
    (reported,) = await read(mapped, identifier(values=[value]))
    assert ("product_name" in reported.data) == told


async def test_the_nodes_own_template_is_told_below_the_nodes_prefix() -> None:
    (reported,) = await read(template(enterprise=None), identifier())
    assert reported.data["metadata_id"] == "88.999/TPL-PUMP"


async def test_a_template_with_an_identifier_of_its_own_is_told_by_that() -> None:
    handle = "88.999.15907/TPL-4ZB0X9T7QK2M5W8R1C6D3F0GHJ"
    (reported,) = await read(template(handle=handle), identifier())
    assert reported.data["metadata_id"] == handle


async def test_an_identifier_without_a_template_is_unfit_unless_there_is_a_default() -> None:
    (reported,) = await read(identifier(template=None))
    assert reported.problem is not None
    assert (reported.problem.code, reported.problem.field) == ("required", "metadata_id")
    (by_code,) = await read(identifier(template=None), default_template="GENERAL")
    (by_name,) = await read(identifier(template=None), default_template="88.999/TPL-GENERAL")
    assert by_code.data["metadata_id"] == by_name.data["metadata_id"] == "88.999/TPL-GENERAL"
    assert by_code.problem is None


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("product_name", "x" * 256, "length"),
        ("product_name", "a\x07b", "format"),
        ("produced_at", "5 May 2031", "format"),
        ("produced_at", "2031-02-30", "format"),
        ("expires_at", "2031-05-05T25:00:00Z", "format"),
        ("serial_or_imei", "9" * 65, "length"),
    ],
)
async def test_a_value_that_does_not_fit_makes_the_row_unfit_and_names_the_column(
    column: str, value: str, code: str
) -> None:
    (reported,) = await read(template(master_data={column: "v"}), identifier(values=[text(2000, "v", value)]))
    assert reported.problem is not None
    assert (reported.problem.code, reported.problem.field) == (code, column)


@pytest.mark.parametrize("missing", ACTIVE_COLUMNS)
async def test_an_active_identifier_needs_its_four_columns(missing: str) -> None:
    active = template(object_type=1, master_data={column: column for column in ACTIVE_COLUMNS})
    values = [text(2000 + n, column, "x") for n, column in enumerate(ACTIVE_COLUMNS)]
    (whole,) = await read(active, identifier(values=values))
    (lacking,) = await read(active, identifier(values=[one for one in values if one["type"] != missing]))
    assert whole.problem is None
    assert lacking.problem is not None
    assert (lacking.problem.code, lacking.problem.field) == ("required", missing)


async def test_an_overlong_identifier_is_unfit() -> None:
    (reported,) = await read(template(), identifier("x" * 250))
    assert reported.problem is not None
    assert (reported.problem.code, reported.problem.field) == ("length", "identifier")


async def test_changes_of_other_kinds_are_nothing_to_t9() -> None:
    other = Change(1, 1, datetime(2031, 5, 6, tzinfo=UTC), "prefix", SCOPE, "create", b"{}")
    assert await read(other, template()) == []


async def test_a_modification_can_be_told_as_an_addition_and_else_stays_the_same() -> None:
    table = T9(REPORTER)
    (reported,) = await read(template(), identifier(op="update"))
    row = table.row(Draft(Operation.MODIFY, reported))
    added = table.as_addition(row)
    assert (table.operation(row), table.operation(added)) == (Operation.MODIFY, Operation.ADD)
    assert added == table.row(Draft(Operation.ADD, reported))


FULL: dict[str, Any] = {
    "enterprise_prefix": SCOPE,
    "identifier": f"{SCOPE}/A",
    "created_on": "2031-05-06",
    "metadata_id": f"{SCOPE}/TPL-1",
    "operation_type": 3,
    **{column.name: "x" for column in COLUMNS[4:]},
    "produced_at": "2031-05-05",
    "expires_at": "2036-05-05T00:00:00Z",
}


def test_a_full_row_and_a_minimal_one_pass() -> None:
    assert check(FULL) is None
    assert check({name: FULL[name] for name in list(FULL)[:5]}) is None
    assert check({"enterprise_prefix": SCOPE, "identifier": f"{SCOPE}/A", "operation_type": 2}) is None
    assert check({**FULL, "product_name": None, "x_note": 5}) is None


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("operation_type", 4, "enum"),
        ("operation_type", "1", "enum"),
        ("operation_type", True, "enum"),
        ("operation_type", None, "enum"),
        ("identifier", None, "required"),
        ("created_on", None, "required"),
        ("metadata_id", None, "required"),
        ("created_on", "06.05.2031", "format"),
        ("created_on", "2031-13-01", "format"),
        ("product_name", "", "format"),
        ("product_name", " x", "format"),
        ("product_name", "e\u0301", "format"),
        ("product_name", 5, "schema"),
        ("colour", "red", "schema"),
        *((column.name, "x" * (column.length + 1), "length") for column in COLUMNS),
    ],
)
def test_each_violated_constraint_is_named(member: str, value: object, code: str) -> None:
    problem = check({**FULL, member: value})
    assert problem is not None
    assert (problem.code, problem.field) == (code, member)


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.none(), st.booleans(), st.integers(), st.text())))
def test_nothing_makes_the_check_fail_in_another_way(data: dict[str, Any]) -> None:
    check(data)
    check({**FULL, **data})
