"""The monthly report's arithmetic and documents: availability, working days, plots, and what every document says."""

import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from registry.tables.node_events import Outage
from registry.tables.service_notes import Contact
from sync.monthly import annex5
from sync.monthly.availability import availability, mean_cut
from sync.monthly.figures import DayFigure, Figures, MonthFigure, bounds, months_until, report_of
from sync.monthly.making import render
from sync.monthly.plots import Label, draw, plots_of, png, svg
from sync.monthly.working_days import CalendarUnusable, WorkingDays, read_calendar
from sync.top_node.monthly import check_report

START, END = bounds("2031-04")
HOUR = timedelta(hours=1)


def outage(begin: float, end: float | None, service: str = "resolution") -> Outage:
    """Return an outage, in seconds from the beginning of the month."""
    return Outage(
        f"{begin}-{end}-{service}",
        service,  # type: ignore[arg-type]  # a text of the test's own
        START + timedelta(seconds=begin),
        None if end is None else START + timedelta(seconds=end),
    )


def test_a_month_is_that_of_beijing() -> None:
    assert bounds("2031-04") == (datetime(2031, 3, 31, 16, tzinfo=UTC), datetime(2031, 4, 30, 16, tzinfo=UTC))
    assert months_until("2031-02") == ["2030-09", "2030-10", "2030-11", "2030-12", "2031-01", "2031-02"]


def test_a_second_in_which_two_services_failed_counts_once() -> None:
    known = availability(START, END, START, [outage(100, 200, "registration"), outage(150, 300), outage(160, 170)])
    assert known is not None
    assert known.failed_us == 200 * 1_000_000
    assert known.total_us == 30 * 86_400 * 1_000_000


def test_figures_are_cut_off_and_not_rounded() -> None:
    known = availability(START, END, START, [outage(0, 155)])
    assert known is not None
    assert (known.percent, known.hours) == (99.994, 719.9)
    almost = availability(START, END, START, [outage(0, 0.000001)])
    assert almost is not None
    assert (almost.percent, almost.hours) == (99.999, 719.9)
    assert mean_cut([99.999, 100.0, 99.987, 100.0, 99.998, 99.994], 3) == 99.996


def test_a_month_counts_from_the_node_going_live_and_outages_are_cut_at_its_bounds() -> None:
    live = START + HOUR
    known = availability(START, END, live, [outage(0, 3600 + 60), outage(-500, 100), outage(30 * 86_400 - 30, None)])
    assert known is not None
    assert known.total_us == (30 * 86_400 - 3600) * 1_000_000
    assert known.failed_us == 90 * 1_000_000
    assert availability(START, END, None, []) is None
    assert availability(START, END, END, []) is None


def test_working_days_without_a_calendar_are_monday_to_friday_and_provisional() -> None:
    days = WorkingDays()
    assert [days.after("2031-04", number) for number in (1, 3, 10)] == [
        date(2031, 5, 1),
        date(2031, 5, 5),
        date(2031, 5, 14),
    ]
    assert days.is_provisional("2031-04")


def test_holidays_are_left_out_and_make_up_days_count(tmp_path: Path) -> None:
    file = tmp_path / "days.json"
    file.write_text('{"2031": {"holidays": ["2031-05-01", "2031-05-02"], "working_days": ["2031-05-04"]}}')
    days = read_calendar(file)
    assert days.after("2031-04", 3) == date(2031, 5, 6)
    assert not days.is_provisional("2031-04")
    assert days.is_provisional("2031-12")


@pytest.mark.parametrize("content", ["[]", "{", '{"2031": {"holiday": []}}', '{"2031": {"holidays": ["1 May"]}}'])
def test_a_calendar_that_is_none_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "days.json"
    file.write_text(content)
    with pytest.raises(CalendarUnusable, match=r"days\.json"):
        read_calendar(file)
    with pytest.raises(CalendarUnusable, match="cannot be read"):
        read_calendar(tmp_path / "none")


def figures(remedy: str = "切换 <备用> & 链路") -> Figures:
    days = [DayFigure(date(2031, 4, day), None if day == 7 else 0.2, 3.5, day * 1000) for day in range(1, 31)]
    months = [MonthFigure(month, 99.994, 719.9) for month in months_until("2031-04")]
    stop = {"started_at": "2031-04-12T18:00:00Z", "ended_at": "2031-04-12T18:02:35Z", "description": "数据库升级"}
    emergency = {"started_at": "2031-04-20T01:00:00Z", "cause": "上联光缆中断", "remedy": remedy}
    return Figures(
        "2031-04",
        "88.118",
        "示例标识运营有限公司",
        months,
        days,
        3.412,
        0.187,
        0.0001,
        0.42,
        [stop],
        [emergency],
        is_whole=True,
    )


