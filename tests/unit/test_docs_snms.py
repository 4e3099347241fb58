"""docs/snms.md names every call there is."""

import re
from pathlib import Path

from registry.snms.routes import ROUTES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "snms.md").read_text(encoding="utf-8")
CALL = re.compile(r"^\| `(?P<method>[A-Z]+) (?P<path>/[^`]+)` \|", re.MULTILINE)


def test_every_call_is_named_and_no_other_is() -> None:
    documented = {(row["method"], row["path"]) for row in CALL.finditer(DOCUMENT)}
    assert documented == {(route.method, route.path) for route in ROUTES}
