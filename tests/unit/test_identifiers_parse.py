"""From any text to its identifier: which scheme a text belongs to, and what its key is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.identifier import Identifier, Invalid
from identifiers.parse import candidates, parse
from identifiers.recognise import Context
from tests.unit import identifier_values  # noqa: F401 - sets the Hypothesis profile

VECTORS = Path(__file__).parent / "data" / "identifier_vectors.tsv"


def vectors() -> list[tuple[str, str]]:
    lines = [line for line in VECTORS.read_text(encoding="utf-8").splitlines() if not line.startswith("# ")]
    pairs = [line.split("\t") for line in lines]
    return [(text.encode("latin-1", "backslashreplace").decode("unicode_escape"), outcome) for text, outcome in pairs]


def outcome(found: Identifier | Invalid) -> str:
    return found.key if isinstance(found, Identifier) else "!" + found.code


@pytest.mark.parametrize(("text", "expected"), vectors())
def test_vector(text: str, expected: str) -> None:
    assert outcome(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("VAA08899900015907SN-0007", "VAA"),
        ("15NVAA08899900015907a+b(1)!", "VAA"),
        ("[)>\x1e06\x1d15NVAA08899900015907SN-0007\x1e\x04", "VAA"),
        ("]d1[)>\x1e06\x1d1TLOT9\x1d15NVAA08899900015907SN.9\x1e\x04", "VAA"),
        ("1.2.156.999999.7.12", "OID"),
        ("urn:oid:2.16.156.999999.1", "OID"),
        ("OID:1.2.156.0.3", "OID"),
        ("E=10600123456789", "Ecode"),
        ("(01)09521234567882(21)SN0001(10)L7", "GS1"),
        ("]C100009521234567880121", "GS1"),
        ("https://id.example.cn/01/09521234567882/21/a%2Fb/", "GS1"),
        ("https://id.example.cn/8003/09521234567882RC17", "GS1"),
        ("did:bid:ab12", "DID"),
        ("did:cn:88.999.15907#key-1", "DID"),
    ],
)
def test_schemes_not_served_are_recognised_and_named(text: str, name: str) -> None:
    found = parse(text)
    assert isinstance(found, Invalid)
    assert found.code == "unsupported_form"
    assert name in found.message


def test_white_space_of_scanners_is_removed() -> None:
    found = parse(" \t88.999.15907/PUMP-0007\r\n")
    assert isinstance(found, Identifier)
    assert found.spelling == "88.999.15907/PUMP-0007"


def test_symbology_identifiers_without_a_meaning_of_their_own_are_dropped() -> None:
    assert outcome(parse("]Q188.999.15907/a")) == "hdl:88.999.15907/A"
    assert outcome(parse("]d195212340")) == "gs1:01/00000095212340"


def test_the_spelling_is_the_name_without_its_wrapper() -> None:
    found = parse("HDL:88.999.15907/a%2Fb+c")
    assert isinstance(found, Identifier)
    assert found.spelling == "88.999.15907/a/b+c"


def test_what_follows_a_name_in_a_web_address_is_kept_apart() -> None:
    found = parse("https://hdl.handle.net:443/88.999.15907/a?type=URL#top")
    assert isinstance(found, Identifier)
    assert (found.key, found.query, found.fragment) == ("hdl:88.999.15907/A", "type=URL", "top")


def test_paths_of_own_hosts_are_handles() -> None:
    context = Context(own_hosts=frozenset({"id.example.cn"}))
    text = "https://ID.example.cn/88.999.15907/a"
    assert outcome(parse(text)) == "!unsupported_form"
    assert outcome(parse(text, context=context)) == "hdl:88.999.15907/A"
    assert outcome(parse("https://id.example.cn/88.999.15907", context=context)) == "hdl:0.NA/88.999.15907"
    assert outcome(parse("https://id.example.cn/01/09521234567882", context=context)) == "gs1:01/09521234567882"
    assert outcome(parse("https://id.example.cn/about", context=context)) == "!unsupported_form"


def test_ecode_hosts_are_configured() -> None:
    found = parse("http://e.example.cn/x/E=1060", context=Context(ecode_hosts=frozenset({"e.example.cn"})))
    assert isinstance(found, Invalid)
    assert "Ecode" in found.message


def test_links_to_a_gtin_have_any_stem_query_and_trailing_slash() -> None:
    found = parse("http://example.com/a/b/01/09521234567882/?linkType=all")
    assert isinstance(found, Identifier)
    assert (found.key, found.query) == ("gs1:01/09521234567882", "linkType=all")
    assert outcome(parse("https://example.com/01/0952123456788%32")) == "gs1:01/09521234567882"


@pytest.mark.parametrize(
    "text", ["hdl:88.999.15907/%", "hdl:88.999.15907/%zz", "hdl:88.999.15907/%ff", "hdl:88.1/\ud800"]
)
def test_percent_encoding_must_be_right_and_utf_8(text: str) -> None:
    assert outcome(parse(text)) == "!bad_char"


def test_percent_encoding_is_taken_off_once_and_only_from_uris() -> None:
    assert outcome(parse("hdl:88.999.15907/%2541")) == "hdl:88.999.15907/%41"
    assert outcome(parse("88.999.15907/%41")) == "hdl:88.999.15907/%41"


def test_positions_count_from_the_beginning_of_the_input() -> None:
    found = parse("  hdl:88.999.15907/a\u202e")
    assert isinstance(found, Invalid)
    assert found.position == 20
    link = parse("https://example.com/01/09521234567883")
    assert isinstance(link, Invalid)
    assert link.position == 36


def test_full_width_text_is_suggested_in_half_width_and_never_converted() -> None:
    found = parse("８８．９９９．１５９０７／ＰＵＭＰ")
    assert isinstance(found, Invalid)
    assert found.suggestion == "88.999.15907/PUMP"
    digits = parse("9521234567882".translate({digit: digit + 0xFEE0 for digit in range(48, 58)}))
    assert isinstance(digits, Invalid)
    assert digits.suggestion == "9521234567882"


def test_other_roots_need_the_scheme() -> None:
    assert outcome(parse("20.500.999/x")) == "!unknown_scheme"
    assert outcome(parse("20.500.999/x", scheme="hdl")) == "hdl:20.500.999/X"
    assert outcome(parse("hdl:20.500.999/x")) == "hdl:20.500.999/X"
    assert outcome(parse("https://hdl.handle.net/20.500.999/x")) == "hdl:20.500.999/X"


def test_the_scheme_overrides_the_rules() -> None:
    assert outcome(parse("1.2.156", scheme="hdl")) == "hdl:0.NA/1.2.156"
    assert outcome(parse("88.99.1/x", scheme="hdl")) == "hdl:88.99.1/X"
    assert outcome(parse("hdl:20.500.999/x", scheme="hdl")) == "hdl:20.500.999/X"
    assert outcome(parse("88.999.15907/x", scheme="gs1")) == "!bad_char"
    assert outcome(parse("95212340", scheme="gs1")) == "gs1:01/00000095212340"
    assert outcome(parse("1060", scheme="ecode")) == "!unsupported_form"
    assert outcome(parse("x", scheme="isbn")) == "!unknown_scheme"  # type: ignore[arg-type]  # from a query parameter


def test_a_format_06_message_without_a_vaa_code_is_unknown() -> None:
    assert outcome(parse("[)>\x1e06\x1d1TLOT9\x1e\x04")) == "!unknown_scheme"
    assert outcome(parse("[)>\x1e05\x1d15NVAA\x1e\x04")) == "!unknown_scheme"


def test_texts_over_4096_characters_are_refused_first() -> None:
    assert outcome(parse(" " * 4_097)) == "!too_long"
    assert outcome(parse(" " * 4_096)) == "!empty"


def test_codes_of_other_schemes_have_one_key_to_try() -> None:
    found = parse("95212340")
    assert isinstance(found, Identifier)
    assert candidates(found) == (found.key,)


beginnings = st.sampled_from(
    [
        "",
        "88.118.8/",
        "hdl:",
        "urn:hdl:",
        "https://hdl.handle.net/",
        "https://a/01/",
        "did:",
        "0.NA/",
        "]C1",
        "[)>\x1e06\x1d",
    ]
)


@given(beginnings, st.text(max_size=40), st.sampled_from([None, "hdl", "gs1", "oid", "vaa", "ecode", "did"]))
def test_no_text_raises(beginning: str, rest: str, scheme: str | None) -> None:
    text = beginning + rest
    found = parse(text, scheme=scheme)  # type: ignore[arg-type]  # strategies return plain strings
    if isinstance(found, Identifier):
        assert found.key == f"{found.scheme}:{found.canonical}"
        assert found.key in candidates(found)
    else:
        assert found.message
        assert found.suggestion is None or isinstance(parse(found.suggestion, scheme=scheme), Identifier)  # type: ignore[arg-type]  # as above
