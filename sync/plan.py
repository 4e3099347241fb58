"""From a scope's journal changes to what is sent, withheld or passed over: decided first, without any I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sync.batch import Period
from sync.tables.table import Draft, JournalTable, Operation, Reported, Standing


@dataclass(frozen=True, slots=True)
class Withheld:
    """A row not fit to be sent; it waits as an open item until its owner corrects the data."""

    draft: Draft
    standing: Standing


@dataclass(frozen=True, slots=True)
class Plan:
    """What one scope's changes come to. `periods` are in order, the drafts of a period in journal order."""

    periods: Mapping[Period, Sequence[Draft]]
    withheld: Sequence[Withheld]
    nothing_to_tell: Sequence[str]
    """Keys that came and went without the collector ever hearing of them."""


_History: TypeAlias = dict[Period, list[tuple[int, Reported]]]
"""One key's changes with their positions in the journal, by period."""


def plan(table: JournalTable, changes: Sequence[Reported], standings: Mapping[str, Standing]) -> Plan:
    """Plan the changes of one scope, in journal order.

    `standings` holds the keys that do not simply follow the journal (`report_rejections`): for every other key the
    collector holds it unless its first change here creates it.
    """
    placed: list[tuple[Period, int, Draft]] = []
    withheld: dict[str, Withheld] = {}
    silent: list[str] = []
    for key, history in _by_key(table, changes).items():
        drafts, held_back = _plan_key(table, history, standings.get(key, Standing.PRESENT))
        placed.extend(drafts)
        if held_back is not None:
            withheld[key] = held_back
        elif not drafts:
            silent.append(key)
    # The position is that of the key's last change of the period, so rows stand in journal order; the sort is stable,
    # which keeps the two rows of "delete, then add" in theirs.
    placed.sort(key=lambda item: (item[0].start, item[1]))
    periods: dict[Period, list[Draft]] = {}
    for period, _, draft in placed:
        periods.setdefault(period, []).append(draft)
    return Plan(periods, list(withheld.values()), silent)


def _by_key(table: JournalTable, changes: Iterable[Reported]) -> dict[str, _History]:
    """Group by key and period; a clock set back never moves a change before an earlier one of its key."""
    histories: dict[str, _History] = {}
    for position, change in enumerate(changes):
        history = histories.setdefault(change.key, {})
        period, last = table.period(change.at), next(reversed(history), None)
        if last is not None and last.start > period.start:
            period = last
        history.setdefault(period, []).append((position, change))
    return histories


def _plan_key(
    table: JournalTable, history: _History, standing: Standing
) -> tuple[list[tuple[Period, int, Draft]], Withheld | None]:
    """Plan one key over its periods; what is told of one is what stands before the next."""
    placed: list[tuple[Period, int, Draft]] = []
    withheld: Withheld | None = None
    for period, items in history.items():
        changes = [change for _, change in items]
        if changes[0].op == "create":
            standing = Standing.ABSENT
        drafts = _sendable(table.collapse(changes, standing))
        position = items[-1][0]
        placed.extend((period, position, draft) for draft in drafts if not draft.change.problem)
        standing, withheld = _afterwards(changes[-1], drafts, standing)
    return placed, withheld


def _sendable(drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """Leave out both rows of something that came and went unfit: nobody can correct it any more."""
    first_is_unfit = bool(drafts) and drafts[0].change.problem is not None
    return () if first_is_unfit and drafts[-1].operation is Operation.DELETE else drafts


def _afterwards(last: Reported, drafts: tuple[Draft, ...], standing: Standing) -> tuple[Standing, Withheld | None]:
    if last.op == "withdraw":
        return Standing.ABSENT, None
    draft = drafts[-1]
    if draft.change.problem is None:
        return Standing.PRESENT, None
    if draft.operation is Operation.ADD and standing is Standing.PRESENT:
        standing = Standing.ABSENT  # deleted, and the new one is unfit
    return standing, Withheld(draft, standing)
