"""The simulator's pages for people: what came, what is missing, and the desk from which faults and directives go."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from sync.collecting.header import TABLES
from sync.collecting.problems import Problem
from sync.top_node.control import is_loopback
from sync.top_node.directives import KINDS
from sync.top_node.faults import Faults, FaultSource
from sync.top_node.filing import InThread
from sync.top_node.html import Markup, bars, document, each, facts, markup, period_grid, table, tiles
from sync.top_node.overview import Overview, overview
from sync.top_node.store import Store

REFRESH_S: Final = 5
SHOWN_MAX: Final = 20
ROWS_SHOWN: Final = 100
REJECTIONS_SHOWN: Final = 12

TITLES: Final = {
    "T1": "节点运行单位 Operator of the node",
    "T2": "节点解析配置 Where the node resolves",
    "T3": "节点统计 Statistics of the node",
    "T4": "节点元数据 Templates of the node",
    "T5": "节点业务数据 Applications of the node",
    "T6": "企业主体 Enterprises",
    "T7": "企业解析路由 Routes of enterprises",
    "T8": "企业统计 Statistics of enterprises",
    "T9": "企业主数据 Identifiers",
    "T10": "企业业务数据 Applications of enterprises",
    "T11": "企业元数据 Templates of enterprises",
    "M1": "节点运行监测 Performance of the node",
    "M2": "企业运行监测 Performance of enterprises",
    "E1": "节点事件 Events of the node",
    "E2": "企业事件 Events of enterprises",
}
"""The tables' names, in both languages."""


