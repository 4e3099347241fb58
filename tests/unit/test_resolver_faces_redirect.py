"""Where a link leads: what a client appends never leads it to another place."""

import pytest

from resolver.faces.handle_query import Wanted
from resolver.faces.proxy.choice import Chooser
from resolver.faces.proxy.way import Directions, way_of
from resolver.record import Record, render
from tests.unit.replica_states import identifier_state, url


@pytest.mark.parametrize(
    ("appended", "location"),
    [
        ("/more", "https://good.example/more"),
        ("?a=1", "https://good.example?a=1"),
        ("#part", "https://good.example#part"),
        (".evil.example", "https://good.example"),
        ("@evil.example", "https://good.example"),
        (":8443/", "https://good.example"),
        ("[", "https://good.example"),
        ("\r\nSet-Cookie: a=b", "https://good.example"),
    ],
)
def test_text_can_be_appended_to_a_url_but_not_to_its_host(appended: str, location: str) -> None:
    record = Record(render(identifier_state("88.118.8/SN1", url("https://good.example"))))
    assert way_of(record, "88.118.8/SN1", Directions(Wanted(), Chooser(), appended)).location == location
