"""The words of the report in Chinese, as the form of annex 3 wants them: the same for every kind of document."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sync.monthly.figures import Figures, hours_average, sla_average

NONE: Final = "无"
NO_SAMPLES: Final = "本月无样本"
_BEIJING: Final = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its title; the first row is its head."""

    title: str
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading with what stands below it; `plots` are names of plots shown behind the sheets."""

    heading: str
    paragraphs: list[str]
    sheets: list[Sheet]
    plots: tuple[str, ...] = ()


def title(figures: Figures) -> str:
    """Return the report's title."""
    return f"二级节点系统运行月报（{_month(figures.month)}）"


def cover(figures: Figures) -> list[str]:
    """Return the lines of the cover below the title."""
    return [f"二级节点运行单位：{figures.operator_name}", f"二级节点标识前缀：{figures.node_prefix}"]


def chapters(figures: Figures) -> list[Chapter]:
    """Return the body of the report."""
    return [_summary(figures), _availability(figures), _indicators(figures), _hours(figures), _stops(figures)]


def _summary(figures: Figures) -> Chapter:
    this = figures.months[-1]
    text = (
        f"{_month(figures.month)}，{figures.operator_name}运行的二级节点（标识前缀 {figures.node_prefix}）"
        f"提供标识注册和标识解析服务，本月服务可用性（SLA）为 {this.percent:.3f}%，运营时长 {this.hours:.1f} 小时。"
    )
    more = [] if figures.is_whole else ["本月尚未结束，以下数据统计至生成时刻。"]
    return Chapter("1 摘要", [text, *more], [])


def _availability(figures: Figures) -> Chapter:
    rows = [["月份", "SLA（%）"], *([one.month, f"{one.percent:.3f}"] for one in figures.months)]
    rows.append(["平均 SLA", f"{sla_average(figures):.3f}"])
    return Chapter("2 服务情况", [], [Sheet("表 1 服务可用性", rows)], ("sla",))


def _indicators(figures: Figures) -> Chapter:
    hours = figures.effective_hours
    rows = [
        ["指标", "数值"],
        ["标识注册 RTT（毫秒）", _ms(figures.registration_rtt_ms)],
        ["标识解析 RTT（毫秒）", _ms(figures.resolution_rtt_ms)],
        ["标识注册生效时间（小时）", NO_SAMPLES if hours is None else f"{hours:.4f}"],
    ]
    return Chapter("", [], [Sheet("表 2 服务指标", rows)], ("rtt", "requests"))


def _hours(figures: Figures) -> Chapter:
    rows = [["月份", "运营时长（小时）"], *([one.month, f"{one.hours:.1f}"] for one in figures.months)]
    rows.append(["平均运营时长", f"{hours_average(figures):.1f}"])
    return Chapter("", [], [Sheet("表 3 运营时长", rows)])


def _stops(figures: Figures) -> Chapter:
    stops = [["开始时间", "结束时间", "说明"]]
    stops += [[_time(one, "started_at"), _time(one, "ended_at"), one["description"]] for one in figures.maintenance]
    emergencies = [["发生时间", "恢复时间", "原因", "处理措施"]]
    emergencies += [
        [_time(one, "started_at"), _time(one, "recovered_at"), one["cause"], one["remedy"]]
        for one in figures.emergencies
    ]
    sheets, paragraphs = [], []
    for name, rows in (("停机维护", stops), ("紧急情况", emergencies)):
        if len(rows) > 1:
            sheets.append(Sheet(name, rows))
        else:
            paragraphs.append(f"{name}：{NONE}")
    return Chapter("3 停机维护与紧急情况", paragraphs, sheets)


def _month(month: str) -> str:
    return f"{month[:4]} 年 {int(month[5:])} 月"


def _ms(value: float | None) -> str:
    return NO_SAMPLES if value is None else f"{value:.3f}"


def _time(told: dict[str, Any], name: str) -> str:
    if told.get(name) is None:
        return "—"
    return f"{datetime.fromisoformat(told[name]) + _BEIJING:%Y-%m-%d %H:%M:%S}"