class Pages:
    """Handlers of / , /desk and /tables/{table}."""

    def __init__(
        self,
        store: Store,
        faults: FaultSource,
        in_thread: InThread,
        now: Callable[[], datetime],
        inbox: Path | None = None,
    ) -> None:
        self._store = store
        self._faults = faults
        self._in_thread = in_thread
        self._now = now
        self._inbox = inbox

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the pages."""
        router.add_get("/", self._overview)
        router.add_get("/desk", self._desk)
        router.add_get("/tables/{table}", self._table)

    async def _overview(self, _: web.Request) -> web.Response:
        shown = await self._in_thread(lambda: overview(self._store.book, self._inbox, self._now()))
        monthly = await self._in_thread(lambda: self._store.monthly.newest(SHOWN_MAX))
        directives = await self._in_thread(lambda: self._store.directives.newest(SHOWN_MAX))
        parts = [
            self._warning(),
            _totals(shown),
            markup("<h2>Tables 各表</h2>"),
            _tables(shown),
            markup("<h2>Periods received and missing 各周期到达情况</h2>"),
            period_grid(shown.periods),
            markup("<h2>Newest rejections 最新拒绝</h2>"),
            table(shown.rejections[:REJECTIONS_SHOWN]),
            markup("<h2>Events 事件</h2>"),
            table(shown.events),
            markup("<h2>Monthly reports 运行月报</h2>"),
            _monthly(monthly),
            markup("<h2>Escrow deposits 数据托管</h2>"),
            table(shown.deposits) if self._inbox is not None else markup("<p class=none>no inbox: see --inbox</p>"),
            markup("<h2>Directives 指令</h2>"),
            table(directives),
            markup("<h2>Streams 上报流</h2>"),
            table(shown.streams),
            markup("<h2>Newest rows 最新数据</h2>"),
            table(shown.rows),
        ]
        return _html(document("Overview", parts, refresh_s=REFRESH_S))

    async def _table(self, request: web.Request) -> web.Response:
        name = request.match_info["table"]
        if name not in TABLES:
            raise Problem(404, "unknown_table", f"{name} is no table of the contract")
        after = (request.query.get("after_scope", ""), request.query.get("after_key", ""))
        rows = await self._in_thread(lambda: self._store.rows(name, None, after, ROWS_SHOWN))
        batches = await self._in_thread(lambda: self._store.batches(name, SHOWN_MAX))
        more = ""
        if len(rows) == ROWS_SHOWN:
            more = urlencode({"after_scope": rows[-1]["scope"], "after_key": rows[-1]["key"]})
        parts = [
            markup("<h2>Rows held 现有数据</h2>"),
            each(rows, lambda row: facts(f"{row['key']} · v{row['ver']}", row["data"], deleted=row["deleted"])),
            markup(f'<p><a href="?{more}">more</a></p>') if more else markup(""),
            markup("<h2>Newest batches 最新批次</h2>"),
            table([_batch(one) for one in batches]),
        ]
        return _html(document(f"{name} {TITLES[name]}", parts))

    async def _desk(self, request: web.Request) -> web.Response:
        if not is_loopback(request.remote):
            raise Problem(403, "forbidden", "only for this machine")
        directives = await self._in_thread(lambda: self._store.directives.newest(SHOWN_MAX))
        parts = [
            markup("<h2>Faults 故障注入</h2>"),
            _fault_form(self._faults.faults),
            markup("<h2>Issue a directive 下发指令</h2>"),
            _directive_form(),
            markup("<h2>Loss of data 数据丢失</h2>"),
            markup(
                '<p><button data-post="/control/checkpoint">Checkpoint</button> '
                '<button data-post="/control/lose">Lose what came after it</button></p>'
            ),
            markup("<h2>Directives and answers 指令与回执</h2>"),
            table(directives),
            markup(_SCRIPT),
        ]
        return _html(document("Desk 操作台", parts))

    def _warning(self) -> Markup:
        faults = self._faults.faults
        wrong = {name: value for name, value in faults.told().items() if value != Faults().told()[name]}
        if not wrong:
            return markup("")
        return bars("Misbehaving on purpose", [f"{name} = {value:g}" for name, value in wrong.items()])


def _totals(shown: Overview) -> Markup:
    def total(name: str) -> int:
        return sum(one[name] or 0 for one in shown.tables)

    return tiles(
        {
            "rows held": total("held"),
            "batches": total("batches"),
            "rows accepted": total("accepted"),
            "rows rejected": total("rejected"),
            "files": shown.files,
            "signed by": ", ".join(shown.keys) or "–",
        }
    )


def _tables(shown: Overview) -> Markup:
    rows = []
    for one in shown.tables:
        name = one["table"]
        link = markup(f'<a href="/tables/{name}">{name}</a>')
        rows.append({"table": link, "about": TITLES[name]} | {key: one[key] for key in one if key != "table"})
    return table(rows)


def _batch(one: dict[str, Any]) -> dict[str, Any]:
    period = " – ".join(dict.fromkeys((one["period_start"], one["period_end"])))
    return {
        "sequence": one["sequence"],
        "scope": one["scope"],
        "mode": one["mode"] if one["covers"] is None else f"covers {one['covers']}",
        "period": f"{one['period_kind']} {period}",
        "rows": one["row_count"],
        "accepted": one["rows_accepted"],
        "rejected": one["rows_rejected"],
        "received_at": one["received_at"],
        "signed_by": one["keyid"],
        "batch_id": one["batch_id"],
    }


def _monthly(reports: list[dict[str, Any]]) -> Markup:
    return table(
        [
            {
                "month": one["month"],
                "reporter": one["reporter"],
                "revision": one["revision"],
                "sla_percent": one["report"]["sla_percent"],
                "sla_average": one["report"]["sla_average"],
                "registration_rtt_ms": one["report"].get("registration_rtt_ms"),
                "resolution_rtt_ms": one["report"].get("resolution_rtt_ms"),
                "running_hours": one["report"]["running_hours_history"][-1]["hours"],
                "emergencies": len(one["report"]["emergencies"]),
                "received_at": one["received_at"],
                "in_time": "yes" if one["in_time"] else "late",
            }
            for one in reports
        ]
    )


def _fault_form(faults: Faults) -> Markup:
    fields = "".join(
        f'<label>{name}<input name="{name}" value="{value:g}" inputmode="decimal"></label>'
        for name, value in faults.told().items()
    )
    return markup(f'<form data-post="/control/faults" class=grid>{fields}<button>Set</button></form>')


def _directive_form() -> Markup:
    kinds = "".join(f"<option>{kind}</option>" for kind in KINDS)
    example = json.dumps({"table": "T9", "scope": "88.118.8"})
    return markup(
        '<form data-post="/control/directives" class=grid><label>reporter<input name=reporter required></label>'
        f"<label>kind<select name=kind>{kinds}</select></label>"
        f"<label>body<textarea name=body rows=3>{example}</textarea></label>"
        "<label>reason<input name=reason></label><button>Issue</button></form>"
    )


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": _POLICY})


_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_SCRIPT: Final = """<p id=said></p><script>
async function post(path, told) {
  const answer = await fetch(path, {method: "POST", body: JSON.stringify(told)})
  const text = await answer.text()
  document.getElementById("said").textContent = answer.ok ? "done " + text : "refused " + text
  if (answer.ok) setTimeout(() => location.reload(), 1500)
}
for (const form of document.querySelectorAll("form[data-post]")) form.onsubmit = event => {
  event.preventDefault()
  const told = Object.fromEntries(new FormData(form))
  try { if (told.body !== undefined) told.body = JSON.parse(told.body) }
  catch (error) { document.getElementById("said").textContent = "body: " + error; return }
  post(form.dataset.post, told)
}
for (const button of document.querySelectorAll("button[data-post]"))
  button.onclick = () => post(button.dataset.post, {})
</script>"""
