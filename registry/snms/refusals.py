"""From what the one service refuses to what clients of this API read."""

from typing import Final

from aiohttp import web

from registry.errors import (
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    Gone,
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
RETRY_AFTER_S: Final = 2

MESSAGES: Final[dict[str, str]] = {
    "bad_files": "文件不存在或已被关联",
    "certificate_taken": "单位证件已存在",
    "enterprise_name_taken": "单位名称已存在",
    "identifier_exists": "标识已存在",
    "identifier_withdrawn": "标识已存在",
    "prefix_routed": "前缀未托管在本节点",
    "prefix_suspended": "前缀未启用",
    "prefix_withdrawn": "前缀未启用",
    "prefix_exists": "前缀已存在",
    "template_exists": "模板已存在",
    "prefix_reserved": "前缀已存在",
    "prefix_rejected": "前缀未启用",
    "prefix_applied": "前缀未启用",
    "prefix_under_review": "前缀未启用",
    "prefix_withdrawing": "前缀未启用",
    "template_version_exists": "模板已存在",
    "template_in_use": "模板已被标识引用，不能删除",
    "unknown_identifier": "没有找到标识",
    "unknown_prefix": "前缀不存在",
    "unknown_template": "模板不存在",
    "username_taken": "用户名已存在",
    "mobile_taken": "手机号已存在",
    "email_taken": "邮箱已存在",
}
"""Texts that clients know, by our codes. Other refusals carry our own message."""


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
    field = error.errors[0].field if error.errors else None
    if isinstance(error, Unauthenticated):
        return Refusal(Status.NOT_SIGNED_IN, PLEASE_SIGN_IN, error.code, http_status=401)
    if isinstance(error, Forbidden):
        return Refusal(Status.NOT_PERMITTED, NOT_PERMITTED, error.code, http_status=403)
    if isinstance(error, Unavailable):
        return Refusal(Status.FAILED, BUSY, error.code, http_status=503, always=True, retry_after_s=RETRY_AFTER_S)
    message = MESSAGES.get(error.code) or error.message
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
