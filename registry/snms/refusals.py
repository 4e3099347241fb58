"""From what the one service refuses to what clients of this API read."""

import re
from typing import Final

from aiohttp import web

from registry.errors import (
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    Gone,
    InvalidFields,
    InvalidRequest,
    NotFound,
    RegistryError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from registry.snms.envelope import Refusal, Status

BUSY: Final = "系统繁忙"
PLEASE_SIGN_IN: Final = "请先登录"
NOT_PERMITTED: Final = "没有权限"
BAD_HANDLE: Final = "标识不合法"
RETRY_AFTER_S: Final = 2

MESSAGES: Final[dict[str, str]] = {
    "bad_files": "文件不存在或已被关联",
    "certificate_taken": "单位证件已存在",
    "daily_quota_exhausted": "已达到当日注册数量上限",
    "enterprise_name_taken": "单位名称已存在",
    "file_too_large": "文件过大: 图片不超过1MB, PDF不超过5MB",
    "idempotency_key_reused": "Idempotency-Key已用于其他请求",
    "identifier_exists": "标识已存在",
    "identifier_withdrawn": "标识已存在",
    "quota_exhausted": "已达到标识数量上限",
    "rate_limited": "请求过于频繁，请稍后再试",
    "prefix_routed": "前缀未托管在本节点",
    "prefix_suspended": "前缀未启用",
    "prefix_withdrawn": "前缀未启用",
    "prefix_exists": "前缀已存在",
    "request_in_progress": "相同Idempotency-Key的请求正在处理",
    "template_exists": "模板已存在",
    "prefix_reserved": "前缀已存在",
    "prefix_rejected": "前缀未启用",
    "prefix_applied": "前缀未启用",
    "prefix_under_review": "前缀未启用",
    "prefix_withdrawing": "前缀未启用",
    "read_only": "应急接管期间，本节点不受理注册和变更",
    "template_version_exists": "模板已存在",
    "template_in_use": "模板已被标识引用，不能删除",
    "unknown_enterprise": "企业不存在",
    "unknown_file": "文件不存在",
    "unknown_identifier": "没有找到标识",
    "unknown_prefix": "前缀不存在",
    "unknown_template": "模板不存在",
    "username_taken": "用户名已存在",
    "mobile_taken": "手机号已存在",
    "email_taken": "邮箱已存在",
}
"""Texts that clients know, by our codes. Other refusals carry our own message."""


_MEMBERS: Final = {
    "identifier": "handle",
    "industry.category": "industryCategory",
    "industry.specific": "industrySpecific",
    "industry.trade": "industryTrade",
    "industry.subclass": "industrySubclass",
}
"""Members of this API, by the names that the service layer has for them."""
_VALUE = re.compile(r"^values\[[0-9]+\]")


def unknown_prefix(field: str) -> Refusal:
    """Make the refusal of a prefix that is not registered here."""
    code = "unknown_prefix"
    return Refusal(Status.REFUSED, MESSAGES[code], code, field=field, http_status=404)


def refusal_of(error: Exception) -> Refusal | None:
    """Translate whatever a call raised; None for a defect of ours, which the caller logs."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RegistryError):
        return _of_registry(error)
    if isinstance(error, ChangedMeanwhile):
        return Refusal(Status.FAILED, BUSY, "busy", http_status=503, always=True, retry_after_s=RETRY_AFTER_S)
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Refusal(Status.REFUSED, "请求体过大", "body_too_large", http_status=413, always=True)
    if isinstance(error, web.HTTPException):
        return Refusal(Status.REFUSED, error.reason, "bad_request", http_status=error.status_code, always=True)
    return None


def _of_registry(error: RegistryError) -> Refusal:
    field = _field(error)
    if isinstance(error, Unauthenticated):
        return Refusal(Status.NOT_SIGNED_IN, PLEASE_SIGN_IN, error.code, http_status=401)
    if isinstance(error, Forbidden):
        return Refusal(Status.NOT_PERMITTED, NOT_PERMITTED, error.code, http_status=403)
    if isinstance(error, Unavailable):
        return Refusal(Status.FAILED, BUSY, error.code, http_status=503, always=True, retry_after_s=RETRY_AFTER_S)
    message = MESSAGES.get(error.code) or _message(error, field)
    http_status = error.status if isinstance(error, NotFound | Conflict | Gone) else 400
    before_the_api = isinstance(error, TooLarge | UnsupportedMediaType | TooManyRequests)
    return Refusal(
        Status.REFUSED,
        message,
        error.code,
        field=field,
        http_status=error.status if before_the_api else http_status,
        always=before_the_api,
        retry_after_s=error.retry_after_s if isinstance(error, TooManyRequests) else 0,
    )


def _field(error: RegistryError) -> str | None:
    field = error.errors[0].field if error.errors else None
    if field is None:
        return None
    # Values are counted otherwise here: that of the template's version is none of the request's.
    return _MEMBERS.get(field) or _VALUE.sub("value[]", field).replace("value[].data", "value[].data.value")


def _message(error: RegistryError, field: str | None) -> str:
    """Say what is wrong where clients know no text for it: the first field at fault and its fault."""
    if field == "handle" and isinstance(error, InvalidRequest):
        return f"{BAD_HANDLE}: {error.message}"
    if isinstance(error, InvalidFields) and field:
        return f"参数{field.rpartition('.')[2]}取值不合法: {error.errors[0].message}"
    return error.message
