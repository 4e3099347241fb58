"""Where Handle software differs from RFC 3652, what this server does, and where that is shown (handle wire 21).

versions and envelope
  1  versions above 2.1             `test_each_version_is_answered_in_its_own_and_with_its_own_digest`
  2  length of the whole message    `test_every_packet_of_an_answer_says_the_length_of_the_whole_and_that_it_is_a_part`
  3  TRUNCATED                      the same, and `test_packets_of_a_request_need_not_say_that_they_are_parts`
  4  who keeps a connection         `test_resolver_handle_transports`, `test_handle_client_traps`
  5  pipelines                      `test_resolver_handle_transports`
  6  expiration                     `test_handle_must_never` (clocks); every answer in `tests.handle_answers`
  7  digests                        `test_each_version_is_answered_in_its_own_and_with_its_own_digest`
 39  digests below 2.1              the same
challenges and sessions
  8  nonces of 16 octets            `test_handle_authentication`
  9  what proofs are made over      `test_identifiers_handle_wire_proofs`
 10  how they are made              `test_handle_authentication` (every form of secret proof)
 11  op 200 has another's answer    `test_handle_authentication`, `test_handle_golden_administration`
 12  PUBLIC_ONLY and who logged in  `test_handle_must_never` (who is shown what), `test_handle_client_traps`
 15  ids made up by clients         `test_handle_authentication`
 16  set-ups have fixed fields      `test_identifiers_handle_wire_vectors`
 17  what a MAC covers              `test_identifiers_handle_wire_keys`, `test_handle_hostile_octets`
 18  the signer's index counts      `test_handle_authentication` (counters)
 36  a challenge is good once       `test_handle_must_never` (once)
 37  counters, 0 among them         `test_handle_authentication`
 38  unknown sessions               `test_handle_authentication`
bodies and values
 13  octets after the types         `test_handle_client_traps` (tokens), `test_resolver_handle_golden`
 14  no credential at all           `test_a_message_may_end_behind_its_body`
 19  timestamps of four octets      `test_identifiers_wire`
 20  permissions first in HS_ADMIN  `test_identifiers_predefined`
 21  HS_SITE                        `test_identifiers_predefined`, `test_resolver_handle_golden`
 22  a create is answered by name   `test_handle_administration`
 29  an error has a text            `test_an_error_has_a_text_and_no_list_of_indexes`
 34  values in the order of index   `test_resolver_handle_resolution`
 40  hidden values                  `test_handle_must_never`, `test_resolver_handle_resolution`
administration
 23  removing what is not there     `test_handle_administration`
 24  a value becomes HS_ADMIN       `test_handle_administration`
 25  values that nobody may change  `test_handle_administration`
 26  rights that lack are 400       `test_handle_administration`
 27  who creates                    `test_handle_administration`
 28  no codes from 900              `test_identifiers_handle_wire_replies`, `test_handle_hostile_octets`
 30  op 106                         `test_handle_administration`
 31  unknown operations             `test_resolver_handle_transports`
 32  what cannot be decoded         `test_resolver_handle_transports`, `test_resolver_handle_golden`
 33  changes over UDP               `test_resolver_handle_transports`
 35  prefixes as records            `test_resolver_handle_resolution`
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from identifiers.handle_wire.answers import Failure, Resolved
from identifiers.handle_wire.codes import MD5, REQUEST_FLAGS, RETURN_DIGEST, SHA1, SHA256, TRUNCATED
from identifiers.handle_wire.digests import digest_of
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, parse_envelope
from identifiers.handle_wire.requests import DeleteHandle, GetSiteInfo, Resolution
from identifiers.handle_wire.udp import PART_OCTETS_MAX, packets
from identifiers.handle_wire.versions import OURS, Version
from tests.handle_answers import check_answer
from tests.integration.handle_worker import Datagrams, Stream, both_ways, decoded, handle_worker, request
from tests.integration.running_worker import PREFIX, Worker, examples, fill

NONE = Version(0, 0)
DIGEST_FLAGS = REQUEST_FLAGS | RETURN_DIGEST
SN1 = Resolution(f"{PREFIX}/SN1")


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("differences")
    fill(directory / "replica", examples()).close()
    return directory


@pytest.fixture
async def worker(replica: Path) -> AsyncIterator[Worker]:
    async with handle_worker(replica) as running:
        yield running


@pytest.mark.parametrize(
    ("written", "suggested", "answered", "algorithm"),
    [
        (OURS, OURS, OURS, SHA256),
        (Version(2, 10), OURS, OURS, SHA256),
        (Version(2, 3), OURS, OURS, SHA256),
        (Version(2, 8), NONE, Version(2, 8), SHA256),
        (Version(2, 7), NONE, Version(2, 7), SHA256),
        (Version(2, 6), NONE, Version(2, 6), SHA1),
        (Version(2, 1), NONE, Version(2, 1), SHA1),
        (Version(2, 0), NONE, Version(2, 0), None),
        (Version(1, 0), NONE, Version(1, 0), None),
        (Version(5, 0), NONE, Version(5, 0), None),
        (Version(2, 12), Version(2, 12), OURS, SHA256),
        (Version(3, 0), Version(3, 0), OURS, SHA256),
        (Version(4, 0), NONE, OURS, SHA256),
    ],
)
async def test_each_version_is_answered_in_its_own_and_with_its_own_digest(
    worker: Worker, written: Version, suggested: Version, answered: Version, algorithm: int | None
) -> None:
    for asked in (SN1, Resolution(f"{PREFIX}/NOT-THERE")):
        octets = request(asked, version=written, suggested=suggested, flags=DIGEST_FLAGS)
        for answer in await both_ways(worker, octets):
            message, (_, digest) = decoded(answer)
            assert (message.envelope.version, message.envelope.suggested) == (answered, OURS)
            assert bool(message.header.flags & RETURN_DIGEST) == (algorithm is not None)
            assert digest == (None if algorithm is None else digest_of(octets[ENVELOPE_OCTETS:-4], algorithm))
            assert digest is None or digest.algorithm != MD5


async def test_every_packet_of_an_answer_says_the_length_of_the_whole_and_that_it_is_a_part(worker: Worker) -> None:
    with Datagrams(worker.handle_port) as datagrams:
        datagrams.send(request(Resolution(f"{PREFIX}/LARGE"), flags=DIGEST_FLAGS))
        message, parts = await datagrams.message_and_packets()
        envelopes = [parse_envelope(part) for part in parts]
        assert len(parts) > 2
        assert {envelope.length for envelope in envelopes} == {len(message) - ENVELOPE_OCTETS}
        assert [envelope.sequence for envelope in envelopes] == list(range(len(parts)))
        assert all(envelope.flags == TRUNCATED for envelope in envelopes)
        assert all(len(part) == ENVELOPE_OCTETS + PART_OCTETS_MAX for part in parts[:-1])
        datagrams.send(request(SN1))
        _, (only,) = await datagrams.message_and_packets()
        assert parse_envelope(only).flags == 0


@pytest.mark.parametrize("says", [True, False])
async def test_packets_of_a_request_need_not_say_that_they_are_parts(worker: Worker, *, says: bool) -> None:
    octets = request(Resolution(SN1.name, types=("URL", "x" * 1_000)), flags=DIGEST_FLAGS)
    pieces = [piece[:2] + bytes((piece[2] & ~TRUNCATED | says * TRUNCATED,)) + piece[3:] for piece in packets(octets)]
    assert len(pieces) > 2
    with Datagrams(worker.handle_port) as datagrams:
        datagrams.send(*pieces)
        message = check_answer(await datagrams.message(), parse_envelope(octets), octets[ENVELOPE_OCTETS:])
    assert message.header.rc == 1


async def test_a_message_may_end_behind_its_body(worker: Worker) -> None:
    for asked in (SN1, GetSiteInfo()):
        octets = request(asked)
        shorter = octets[:16] + (len(octets) - ENVELOPE_OCTETS - 4).to_bytes(4, "big") + octets[ENVELOPE_OCTETS:-4]
        for with_field, without in zip(await both_ways(worker, octets), await both_ways(worker, shorter), strict=True):
            assert decoded(without)[1] == decoded(with_field)[1]


async def test_an_error_has_a_text_and_no_list_of_indexes(worker: Worker) -> None:
    for asked in (
        Resolution(f"{PREFIX}/NOT-THERE"),
        Resolution(f"{PREFIX}/SN1", indexes=(9,)),
        Resolution("20.500.1/X"),
        Resolution("bad\1"),
    ):
        for answer in await both_ways(worker, request(asked)):
            message, (body, _) = decoded(answer)
            assert isinstance(body, Failure)
            assert body.indexes == ()
            assert len(message.body) == 4 + len(body.text.encode())
            assert "\n" not in body.text


async def test_a_stream_client_reads_to_the_end_and_gets_one_whole_answer(worker: Worker) -> None:
    for asked in (SN1, DeleteHandle("20.500.1/X"), Resolution(f"{PREFIX}/HUGE")):
        octets = request(asked, version=Version(2, 1), suggested=NONE, flags=DIGEST_FLAGS)
        async with await Stream.open(worker.handle_port) as stream:
            stream.send(octets)
            check_answer(await stream.rest(), parse_envelope(octets), octets[ENVELOPE_OCTETS:])


async def test_values_come_in_the_order_of_their_indexes_whatever_was_asked(worker: Worker) -> None:
    for answer in await both_ways(worker, request(Resolution(SN1.name, indexes=(3, 1, 2, 1), types=("NAME", "URL")))):
        body = decoded(answer)[1].body
        assert isinstance(body, Resolved)
        assert [value.index for value in body.values] == [1, 2, 3]
