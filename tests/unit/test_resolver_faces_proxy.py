"""Which location a link leads to, and what else a record brings along (Handle over HTTP, 12)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.values import Value
from resolver.faces.handle_query import Wanted
from resolver.faces.proxy.choice import Chooser, choose, conditions_of
from resolver.faces.proxy.locations import XML_OCTETS_MAX, BadLocations, Locations, locations_of, parse_locations
from resolver.faces.proxy.record_headers import LINKS_MAX, OCTETS_MAX, headers_of
from resolver.faces.proxy.way import Directions, way_of
from resolver.record import Record, render
from tests.unit.replica_states import identifier_state, url

NAME = "88.118.8/A b/c"
EXAMPLE = (
    '<locations><location id="0" href="http://uk.example.com/" country="gb" weight="0"/>'
    '<location id="1" href="http://www1.example.com/" weight="1"/>'
    '<location id="2" href="http://www2.example.com/" weight="1"/></locations>'
)


def loc(xml: str, index: int = 1, type_: str = "10320/loc") -> Value:
    return Value(index, type_, xml.encode())


def locations(xml: str, *others: Value) -> Locations:
    return locations_of([loc(xml), *others], NAME)[0]


def always(number: float) -> Callable[[], float]:
    return lambda: number


def chosen(xml: str, *others: Value, locatt: tuple[str, ...] = (), chance: float = 0.0, **client: str) -> str | None:
    found = choose(locations(xml, *others), Chooser(conditions_of(locatt), chance=always(chance), **client))
    return None if found is None else found.location.attributes.get("id", found.location.href)


@pytest.mark.parametrize(
    ("country", "locatt", "chance", "expected"),
    [
        ("GB", (), 0.9, "0"),
        ("gb", (), 0.0, "0"),
        ("us", (), 0.0, "1"),
        ("us", (), 0.49, "1"),
        ("us", (), 0.51, "2"),
        ("", (), 0.0, "1"),
        ("", (), 0.99, "2"),
        ("us", ("id:1",), 0.9, "1"),
        ("us", ("country:gb",), 0.9, "0"),
        ("us", ("country:us",), 0.1, "1"),
        ("gb", ("country:us",), 0.9, "0"),
        ("us", ("country",), 0.9, "0"),
        ("us", ("id:1", "country:gb"), 0.9, "2"),
        ("us", ("ID:1",), 0.9, "2"),
    ],
)
def test_the_example_of_the_rules(country: str, locatt: tuple[str, ...], chance: float, expected: str) -> None:
    assert chosen(EXAMPLE, locatt=locatt, chance=chance, country=country) == expected


def test_chance_follows_the_weights() -> None:
    xml = (
        '<locations><location id="a" href="http://a/" weight="3"/><location id="b" href="http://b/" weight="1"/>'
        '<location id="c" href="http://c/" weight="-5"/></locations>'
    )
    seen: dict[str | None, int] = {}
    for number in range(100):
        name = chosen(xml, chance=number / 100)
        seen[name] = seen.get(name, 0) + 1
    assert seen == {"a": 75, "b": 25}
    level = xml.replace('"3"', '"0"').replace('"1"', '"0"')
    assert [chosen(level, chance=at) for at in (0.0, 0.5, 0.9)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("root", "client", "expected"),
    [
        ("", {"address": "192.0.2.9"}, "near"),
        ("", {"address": "198.51.100.1"}, "best"),
        ("", {"address": "not an address"}, "best"),
        ('chooseby="weighted"', {"address": "192.0.2.9"}, "heavy"),
        ('choose_by="nonsense, score"', {}, "best"),
        ('chooseby=""', {}, "heavy"),
    ],
)
def test_methods_decide_in_their_order(root: str, client: dict[str, str], expected: str) -> None:
    xml = (
        f'<locations {root}><location id="near" href="http://n/" addresses="junk, 192.0.2.0/24" weight="0"/>'
        '<location id="heavy" href="http://h/" weight="9"/><location id="best" href="http://b/" score="2" weight="0"/>'
        "</locations>"
    )
    assert chosen(xml, **client) == expected


@pytest.mark.parametrize(
    ("accept", "language", "expected"),
    [
        ("text/html", "", "page"),
        ("", "", "other"),
        ("*/*", "", "other"),
        ("application/x-bibtex", "", "bib"),
        ("application/rdf+xml;q=0.5, application/x-bibtex;q=0.9", "", "bib"),
        ("application/rdf+xml, application/x-bibtex;q=0.1", "", "rdf"),
        ("application/unknown", "", "bib"),
    ],
)
def test_what_a_client_accepts_chooses_where_locations_say_so(accept: str, language: str, expected: str) -> None:
    xml = (
        '<locations><location id="page" href="http://p/" http_role="browser"/>'
        '<location id="other" href="http://o/" http_role="no_conneg"/>'
        '<location id="bib" href="http://b/" http_role="conneg" ctype="application/x-bibtex"/>'
        '<location id="rdf" href="http://r/" http_role="conneg" media-type="application/rdf+xml"/></locations>'
    )
    found = choose(locations(xml), Chooser(accept=accept, accept_language=language, chance=always(0)))
    assert found is not None
    assert (found.location.attributes["id"], found.vary) == (expected, ("Accept",))


def test_a_language_chooses_and_is_told_to_caches() -> None:
    xml = (
        '<locations><location id="de" href="http://d/" language="de"/>'
        '<location id="en" href="http://e/" language="en-GB"/><location id="any" href="http://a/"/></locations>'
    )
    for header, expected in (("de", "de"), ("fr, en;q=0.5", "en"), ("en-GB", "en"), ("fr", "any"), ("", "any")):
        found = choose(locations(xml), Chooser(accept_language=header, chance=always(0)))
        assert found is not None
        assert (found.location.attributes["id"], found.vary) == (expected, ("Accept-Language",))


def test_urls_are_further_locations_with_a_weight_of_the_root() -> None:
    link = url("https://example.com/url", 2)
    one = '<locations{}><location href="http://l/" weight="1"/></locations>'
    assert chosen(one.format(""), link, chance=0.99) == "http://l/"
    assert chosen(one.format(' urlWeight="1"'), link, chance=0.99) == "https://example.com/url"
    assert len(locations_of([loc(one.format("")), link], NAME, legacy=False)[0].locations) == 1
    assert chosen("<locations/>", link) == "https://example.com/url"


def test_a_template_is_filled_with_the_handle() -> None:
    xml = '<locations><location href_template="https://e.org/?h={hdl}&amp;p={hdl:path}"/></locations>'
    (made,) = locations(xml).locations
    assert made.href == "https://e.org/?h=88.118.8%2FA%20b%2Fc&p=88.118.8/A%20b/c"


def test_what_must_not_be_redirected_to_is_never_chosen() -> None:
    xml = '<locations><location id="bad" href="javascript:alert(1)" weight="9"/><location id="good" href="http://g/"/></locations>'
    assert chosen(xml) == "good"
    assert chosen('<locations><location href="data:text/html,x"/></locations>') is None


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<locations>",
        "<other/>",
        '<!DOCTYPE locations [<!ENTITY x "http://e/">]><locations><location href="&x;"/></locations>',
        '<!DOCTYPE locations SYSTEM "http://example.com/x.dtd"><locations/>',
        "<locations>&undefined;</locations>",
        "<locations>" + "<location/>" * 1_001 + "</locations>",
        "<locations>" + " " * XML_OCTETS_MAX + "</locations>",
        '<?xml version="1.0" encoding="nonsense"?><locations/>',
    ],
)
def test_broken_or_dangerous_xml_is_ignored_and_told(xml: str) -> None:
    with pytest.raises(BadLocations):
        parse_locations(xml.encode())
    found, faults = locations_of([loc(xml, 3), url("https://example.com/1", 4)], NAME)
    assert [location.href for location in found.locations] == ["https://example.com/1"]
    assert faults[0].startswith("value 3: ")


@given(st.binary(max_size=200))
def test_any_octets_are_locations_or_are_refused(octets: bytes) -> None:
    try:
        parse_locations(octets)
    except BadLocations:
        return


def test_rel_attributes_links_and_header_values_become_headers() -> None:
    xml = (
        '<locations><location href="https://e.org/1" rel="describedby" type="application/json" '
        'title="a &quot;b&quot;"/><location href="https://e.org/2"/></locations>'
    )
    links = (
        '<links><link href="https://e.org/3" rel="license" title="轴承"/><link href="javascript:x" rel="x"/></links>'
    )
    lines = (
        "Content-Language: zh\nSet-Cookie: a=b\nX-Extra: 1\nX-Other: 2\nLocation: http://e/\nCache-Control: a\rb\n轴: 1"
    )
    values = [loc(links, 2, "10320/links"), loc(lines, 3, "10320/HEADERS")]
    assert headers_of(values, locations(xml).locations, frozenset(("x-extra",))) == [
        ("Link", '<https://e.org/1>; rel="describedby"; type="application/json"; title="a \\"b\\""'),
        ("Link", "<https://e.org/3>; rel=\"license\"; title*=UTF-8''%E8%BD%B4%E6%89%BF"),
        ("Content-Language", "zh"),
        ("X-Extra", "1"),
    ]


def test_headers_are_bounded() -> None:
    many = "".join(f'<link href="https://e.org/{number}" rel="x"/>' for number in range(50))
    assert len(headers_of([loc(f"<links>{many}</links>", 1, "10320/links")], (), frozenset())) == LINKS_MAX
    long = "<links>" + f'<link href="https://e.org/{"a" * 3_000}" rel="x"/>' * 2 + "</links>"
    headers = headers_of([loc(long, 1, "10320/links")], (), frozenset())
    assert sum(len(name) + len(text) for name, text in headers) < OCTETS_MAX


def way(*values: Value, **asked: object) -> str:
    record = Record(render(identifier_state(NAME, *values)))
    return way_of(record, NAME, Directions(Wanted(), Chooser(chance=always(0)), **asked)).location  # type: ignore[arg-type] # named by each test


def test_handlers_apply_in_their_order() -> None:
    link, more, mail = (
        url("https://e.org/u", 2),
        Value(3, "URL.MORE", b"https://e.org/m"),
        Value(4, "EMAIL", b"a@e.org"),
    )
    locate = loc('<locations><location href="https://e.org/l"/></locations>')
    assert way(locate, link, more, mail) == "https://e.org/l"
    assert way(locate, link, plain_only=True) == "https://e.org/u"
    assert way(more, link, mail) == "https://e.org/u"
    assert way(more, mail) == "https://e.org/m"
    assert way(mail) == "mailto:a@e.org"
    assert way(Value(1, "EMAIL", b"none")) == ""
    assert way(loc("<broken"), link) == "https://e.org/u"
    assert way(Value(1, "HS_URL", b"https://e.org/h")) == ""
    assert way(Value(1, "10320/loc", locate.data, permissions=0b1100), link) == "https://e.org/u"


def test_the_shortest_life_of_what_was_used_counts() -> None:
    short = Value(1, "10320/loc", b'<locations><location href="https://e.org/l"/></locations>', ttl=60)
    unused = Value(2, "NOTE", b"x", ttl=5)
    record = Record(render(identifier_state(NAME, short, unused, Value(3, "URL", b"https://e.org/u", ttl=600))))
    assert way_of(record, NAME, Directions(Wanted(), Chooser())).max_age_s(record, 0) == 60
    absolute = Value(1, "URL", b"https://e.org/u", ttl=1_000, ttl_absolute=True)
    record = Record(render(identifier_state(NAME, absolute, loc("<locations/>", 9))))
    assert way_of(record, NAME, Directions(Wanted(), Chooser())).max_age_s(record, 990) == 10
