"""T5 二级节点系统标识业务数据: applications run on the node (docking contract 4.5); T10 has the same fields."""

from typing import Any

from registry.tables.applications import Application


def application_data(application: Application, month: str) -> dict[str, Any]:
    """Return the fields of an application active in a month (YYYY-MM); one with a prefix belongs to T10."""
    data: dict[str, Any] = {
        "app_id": application.id,
        "month": month,
        "app_name": application.app_name,
        "app_type": application.app_type,
        "app_intro": application.app_intro,
        "app_users": application.app_users,
        "recursive_service": application.recursive_service,
        "app_developer": application.app_developer,
    }
    prefix = application.enterprise_prefix
    return data if prefix is None else {"enterprise_prefix": prefix, **data}


def month_version(month: str, revision: int) -> int:
    """Return the version of an application's row: it grows from month to month, and with each revision of one."""
    year, number = map(int, month.split("-"))
    return (year * 12 + number) * 1_000 + revision
