"""What an enterprise is told about emergency take-over, and has to accept, when it applies (docking agreement, 19)."""

from typing import Final

VERSION: Final = "2025-11"
"""Changes with the text; what an enterprise accepted is kept with it."""
TEXT: Final = (
    "Should this node be unable to go on, the national side may have another body take over its service. That body "
    "then receives the registration data of your enterprise and of your identifiers from the data this node has "
    "deposited, and answers look-ups in its place. While the take-over lasts, identifiers may not be registered or "
    "changed here. It ends when this node has recovered, when a new provider has been appointed, or on another "
    "condition that the national side sets.\n\n"
    "若本节点无法继续提供服务，国家顶级节点可安排其他机构应急接管。接管机构将从本节点托管的数据中取得贵单位的"
    "主体信息和标识注册数据，并代为提供解析服务。接管期间，本节点可能暂停标识的注册和变更。本节点恢复服务、"
    "指定新的服务机构或满足其他终止条件时，接管结束。"
)
