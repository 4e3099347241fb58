"""Table 9.7 of the docking contract, line by line."""

import pytest

from sync.answers import Action, decide


@pytest.mark.parametrize(
    ("status", "code", "action"),
    [
        (200, "", "store_receipt"),
        (202, "", "poll_receipt"),
        (400, "malformed", "halt_stream"),
        (401, "signature_missing", "pause_link"),
        (401, "signature_invalid", "pause_link"),
        (401, "key_unknown", "pause_link"),
        (401, "clock_skew", "pause_link"),
        (403, "forbidden_scope", "halt_stream"),
        (404, "unknown_table", "halt_stream"),
        (404, "unknown_batch", "reconcile"),
        (409, "batch_conflict", "halt_stream"),
        (409, "out_of_order", "reconcile"),
        (413, "too_large", "split"),
        (415, "unsupported_encoding", "send_plain"),
        (422, "digest_mismatch", "rebuild"),
        (422, "row_count_mismatch", "rebuild"),
        (422, "schema_unsupported", "halt_stream"),
        (424, "dependency_missing", "dependency"),
        (425, "", "retry"),
        (429, "rate_limited", "retry"),
        (503, "unavailable", "retry"),
        (408, "", "retry"),
        (500, "", "retry"),
        (502, "", "retry"),
        (504, "", "retry"),
    ],
)
def test_each_answer_of_the_contract_leads_to_its_action(status: int, code: str, action: Action) -> None:
    assert decide(status, code) == action


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 405, 409, 418, 422])
def test_an_answer_of_something_else_than_a_collector_pauses_the_link_and_blames_no_stream(status: int) -> None:
    assert decide(status, "") == "pause_link"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 422])
def test_a_code_that_the_contract_does_not_have_stops_one_stream_and_no_other(status: int) -> None:
    assert decide(status, "not-of-this-profile") == "halt_stream"


@pytest.mark.parametrize("status", [501, 507, 599])
def test_a_servers_unknown_error_is_waited_out(status: int) -> None:
    assert decide(status, "") == "retry"


def test_a_proxy_that_finds_the_body_too_large_is_heeded() -> None:
    assert decide(413, "") == "split"
