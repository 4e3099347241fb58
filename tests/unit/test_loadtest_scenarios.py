import itertools
import json
import math
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from loadtest import keys as keys_module
from loadtest.keys import KeyFile, KeyPattern, KeysError, open_keys
from loadtest.scenarios import ZipfRanks, places, read_requests, registrations, repeated

PATTERN = KeyPattern("88.118.8", 1000, "{prefix}/SN{n:07d}")


def test_a_pattern_numbers_its_identifiers_from_nought() -> None:
    keys = open_keys(PATTERN)
    assert (len(keys), keys[0], keys[999]) == (1000, "88.118.8/SN0000000", "88.118.8/SN0000999")
    assert list(keys[2:4]) == ["88.118.8/SN0000002", "88.118.8/SN0000003"]
    with pytest.raises(IndexError):
        keys[1000]


@pytest.mark.parametrize(
    "text", ["{prefix}/x", "{n}{n}", "{n:999d}", "{n!r}", "{prefix.x}/{n}", "{other}{n}", "{n", "{prefix:>9}/{n}"]
)
def test_a_format_that_does_not_number_is_refused(text: str) -> None:
    with pytest.raises(KeysError, match="format"):
        open_keys(KeyPattern("88.118.8", 10, text))


def test_a_file_gives_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("88.118.8/a\n\n  88.118.8/二维码\n", encoding="utf-8")
    assert list(open_keys(KeyFile(str(path)))) == ["88.118.8/a", "88.118.8/二维码"]


def test_a_file_that_is_empty_missing_or_out_of_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, long, many = (tmp_path / name for name in ("empty", "long", "many"))
    empty.write_text("\n")
    long.write_text("x" * 5000)
    many.write_text("a\n" * 11)
    monkeypatch.setattr(keys_module, "FILE_LINES_MAX", 10)
    for path in (empty, tmp_path / "missing", long, many):
        with pytest.raises(KeysError, match=path.name):
            open_keys(KeyFile(str(path)))


def test_uniform_asks_for_all_alike() -> None:
    place = places("uniform", 10, 1.0, random.Random(1))
    drawn = Counter(place() for _ in range(20_000))
    assert set(drawn) == set(range(10))
    assert all(1700 < count < 2300 for count in drawn.values())


@pytest.mark.parametrize("exponent", [0.5, 0.99, 1.0, 1.5])
def test_zipf_ranks_have_the_probabilities_of_zipfs_law(exponent: float) -> None:
    size, draws = 50, 40_000
    ranks = ZipfRanks(size, exponent, random.Random(7))
    drawn = Counter(ranks() for _ in range(draws))
    weights = [(rank + 1) ** -exponent for rank in range(size)]
    assert set(drawn) <= set(range(size))
    for rank, weight in enumerate(weights):
        expected = draws * weight / sum(weights)
        assert abs(drawn[rank] - expected) < 5 * math.sqrt(expected)


def test_zipf_spreads_the_popular_ones_and_reaches_every_one() -> None:
    place = places("zipf", 100, 1.0, random.Random(1))
    drawn = Counter(place() for _ in range(20_000))
    assert set(drawn) == set(range(100))
    popular = [place for place, _ in drawn.most_common(3)]
    assert max(popular) - min(popular) > 10


def test_one_key_is_enough_for_every_scenario() -> None:
    for scenario in ("uniform", "zipf", "misses"):
        assert places(scenario, 1, 1.0, random.Random(1))() == 0


def test_misses_ask_for_what_no_key_is() -> None:
    keys = open_keys(PATTERN)
    place = places("misses", len(keys), 1.0, random.Random(1))
    requests = read_requests(keys, "h", place, absent=True, limit=500)
    asked = {request.split(b" ")[1].decode().removeprefix("/api/handles/") for request in requests}
    assert asked.isdisjoint(keys)


def test_an_identifier_is_percent_encoded_but_keeps_its_slashes() -> None:
    (request,) = read_requests(["88.118.8/二 #?"], "h", lambda: 0, absent=False, limit=1)
    assert request.startswith(b"GET /api/handles/88.118.8/%E4%BA%8C%20%23%3F HTTP/1.1\r\nHost: h\r\n")


def test_the_same_seed_asks_the_same_and_the_requests_never_end() -> None:
    keys = open_keys(PATTERN)
    first, second = (
        read_requests(keys, "h", places("zipf", 1000, 1.1, random.Random(3)), absent=False, limit=20) for _ in "ab"
    )
    assert first == second
    assert list(itertools.islice(repeated(first), 45)) == first + first + first[:5]


def test_each_registration_is_new_and_looks_up_what_it_registered() -> None:
    made = list(itertools.islice(registrations("88.118.9", "h", "secret", run="r1"), 50))
    assert len({one.put for one in made}) == 50
    for one in made:
        target = one.put.split(b" ")[1].removeprefix(b"/api/v1/identifiers/")
        assert one.get.split(b" ")[1] == b"/api/handles/" + target
        assert target.startswith(b"88.118.9/")
        assert b"Authorization: Bearer secret\r\n" in one.put
        assert b"secret" not in one.get
        values = json.loads(one.put.partition(b"\r\n\r\n")[2])["values"]
        assert [value["index"] for value in values] == [1, 2000, 2001, 2002, 2003]
    other = next(registrations("88.118.9", "h", "secret", run="r2"))
    assert other.put not in {one.put for one in made}


def test_a_plan_read_from_outside_is_bounded() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"pattern","prefix":"","count":1}', type=KeyPattern)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"pattern","prefix":"a","count":100000001}', type=KeyPattern)