def test_the_report_is_as_the_contract_describes_it() -> None:
    report = report_of(figures(), revision=0, now=END, documents=[])
    check_report(report, "88.118", "2031-04")
    assert report["sla_average"] == 99.994
    assert report["running_hours_average"] == 719.9
    assert report["x_p99_seconds"] == 0.42
    assert "recovered_at" not in report["emergencies"][0]


def test_every_document_says_the_same_figures_in_chinese() -> None:
    documents = {one.name: one.content for one in render(figures())}
    assert set(documents) == {"88.118-2031-04.docx", "88.118-2031-04.html", "88.118-2031-04.pdf"}
    page = documents["88.118-2031-04.html"].decode()
    with zipfile.ZipFile(io.BytesIO(documents["88.118-2031-04.docx"])) as parts:
        text = "".join(ET.fromstring(parts.read("word/document.xml")).itertext())  # noqa: S314 - our own
        pictures = [name for name in parts.namelist() if name.endswith(".png")]
    for said in (
        "二级节点系统运行月报（2031 年 4 月）",
        "99.994",
        "719.9",
        "3.412",
        "0.187",
        "0.0001",
        "2031-04-13 02:00:00",
    ):
        assert said in page, said
        assert said in text, said
    assert len(pictures) == page.count("<svg") == 3
    assert "切换 &lt;备用&gt; &amp; 链路" in page
    assert "切换 <备用> & 链路" in text
    assert documents["88.118-2031-04.pdf"].startswith(b"%PDF-")
    assert b"STSong-Light" in documents["88.118-2031-04.pdf"]


def test_the_same_figures_make_the_same_pdf_and_page() -> None:
    first, second = render(figures()), render(figures())
    assert [one.sha256 for one in first if not one.name.endswith("docx")] == [
        one.sha256 for one in second if not one.name.endswith("docx")
    ]


def test_plots_show_gaps_and_have_short_ticks() -> None:
    sla, rtt, requests = plots_of(figures())
    ticks = [shape.text for shape in draw(rtt) if isinstance(shape, Label) and shape.anchor == "end"]
    assert ticks == ["0", "1", "2", "3", "4"]
    assert [shape.text for shape in draw(requests) if isinstance(shape, Label) and shape.anchor == "end"][
        -1
    ] == "40,000"
    assert svg(rtt).count('stroke-width="1.5"') == 29 + 27
    with Image.open(io.BytesIO(png(sla))) as picture:
        assert picture.size == (1280, 480)


def test_a_month_without_any_look_up_has_plots_all_the_same() -> None:
    empty = Figures(
        "2031-04",
        "88.118",
        "示例",
        [MonthFigure("2031-04", 0.0, 0.0)],
        [DayFigure(date(2031, 4, 1), None, None, 0)],
        None,
        None,
        None,
        None,
        [],
        [],
        is_whole=True,
    )
    page = next(one for one in render(empty) if one.name.endswith("html")).content.decode()
    assert "本月无样本" in page
    assert "紧急情况：无" in page
    check_report(report_of(empty, revision=0, now=END, documents=[]), "88.118", "2031-04")


def test_the_form_of_a_changed_contact_names_both() -> None:
    now = datetime(2031, 5, 6, tzinfo=UTC)
    before, after = (
        Contact(number, name, f"+86 {number}", f"{number}@example.com", "operator", now, None)
        for number, name in ((1, "旧联系人"), (2, "新联系人"))
    )
    octets = annex5.render(before, after, "示例标识运营有限公司", date(2031, 5, 6))
    with zipfile.ZipFile(io.BytesIO(octets)) as parts:
        text = "".join(ET.fromstring(parts.read("word/document.xml")).itertext())  # noqa: S314 - our own
    for said in (
        "应急联系人变更确认单",
        "旧联系人",
        "新联系人",
        "+86 1",
        "2@example.com",
        "示例标识运营有限公司（"[:-1],
        "2031 年 5 月 6 日",
    ):
        assert said in text, said
