"""The settings and their documentation say the same."""

import re
from pathlib import Path

from node.setting_table import SETTINGS, SettingRow

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
LINE = re.compile(
    r"^\| `(?P<name>[a-z0-9_.]+)` \| (?P<form>.*) \| (?P<unit>.*) \| (?P<default>.*) \| (?P<meaning>.*) \|$",
    re.MULTILINE,
)


def documented(row: SettingRow) -> tuple[str, str, str, str]:
    if isinstance(row.default, bool):
        return row.form, row.unit or "–", f"`{str(row.default).lower()}`", row.meaning
    default = f"{row.default:,}" if isinstance(row.default, int) else f"`{row.default}`" if str(row.default) else "none"
    return row.form, row.unit or "–", default, row.meaning


def test_every_setting_is_documented_as_it_is_and_nothing_else_is() -> None:
    lines = LINE.finditer(DOCUMENT.read_text(encoding="utf-8"))
    found = {line["name"]: (line["form"], line["unit"], line["default"], line["meaning"]) for line in lines}
    assert found == {name: documented(row) for name, row in SETTINGS.items()}


def test_no_two_settings_share_an_environment_variable() -> None:
    assert len({row.environment_name for row in SETTINGS.values()}) == len(SETTINGS)
