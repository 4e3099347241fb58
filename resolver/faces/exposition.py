"""One Prometheus exposition out of several: each family described once, each sample labelled with its process."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_DESCRIPTION: Final = re.compile(r"# (HELP|TYPE) ([A-Za-z_:][A-Za-z0-9_:]*) (.*)")
_SAMPLE: Final = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? ([^ ]+)(?: -?[0-9]+)?")


@dataclass(slots=True)
class _Family:
    help: str = ""
    type: str = "untyped"
    samples: list[str] = field(default_factory=list)


def merged(expositions: Iterable[tuple[str, str]]) -> str:
    """Merge (process, text) pairs. Lines of another form are dropped: one broken file must not spoil the scrape."""
    families: dict[str, _Family] = {}
    for process, text in expositions:
        _take(families, process, text)
    return "".join(
        f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n" + "".join(family.samples)
        for name, family in families.items()
        if family.samples
    )


def _take(families: dict[str, _Family], process: str, text: str) -> None:
    name = ""
    label = f'process="{_escaped(process)}"'
    for line in text.splitlines():
        if description := _DESCRIPTION.fullmatch(line):
            name = description[2]
            family = families.setdefault(name, _Family())
            if description[1] == "HELP":
                family.help = description[3]
            else:
                family.type = description[3]
        elif (sample := _SAMPLE.fullmatch(line)) and name and sample[1].startswith(name):
            labels = f"{label},{sample[2]}" if sample[2] else label
            families[name].samples.append(f"{sample[1]}{{{labels}}} {sample[3]}\n")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
