"""Resolution over the Handle protocol: what is found, what is not, and what nobody may see."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from identifiers.changes import Change
from identifiers.handle_wire.answers import Failure, Referral, Resolved, SiteInfo
from identifiers.handle_wire.codes import DO_NOT_REFER, PUBLIC_ONLY, REQUEST_FLAGS, RETURN_DIGEST
from identifiers.handle_wire.digests import digest_of
from identifiers.handle_wire.requests import GetSiteInfo, Resolution
from identifiers.values import Value
from tests.integration.handle_worker import SITE, Datagrams, Stream, both_ways, decoded, handle_worker, request
from tests.integration.running_worker import HIDDEN, PREFIX, PRIVATE, Worker, examples, fill
from tests.unit.replica_states import MOMENT, alias_change, identifier_change, identifier_state, prefix_change

EVERYTHING = REQUEST_FLAGS & ~PUBLIC_ONLY


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    writer = fill(
        tmp_path / "replica",
        [
            *examples(),
            identifier_change(
                30,
                f"{PREFIX}/NESTED",
                Value(1, "X", b"base"),
                Value(2, "X.Y", b"below"),
                Value(3, "XY", b"beside"),
                Value(4, "x.z", b"below, in lower case"),
            ),
            prefix_change(31, "88.118.11", state="suspended"),
            alias_change(32, f"{PREFIX}/OTHER", f"{PREFIX}/SN1"),
            identifier_change(33, f"{PREFIX}/BOTH", Value(1, "A", b"a", PRIVATE), Value(2, "B", b"b", HIDDEN)),
        ],
    )
    async with handle_worker(tmp_path) as running:
        yield running
    writer.close()


async def asked(worker: Worker, resolution: Resolution, flags: int = REQUEST_FLAGS) -> tuple[int, object]:
    """Return code and body, the same over both transports and with and without the fast path."""
    answers = await both_ways(worker, request(resolution, flags=flags))
    # A request digest keeps a request from the fast path.
    answers = [*answers, *await both_ways(worker, request(resolution, flags=flags | RETURN_DIGEST))]
    shown = [(message.header.rc, answer.body) for message, answer in map(decoded, answers)]
    assert shown.count(shown[0]) == 4, shown
    return shown[0]


def values_of(body: object) -> list[tuple[int, bytes]]:
    assert isinstance(body, Resolved)
    return [(value.index, value.data) for value in body.values]


async def test_all_public_values_come_in_ascending_order_under_the_name_as_it_was_asked(worker: Worker) -> None:
    rc, body = await asked(worker, Resolution(f"{PREFIX}/sn1"))
    assert rc == 1
    assert isinstance(body, Resolved)
    assert body.name == f"{PREFIX}/sn1"
    assert [value.index for value in body.values] == [1, 2, 3]


async def test_values_are_selected_by_index_or_type(worker: Worker) -> None:
    rc, body = await asked(worker, Resolution(f"{PREFIX}/SN1", (2, 0), ("url",)))
    assert (rc, [index for index, _ in values_of(body)]) == (1, [1, 2])


async def test_a_type_ending_in_a_dot_takes_everything_below_it(worker: Worker) -> None:
    _, body = await asked(worker, Resolution(f"{PREFIX}/NESTED", (), ("X.",)))
    assert [index for index, _ in values_of(body)] == [1, 2, 4]
    _, body = await asked(worker, Resolution(f"{PREFIX}/NESTED", (), ("X",)))
    assert [index for index, _ in values_of(body)] == [1]


@pytest.mark.parametrize("selection", [((9,), ()), ((), ("NOPE",)), ((0,), ())])
async def test_a_selection_of_nothing_is_200(
    worker: Worker, selection: tuple[tuple[int, ...], tuple[str, ...]]
) -> None:
    assert await asked(worker, Resolution(f"{PREFIX}/SN1", *selection)) == (200, Failure())


async def test_a_record_without_values_is_200(worker: Worker) -> None:
    assert (await asked(worker, Resolution(f"{PREFIX}/EMPTY")))[0] == 200


async def test_unknown_names_are_100_under_our_prefixes_and_301_elsewhere(worker: Worker) -> None:
    assert (await asked(worker, Resolution(f"{PREFIX}/NOPE")))[0] == 100
    assert (await asked(worker, Resolution("20.500.998/X")))[0] == 301
    assert (await asked(worker, Resolution("0")))[0] == 301
    assert (await asked(worker, Resolution("0.0/0.0")))[0] == 301


async def test_withdrawn_names_are_100_and_suspended_prefixes_are_not_served(worker: Worker) -> None:
    rc, body = await asked(worker, Resolution(f"{PREFIX}/GONE"))
    assert rc == 100
    assert isinstance(body, Failure)
    assert "withdrawn" in body.text
    for name in ("88.118.11/X", "0.NA/88.118.11"):
        rc, body = await asked(worker, Resolution(name))
        assert rc == 301
        assert isinstance(body, Failure)
        assert "suspended" in body.text


@pytest.mark.parametrize("name", ["a\x01b/c", "/x", "88..118/x"])
async def test_names_that_are_none_are_102(worker: Worker, name: str) -> None:
    assert (await asked(worker, Resolution(name)))[0] == 102


async def test_a_name_that_is_not_utf8_is_102(worker: Worker) -> None:
    octets = request(Resolution("8/abcd")).replace(b"8/abcd", b"8/\xff\xfe\xff\xff")
    for answer in await both_ways(worker, octets):
        assert decoded(answer)[0].header.rc == 102


async def test_an_alias_answers_with_what_it_leads_to(worker: Worker) -> None:
    rc, body = await asked(worker, Resolution(f"{PREFIX}/OTHER"))
    assert rc == 1
    assert isinstance(body, Resolved)
    assert (body.name, len(body.values)) == (f"{PREFIX}/OTHER", 3)


async def test_routed_prefixes_are_referred_unless_that_is_not_wanted(worker: Worker) -> None:
    rc, body = await asked(worker, Resolution("88.118.10/X"))
    assert rc == 302
    assert isinstance(body, Referral)
    assert body.handle == ""
    assert [value.type for value in body.values] == ["HS_SITE"]
    assert (await asked(worker, Resolution("88.118.10/X"), REQUEST_FLAGS | DO_NOT_REFER))[0] == 301


@pytest.mark.parametrize("name", [PREFIX, f"0.NA/{PREFIX}", f"0.na/{PREFIX}"])
async def test_a_prefix_served_here_has_our_site(worker: Worker, name: str) -> None:
    rc, body = await asked(worker, Resolution(name, (), ("HS_SITE",)))
    assert rc == 1
    assert values_of(body) == [(1, SITE)]


async def test_a_routed_prefix_has_its_enterprises_site(worker: Worker) -> None:
    rc, body = await asked(worker, Resolution("88.118.10", (), ("HS_SITE",)))
    assert rc == 1
    assert isinstance(body, Resolved)
    assert [value.type for value in body.values] == ["HS_SITE"]
    assert body.values[0].data != SITE


async def test_a_prefix_below_ours_is_100_and_any_other_301(worker: Worker) -> None:
    assert (await asked(worker, Resolution(f"0.NA/{PREFIX}.77")))[0] == 100
    assert (await asked(worker, Resolution("0.NA/20.500.998")))[0] == 301


async def test_private_and_hidden_values_do_not_exist_for_the_public(worker: Worker) -> None:
    _, body = await asked(worker, Resolution(f"{PREFIX}/MIXED"))
    assert values_of(body) == [(1, b"for all")]
    assert (await asked(worker, Resolution(f"{PREFIX}/MIXED", (2, 3))))[0] == 200
    assert (await asked(worker, Resolution(f"{PREFIX}/HIDDEN")))[0] == 200


async def test_asking_for_more_than_public_values_never_yields_them_unproven(worker: Worker) -> None:
    """Without anybody who could prove who they are, what is private is refused, and what is hidden not readable."""
    assert (await asked(worker, Resolution(f"{PREFIX}/MIXED"), EVERYTHING))[0] == 400
    assert (await asked(worker, Resolution(f"{PREFIX}/HIDDEN"), EVERYTHING))[0] == 401
    assert (await asked(worker, Resolution(f"{PREFIX}/BOTH"), EVERYTHING))[0] == 400
    assert (await asked(worker, Resolution(f"{PREFIX}/BOTH", (2,)), EVERYTHING))[0] == 401
    _, body = await asked(worker, Resolution(f"{PREFIX}/MIXED", (1,)), EVERYTHING)
    assert values_of(body) == [(1, b"for all")]


async def test_the_request_digest_is_in_front_of_the_body(worker: Worker) -> None:
    octets = request(Resolution(f"{PREFIX}/SN1"), flags=REQUEST_FLAGS | RETURN_DIGEST)
    for answer in await both_ways(worker, octets):
        message, body = decoded(answer)
        assert message.header.flags & RETURN_DIGEST
        assert body.digest == digest_of(octets[20:-4], 3)


async def test_site_information_is_the_site_record_and_not_an_octet_more(worker: Worker) -> None:
    for answer in await both_ways(worker, request(GetSiteInfo())):
        message, body = decoded(answer)
        assert (message.header.rc, body.body) == (1, SiteInfo(SITE))
        assert message.body == SITE


async def test_lookups_are_counted_once_by_transport(worker: Worker, tmp_path: Path) -> None:
    octets = request(Resolution(f"{PREFIX}/SN1"))
    async with await Stream.open(worker.handle_port) as stream:
        await stream.ask(octets)
        await stream.ask(request(Resolution(f"{PREFIX}/NOPE")))
        await stream.ask(request(Resolution(f"{PREFIX}/SN1"), flags=REQUEST_FLAGS | RETURN_DIGEST))
    with Datagrams(worker.handle_port) as datagrams:
        await datagrams.ask(octets)
    status, _, body = await worker.ask("/metrics")
    assert status == 200
    lines = [line for line in body.decode().splitlines() if line.startswith("idnode_lookups_total")]
    assert sorted(line.partition("{")[2] for line in lines) == [
        'process="worker-0",face="handle_tcp",outcome="absent"} 1.0',
        'process="worker-0",face="handle_tcp",outcome="found"} 2.0',
        'process="worker-0",face="handle_udp",outcome="found"} 1.0',
    ]


async def test_a_foreign_prefix_is_referred_to_where_its_stored_record_says(tmp_path: Path) -> None:
    name, sites = "0.NA/20.500.998", (Value(1, "HS_SITE", SITE), Value(2, "HS_SITE", b"secret", PRIVATE))
    record = Change(
        90, 90, MOMENT, "identifier", f"hdl:{name}", "create", msgspec.json.encode(identifier_state(name, *sites))
    )
    fill(tmp_path / "replica", [*examples(), record]).close()
    async with handle_worker(tmp_path) as worker:
        rc, body = await asked(worker, Resolution("20.500.998/x"))
        assert rc == 302
        assert body == Referral("", (Value(1, "HS_SITE", SITE),))
        assert (await asked(worker, Resolution("20.500.998/x"), REQUEST_FLAGS | DO_NOT_REFER))[0] == 301
        rc, body = await asked(worker, Resolution("20.500.998"))
        assert (rc, values_of(body)) == (1, [(1, SITE)])
